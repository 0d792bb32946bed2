"""Avatars of a style show it, with the probabilities that the generator reports."""

import math

import numpy as np
import pytest

from stages.bayes.avatars import AvatarSet
from stages.bayes.generators.styled import Styled, exemplar_weights, rank_attributes, style_codes
from stages.bayes.styles import all_styles, joint
from stages.common.errors import InputError
from tests.avatar_files import dress_avatars, fit_model, paint_every, paint_rows

SMOOTHING = 0.2
MODEL = fit_model()
LOG_PRIOR = dict(zip(all_styles(MODEL), np.log(joint(MODEL)).ravel().tolist(), strict=True))
TRAINING = dress_avatars(24, 0)
FITTED = Styled.fit(TRAINING, MODEL, SMOOTHING)
EVERY = paint_every("ws", *["s"] * 1, "rgb")
SMALL = Styled.fit(dress_avatars(9, 2, width=3), MODEL, SMOOTHING)


def test_each_group_is_told_by_its_attribute_first() -> None:
    first_pixels = FITTED.groups.pixels[FITTED.groups.starts].tolist()
    firsts = [attributes[:1] for attributes in FITTED.attributes]
    assert dict(zip(first_pixels, firsts, strict=True)) == {0: (0,), 4: (), 8: (1,)}


def test_an_attribute_that_tells_nothing_is_left_out() -> None:
    exemplars = np.array([[0, 0, 0, 3, 3, 3]])
    codes = np.array([[0, 0], [0, 1], [0, 0], [1, 1], [1, 0], [1, 1]])
    (attributes,) = rank_attributes(exemplars, codes, SMOOTHING)
    assert attributes[0] == 0
    assert rank_attributes(np.zeros((1, 6), dtype=np.intp), codes, SMOOTHING) == [()]


def test_of_several_telling_attributes_the_most_telling_is_first() -> None:
    exemplars = np.array([[0, 0, 0, 3, 3, 3]])
    codes = np.array([[0, 0, 0], [0, 0, 0], [1, 0, 0], [1, 1, 0], [1, 1, 1], [1, 1, 1]])
    (attributes,) = rank_attributes(exemplars, codes, SMOOTHING)
    assert attributes[0] == 1


def test_what_only_tells_an_avatar_from_all_others_tells_nothing() -> None:
    exemplars = np.array([[0, 0, 0, 3, 3, 3]])
    codes = np.array([[0, 0], [1, 0], [2, 0], [3, 1], [4, 1], [5, 0]])
    (attributes,) = rank_attributes(exemplars, codes, SMOOTHING)
    assert attributes[0] == 1


def test_what_no_exemplar_shows_is_impossible() -> None:
    (avatar,) = paint_rows("b" * 12)
    style = next(all_styles(MODEL))
    assert FITTED.log_probability_given(avatar, style) == -math.inf
    assert np.isfinite(FITTED.log_probability_given(avatar, style, mass=0.1))


def test_exemplars_are_interpolated_from_those_that_agree_in_less() -> None:
    codes = np.array([[0, 0], [0, 1], [1, 1]])
    (weights,) = exemplar_weights(codes, np.array([[0, 1]]), (0, 1), 0.5)
    in_first = (np.array([1, 1, 0]) + 0.5 / 3) / 2.5
    assert weights == pytest.approx((np.array([0, 1, 0]) + 0.5 * in_first) / 1.5)
    assert weights.sum() == pytest.approx(1)


def test_a_style_nobody_wears_borrows_from_those_that_are_like_it() -> None:
    codes = np.array([[0, 0], [0, 0], [1, 1]])
    (weights,) = exemplar_weights(codes, np.array([[0, 1]]), (0, 1), 0.5)
    assert weights[0] == weights[1] > weights[2] > 0


def test_avatars_show_the_style_that_was_asked_for() -> None:
    right = 0
    for seed in range(60):
        one = FITTED.sample(np.random.default_rng(seed), {"hat": "cap"})
        assert one.style is not None
        assert one.style[0] == "cap"
        (truth,) = paint_rows("wwwwssss" + one.style[1][0] * 4)
        right += int((one.avatar == truth).all())
    assert right > 50


def test_sampling_reports_the_probability_of_style_and_avatar() -> None:
    for seed in range(20):
        one = FITTED.sample(np.random.default_rng(seed))
        assert one.style is not None
        conditional = FITTED.log_probability_given(one.avatar, one.style)
        assert one.log_probability == pytest.approx(LOG_PRIOR[one.style] + conditional)


def test_probabilities_of_all_avatars_sum_to_one_given_a_style_and_in_all() -> None:
    for style in all_styles(MODEL):
        logs = [SMALL.log_probability_given(avatar, style) for avatar in EVERY]
        assert np.exp(logs).sum() == pytest.approx(1)
    assert np.exp(SMALL.log_probability(EVERY)).sum() == pytest.approx(1)


def test_an_avatars_probability_is_the_sum_over_styles() -> None:
    avatar = dress_avatars(1, 5).avatars
    total = sum(
        math.exp(LOG_PRIOR[style] + FITTED.log_probability_given(avatar[0], style))
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
