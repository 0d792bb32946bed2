"""Styles are inferred from avatars by Bayes' formula, and judged by how sure and how right."""

from itertools import product

import numpy as np
import pytest

from stages.bayes.calibration import (
    calibration_error,
    calibration_interval,
    group_by_confidence,
    judge,
)
from stages.bayes.generators.base import smoothing_mass
from stages.bayes.generators.styled import Styled, style_codes
from stages.bayes.inference import (
    best_weight,
    choose_examples,
    choose_metrics,
    indices_in_table,
    infer_styles,
    judge_inference,
    log_marginals,
    posterior,
)
from stages.bayes.styles import all_styles, encode_style, joint
from stages.common.errors import InputError
from tests.avatar_files import dress_avatars, fit_model

SMOOTHING = 0.2
MODEL = fit_model()
TRAINING = dress_avatars(24, 0)
FITTED = Styled.fit(TRAINING, MODEL, SMOOTHING)
HOLDOUT = dress_avatars(40, 9)


def test_the_posterior_is_bayes_formula() -> None:
    prior, evidence = np.array([[0.5, 0.3], [0.2, 0.0]]), np.log([[0.1, 0.2, 0.4, 0.9]])
    (plain,) = np.exp(posterior(prior, evidence, 1))
    assert plain == pytest.approx(np.array([0.05, 0.06, 0.08, 0]) / 0.19)
    (rooted,) = np.exp(posterior(prior, evidence, 0.5))
    powers = np.array([0.5, 0.3, 0.2, 0]) * np.sqrt([0.1, 0.2, 0.4, 0.9])
    assert rooted == pytest.approx(powers / powers.sum())


def test_held_out_avatars_styles_are_inferred() -> None:
    _, found = infer_styles(FITTED, TRAINING.avatars, HOLDOUT.avatars, SMOOTHING)
    truth = indices_in_table(style_codes(HOLDOUT, MODEL), joint(MODEL))
    for logs in found.values():
        assert (logs.argmax(axis=1) == truth).all()
        hats, coats = log_marginals(MODEL, logs).values()
        assert np.exp(hats).sum(axis=1) == pytest.approx(np.ones(40))
        assert coats.shape == (40, 3)


def test_the_inference_inverts_the_model_that_draws() -> None:
    _, found = infer_styles(FITTED, TRAINING.avatars, HOLDOUT.avatars[:5], SMOOTHING)
    mass = smoothing_mass(SMOOTHING, 24)
    prior = np.log(joint(MODEL).ravel())
    for name, model in (("joined", FITTED), ("unweighed", FITTED.as_if_independent())):
        for logs, avatar in zip(found[name], HOLDOUT.avatars, strict=False):
            both = prior + [
                model.log_probability_given(avatar, style, mass) for style in all_styles(MODEL)
            ]
            assert logs == pytest.approx(both - np.logaddexp.reduce(both))


def test_evidence_that_repeats_itself_is_weighed_down() -> None:
    rng = np.random.default_rng(1)
    truth = rng.integers(2, size=200)
    hints = np.where(rng.random(200) < 0.8, truth, 1 - truth)
    once = np.log(np.where(hints[:, None] == [0, 1], 0.8, 0.2))
    prior = np.array([0.5, 0.5])
    assert best_weight(prior, 20 * once, truth) == pytest.approx(1 / 20, rel=0.3)


def test_the_calibration_error_compares_sureness_with_being_right_in_ten_groups() -> None:
    confidence = np.repeat(np.linspace(0.1, 1, 10), 2)
    right = np.array([False, True] * 5 + [True] * 10)
    apart = [abs(sure - 0.5) for sure in (0.1, 0.2, 0.3, 0.4, 0.5)] + [0.4, 0.3, 0.2, 0.1, 0]
    assert calibration_error(confidence, right) == pytest.approx(np.mean(apart))
    assert calibration_error(confidence[::-1], right[::-1]) == pytest.approx(np.mean(apart))


def test_the_interval_of_the_calibration_error_narrows_with_the_number() -> None:
    rng = np.random.default_rng(3)
    widths = []
    for number in (60, 2000):
        confidence = rng.random(number)
        right = rng.random(number) < confidence
        low, high = calibration_interval(confidence, right)
        assert 0 <= low < high
        widths.append(high - low)
    assert widths[1] < widths[0] / 3


def test_predictions_are_grouped_by_confidence_in_equal_numbers() -> None:
    confidence = np.linspace(0, 1, 23)[::-1]
    right = confidence > 0.5
    found = group_by_confidence(confidence, right)
    assert [one.number for one in found] == [3] * 3 + [2] * 7
    assert [one.right for one in found] == [0] * 4 + [1] + [2] * 5
    assert found[0].confidence == pytest.approx(1 / 22)
    # Wilson's interval for 2 of 2: from 1 / (1 + z² / 2), z = 1.96.
    assert (found[-1].low, found[-1].high) == pytest.approx((2 / (2 + 1.96**2), 1), abs=1e-3)


def test_what_differs_by_rounding_alone_is_grouped_in_its_order() -> None:
    confidence = np.array([1 - 1e-15, 1 - 2e-15, 1 - 3e-15])
    groups = group_by_confidence(confidence, np.array([True, False, False]))
    assert [one.right for one in groups] == [1, 0, 0]


def test_two_predictions_are_two_groups() -> None:
    groups = group_by_confidence(np.array([0.5, 0.4]), np.array([True, False]))
    assert [(one.confidence, one.right, one.number) for one in groups] == [(0.4, 0, 1), (0.5, 1, 1)]


def test_judging_counts_what_is_most_probable() -> None:
    logs = np.log([[0.7, 0.3], [0.4, 0.6], [0.9, 0.1]])
    metrics, _ = judge(logs, np.array([0, 0, 0]))
    assert metrics["accuracy"] == pytest.approx(2 / 3)
    assert metrics["confidence"] == pytest.approx((0.7 + 0.6 + 0.9) / 3)
    assert metrics["log_posterior"] == pytest.approx(np.log([0.7, 0.4, 0.9]).mean())


def test_every_style_has_its_index_in_the_table() -> None:
    prior = joint(MODEL)
    codes = np.array([encode_style(MODEL, style) for style in all_styles(MODEL)])
    indices = indices_in_table(codes, prior)
    assert (
        indices.tolist()
        == list(range(prior.size))
        == [i for i, _ in enumerate(product(*MODEL.values.values()))]
    )


def test_the_weight_of_the_evidence_is_chosen_by_training_avatars_alone() -> None:
    # Four hats are told wrong, so that the evidence isn't to be trusted wholly.
    wrong = tuple(("none" if hat == "cap" else "cap", coat) for hat, coat in TRAINING.styles[:4])
    training = TRAINING._replace(styles=wrong + TRAINING.styles[4:])
    fitted = Styled.fit(training, MODEL, SMOOTHING)
    chosen, found = infer_styles(fitted, training.avatars, HOLDOUT.avatars, SMOOTHING)
    prior, mass, alone = joint(MODEL), smoothing_mass(SMOOTHING, 24), fitted.as_if_independent()
    others = [
        alone.without(index).log_likelihoods(avatar, mass)
        for index, avatar in enumerate(training.avatars)
    ]
    assert chosen == best_weight(prior, np.array(others), indices_in_table(fitted.codes, prior)) < 1
    evidence = np.array([alone.log_likelihoods(avatar, mass) for avatar in HOLDOUT.avatars])
    assert found["weighed"] == pytest.approx(posterior(prior, evidence, chosen))
    assert found["unweighed"] == pytest.approx(posterior(prior, evidence, 1))


def test_without_avatars_there_is_nothing_to_infer() -> None:
    with pytest.raises(InputError, match="no avatars are held out"):
        infer_styles(FITTED, TRAINING.avatars, HOLDOUT.avatars[:0], SMOOTHING)


# Of hats (cap, none) and coats (red, green, blue), first those with a cap. True are a cap and a red
# coat, then a cap and a green one.
SURE = [0.95, 0.01, 0.01, 0.01, 0.01, 0.01]
UNSURE = [0.1, 0.2, 0.1, 0.2, 0.3, 0.1]
TRUTH = np.array([[0, 0], [0, 1]])


def test_the_report_judges_whole_styles_and_each_attribute_for_each_way() -> None:
    joined, unweighed = np.log([SURE, UNSURE]), np.log([UNSURE, UNSURE])
    report, groups = judge_inference({"joined": joined, "unweighed": unweighed}, MODEL, TRUTH)
    assert (report["joined"]["accuracy"], report["unweighed"]["accuracy"]) == (0.5, 0)
    # In the unsure one P(cap) is 0.4 and P(green) 0.5.
    assert report["joined"]["attributes"]["hat"]["accuracy"] == 0.5
    assert report["joined"]["attributes"]["coat"]["accuracy"] == 1
    assert report["joined"]["attributes"]["hat"]["log_posterior"] == pytest.approx(
        np.log([0.97, 0.4]).mean()
    )
    assert list(groups) == ["joined", "unweighed"]
    assert [one.confidence for one in groups["joined"]] == pytest.approx([0.3, 0.95])
    assert [one.right for one in groups["joined"]] == [0, 1]


def test_a_person_judges_by_how_often_and_how_surely_the_joined_inference_is_right() -> None:
    judged = {"accuracy": 0.123456, "calibration_error": 0.0444444, "confidence": 0.5}
    report = {"joined": judged, "unweighed": {"accuracy": 0.9}}
    assert choose_metrics(report) == {
        "inference": {"accuracy": 0.1235, "calibration_error": 0.0444}
    }


def test_the_avatars_shown_are_the_middle_right_one_and_the_surest_wrong_one() -> None:
    surest = np.log([0.7, 0.6, 0.9, 0.51, 0.8])
    logs = np.stack([surest, np.log1p(-np.exp(surest))], axis=1)
    assert choose_examples(logs, np.array([0, 1, 0, 0, 1])) == {"right": 0, "wrong": 4}
    assert choose_examples(logs, np.zeros(5, dtype=np.intp)) == {"right": 0}
    assert choose_examples(logs, np.ones(5, dtype=np.intp)) == {"wrong": 2}
