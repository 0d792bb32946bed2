"""Avatars of a style show it, with the probabilities that the generator reports."""

import math
from itertools import product

import numpy as np
import pytest

from stages.bayes.avatars import Avatar, AvatarSet, as_symbols
from stages.bayes.generators.contexts import LEAF
from stages.bayes.generators.palette import probability
from stages.bayes.generators.styled import (
    UNSEEN,
    Styled,
    new_rates,
    style_codes,
    value_counts,
)
from stages.bayes.generators.tree import ROOT
from stages.bayes.styles import Style, all_styles, encode_style, fit_styles, joint
from stages.common.errors import InputError
from stages.common.types import FloatArray
from tests.avatar_files import (
    OUTFITS,
    dress_avatars,
    dress_outfits,
    fit_model,
    paint_every,
    paint_outfit,
    paint_rows,
)

SMOOTHING = 0.2
MODEL = fit_styles(OUTFITS, 1)
STYLES = list(all_styles(MODEL))
PRIOR = joint(MODEL).ravel()
TRAINING = dress_outfits()
FITTED = Styled.fit(TRAINING, MODEL, SMOOTHING)
# All that can be drawn is among them: hat, coat, eyes, brow, mouth and the rest of the hat.
EVERY = paint_every(["rr", "gg", "bb", "ws"], ["rr", "gg", "bb"], ["ws", " w"], "ws", "ws", "ws")
UNSEEN_OUTFIT = ("blue", "cap", "open")
SHOWN = paint_rows(
    *(paint_outfit(style, "w", "w") for style in (STYLES[0], STYLES[3], UNSEEN_OUTFIT)),
    *(paint_outfit(style, "s", "w") for style in (STYLES[1], ("blue", "none", "shut"))),
)
NEVER_SEEN = paint_rows("bbbbbbbbb", "rrr ws sw")


def place(fitted: Styled, style: Style) -> tuple[int, int]:
    """Return which combination of forms and which of colours a style is."""
    code, sizes = encode_style(MODEL, style), value_counts(MODEL)
    form, combination = (
        list(product(*(range(sizes[one]) for one in part))).index(tuple(code[i] for i in part))
        for part in (fitted.forms, fitted.colours)
    )
    return form, combination


def enumerate_examples(fitted: Styled, avatar: Avatar, style: Style) -> float:
    """Return P(avatar | style), summed over all assignments of examples to groups."""
    form, combination = place(fitted, style)
    shapes = fitted.shapes
    pixels = as_symbols(avatar[None], np.uint32)[0]
    # Whether each group of the avatar looks as in each example.
    looks = shapes.looks[shapes.roles, combination][:, shapes.column_of] == pixels
    group_of = np.searchsorted(shapes.starts, shapes.column_of, side="right") - 1
    alike = [looks[:, group_of == group].all(axis=1) for group in range(len(shapes.groups))]
    weights = []
    for group, (parent, nodes) in enumerate(zip(fitted.parents, fitted.nodes, strict=True)):
        heeded = fitted.trees[group].weights[nodes[form]]
        if parent != ROOT:
            heeded = heeded * (fitted.slip + (1 - fitted.slip) * alike[parent])
        weights.append(heeded / heeded.sum())
    return math.fsum(
        math.prod(weight[example] for weight, example in zip(weights, examples, strict=True))
        for examples in product(*map(np.flatnonzero, alike))
    )


def compute_smoothed(fitted: Styled, avatar: Avatar, style: Style, mass: float) -> float:
    """Return ln P(avatar | style), smoothed, pixel by pixel."""
    form, combination = place(fitted, style)
    shapes = fitted.shapes
    pixels = as_symbols(avatar[None], np.uint32)[0]
    chances = probability(shapes.palette, pixels)
    roles = shapes.roles[:, shapes.column_of]
    anything = ~shapes.known[roles, combination]
    factors = (1 - mass) * (shapes.looks[roles, combination] == pixels) + mass * chances
    factors = np.where(anything, chances, factors)
    group_of = np.searchsorted(shapes.starts, shapes.column_of, side="right") - 1
    emission = [factors[:, group_of == group].prod(axis=1) for group in range(len(shapes.groups))]
    total = 0.0
    for group, tree in enumerate(fitted.trees):
        node, parent = fitted.nodes[group, form], fitted.parents[group]
        weights = tree.weights[node]
        if parent != ROOT:
            share = emission[parent] / emission[parent].max()
            weights = weights * (fitted.slip + (1 - fitted.slip) * share)
        rate = max(UNSEEN if tree.tests[node] != LEAF else 0, new_rates(shapes.states)[group])
        seen = weights @ emission[group] / weights.sum()
        total += math.log((1 - rate) * seen + rate * chances[group_of == group].prod())
    return total


def conditional(fitted: Styled, mass: float = 0) -> FloatArray:
    """Return P(avatar | style) of EVERY avatar, `[N, S]`."""
    return np.exp([fitted.log_likelihoods(avatar, mass) for avatar in EVERY])


def test_a_colour_may_come_before_forms() -> None:
    assert FITTED.colours == (0,)
    assert FITTED.forms == (1, 2)
    assert (FITTED.parents != ROOT).sum() == 4


def test_probabilities_of_all_avatars_sum_to_one_given_a_style_and_in_all() -> None:
    found = conditional(FITTED)
    assert found.sum(axis=0) == pytest.approx(1)
    assert np.exp(FITTED.log_probability(EVERY)).sum() == pytest.approx(1)
    assert np.exp(FITTED.log_probability(EVERY)) == pytest.approx(found @ PRIOR)


@pytest.mark.parametrize("avatar", SHOWN)
def test_likelihoods_are_the_sums_over_all_examples_in_the_order_of_styles(avatar: Avatar) -> None:
    expected = np.array([enumerate_examples(FITTED, avatar, style) for style in STYLES])
    assert expected.max() > 0
    assert np.exp(FITTED.log_likelihoods(avatar)) == pytest.approx(expected, rel=1e-12)
    each = [FITTED.log_probability_given(avatar, style) for style in STYLES]
    assert np.exp(each) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("avatar", SHOWN)
def test_the_posterior_follows_from_all_examples_of_all_styles(avatar: Avatar) -> None:
    both = PRIOR * [enumerate_examples(FITTED, avatar, style) for style in STYLES]
    logs = FITTED.log_likelihoods(avatar) - FITTED.log_probability(avatar[None])
    assert PRIOR * np.exp(logs) == pytest.approx(both / both.sum(), rel=1e-12)


@pytest.mark.parametrize("avatar", [*NEVER_SEEN, *SHOWN[:2]])
def test_smoothed_likelihoods_are_the_products_over_pixels(avatar: Avatar) -> None:
    expected = [compute_smoothed(FITTED, avatar, style, 0.1) for style in STYLES]
    assert np.isfinite(expected).all()
    assert FITTED.log_likelihoods(avatar, mass=0.1) == pytest.approx(expected, rel=1e-12)


def test_what_no_example_shows_is_impossible_unless_smoothed() -> None:
    assert (FITTED.log_likelihoods(NEVER_SEEN[0]) == -math.inf).all()
    assert np.isfinite(FITTED.log_probability(NEVER_SEEN, mass=0.1)).all()


def test_sampling_reports_the_probability_of_style_and_avatar() -> None:
    for seed in range(100):
        one = FITTED.sample(np.random.default_rng(seed))
        assert one.style is not None
        log_probability = FITTED.log_probability_given(one.avatar, one.style)
        log_probability += math.log(PRIOR[STYLES.index(one.style)])
        assert one.log_probability == pytest.approx(log_probability, rel=1e-12)


def test_avatars_are_drawn_as_often_as_their_probabilities_say() -> None:
    given = {"coat": "red", "hat": "none", "eyes": "open"}
    rng = np.random.default_rng(0)
    drawn = [FITTED.sample(rng, given).avatar.tobytes() for _ in range(1000)]
    expected = conditional(FITTED)[:, STYLES.index(("red", "none", "open"))]
    shares = [drawn.count(avatar.tobytes()) / 1000 for avatar in EVERY]
    assert sum(shares) == pytest.approx(1)
    assert np.abs(shares - expected).max() < 0.05


def test_avatars_show_the_style_that_was_asked_for() -> None:
    training = dress_avatars(24, 0)
    fitted = Styled.fit(training, fit_model(), SMOOTHING)
    right = 0
    for seed in range(60):
        one = fitted.sample(np.random.default_rng(seed), {"hat": "cap"})
        assert one.style is not None
        assert one.style[0] == "cap"
        (truth,) = paint_rows("wwwwssss" + one.style[1][0] * 4)
        right += int((one.avatar == truth).all())
    assert right > 50


def test_a_style_nobody_wears_shows_the_hat_in_the_asked_colour() -> None:
    assert UNSEEN_OUTFIT not in TRAINING.styles
    given = dict(zip(OUTFITS, UNSEEN_OUTFIT, strict=True))
    expected = paint_rows(paint_outfit(UNSEEN_OUTFIT, "w", "w"))[0]
    worn = [0, 1, 2, 3, 4, 5, 8]
    drawn = [FITTED.sample(np.random.default_rng(seed), given).avatar for seed in range(60)]
    assert sum((avatar == expected)[:, worn].all() for avatar in drawn) > 45


def test_two_forms_together_may_tell_a_shape_that_neither_tells() -> None:
    model = fit_styles({"hat": {"cap": 1, "none": 1}, "eyes": {"open": 1, "shut": 1}}, 1)
    styles = list(all_styles(model)) * 3
    rows = ["rg" if (hat == "cap") == (eyes == "open") else "gw" for hat, eyes in styles]
    fitted = Styled.fit(AvatarSet(paint_rows(*rows), ("hat", "eyes"), tuple(styles)), model, 0.1)
    assert fitted.forms == (0, 1)
    likelihoods = np.exp([fitted.log_likelihoods(avatar) for avatar in paint_rows("rg", "gw")])
    assert (likelihoods > 0.9).tolist() == [[True, False, False, True], [False, True, True, False]]


def test_a_value_that_nobody_wears_ends_where_it_is_asked_for() -> None:
    crown, cap = (place(FITTED, ("red", hat, "open"))[0] for hat in ("crown", "cap"))
    hat = FITTED.trees[0]
    assert hat.tests[FITTED.nodes[0, crown]] != LEAF
    assert hat.tests[FITTED.nodes[0, cap]] == LEAF
    capped, bare, crowned = (
        FITTED.log_probability_given(SHOWN[0], ("red", hat, "open"))
        for hat in ("cap", "none", "crown")
    )
    assert bare < crowned < capped


def test_without_parents_groups_are_independent_given_the_style() -> None:
    alone = FITTED.as_if_independent()
    style = STYLES.index(("red", "none", "open"))
    found = conditional(alone)
    assert found.sum(axis=0) == pytest.approx(1)
    rows = paint_rows(*(paint_outfit(STYLES[style], *face) for face in ("ww", "ws", "sw", "ss")))
    both, brow, mouth, none = (math.exp(alone.log_likelihoods(row)[style]) for row in rows)
    assert both * none == pytest.approx(brow * mouth, rel=1e-12)
    both, brow, mouth, none = (math.exp(FITTED.log_likelihoods(row)[style]) for row in rows)
    assert both * none > 2 * brow * mouth


def test_an_avatar_left_out_is_no_example() -> None:
    left = FITTED.without(3)
    for before, after in zip(FITTED.trees, left.trees, strict=True):
        assert not after.weights[:, 3].any()
        assert after.weights.sum(axis=1) == pytest.approx(1)
        others = np.delete(before.weights, 3, axis=1)
        others /= others.sum(axis=1, keepdims=True)
        assert np.delete(after.weights, 3, axis=1) == pytest.approx(others)
        assert before.weights[:, 3].all()


def test_new_things_are_as_likely_as_those_that_one_avatar_shows() -> None:
    states = np.array([[0, 0, 0, 0], [0, 0, 2, 2], [0, 1, 0, 0], [0, 1, 2, 3]])
    assert new_rates(states) == pytest.approx([1 / 6, 1 / 6, 2 / 6, 5 / 6])


def test_avatars_without_styles_or_with_others_are_refused() -> None:
    with pytest.raises(InputError, match="have no styles"):
        style_codes(AvatarSet(TRAINING.avatars), MODEL)
    with pytest.raises(InputError, match="shoe, hat, eyes"):
        style_codes(TRAINING._replace(attributes=("shoe", "hat", "eyes")), MODEL)
    odd = TRAINING._replace(styles=(("red", "capp", "open"), *TRAINING.styles[1:]))
    with pytest.raises(InputError, match="did you mean cap"):
        style_codes(odd, MODEL)
