"""Styles are inferred from avatars by Bayes' formula, and judged by how sure and how right."""

from itertools import product

import numpy as np
import pytest

from stages.bayes.avatars import AvatarSet
from stages.bayes.calibration import calibration_error, group_by_confidence, judge
from stages.bayes.generators.base import smoothing_mass
from stages.bayes.generators.groups import log_emission
from stages.bayes.generators.styled import Styled, all_codes, style_codes
from stages.bayes.inference import (
    best_weight,
    choose_examples,
    choose_metrics,
    indices_in_table,
    infer_styles,
    judge_inference,
    log_evidence,
    log_evidence_from_others,
    log_marginals,
    one_pixel_a_group,
    posterior,
)
from stages.bayes.styles import all_styles, joint
from stages.common.errors import InputError
from tests.avatar_files import dress_avatars, fit_model, paint_rows

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


def test_one_pixel_speaks_for_its_group() -> None:
    evidence = log_evidence(FITTED, TRAINING.avatars[:3])
    mass = smoothing_mass(SMOOTHING, 24)
    weights = FITTED.weights(all_codes(MODEL))
    groups = FITTED.groups
    for index, avatar in enumerate(TRAINING.avatars[:3]):
        expected = np.zeros(6)
        single = one_pixel_a_group(groups)
        emission = log_emission(single, avatar, mass)
        for row, attributes in zip(emission, FITTED.attributes, strict=True):
            expected += np.log(weights[attributes] @ np.exp(row))
        assert evidence[index] == pytest.approx(expected)
    assert len(one_pixel_a_group(groups).pixels) == len(groups.starts) < 12


def test_held_out_avatars_styles_are_inferred() -> None:
    prior = joint(MODEL)
    logs = posterior(prior, log_evidence(FITTED, HOLDOUT.avatars), 1)
    truth = indices_in_table(style_codes(HOLDOUT, MODEL), prior)
    assert (logs.argmax(axis=1) == truth).all()
    hats, coats = log_marginals(MODEL, logs).values()
    assert np.exp(hats).sum(axis=1) == pytest.approx(np.ones(40))
    assert coats.shape == (40, 3)


def test_a_training_avatar_is_judged_by_all_others() -> None:
    # Nobody else wears blue: from the others nothing speaks for blue but what smoothing leaves.
    rows = ["wr", "wr", "wg", "sg", "wb"]
    hats = {"w": "cap", "s": "none"}
    coats = {"r": "red", "g": "green", "b": "blue"}
    training = AvatarSet(
        paint_rows(*rows), ("hat", "coat"), tuple((hats[row[0]], coats[row[1]]) for row in rows)
    )
    fitted = Styled.fit(training, MODEL, SMOOTHING)
    blue = list(all_styles(MODEL)).index(("cap", "blue"))
    everyone = log_evidence(fitted, training.avatars)[4]
    others = log_evidence_from_others(fitted, training.avatars)[4]
    assert everyone.argmax() == blue
    assert others[blue] < everyone[blue] - 1


def test_what_others_say_of_an_avatar_depends_on_no_order() -> None:
    turned = AvatarSet(TRAINING.avatars[::-1], TRAINING.attributes, TRAINING.styles[::-1])
    said = [
        log_evidence_from_others(Styled.fit(given, MODEL, SMOOTHING), given.avatars)
        for given in (TRAINING, turned)
    ]
    assert said[1][::-1] == pytest.approx(said[0])


def test_evidence_that_repeats_itself_is_weighed_down() -> None:
    rng = np.random.default_rng(1)
    truth = rng.integers(2, size=200)
    hints = np.where(rng.random(200) < 0.8, truth, 1 - truth)
    once = np.log(np.where(hints[:, None] == [0, 1], 0.8, 0.2))
    prior = np.array([0.5, 0.5])
    assert best_weight(prior, 20 * once, truth) == pytest.approx(1 / 20, rel=0.3)


def test_the_calibration_error_compares_sureness_with_being_right_in_ten_bins() -> None:
    confidence = np.array([0.91, 0.95, 0.95, 0.99, 0.45, 0.55, 1.0])
    right = np.array([True, True, True, False, False, True, True])
    assert calibration_error(confidence, right) == pytest.approx((2 * 0.45 + 5 * 0.16) / 7)


def test_predictions_are_grouped_by_confidence_in_equal_numbers() -> None:
    confidence = np.array([0.9, 0.2, 0.6, 0.3, 0.7, 1.0, 0.8])
    right = np.array([True, False, True, True, False, True, True])
    low, middle, high = group_by_confidence(confidence, right)
    assert [one.confidence for one in (low, middle, high)] == pytest.approx([1.1 / 3, 0.75, 0.95])
    assert [(one.right, one.number) for one in (low, middle, high)] == [(2, 3), (1, 2), (2, 2)]
    # Wilson's interval for 2 of 2: from 1 / (1 + z² / 2), z = 1.96.
    assert (high.low, high.high) == pytest.approx((2 / (2 + 1.96**2), 1), abs=1e-3)


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
    indices = indices_in_table(all_codes(MODEL), prior)
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
    chosen, found = infer_styles(fitted, training.avatars, HOLDOUT.avatars)
    prior, evidence = joint(MODEL), log_evidence(fitted, HOLDOUT.avatars)
    others = log_evidence_from_others(fitted, training.avatars)
    weight = best_weight(prior, others, indices_in_table(fitted.codes, prior))
    assert chosen == weight < 1
    assert found["weighed"] == pytest.approx(posterior(prior, evidence, weight))
    assert found["unweighed"] == pytest.approx(posterior(prior, evidence, 1))


def test_without_avatars_there_is_nothing_to_infer() -> None:
    with pytest.raises(InputError, match="no avatars are held out"):
        infer_styles(FITTED, TRAINING.avatars, HOLDOUT.avatars[:0])


# Of hats (cap, none) and coats (red, green, blue), first those with a cap. True are a cap and a red
# coat, then a cap and a green one.
SURE = [0.95, 0.01, 0.01, 0.01, 0.01, 0.01]
UNSURE = [0.1, 0.2, 0.1, 0.2, 0.3, 0.1]
TRUTH = np.array([[0, 0], [0, 1]])


def test_the_report_judges_whole_styles_and_each_attribute_weighed_and_not() -> None:
    weighed, unweighed = np.log([SURE, UNSURE]), np.log([UNSURE, UNSURE])
    inferred = {"weighed": weighed, "unweighed": unweighed}
    report, groups = judge_inference(inferred, MODEL, TRUTH)
    assert (report["weighed"]["accuracy"], report["unweighed"]["accuracy"]) == (0.5, 0)
    # In the unsure one P(cap) is 0.4 and P(green) 0.5.
    assert report["weighed"]["attributes"]["hat"]["accuracy"] == 0.5
    assert report["weighed"]["attributes"]["coat"]["accuracy"] == 1
    assert report["weighed"]["attributes"]["hat"]["log_posterior"] == pytest.approx(
        np.log([0.97, 0.4]).mean()
    )
    assert list(groups) == ["weighed", "unweighed"]
    assert [one.confidence for one in groups["weighed"]] == pytest.approx([0.3, 0.95])
    assert [one.right for one in groups["weighed"]] == [0, 1]


def test_a_person_judges_by_how_often_the_weighed_inference_is_right() -> None:
    report = {"weighed": {"accuracy": 0.123456}, "unweighed": {"accuracy": 0.9}}
    assert choose_metrics(report) == {"inference": {"accuracy": 0.1235}}


def test_the_avatars_shown_are_the_middle_right_one_and_the_surest_wrong_one() -> None:
    surest = np.log([0.7, 0.6, 0.9, 0.51, 0.8])
    logs = np.stack([surest, np.log1p(-np.exp(surest))], axis=1)
    assert choose_examples(logs, np.array([0, 1, 0, 0, 1])) == {"right": 0, "wrong": 4}
    assert choose_examples(logs, np.zeros(5, dtype=np.intp)) == {"right": 0}
    assert choose_examples(logs, np.ones(5, dtype=np.intp)) == {"wrong": 2}
