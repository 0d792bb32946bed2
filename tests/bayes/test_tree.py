"""The tree over groups of pixels is a distribution, exact, and does not learn by heart."""

import math

import numpy as np
import pytest

from stages.bayes.avatars import as_symbols
from stages.bayes.generators.base import smoothing_mass
from stages.bayes.generators.groups import collapse, log_emission, paint
from stages.bayes.generators.palette import probability
from stages.bayes.generators.positions import Poly
from stages.bayes.generators.tree import ROOT, Tree, predictive_gains, spanning_tree
from tests.avatar_files import dress_avatars, paint_every, paint_rows

# The second pixel is as the first in other colours; the third has no say in the fourth.
FIVE = paint_rows("rgws", "rgwb", "bwws", "bwgb", "bwgs")
SMOOTHING = 0.5


def tree() -> Tree:
    return Tree.fit(FIVE, SMOOTHING)


def test_pixels_that_split_avatars_alike_are_one_group() -> None:
    groups = collapse(FIVE)
    assert groups.exemplars.tolist() == [[0, 0, 2, 2, 2], [0, 0, 0, 3, 3], [0, 1, 0, 1, 0]]
    assert groups.starts.tolist() == [0, 2, 3]


def test_a_group_is_painted_as_in_its_exemplar() -> None:
    groups = collapse(FIVE)
    assert paint(groups, np.array([2, 3, 0])).tobytes() == paint_rows("bwgs").tobytes()
    for index, avatar in enumerate(FIVE):
        assert paint(groups, groups.exemplars[:, index]).tobytes() == avatar.tobytes()


def test_emission_tells_which_exemplars_an_avatar_may_have() -> None:
    (avatar,) = paint_rows("rggb")
    plain = log_emission(collapse(FIVE), avatar, 0)
    assert np.isfinite(plain).tolist() == [
        [True, True, False, False, False],
        [False, False, False, True, True],
        [False, True, False, True, False],
    ]
    assert (plain[np.isfinite(plain)] == 0).all()
    assert np.isfinite(log_emission(collapse(FIVE), avatar, 0.1)).all()


def test_a_smoothed_pixel_shows_any_colour_its_own_too() -> None:
    groups = collapse(FIVE)
    (avatar,) = paint_rows("rggb")
    red, green, green_too, blue = probability(
        groups.palette, as_symbols(avatar[None], np.uint32)[0]
    )
    emission = np.exp(log_emission(groups, avatar, 0.1))
    assert emission[0, 0] == pytest.approx((0.9 + 0.1 * red) * (0.9 + 0.1 * green))
    assert emission[1, 0] == pytest.approx(0.1 * green_too)
    assert emission[2, 1] == pytest.approx(0.9 + 0.1 * blue)


def test_probabilities_of_all_avatars_sum_to_one() -> None:
    everything = paint_every("rb", "gw", "wg", "sb")
    assert np.exp(tree().log_probability(everything)).sum() == pytest.approx(1)


def test_what_sampling_reports_is_the_avatars_log_probability() -> None:
    for seed in range(30):
        one = tree().sample(np.random.default_rng(seed))
        assert tree().log_probability(one.avatar[None]) == pytest.approx([one.log_probability])


def test_avatars_are_drawn_as_often_as_they_are_probable() -> None:
    rng, draws = np.random.default_rng(3), 4000
    fitted = tree()
    found: dict[bytes, int] = {}
    for _ in range(draws):
        avatar = fitted.sample(rng).avatar.tobytes()
        found[avatar] = found.get(avatar, 0) + 1
    for avatar in paint_every("rb", "gw", "wg", "sb"):
        expected = draws * math.exp(fitted.log_probability(avatar[None])[0])
        assert abs(found.get(avatar.tobytes(), 0) - expected) <= 4 * math.sqrt(expected + 1)


def test_each_group_heeds_its_parent_except_for_what_smoothing_leaves() -> None:
    # Two groups that always agree, of four avatars: given the parent, all but the smoothing's mass.
    fitted = Tree.fit(paint_rows("rg", "rg", "bb", "bw"), SMOOTHING)
    mass = smoothing_mass(SMOOTHING, 4)
    child = fitted.order[1]
    assert fitted.parents[child] == fitted.order[0]
    assert fitted.parents[fitted.order[0]] == ROOT
    assert fitted.tables[child][0] == pytest.approx([(1 - mass) + mass / 2, mass / 4, mass / 4])


def test_gains_are_predictions_of_each_avatar_from_all_others() -> None:
    exemplars = np.array([[0, 0, 2, 2], [0, 0, 2, 2], [0, 1, 0, 1]])
    gains = predictive_gains(exemplars, SMOOTHING)
    # One other of three agrees, and it is in the same state of the other group: from 1/3 to
    # (1 + 0.5/3) / 1.5, for four avatars, in both directions.
    assert gains[0, 1] == pytest.approx(4 * math.log((1 + SMOOTHING / 3) / (1 + SMOOTHING) * 3))
    # Nobody who agrees in one group agrees in the other: worse than without.
    assert gains[0, 2] == pytest.approx(4 * math.log((SMOOTHING / 3) / (1 + SMOOTHING) * 3))
    assert gains == pytest.approx(gains.T)


def test_the_tree_joins_those_that_tell_most_of_each_other() -> None:
    gains = np.array([[9, 5, -1, -9], [5, 9, 4, -8], [-1, 4, 9, -2], [-9, -8, -2, 9]], dtype=float)
    order, parents = spanning_tree(gains)
    edges = {frozenset((child, parents[child])) for child in order if parents[child] != ROOT}
    assert edges == {frozenset((0, 1)), frozenset((1, 2)), frozenset((2, 3))}
    before: set[int] = set()
    for group in order:
        assert parents[group] == ROOT or int(parents[group]) in before
        before.add(int(group))


def test_avatars_with_hat_and_coat_are_mixed_anew_without_wrong_colours() -> None:
    training = paint_rows("wwssrr", "wwssgg", "ssssrr", "wwssrr", "ssssgg", "ssssgg")
    fitted = Tree.fit(training, 0.01)
    drawn = np.stack([fitted.sample(np.random.default_rng(seed)).avatar for seed in range(40)])
    whole = {row.tobytes() for row in paint_every("ws", "ws", "s", "s", "rg", "rg")}
    assert {row.tobytes() for row in drawn} <= whole
    for row in drawn:
        assert (row[0, 0] == row[0, 1]).all()
        assert (row[0, 4] == row[0, 5]).all()


def test_what_pixels_of_a_group_do_apart_is_possible_by_smoothing_alone() -> None:
    torn = paint_rows("rwws")
    assert tree().log_probability(torn) == [-math.inf]
    assert np.isfinite(tree().log_probability(torn, mass=0.01)).all()


def test_held_out_avatars_are_likelier_than_by_pixels_apart() -> None:
    training, holdout = dress_avatars(30, 0).avatars, dress_avatars(20, 1).avatars
    mass = smoothing_mass(SMOOTHING, 30)
    together = Tree.fit(training, SMOOTHING).log_probability(holdout, mass)
    apart = Poly(training, np.uint32).log_probability(holdout, mass)
    assert together.mean() > apart.mean() / 3
