"""Avatars of a style, and styles of an avatar: one distribution, read in both directions."""

import math
from itertools import product

import numpy as np
import pytest

from stages.bayes import inference
from stages.bayes.avatars import AvatarSet
from stages.bayes.generator import escape_of
from stages.bayes.groups import log_emission
from stages.bayes.styled import Styled, all_codes, donor_weights, style_codes, telling_attributes
from stages.bayes.styles import all_styles, joint, log_probability
from stages.common.errors import InputError
from tests.avatar_files import dressed, every, model, painted

SMOOTHING = 0.2
MODEL = model()
TRAINING = dressed(24, 0)
FITTED = Styled.fit(TRAINING, MODEL, SMOOTHING)
EVERY = every("ws", *["s"] * 1, "rgb")
SMALL = Styled.fit(dressed(9, 2, width=3), MODEL, SMOOTHING)


def test_each_group_is_told_by_its_attribute_first() -> None:
    first_pixels = FITTED.groups.pixels[FITTED.groups.starts].tolist()
    firsts = [attributes[:1] for attributes in FITTED.attributes]
    assert dict(zip(first_pixels, firsts, strict=True)) == {0: (0,), 4: (), 8: (1,)}


def test_an_attribute_that_tells_nothing_is_left_out() -> None:
    donors = np.array([[0, 0, 0, 3, 3, 3]])
    codes = np.array([[0, 0], [0, 1], [0, 0], [1, 1], [1, 0], [1, 1]])
    (attributes,) = telling_attributes(donors, codes, SMOOTHING)
    assert attributes[0] == 0
    assert telling_attributes(np.zeros((1, 6), dtype=np.intp), codes, SMOOTHING) == [()]


def test_what_only_tells_an_avatar_from_all_others_tells_nothing() -> None:
    donors = np.array([[0, 0, 0, 3, 3, 3]])
    codes = np.array([[0, 0], [1, 0], [2, 0], [3, 1], [4, 1], [5, 0]])
    (attributes,) = telling_attributes(donors, codes, SMOOTHING)
    assert attributes[0] == 1


def test_what_no_donor_shows_is_impossible() -> None:
    (avatar,) = painted("b" * 12)
    style = next(all_styles(MODEL))
    assert FITTED.log_probability_given(avatar, style) == -math.inf
    assert np.isfinite(FITTED.log_probability_given(avatar, style, escape=0.1))


def test_donors_are_interpolated_from_those_that_agree_in_less() -> None:
    codes = np.array([[0, 0], [0, 1], [1, 1]])
    (weights,) = donor_weights(codes, np.array([[0, 1]]), (0, 1), 0.5)
    in_first = (np.array([1, 1, 0]) + 0.5 / 3) / 2.5
    assert weights == pytest.approx((np.array([0, 1, 0]) + 0.5 * in_first) / 1.5)
    assert weights.sum() == pytest.approx(1)


def test_a_style_nobody_wears_borrows_from_those_that_are_like_it() -> None:
    codes = np.array([[0, 0], [0, 0], [1, 1]])
    (weights,) = donor_weights(codes, np.array([[0, 1]]), (0, 1), 0.5)
    assert weights[0] == weights[1] > weights[2] > 0


def test_avatars_show_the_style_that_was_asked_for() -> None:
    right = 0
    for seed in range(60):
        one = FITTED.sample(np.random.default_rng(seed), {"hat": "cap"})
        assert one.style is not None
        assert one.style[0] == "cap"
        (truth,) = painted("wwwwssss" + one.style[1][0] * 4)
        right += int((one.avatar == truth).all())
    assert right > 50


def test_sampling_reports_the_probability_of_style_and_avatar() -> None:
    for seed in range(20):
        one = FITTED.sample(np.random.default_rng(seed))
        assert one.style is not None
        conditional = FITTED.log_probability_given(one.avatar, one.style)
        assert one.log_probability == pytest.approx(log_probability(MODEL, one.style) + conditional)


def test_probabilities_of_all_avatars_sum_to_one_given_a_style_and_in_all() -> None:
    for style in all_styles(MODEL):
        logs = [SMALL.log_probability_given(avatar, style) for avatar in EVERY]
        assert np.exp(logs).sum() == pytest.approx(1)
    assert np.exp(SMALL.log_probability(EVERY)).sum() == pytest.approx(1)


def test_an_avatars_probability_is_the_sum_over_styles() -> None:
    avatar = dressed(1, 5).avatars
    total = sum(
        math.exp(log_probability(MODEL, style) + FITTED.log_probability_given(avatar[0], style))
        for style in all_styles(MODEL)
    )
    assert FITTED.log_probability(avatar) == pytest.approx([math.log(total)])


def test_avatars_without_styles_or_with_others_are_refused() -> None:
    with pytest.raises(InputError, match="have no styles"):
        style_codes(AvatarSet(TRAINING.avatars), MODEL)
    with pytest.raises(InputError, match="shoe, coat"):
        style_codes(TRAINING._replace(attributes=("shoe", "coat")), MODEL)
    odd = TRAINING._replace(styles=(("capp", "red"), *TRAINING.styles[1:]))
    with pytest.raises(InputError, match="did you mean cap"):
        style_codes(odd, MODEL)


def test_the_posterior_is_bayes_formula() -> None:
    prior, evidence = np.array([[0.5, 0.3], [0.2, 0.0]]), np.log([[0.1, 0.2, 0.4, 0.9]])
    (plain,) = np.exp(inference.posterior(prior, evidence, 1))
    assert plain == pytest.approx(np.array([0.05, 0.06, 0.08, 0]) / 0.19)
    (rooted,) = np.exp(inference.posterior(prior, evidence, 0.5))
    powers = np.array([0.5, 0.3, 0.2, 0]) * np.sqrt([0.1, 0.2, 0.4, 0.9])
    assert rooted == pytest.approx(powers / powers.sum())


def test_one_pixel_speaks_for_its_group() -> None:
    evidence = inference.log_evidence(FITTED, TRAINING.avatars[:3])
    escape = escape_of(SMOOTHING, 24)
    weights = FITTED.weights(all_codes(MODEL))
    groups = FITTED.groups
    for place, avatar in enumerate(TRAINING.avatars[:3]):
        expected = np.zeros(6)
        single = inference.one_pixel_a_group(groups)
        emission = log_emission(single, avatar, escape)
        for row, attributes in zip(emission, FITTED.attributes, strict=True):
            expected += np.log(weights[attributes] @ np.exp(row))
        assert evidence[place] == pytest.approx(expected)
    assert len(inference.one_pixel_a_group(groups).pixels) == len(groups.starts) < 12


def test_held_out_avatars_styles_are_inferred() -> None:
    holdout = dressed(40, 9)
    prior = joint(MODEL)
    logs = inference.posterior(prior, inference.log_evidence(FITTED, holdout.avatars), 1)
    truth = inference.places_in_table(style_codes(holdout, MODEL), prior)
    assert (logs.argmax(axis=1) == truth).all()
    hats, coats = inference.log_marginals(prior.shape, logs)
    assert np.exp(hats).sum(axis=1) == pytest.approx(np.ones(40))
    assert coats.shape == (40, 3)


def test_a_training_avatar_is_judged_by_all_others() -> None:
    # Nobody else wears blue: from the others nothing speaks for blue but what smoothing leaves.
    rows = ["wr", "wr", "wg", "sg", "wb"]
    hats = {"w": "cap", "s": "none"}
    coats = {"r": "red", "g": "green", "b": "blue"}
    training = AvatarSet(
        painted(*rows), ("hat", "coat"), tuple((hats[row[0]], coats[row[1]]) for row in rows)
    )
    fitted = Styled.fit(training, MODEL, SMOOTHING)
    blue = list(all_styles(MODEL)).index(("cap", "blue"))
    everyone = inference.log_evidence(fitted, training.avatars)[4]
    others = inference.log_evidence_from_others(fitted, training.avatars)[4]
    assert everyone.argmax() == blue
    assert others[blue] < everyone[blue] - 1


def test_what_others_say_of_an_avatar_depends_on_no_order() -> None:
    turned = AvatarSet(TRAINING.avatars[::-1], TRAINING.attributes, TRAINING.styles[::-1])
    said = [
        inference.log_evidence_from_others(Styled.fit(given, MODEL, SMOOTHING), given.avatars)
        for given in (TRAINING, turned)
    ]
    assert said[1][::-1] == pytest.approx(said[0])


def test_evidence_that_repeats_itself_is_weighed_down() -> None:
    rng = np.random.default_rng(1)
    truth = rng.integers(2, size=200)
    hints = np.where(rng.random(200) < 0.8, truth, 1 - truth)
    once = np.log(np.where(hints[:, None] == [0, 1], 0.8, 0.2))
    prior = np.array([0.5, 0.5])
    assert inference.best_weight(prior, 20 * once, truth) == pytest.approx(1 / 20, rel=0.3)


def test_calibration_compares_sureness_with_being_right() -> None:
    confidence = np.array([0.95, 0.95, 0.95, 0.95, 0.55, 0.55, 1.0])
    right = np.array([True, True, True, False, True, True, True])
    found = inference.calibration(confidence, right)
    assert found.number.tolist() == [0, 0, 0, 0, 0, 2, 0, 0, 0, 5]
    assert found.accuracy[[5, 9]] == pytest.approx([1, 0.8])
    assert found.confidence[9] == pytest.approx((4 * 0.95 + 1) / 5)
    assert found.error == pytest.approx((2 * 0.45 + 5 * 0.16) / 7)


def test_judging_counts_what_is_most_probable() -> None:
    logs = np.log([[0.7, 0.3], [0.4, 0.6], [0.9, 0.1]])
    figures, _ = inference.judged(logs, np.array([0, 0, 0]))
    assert figures["accuracy"] == pytest.approx(2 / 3)
    assert figures["confidence"] == pytest.approx((0.7 + 0.6 + 0.9) / 3)
    assert figures["log_posterior"] == pytest.approx(np.log([0.7, 0.4, 0.9]).mean())


def test_every_style_has_its_place_in_the_table() -> None:
    prior = joint(MODEL)
    places = inference.places_in_table(all_codes(MODEL), prior)
    assert (
        places.tolist()
        == list(range(prior.size))
        == [i for i, _ in enumerate(product(*MODEL.values.values()))]
    )
