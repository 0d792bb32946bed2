"""Hard cases are drawn from wells as told, and the same for the same seed."""

from collections.abc import Callable, Iterable

import numpy as np
import pytest
from numpy.typing import NDArray

from stages.common.types import FloatArray, Images, Indices, Marks
from stages.wells.data.images import decode, resize
from stages.wells.evaluation import hard_cases
from stages.wells.evaluation.hard_cases import (
    HardCases,
    change_light,
    drain,
    draw_hard_cases,
    lay_haze,
    stretch_contrast,
)
from stages.wells.synthetic.archive import shoot
from stages.wells.synthetic.canvas import Rng, X, Y, dome
from stages.wells.synthetic.scenes import draw_normal_well, draw_streak_well

NORMAL = ("normal", "far", "covered", "contrast", "light", "haze")
SPILL = ("spill", "spill_covered", "spill_light")
EMPTY = ("empty", "empty_covered", "empty_light")
COUNTS = dict.fromkeys(NORMAL, 8) | {"far": 3} | dict.fromkeys(SPILL, 5) | dict.fromkeys(EMPTY, 8)


def photos(scenes: Iterable[FloatArray], height: int = 32, width: int = 48) -> Images:
    rng = np.random.default_rng(0)
    return np.stack([resize(decode(shoot(one, rng)), height, width) for one in scenes])


def normal_wells(height: int = 32, width: int = 48) -> Images:
    rng = np.random.default_rng(1)
    return photos([draw_normal_well(rng) for _ in range(8)], height, width)


def streak_wells(height: int = 32, width: int = 48) -> Images:
    rng = np.random.default_rng(2)
    return photos([draw_streak_well(rng, 1.05) for _ in range(5)], height, width)


WELLS, SPILLS = normal_wells(), streak_wells()
FOLDS: Indices = np.array([2, 0, 1, 1, 0, 2, 2, 0])
FAR: Marks = np.isin(np.arange(8), [1, 3, 6])


def draw(wells: Images = WELLS, spills: Images = SPILLS, seed: int = 0) -> HardCases:
    return draw_hard_cases(wells, FOLDS, FAR, spills, seed)


@pytest.fixture(scope="module")
def cases() -> HardCases:
    return draw()


def of_kind(cases: HardCases, kind: str) -> Images:
    chosen: Images = cases.images[cases.kinds == kind]
    return chosen


def middle(images: Images) -> Images:
    """Return the middle of each well."""
    height, width = images.shape[-2:]
    return images[..., height * 3 // 8 : height * 3 // 4, width * 3 // 8 : width * 5 // 8]


def roughness(images: Images) -> FloatArray:
    """Return the mean difference of neighbours in the well's middle, `[N]`."""
    grey = middle(images).mean(axis=1)
    return np.asarray(np.abs(np.diff(grey, axis=2)).mean(axis=(1, 2)))


def blueness(images: Images) -> FloatArray:
    """Return the mean B - (R + G) / 2 of the well's middle, `[N]`."""
    red, green, blue = middle(images).mean(axis=(2, 3)).T
    return np.asarray(blue - (red + green) / 2)


def contrast(images: Images) -> FloatArray:
    """Return the deviation of each image's grey levels, `[N]`."""
    return np.asarray(images.mean(axis=1).std(axis=(1, 2)))


def likeness(one: Images, other: Images) -> FloatArray:
    """Return the correlation of each image's grey levels with another's, `[N]`."""
    pairs = zip(one.mean(axis=1), other.mean(axis=1), strict=True)
    return np.array([np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in pairs])


def distances(one: Images, other: Images) -> NDArray[np.int64]:
    """Return the largest difference of a pixel's channels, `[N, H, W]`."""
    largest: NDArray[np.int64] = np.abs(one.astype(np.int64) - other).max(axis=1)
    return largest


def test_every_kind_is_there_as_often_as_what_it_is_drawn_from(cases: HardCases) -> None:
    # In this order, each in one run.
    kinds = [kind for kind, count in COUNTS.items() for _ in range(count)]
    assert cases.kinds.tolist() == kinds
    assert cases.images.shape == (len(kinds), 3, 32, 48)
    assert cases.images.dtype == np.uint8


def test_a_case_is_of_the_fold_of_its_photo_and_a_known_spill_of_none(cases: HardCases) -> None:
    assert cases.folds.dtype == np.intp
    for kind in COUNTS:
        folds = cases.folds[cases.kinds == kind].tolist()
        if kind in SPILL:
            assert folds == [-1] * 5, kind
        else:
            assert folds == (FOLDS[FAR] if kind == "far" else FOLDS).tolist(), kind


def test_spills_and_empty_wells_are_labelled_spills_whatever_lies_over_them(
    cases: HardCases,
) -> None:
    assert cases.labels.dtype == np.bool_
    labelled = set(zip(cases.kinds.tolist(), cases.labels.tolist(), strict=True))
    assert labelled == {(kind, kind not in NORMAL) for kind in COUNTS}


def test_normals_and_spills_stand_among_them_as_they_are(cases: HardCases) -> None:
    np.testing.assert_array_equal(of_kind(cases, "normal"), WELLS)
    np.testing.assert_array_equal(of_kind(cases, "far"), WELLS[FAR])
    np.testing.assert_array_equal(of_kind(cases, "spill"), SPILLS)


def test_without_known_spills_the_kinds_of_spills_are_left_out(cases: HardCases) -> None:
    none = draw(spills=SPILLS[:0])
    kept = ~np.isin(cases.kinds, SPILL)
    assert none.kinds.tolist() == cases.kinds[kept].tolist()
    assert none.labels.tolist() == cases.labels[kept].tolist()
    assert none.folds.tolist() == cases.folds[kept].tolist()
    np.testing.assert_array_equal(none.images, cases.images[kept])


def test_where_no_well_is_far_their_kind_is_left_out(cases: HardCases) -> None:
    near = draw_hard_cases(WELLS, FOLDS, np.zeros(8, dtype=np.bool_), SPILLS, seed=0)
    kept = cases.kinds != "far"
    assert near.kinds.tolist() == cases.kinds[kept].tolist()
    assert near.folds.tolist() == cases.folds[kept].tolist()
    np.testing.assert_array_equal(near.images, cases.images[kept])


def test_drawing_leaves_what_it_is_given_alone() -> None:
    given = WELLS.copy(), FOLDS.copy(), FAR.copy(), SPILLS.copy()
    cases = draw_hard_cases(*given, seed=0)
    cases.images[:], cases.folds[:] = 0, 0
    for array, before in zip(given, (WELLS, FOLDS, FAR, SPILLS), strict=True):
        np.testing.assert_array_equal(array, before)


@pytest.mark.parametrize("change", [stretch_contrast, change_light, lay_haze])
def test_a_change_leaves_the_images_it_is_given_alone(
    change: Callable[[Images, Rng], Images],
) -> None:
    wells = WELLS.copy()
    changed = change(wells, np.random.default_rng(0))
    np.testing.assert_array_equal(wells, WELLS)
    assert (changed != wells).any(axis=(1, 2, 3)).sum() >= 7


def test_draining_leaves_the_scene_it_is_given_alone() -> None:
    scene = draw_normal_well(np.random.default_rng(0))
    before = scene.copy()
    drain(scene, np.random.default_rng(0))
    np.testing.assert_array_equal(scene, before)


def test_the_same_seed_draws_the_same_bytes(cases: HardCases) -> None:
    again = draw()
    assert again.images.tobytes() == cases.images.tobytes()
    assert again.kinds.tolist() == cases.kinds.tolist()


def test_another_seed_draws_another_case_of_each_well(cases: HardCases) -> None:
    others = draw(seed=1)
    for kind in COUNTS.keys() - {"normal", "far", "spill"}:
        changed = distances(of_kind(others, kind), of_kind(cases, kind)).max(axis=(1, 2))
        assert (changed > 0).all(), kind


def test_a_variant_is_of_its_own_well(monkeypatch: pytest.MonkeyPatch, cases: HardCases) -> None:
    # With nothing laid over it, a well is what it was but for its resampling.
    monkeypatch.setattr(hard_cases, "disturb", lambda scene, rng: scene)
    plain = draw()
    for drawn, originals in (
        (of_kind(plain, "covered"), WELLS),
        (of_kind(plain, "spill_covered"), SPILLS),
        (of_kind(plain, "empty_covered"), of_kind(plain, "empty")),
    ):
        moved = distances(drawn, originals)
        assert moved.mean() < 2.5
        assert (moved < 40).all()


def test_another_light_or_contrast_or_haze_is_of_its_own_well(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("change_light", "stretch_contrast", "lay_haze"):
        monkeypatch.setattr(hard_cases, name, lambda images, rng: images)
    plain = draw()
    for kind, original in {
        "light": "normal",
        "contrast": "normal",
        "haze": "normal",
        "spill_light": "spill",
        "empty_light": "empty",
    }.items():
        np.testing.assert_array_equal(of_kind(plain, kind), of_kind(plain, original))


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
def test_an_emptied_well_is_smoother_and_bluer_in_the_middle_than_it_was(
    height: int, width: int
) -> None:
    wells = normal_wells(height, width)
    drawn = draw(wells, streak_wells(height, width))
    assert drawn.images.shape == (sum(COUNTS.values()), 3, height, width)
    empty = of_kind(drawn, "empty")
    before, after = roughness(wells), roughness(empty)
    assert (after < before).all()
    assert np.median(after / before) < 0.7
    assert (blueness(empty) > blueness(wells) + 3).all()


def test_an_emptied_well_keeps_the_frames_upper_corners(cases: HardCases) -> None:
    moved = distances(of_kind(cases, "empty"), WELLS)
    corners = np.concatenate([moved[:, :4, :4].ravel(), moved[:, :4, -4:].ravel()])
    assert np.quantile(corners, 0.95) < 12
    assert moved[:, 12:20, 16:32].mean() > 3 * corners.mean()


@pytest.mark.parametrize("seed", range(5))
def test_an_emptied_well_is_of_its_own_rims_colour_but_bluer(seed: int) -> None:
    # A bluish rim, metal that is reddish and brighter, and a table that is bluer than either.
    rim, metal, table = [0.36, 0.40, 0.42], [0.6, 0.5, 0.4], [0.2, 0.3, 0.9]
    scene = np.full((*X.shape, 3), table)
    scene[dome(24, 15, 18, 12, 12) < 0] = rim
    scene[dome(24, 17, 15, 8, 12) < 0] = metal
    after = drain(scene, np.random.default_rng(seed))
    middle = after[(np.abs(Y - 18) < 3) & (np.abs(X - 24) < 6)].mean(axis=0)
    np.testing.assert_allclose(middle, np.add(rim, [0, 0, 6.5 / 255]), atol=0.02)
    red, green, blue = middle - rim
    assert blue - (red + green) / 2 > 0.01
    above = after[(np.abs(Y - 5) < 1) & (np.abs(X - 24) < 6)].mean(axis=0)
    assert (above < middle - 0.01).all()


def test_an_emptied_well_has_a_dark_outline_above() -> None:
    scene = np.full((*X.shape, 3), 0.45)
    for seed in range(20):
        column = drain(scene, np.random.default_rng(seed))[:, np.abs(X[0] - 24) < 3].mean(axis=1)
        rows = Y[:, 0]
        outline = column[(rows > -3) & (rows < 5)].min(axis=0)
        assert outline.mean() < column[(rows > 6) & (rows < 9)].mean() - 0.02


def test_bright_specks_lie_at_the_bottom_of_about_a_third_of_the_emptied_wells() -> None:
    dark = np.full((*X.shape, 3), 0.2)
    below, above = (Y > 25) & (np.abs(X - 24) < 10), (Y < 18) & (np.abs(X - 24) < 10)
    wells = [drain(dark, np.random.default_rng(seed))[..., 0] for seed in range(90)]
    assert 20 <= sum(well[below].max() > 0.5 for well in wells) <= 45
    assert max(well[above].max() for well in wells) < 0.35


def test_another_contrast_keeps_the_mean_of_each_image_and_channel(cases: HardCases) -> None:
    means = of_kind(cases, "contrast").mean(axis=(2, 3))
    np.testing.assert_allclose(means, WELLS.mean(axis=(2, 3)), atol=0.3)


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


def test_another_light_is_brighter_or_darker(cases: HardCases) -> None:
    lit = change_light(np.repeat(WELLS, 10, axis=0), np.random.default_rng(0))
    gains = lit.mean(axis=(1, 2, 3)) / np.repeat(WELLS.mean(axis=(1, 2, 3)), 10)
    assert 0.78 < gains.min() < 0.92
    assert 1.1 < gains.max() < 1.3
    for kind, original in (("light", "normal"), ("spill_light", "spill"), ("empty_light", "empty")):
        before, after = of_kind(cases, original), of_kind(cases, kind)
        moved = np.abs(after.mean(axis=(1, 2, 3)) - before.mean(axis=(1, 2, 3)))
        assert np.median(moved) > 4, kind


def test_another_light_slopes_and_is_tinted_but_keeps_the_structure() -> None:
    # Stripes that no slope of the light resembles.
    images = np.full((200, 3, 32, 48), 60, dtype=np.uint8)
    images[..., ::2] = 160
    lit = change_light(images, np.random.default_rng(0))
    assert (likeness(lit, images) > 0.9).all()
    grey = lit.mean(axis=1)
    sides = grey[:, :, 40:].mean(axis=(1, 2)) / grey[:, :, :8].mean(axis=(1, 2))
    ends = grey[:, 24:].mean(axis=(1, 2)) / grey[:, :8].mean(axis=(1, 2))
    for slope in (sides, ends):
        assert 0.8 < slope.min() < 0.9
        assert 1.1 < slope.max() < 1.25
    channels = lit.mean(axis=(2, 3))
    tints = np.log(channels / channels.mean(axis=1, keepdims=True))
    assert tints.std() == pytest.approx(0.015 * np.sqrt(2 / 3), rel=0.15)


def test_haze_leaves_little_contrast_and_the_mean_colour() -> None:
    wells = np.repeat(WELLS, 10, axis=0)
    hazy = lay_haze(wells, np.random.default_rng(0))
    np.testing.assert_allclose(hazy.mean(axis=(2, 3)), wells.mean(axis=(2, 3)), atol=0.5)
    left = contrast(hazy) / contrast(wells)
    assert (left < 0.7).all()
    assert 0.2 < np.median(left) < 0.5


def test_haze_over_nothing_is_the_cameras_noise_and_a_faint_slope() -> None:
    plain = np.full((100, 3, 32, 48), 100, dtype=np.uint8)
    hazy = lay_haze(plain, np.random.default_rng(0)).astype(float)
    # Half a grey level, and the rounding to whole ones.
    neighbours = np.diff(hazy, axis=3).std() / np.sqrt(2)
    assert neighbours == pytest.approx(np.sqrt(0.25 + 1 / 12), abs=0.06)
    sides = hazy[..., -4:].mean(axis=(1, 2, 3)) - hazy[..., :4].mean(axis=(1, 2, 3))
    assert 4 < np.abs(sides).max() < 6.2
    assert (sides < 0).any()
    assert (sides > 0).any()
