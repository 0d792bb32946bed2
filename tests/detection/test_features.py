"""Features look where they should, and change with what they should describe."""

import math
from collections.abc import Callable

import numpy as np
import pytest

from stages.common.types import FloatArray, Images
from stages.wells.detection import features
from stages.wells.detection.features import BLOCK, middle
from tests.arrays import on_arrays

describe_appearance = on_arrays(features.describe_appearance)
describe_texture = on_arrays(features.describe_texture)
describe_roughness = on_arrays(features.describe_roughness)
describe_sides = on_arrays(features.describe_sides)
subtract_own_median = on_arrays(features.subtract_own_median)

DESCRIBE = [describe_appearance, describe_texture, describe_roughness, describe_sides]
# The middle of a frame of 32 x 48, 4 x 6 blocks.
ROWS, COLUMNS = slice(12, 28), slice(12, 36)
GREY, WHITE, BLACK = (120, 120, 120), (255, 255, 255), (0, 0, 0)
COLOUR, RED_MINUS_BLUE, GRADIENT, SPREAD = slice(0, 3), 3, 4, 5
DEVIATION, HORIZONTAL, VERTICAL = 0, 1, 2


def plain(colour: tuple[int, int, int] = GREY, height: int = 32, width: int = 48) -> Images:
    """Return one image of one colour."""
    images = np.empty((1, 3, height, width), dtype=np.uint8)
    images[:] = np.reshape(colour, (3, 1, 1))
    return images


def painted(images: Images, rows: slice, columns: slice, colour: tuple[int, int, int]) -> Images:
    changed = images.copy()
    changed[..., rows, columns] = np.reshape(colour, (3, 1, 1))
    return changed


def grainy(
    deviation: float = 10, count: int = 1, height: int = 32, width: int = 48, seed: int = 0
) -> Images:
    """Return grey images whose pixels deviate by so many levels, in all channels alike."""
    grain = np.random.default_rng(seed).normal(120, deviation, (count, 1, height, width))
    return np.repeat(grain.clip(0, 255).round().astype(np.uint8), 3, axis=1)


def striped(upright: bool) -> Images:
    """Return an image whose neighbours differ by 51 grey levels, 0.2, across or down."""
    images = plain((100, 100, 100))
    if upright:
        images[..., ::2] = 151
    else:
        images[..., ::2, :] = 151
    return images


def changed_positions(before: FloatArray, after: FloatArray) -> list[int]:
    return [int(position) for position in np.flatnonzero((before != after).any(axis=(0, 2)))]


@pytest.mark.parametrize(
    ("height", "width", "in_middle", "at_sides"),
    [
        # Of 8 x 12 blocks: rows 3 to 6, columns 3 to 8; 8 rows of 2 + 2.
        (32, 48, 4 * 6, 8 * 4),
        # Of 16 x 24: rows 6 to 13, columns 6 to 17; 16 rows of 4 + 4.
        (64, 96, 8 * 12, 16 * 8),
        # Of 4 x 4: rows 2 and 3, columns 1 and 2; 4 rows of 1 + 1.
        (16, 16, 2 * 2, 4 * 2),
        # Of 4 x 6: rows 2 and 3, columns 2 and 3; 4 rows of 1 + 1.
        (16, 24, 2 * 2, 4 * 2),
    ],
)
def test_shapes_follow_from_the_frame(
    height: int, width: int, in_middle: int, at_sides: int
) -> None:
    images = grainy(count=3, height=height, width=width)
    found = {describe: describe(images) for describe in DESCRIBE}
    assert {describe: described.shape for describe, described in found.items()} == {
        describe_appearance: (3, 1, 6),
        describe_texture: (3, in_middle, 3),
        describe_roughness: (3, height // 4 * (width // 4), 3),
        describe_sides: (3, at_sides, 4),
    }
    for described in found.values():
        assert described.dtype == np.float64
        assert np.isfinite(described).all()


@pytest.mark.parametrize("colour", [BLACK, GREY, WHITE, (255, 0, 0)])
def test_a_flat_image_has_finite_features(colour: tuple[int, int, int]) -> None:
    for describe in DESCRIBE:
        assert np.isfinite(describe(plain(colour))).all()


@pytest.mark.parametrize("describe", DESCRIBE)
def test_an_image_is_described_as_it_would_be_alone(
    describe: Callable[[Images], FloatArray],
) -> None:
    images = np.random.default_rng(0).integers(0, 256, (5, 3, 32, 48), dtype=np.uint8)
    together = describe(images)
    for index in range(5):
        np.testing.assert_allclose(
            describe(images[index : index + 1])[0], together[index], rtol=1e-5
        )


def test_appearance_tells_the_middles_colour_from_the_frames() -> None:
    # The middle is a quarter of the frame, so a quarter of how it differs is in the frame's colour.
    images = painted(plain((100, 50, 0)), ROWS, COLUMNS, (151, 50, 204))
    described = describe_appearance(images)[0, 0]
    assert described[COLOUR] == pytest.approx([0.15, 0, 0.6], abs=1e-6)
    assert described[RED_MINUS_BLUE] == pytest.approx((151 - 204) / 255, abs=1e-6)
    assert described[SPREAD] == pytest.approx(0, abs=1e-6)


def test_appearance_takes_light_over_the_whole_frame_for_nothing() -> None:
    dim = grainy()
    np.testing.assert_allclose(describe_appearance(dim + 40), describe_appearance(dim), atol=1e-5)


def test_appearance_sees_edges_across_and_none_down() -> None:
    across, down = (describe_appearance(striped(upright))[0, 0] for upright in (True, False))
    assert math.exp(across[GRADIENT]) == pytest.approx(0.2, abs=0.01)
    assert math.exp(down[GRADIENT]) < 0.01
    # Half of the pixels lie 0.1 above the mean, half below.
    assert [across[SPREAD], down[SPREAD]] == pytest.approx([0.1, 0.1], rel=1e-12)


def test_appearance_falls_with_smoothness() -> None:
    smooth, rough = (describe_appearance(grainy(deviation))[0, 0] for deviation in (2, 20))
    for feature in (GRADIENT, SPREAD):
        assert smooth[feature] < rough[feature]
    assert smooth[GRADIENT] == pytest.approx(rough[GRADIENT] - math.log(10), abs=0.35)


@pytest.mark.parametrize("columns", [1, 4, 12, 24])
def test_appearance_moves_with_a_thing_as_far_as_it_covers_the_middle(columns: int) -> None:
    covered = painted(plain(), ROWS, slice(12, 12 + columns), BLACK)
    described = describe_appearance(covered)[0, 0]
    # A share of the middle's mean, of which a quarter is in the frame's too.
    share = columns / 24
    assert described[COLOUR] == pytest.approx([-0.75 * share * 120 / 255] * 3, abs=1e-6)
    # That share deviates by the rest of 120 grey levels, the rest by that share.
    assert described[SPREAD] == pytest.approx(2 * share * (1 - share) * 120 / 255, abs=1e-6)


def test_appearance_does_not_see_the_shape_of_what_is_outside() -> None:
    # The mean of the frame stays as it is, for the colours outside only change positions.
    images = grainy()
    moved = images.copy()
    moved[..., :10, :] = images[..., :10, ::-1]
    np.testing.assert_allclose(describe_appearance(moved), describe_appearance(images), atol=1e-6)


def test_texture_tells_deviation_and_edges_across_and_down_apart() -> None:
    upright, level = (np.exp(describe_texture(striped(upright))) for upright in (True, False))
    np.testing.assert_allclose(upright[..., DEVIATION], 0.1, atol=0.01)
    np.testing.assert_allclose(upright[..., HORIZONTAL], 0.2, atol=0.01)
    assert (upright[..., VERTICAL] < 0.01).all()
    np.testing.assert_allclose(level[..., DEVIATION], 0.1, atol=0.01)
    np.testing.assert_allclose(level[..., VERTICAL], 0.2, atol=0.01)
    assert (level[..., HORIZONTAL] < 0.01).all()


def test_texture_sees_deviating_colours_where_the_grey_is_even() -> None:
    # Red and blue differ by 0.2 from stripe to stripe, one up, one down: deviations 0.1, 0, 0.1.
    images = plain((151, 100, 100))
    images[:, 0, :, ::2], images[:, 2, :, ::2] = 100, 151
    described = np.exp(describe_texture(images))
    np.testing.assert_allclose(described[..., DEVIATION], 0.2 / 3, atol=0.01)
    assert (described[..., HORIZONTAL] < 0.01).all()


def test_texture_does_not_see_colour() -> None:
    np.testing.assert_array_equal(describe_texture(plain(WHITE)), describe_texture(plain(GREY)))


@pytest.mark.parametrize(("row", "column"), [(0, 0), (0, 5), (2, 1), (3, 0), (3, 5)])
def test_textures_blocks_are_the_middles_row_by_row(row: int, column: int) -> None:
    images = plain()
    top, left = 12 + BLOCK * row, 12 + BLOCK * column
    images[..., top : top + BLOCK, left : left + BLOCK] = grainy(height=4, width=4)
    rough = describe_texture(images)[0, :, DEVIATION] > describe_texture(plain())[0, :, DEVIATION]
    assert np.flatnonzero(rough).tolist() == [6 * row + column]


def test_texture_does_not_see_what_is_outside_the_middle() -> None:
    images, outside = grainy(), grainy(60, seed=1)
    # The pixels next to the middle stay, for gradients at its edge are taken to them.
    outside[..., 11:29, 11:37] = images[..., 11:29, 11:37]
    np.testing.assert_array_equal(describe_texture(outside), describe_texture(images))


def test_texture_sees_over_the_middles_edge_by_the_one_pixel_of_a_gradient() -> None:
    images, outside = grainy(), grainy(60, seed=1)
    outside[..., ROWS, COLUMNS] = images[..., ROWS, COLUMNS]
    before, after = describe_texture(images), describe_texture(outside)
    for feature, expected in (
        (DEVIATION, []),
        (HORIZONTAL, [0, 6, 12, 18]),
        (VERTICAL, [0, 1, 2, 3, 4, 5]),
    ):
        only = [feature]
        assert changed_positions(before[..., only], after[..., only]) == expected


@pytest.mark.parametrize(("contrast", "light"), [(1, 30), (2, 0), (3, 10)])
def test_roughness_does_not_see_contrast_and_light(contrast: float, light: float) -> None:
    grain = np.random.default_rng(0).integers(-30, 31, (1, 3, 32, 48))
    images, changed = 100 + grain, 100 + light + contrast * grain
    before, after = (describe_roughness(one.astype(np.uint8)) for one in (images, changed))
    np.testing.assert_allclose(after, before, atol=0.2)


@pytest.mark.parametrize(("row", "column"), [(0, 0), (0, 11), (3, 5), (7, 0), (7, 11)])
def test_roughness_sees_the_block_that_is_smoother_than_its_photo(row: int, column: int) -> None:
    images, top, left = grainy(), BLOCK * row, BLOCK * column
    images[..., top : top + BLOCK, left : left + BLOCK] = 120
    assert describe_roughness(images)[0, :, DEVIATION].argmin() == 12 * row + column


@pytest.mark.parametrize(("positions", "middle"), [(1, 3.0), (2, 5), (3, 7), (4, 5.5), (5, 4)])
def test_each_feature_loses_its_own_median_over_the_positions(
    positions: int, middle: float
) -> None:
    features = np.array([[3.0, 30], [7, 70], [9, 90], [4, 40], [0, 0]])[None, :positions]
    expected = features - [middle, 10 * middle]
    np.testing.assert_array_equal(subtract_own_median(features), expected)


def test_the_middle_is_the_lower_half_of_the_frame_between_its_outer_quarters() -> None:
    assert middle(32, 48) == (ROWS, COLUMNS)


@pytest.mark.parametrize(
    ("rows", "columns", "row", "column"),
    [
        ((0.5, 0.51), (0.5, 0.51), 4, 6),
        ((0, 0.01), (0, 0.01), 0, 0),
        ((0.99, 1), (0.99, 1), 7, 11),
        ((0.99, 1), (0, 0.01), 7, 0),
    ],
    ids=str,
)
def test_a_middle_smaller_than_a_block_still_is_one_block(
    rows: tuple[float, float],
    columns: tuple[float, float],
    row: int,
    column: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(features, "BOX_ROWS", rows)
    monkeypatch.setattr(features, "BOX_COLUMNS", columns)
    images = plain()
    top, left = BLOCK * row, BLOCK * column
    images[..., top : top + BLOCK, left : left + BLOCK] = grainy(height=4, width=4)
    found, flat = describe_texture(images), describe_texture(plain())
    assert found.shape == (1, 1, 3)
    assert (found > flat).all()
    assert describe_appearance(images)[0, 0, SPREAD] > 0


@pytest.mark.parametrize(("height", "width"), [(4, 4), (4, 8), (8, 4)])
def test_a_frame_of_a_block_or_two_has_a_middle(height: int, width: int) -> None:
    rows, columns = middle(height, width)
    assert 0 <= rows.start < rows.stop <= height
    assert 0 <= columns.start < columns.stop <= width


def test_the_middle_may_be_the_whole_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(features, "BOX_ROWS", (0, 1))
    monkeypatch.setattr(features, "BOX_COLUMNS", (0, 1))
    assert describe_texture(grainy()).shape == (1, 8 * 12, 3)
    np.testing.assert_allclose(describe_appearance(grainy())[0, 0, COLOUR], 0, atol=1e-6)


@pytest.mark.parametrize(
    ("height", "width", "sixth"), [(32, 48, 8), (64, 96, 16), (16, 24, 4)], ids=str
)
def test_sides_see_the_outer_sixths_and_nothing_between(
    height: int, width: int, sixth: int
) -> None:
    images = grainy(height=height, width=width)
    middle = painted(images, slice(None), slice(sixth, width - sixth), BLACK)
    np.testing.assert_array_equal(describe_sides(middle), describe_sides(images))
    for column in (0, sixth - 1, width - sixth, width - 1):
        touched = painted(images, slice(0, 1), slice(column, column + 1), WHITE)
        assert len(changed_positions(describe_sides(images), describe_sides(touched))) == 1, column


@pytest.mark.parametrize(
    ("row", "left", "position"), [(0, 0, 0), (0, 4, 1), (0, 40, 2), (7, 44, 31), (5, 40, 22)]
)
def test_sides_tell_each_blocks_colour_row_by_row_from_left_to_right(
    row: int, left: int, position: int
) -> None:
    images = painted(plain(), slice(4 * row, 4 * row + 4), slice(left, left + 4), (255, 51, 0))
    found = describe_sides(images)
    assert found[0, position, :3] == pytest.approx([1, 0.2, 0])
    assert changed_positions(describe_sides(plain()), found) == [position]


def test_sides_tell_mean_and_roughness() -> None:
    assert (describe_sides(grainy(20))[..., 3] > describe_sides(grainy(2))[..., 3] + 1).all()
    # Stripes of levels 100 and 151: half-way between them, deviations of 0.1.
    described = describe_sides(striped(True))
    np.testing.assert_allclose(described[..., :3], 125.5 / 255, atol=1e-6)
    np.testing.assert_allclose(np.exp(described[..., 3]), 0.1, atol=0.01)
