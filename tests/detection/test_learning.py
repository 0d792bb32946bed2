"""A score learns what is normal, and looks in the way that tells known spills best."""

from collections.abc import Sequence
from functools import partial

import numpy as np
import pytest
import torch
from torch import Tensor

from stages.common.types import FloatArray, Images, Indices
from stages.wells.detection import gaussians, regions
from stages.wells.detection.features import Features, describe_texture
from stages.wells.detection.gaussians import fit_gaussians
from stages.wells.detection.learning import PARTS, Learnt, learn_normality
from stages.wells.detection.regions import SHARES, Share, area_under_roc, learn_where
from stages.wells.detection.scores import SCORES, Score, View
from tests.arrays import on_arrays
from tests.small_wells import in_turn, noise

pool, squared_distances = on_arrays(regions.pool), on_arrays(gaussians.squared_distances)

TRAIN, SPILLS, FOLDS = noise(40, seed=1, width=24), noise(6, seed=2, width=24), in_turn(40)
ROWS, COLUMNS = 4, 6


def learn(name: str, spills: Images = SPILLS) -> Learnt:
    """Return what a score of photos learns."""
    seen = [(torch.from_numpy(TRAIN), torch.from_numpy(spills))]
    return learn_normality(SCORES[name], seen, FOLDS, ROWS)


def at_places(
    train: Sequence[Features], spills: Sequence[Features], folds: Indices = FOLDS
) -> Learnt:
    """Return what a score learns of made-up features, by fold, that looks where spills are told."""
    score = Score("autoencoder", gaussians.squared_distances, {"place": TOLD_VIEW})
    return learn_normality(score, list(zip(train, spills, strict=True)), folds, ROWS)


def of_distances(normals: FloatArray, spills: FloatArray, *views: View) -> Learnt:
    """Return what a score learns that is told distances `[N, P, V]`, one a view."""
    score = Score(None, None, {str(number): view for number, view in enumerate(views)})
    seen = [(torch.from_numpy(normals), torch.from_numpy(spills))]
    return learn_normality(score, seen, in_turn(len(normals)), ROWS)


def view(number: int, shares: tuple[Share, ...] = ("all",)) -> View:
    """Return a view that shows the distances of that number."""
    return View(partial(_show, number), "frame", shares)


def _show(number: int, distances: Tensor) -> Features:
    return distances[..., number : number + 1]


TOLD_VIEW = View(lambda features: features, "told", ("all",))
ALL_SHARES = view(0, SHARES)


def draw(count: int, seed: int, level: float = 0, features: int = 3) -> FloatArray:
    rng = np.random.default_rng(seed)
    drawn: FloatArray = rng.normal(level, 1, (count, ROWS * COLUMNS, features))
    return drawn


def as_features(drawn: FloatArray) -> Features:
    return torch.from_numpy(drawn)


def test_each_member_is_fitted_to_training_photos_of_the_other_folds() -> None:
    found = learn("texture", SPILLS[:0]).normality
    features = describe_texture(torch.from_numpy(TRAIN))
    assert found.members == [fit_gaussians(features[fold != FOLDS]) for fold in (0, 1)]
    assert (found.view, found.where, found.share) == ("place", None, "half")


def test_a_member_is_fitted_to_what_its_own_network_sees() -> None:
    train = [as_features(draw(40, seed=0)), as_features(draw(40, seed=0, level=50))]
    found = at_places(train, [as_features(draw(0, seed=1))] * 2).normality
    assert np.abs(found.members[0].means).max() < 2
    assert np.abs(found.members[1].means - 50).max() < 2


def test_it_looks_where_known_spills_are_told_by_held_out_distances() -> None:
    train, spills = [draw(60, seed=fold) for fold in (0, 1)], [draw(8, seed=2)] * 2
    for one in spills:
        one[:, [8, 9]] += 6
    folds = in_turn(60)
    learnt = at_places(list(map(as_features, train)), list(map(as_features, spills)), folds)
    whole = [fit_gaussians(as_features(one[folds != fold])) for fold, one in enumerate(train)]
    held_out = np.empty((60, 24))
    for fold, one in enumerate(train):
        held_out[folds == fold] = squared_distances(whole[fold], one[folds == fold])
    known = np.mean([squared_distances(whole[fold], spills[fold]) for fold in (0, 1)], axis=0)
    places = learn_where(held_out, known, ROWS)
    assert 0 < len(places) < 24
    assert learnt.normality.where == places.tolist()
    for fold, member in enumerate(learnt.normality.members):
        np.testing.assert_array_equal(member.means, whole[fold].means[places])
        np.testing.assert_array_equal(member.precisions, whole[fold].precisions[places])


@pytest.mark.parametrize("count", [2, 3, 12])
def test_how_well_a_place_tells_is_measured_on_spills_that_have_not_told_it(count: int) -> None:
    normals, spills = draw(50, seed=0, features=1), draw(count, seed=1, features=1)
    for number, spill in enumerate(spills):
        spill[2 * number % 24] += 6
    found = of_distances(normals, spills, TOLD_VIEW)
    areas = []
    for part in np.array_split(np.arange(count), min(PARTS, count)):
        others = np.delete(spills[..., 0], part, axis=0)
        places = learn_where(normals[..., 0], others, ROWS)
        pooled = (one[:, places, 0].mean(axis=1) for one in (normals, spills[part]))
        areas.append(area_under_roc(*pooled))
    assert found.told == pytest.approx(np.mean(areas))
    assert found.told < area_under_roc(found.normals.numpy(), found.spills.numpy())


@pytest.mark.parametrize("name", ["appearance", "texture"])
@pytest.mark.parametrize("count", [0, 1])
def test_with_fewer_than_two_known_spills_the_first_view_and_share_are_taken(
    name: str, count: int
) -> None:
    learnt = learn(name, spills=np.full_like(SPILLS[:count], 255))
    (first, view), *_ = SCORES[name].views.items()
    assert (learnt.normality.view, learnt.normality.share) == (first, view.shares[0])
    assert learnt.normals.shape == (40,)
    assert learnt.spills.shape == (count,)


@pytest.mark.parametrize(("count", "everywhere"), [(0, True), (1, False)])
def test_one_known_spill_tells_where_to_look(count: int, everywhere: bool) -> None:
    spills = draw(count, seed=1)
    spills[:, [8, 9]] += 9
    found = at_places([as_features(draw(40, seed=0))] * 2, [as_features(spills)] * 2)
    assert (found.normality.where is None) == everywhere


def test_a_score_with_one_view_and_one_share_is_not_moved_by_spills() -> None:
    before, after = (learn("appearance", spills) for spills in (SPILLS, SPILLS[:2] // 3))
    assert after.normality == before.normality
    np.testing.assert_array_equal(after.normals, before.normals)


def test_a_defect_in_few_positions_is_told_by_the_strangest_tenth() -> None:
    normals, spills = draw(200, seed=0, features=1), draw(20, seed=1, features=1)
    for number, spill in enumerate(spills):
        spill[[number, (number + 12) % 24]] += 4
    assert of_distances(normals, spills, ALL_SHARES).normality.share == "tenth"


def test_a_defect_in_one_position_of_many_is_told_by_the_strangest_fiftieth() -> None:
    rng = np.random.default_rng(0)
    normals, spills = rng.normal(size=(200, 200, 1)), rng.normal(size=(20, 200, 1))
    for number, spill in enumerate(spills):
        spill[[7 * number, 7 * number + 60]] += 2.5
    assert of_distances(normals, spills, ALL_SHARES).normality.share == "fiftieth"


def test_a_change_of_the_whole_is_told_by_all() -> None:
    normals, spills = draw(999, seed=0, features=1), draw(99, seed=1, features=1) + 0.4
    assert of_distances(normals, spills, ALL_SHARES).normality.share == "all"


def test_what_lies_over_half_of_the_normals_is_left_out_by_the_less_strange_half() -> None:
    normals, spills = draw(200, seed=0, features=1), draw(20, seed=1, features=1) + 2
    normals[::4, :11] += 30
    assert of_distances(normals, spills, ALL_SHARES).normality.share == "half"


@pytest.mark.parametrize("in_both", [0, 20])
@pytest.mark.parametrize(("in_first", "chosen"), [(0, "0"), (1, "0"), (2, "1")])
def test_another_choice_than_the_first_must_gain_more_than_a_thousandth(
    in_both: int, in_first: int, chosen: str
) -> None:
    # All of 1000 normals lie below all spills, but for those that are strange in both views and
    # those that are in the first alone. Of these, one makes the area less by a thousandth.
    normals, spills = np.full((1000, 24, 2), 1.0), np.full((10, 24, 2), 3.0)
    normals[:in_both] = 30
    normals[in_both : in_both + in_first, :, 0] = 30
    assert of_distances(normals, spills, view(0), view(1)).normality.view == chosen


@pytest.mark.parametrize(("count", "chosen"), [(1, "0"), (2, "1")])
def test_one_known_spill_is_too_few_to_choose_by(count: int, chosen: str) -> None:
    normals, spills = np.full((50, 24, 2), 1.0), np.full((count, 24, 2), 0.0)
    spills[..., 1] = 3
    assert of_distances(normals, spills, view(0), view(1)).normality.view == chosen


def test_of_views_and_shares_the_ones_that_tell_most_are_taken_together() -> None:
    normals, spills = draw(200, seed=0, features=3), draw(20, seed=1, features=3)
    spills[..., 0] += 0.1
    spills[..., 1] += 0.2
    for number, spill in enumerate(spills):
        spill[number, 2] += 9
    found = of_distances(normals, spills, *(view(number, SHARES) for number in range(3)))
    assert found.normality.view == "2"
    assert found.normality.share in ("tenth", "fiftieth")
    pooled = (pool(one[..., 2], found.normality.share) for one in (normals, spills))
    for learnt, expected in zip((found.normals, found.spills), pooled, strict=True):
        np.testing.assert_array_equal(learnt, expected)


def test_no_further_view_is_looked_at_where_the_first_tells_all() -> None:
    def refuse(_: Tensor) -> Features:
        raise AssertionError("looked at")

    normals, spills = draw(50, seed=0, features=1), draw(5, seed=1, features=1) + 30
    found = of_distances(normals, spills, view(0), View(refuse, "frame", ("all",)))
    assert (found.normality.view, found.told) == ("0", 1)


def test_spills_count_by_their_mean_score_over_members() -> None:
    # The share is taken of each member's own positions, not of their means.
    train = [as_features(draw(40, seed=fold)) for fold in (0, 1)]
    spills = [as_features(draw(6, seed=2 + fold)) for fold in (0, 1)]
    score = Score(
        "mnad",
        gaussians.squared_distances,
        {"only": ALL_SHARES._replace(describe=lambda features: features, shares=("half",))},
    )
    found = learn_normality(score, list(zip(train, spills, strict=True)), FOLDS, ROWS)
    by_member = [
        pool(squared_distances(member, one.numpy()), "half")
        for member, one in zip(found.normality.members, spills, strict=True)
    ]
    np.testing.assert_allclose(found.spills, np.mean(by_member, axis=0))
