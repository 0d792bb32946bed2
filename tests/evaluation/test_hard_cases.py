"""Hard cases are drawn from wells as told, and the same for the same seed."""

from collections.abc import Iterable

import numpy as np
import pytest
from numpy.typing import NDArray

from stages.common.types import FloatArray, Images
from stages.wells.data.images import decode, resize
from stages.wells.evaluation import hard_cases
from stages.wells.evaluation.hard_cases import HardCases, drain, draw_hard_cases, stretch_contrast
from stages.wells.synthetic.archive import shoot
from stages.wells.synthetic.canvas import X, Y
from stages.wells.synthetic.scenes import draw_normal_well, draw_streak_well

COUNTS = {
    "normal": 8,
    "covered": 8,
    "contrast": 8,
    "spill": 5,
    "spill_covered": 5,
    "empty": 8,
    "empty_covered": 8,
}
SPILLED = {"spill", "spill_covered", "empty", "empty_covered"}


def photos(scenes: Iterable[FloatArray], height: int = 32, width: int = 48) -> Images:
    rng = np.random.default_rng(0)
    return np.stack([resize(decode(shoot(one, rng)), height, width) for one in scenes])


def normal_wells(height: int = 32, width: int = 48) -> Images:
    rng = np.random.default_rng(1)
    return photos([draw_normal_well(rng) for _ in range(8)], height, width)


def streak_wells(height: int = 32, width: int = 48) -> Images:
    rng = np.random.default_rng(2)
    return photos([draw_streak_well(rng, 1.05) for _ in range(5)], height, width)


HOLDOUT, SPILLS = normal_wells(), streak_wells()


@pytest.fixture(scope="module")
def cases() -> HardCases:
    return draw_hard_cases(HOLDOUT, SPILLS, seed=0)


def of_kind(cases: HardCases, kind: str) -> Images:
    chosen: Images = cases.images[cases.kinds == kind]
    return chosen


def roughness(images: Images) -> NDArray[np.float64]:
    """Return the mean difference of neighbours in the well's middle, `[N]`."""
    height, width = images.shape[-2:]
    middle = images[..., height * 3 // 8 : height * 3 // 4, width * 3 // 8 : width * 5 // 8]
    grey = middle.mean(axis=1)
    rough: NDArray[np.float64] = np.abs(np.diff(grey, axis=2)).mean(axis=(1, 2))
    return rough


def distances(one: Images, other: Images) -> NDArray[np.int64]:
    """Return the largest difference of a pixel's channels, `[N, H, W]`."""
    largest: NDArray[np.int64] = np.abs(one.astype(np.int64) - other).max(axis=1)
    return largest


def test_every_kind_is_there_as_often_as_what_it_is_drawn_from(cases: HardCases) -> None:
    assert {kind: len(of_kind(cases, kind)) for kind in set(cases.kinds.tolist())} == COUNTS
    assert cases.images.shape == (sum(COUNTS.values()), 3, 32, 48)
    assert cases.images.dtype == np.uint8


def test_spills_and_empty_wells_are_labelled_spills_whatever_lies_over_them(
    cases: HardCases,
) -> None:
    assert cases.labels.dtype == np.bool_
    labelled = set(zip(cases.kinds.tolist(), cases.labels.tolist(), strict=True))
    assert labelled == {(kind, kind in SPILLED) for kind in COUNTS}


def test_normals_and_spills_stand_among_them_as_they_are(cases: HardCases) -> None:
    np.testing.assert_array_equal(of_kind(cases, "normal"), HOLDOUT)
    np.testing.assert_array_equal(of_kind(cases, "spill"), SPILLS)


def test_without_known_spills_the_kinds_of_spills_are_left_out(cases: HardCases) -> None:
    none = draw_hard_cases(HOLDOUT, SPILLS[:0], seed=0)
    counts = {kind: count for kind, count in COUNTS.items() if not kind.startswith("spill")}
    assert {kind: len(of_kind(none, kind)) for kind in set(none.kinds.tolist())} == counts
    assert none.images.shape == (sum(counts.values()), 3, 32, 48)
    assert len(none.labels) == len(none.kinds) == len(none.images)
    for kind in ("normal", "covered", "contrast", "empty"):
        np.testing.assert_array_equal(of_kind(none, kind), of_kind(cases, kind))


def test_drawing_leaves_the_images_it_is_given_alone() -> None:
    holdout, spills = HOLDOUT.copy(), SPILLS.copy()
    draw_hard_cases(holdout, spills, seed=0)
    np.testing.assert_array_equal(holdout, HOLDOUT)
    np.testing.assert_array_equal(spills, SPILLS)


def test_the_same_seed_draws_the_same_bytes(cases: HardCases) -> None:
    again = draw_hard_cases(HOLDOUT, SPILLS, seed=0)
    assert again.images.tobytes() == cases.images.tobytes()
    assert again.kinds.tolist() == cases.kinds.tolist()


def test_another_seed_draws_another_case_of_each_well(cases: HardCases) -> None:
    others = draw_hard_cases(HOLDOUT, SPILLS, seed=1)
    for kind in COUNTS.keys() - {"normal", "spill"}:
        changed = distances(of_kind(others, kind), of_kind(cases, kind)).max(axis=(1, 2))
        assert (changed > 0).all(), kind


def test_a_variant_is_of_its_own_well(monkeypatch: pytest.MonkeyPatch, cases: HardCases) -> None:
    # With nothing laid over it, a well is what it was but for its resampling.
    monkeypatch.setattr(hard_cases, "disturb", lambda scene, rng: scene)
    plain = draw_hard_cases(HOLDOUT, SPILLS, seed=0)
    for drawn, originals in (
        (of_kind(plain, "covered"), HOLDOUT),
        (of_kind(plain, "spill_covered"), SPILLS),
        (of_kind(plain, "empty_covered"), of_kind(plain, "empty")),
    ):
        moved = distances(drawn, originals)
        assert moved.mean() < 2.5
        assert (moved < 40).all()


@pytest.mark.parametrize(
    ("kind", "original"),
    [("covered", "normal"), ("spill_covered", "spill"), ("empty_covered", "empty")],
)
def test_what_lies_over_a_well_is_seen_and_leaves_a_part_of_it_free(
    cases: HardCases, kind: str, original: str
) -> None:
    moved = distances(of_kind(cases, kind), of_kind(cases, original))
    for well in moved:
        assert (well > 15).mean() > 0.01
    # One of the five things to be laid over a well is its own shift, which leaves nothing.
    assert np.median((moved < 15).mean(axis=(1, 2))) > 0.5


@pytest.mark.parametrize(("height", "width"), [(32, 48), (16, 24), (64, 96), (16, 16)])
def test_an_emptied_well_is_smoother_in_the_middle_than_it_was(height: int, width: int) -> None:
    holdout = normal_wells(height, width)
    drawn = draw_hard_cases(holdout, streak_wells(height, width), seed=0)
    assert drawn.images.shape == (sum(COUNTS.values()), 3, height, width)
    before, after = roughness(holdout), roughness(of_kind(drawn, "empty"))
    assert (after < before).all()
    assert np.median(after / before) < 0.4


def test_an_emptied_well_keeps_the_frames_edges(cases: HardCases) -> None:
    moved = distances(of_kind(cases, "empty"), HOLDOUT)
    edges = np.concatenate(
        [moved[:, :2].ravel(), moved[:, :, :2].ravel(), moved[:, :, -2:].ravel()]
    )
    assert np.quantile(edges, 0.95) < 12
    assert moved[:, 12:20, 16:32].mean() > 3 * edges.mean()


@pytest.mark.parametrize("seed", range(5))
def test_an_emptied_well_is_filled_in_the_colours_of_its_own_rim(seed: int) -> None:
    # A reddish rim on the left, a bluish one on the right, bright metal between.
    left, right = np.array([0.6, 0.4, 0.3]), np.array([0.3, 0.4, 0.6])
    scene = np.ones((*X.shape, 3))
    scene[X < 12], scene[X > 36] = left, right
    after = drain(scene, np.random.default_rng(seed))
    middle = np.abs(Y - 15) < 3
    places = {x: after[middle & (np.abs(X - x) < 0.5)].mean(axis=0) for x in (14, 24, 34)}
    np.testing.assert_allclose(places[24], (left + right) / 2, atol=0.03)
    np.testing.assert_allclose(places[14], left + 8 / 36 * (right - left), atol=0.03)
    np.testing.assert_allclose(places[34], left + 28 / 36 * (right - left), atol=0.03)


def test_bright_specks_lie_at_the_bottom_of_about_every_other_emptied_well() -> None:
    dark = np.full((*X.shape, 3), 0.2)
    wells = [drain(dark, np.random.default_rng(seed)).max(axis=2) for seed in range(60)]
    assert 20 <= sum(well.max() > 0.35 for well in wells) <= 40
    assert max(well[Y < 18].max() for well in wells) < 0.35


def test_another_contrast_keeps_the_mean_of_each_image_and_channel(cases: HardCases) -> None:
    means = of_kind(cases, "contrast").mean(axis=(2, 3))
    np.testing.assert_allclose(means, HOLDOUT.mean(axis=(2, 3)), atol=0.3)


def test_contrast_is_stretched_and_flattened_by_up_to_a_half_in_all_channels_alike() -> None:
    # Levels 90 and 170, with other numbers of each in each channel, and so another mean.
    images = np.full((200, 3, 8, 8), 90, dtype=np.uint8)
    images[:, 0, :4], images[:, 1, :2], images[:, 2, :6] = 170, 170, 170
    after = stretch_contrast(images, np.random.default_rng(0)).astype(float)
    factors = (after.max(axis=(2, 3)) - after.min(axis=(2, 3))) / 80
    # Rounded to whole levels.
    assert np.ptp(factors, axis=1).max() < 2 / 80
    assert 0.48 < factors.min() < 0.6
    assert 1.35 < factors.max() < 1.52
    assert 0.3 < (factors > 1).mean() < 0.7


def test_a_stretched_contrast_stops_at_black_and_white() -> None:
    images = np.zeros((50, 3, 8, 8), dtype=np.uint8)
    images[..., :4, :] = 255
    after = stretch_contrast(images, np.random.default_rng(0))
    assert (after[..., :4, :] > 180).all()
    assert (after[..., 4:, :] < 75).all()
    assert (after[..., :4, :] == 255).any()
