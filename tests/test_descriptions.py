"""Descriptions look where they are told to, and change with what they are told to describe."""

import math
from collections.abc import Callable

import numpy as np
import pytest

from stages.wells.descriptions import BLOCK, Box, appearance, sides, texture
from stages.wells.gaussians import Features
from stages.wells.images import Images

# In a frame of 32 x 48: rows 12 to 27, columns 12 to 35, or 4 x 6 blocks.
BOX = Box(top=0.375, bottom=0.875, left=0.25, right=0.75)
ROWS, COLUMNS = slice(12, 28), slice(12, 36)
GREY, WHITE, BLACK = (120, 120, 120), (255, 255, 255), (0, 0, 0)
COLOUR, RED_MINUS_BLUE, GRADIENT, SPREAD = slice(0, 3), 3, 4, 5
DEVIATION, HORIZONTAL, VERTICAL = 0, 1, 2


def plain(colour: tuple[int, int, int] = GREY, height: int = 32, width: int = 48) -> Images:
    """Give one image of one colour."""
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
    """Give grey images whose pixels deviate, in all channels alike, from row to row and column."""
    grain = np.random.default_rng(seed).normal(120, deviation, (count, 1, height, width))
    return np.repeat(grain.clip(0, 255).round().astype(np.uint8), 3, axis=1)


def striped(upright: bool) -> Images:
    """Give an image whose neighbours differ by 51 grey levels, 0.2, across or down."""
    images = plain((100, 100, 100))
    if upright:
        images[..., ::2] = 151
    else:
        images[..., ::2, :] = 151
    return images


def changed_places(before: Features, after: Features) -> list[int]:
    return [int(place) for place in np.flatnonzero((before != after).any(axis=(0, 2)))]


@pytest.mark.parametrize(
    ("height", "width", "in_box", "at_sides"),
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
def test_shapes_follow_from_the_frame(height: int, width: int, in_box: int, at_sides: int) -> None:
    images = grainy(count=3, height=height, width=width)
    found = appearance(images, BOX), texture(images, BOX), sides(images)
    assert [described.shape for described in found] == [(3, 1, 6), (3, in_box, 3), (3, at_sides, 4)]
    for described in found:
        assert described.dtype == np.float64
        assert np.isfinite(described).all()


@pytest.mark.parametrize("colour", [BLACK, GREY, WHITE, (255, 0, 0)])
def test_a_flat_image_has_finite_features(colour: tuple[int, int, int]) -> None:
    for described in (
        appearance(plain(colour), BOX),
        texture(plain(colour), BOX),
        sides(plain(colour)),
    ):
        assert np.isfinite(described).all()


@pytest.mark.parametrize(
    "describe", [lambda x: appearance(x, BOX), lambda x: texture(x, BOX), sides]
)
def test_an_image_is_described_as_it_would_be_alone(
    describe: Callable[[Images], Features],
) -> None:
    images = np.random.default_rng(0).integers(0, 256, (5, 3, 32, 48), dtype=np.uint8)
    together = describe(images)
    for index in range(5):
        np.testing.assert_allclose(
            describe(images[index : index + 1])[0], together[index], rtol=1e-5
        )


def test_appearance_tells_the_boxs_colour_from_the_frames() -> None:
    # The box is a quarter of the frame, whose median is thus the colour outside.
    images = painted(plain((100, 50, 0)), ROWS, COLUMNS, (151, 50, 204))
    described = appearance(images, BOX)[0, 0]
    assert described[COLOUR] == pytest.approx([0.2, 0, 0.8], abs=1e-6)
    assert described[RED_MINUS_BLUE] == pytest.approx((151 - 204) / 255, abs=1e-6)
    assert described[SPREAD] == 0


def test_appearance_takes_light_over_the_whole_frame_for_nothing() -> None:
    dim = grainy()
    np.testing.assert_allclose(appearance(dim + 40, BOX), appearance(dim, BOX), atol=1e-5)


def test_appearance_sees_edges_across_and_none_down() -> None:
    across, down = (appearance(striped(upright), BOX)[0, 0] for upright in (True, False))
    assert math.exp(across[GRADIENT]) == pytest.approx(0.2, abs=0.01)
    assert math.exp(down[GRADIENT]) < 0.01
    # Half of the pixels lie 0.1 above the median, half below.
    assert across[SPREAD] == down[SPREAD] == pytest.approx(0.1, abs=1e-6)


def test_appearance_falls_with_smoothness() -> None:
    smooth, rough = (appearance(grainy(deviation), BOX)[0, 0] for deviation in (2, 20))
    for feature in (GRADIENT, SPREAD):
        assert smooth[feature] < rough[feature]
    assert smooth[GRADIENT] == pytest.approx(rough[GRADIENT] - math.log(10), abs=0.35)


def test_appearance_of_a_flat_box_does_not_see_what_covers_less_than_half_of_it() -> None:
    # Ten of 24 columns, from the left edge of the frame on; two thirds of the frame stay free.
    covered = painted(plain(), slice(0, 32), slice(0, 22), BLACK)
    np.testing.assert_array_equal(appearance(covered, BOX), appearance(plain(), BOX))


@pytest.mark.parametrize(
    ("columns", "seen"), [(4, False), (10, False), (14, True), (24, True)], ids=str
)
def test_appearance_moves_with_a_thing_only_where_it_covers_over_half_of_the_box(
    columns: int, seen: bool
) -> None:
    # The thing is 120 grey levels darker than the grain, which deviates by 10 of 255.
    covered = painted(grainy(), ROWS, slice(12, 12 + columns), BLACK)
    moved = np.abs(appearance(covered, BOX) - appearance(grainy(), BOX))[0, 0, COLOUR]
    assert (moved > 0.3).all() if seen else (moved < 2 * 10 / 255).all()


def test_appearance_does_not_see_the_shape_of_what_is_outside() -> None:
    # The median of the frame stays as it is, for the colours outside only change places.
    images = grainy()
    moved = images.copy()
    moved[..., :10, :] = images[..., :10, ::-1]
    np.testing.assert_array_equal(appearance(moved, BOX), appearance(images, BOX))


def test_texture_tells_deviation_and_edges_across_and_down_apart() -> None:
    upright, level = (np.exp(texture(striped(upright), BOX)) for upright in (True, False))
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
    described = np.exp(texture(images, BOX))
    np.testing.assert_allclose(described[..., DEVIATION], 0.2 / 3, atol=0.01)
    assert (described[..., HORIZONTAL] < 0.01).all()


def test_texture_does_not_see_colour() -> None:
    np.testing.assert_array_equal(texture(plain(WHITE), BOX), texture(plain(GREY), BOX))


@pytest.mark.parametrize(("row", "column"), [(0, 0), (0, 5), (2, 1), (3, 0), (3, 5)])
def test_textures_blocks_are_the_boxs_row_by_row(row: int, column: int) -> None:
    images = plain()
    top, left = 12 + BLOCK * row, 12 + BLOCK * column
    images[..., top : top + BLOCK, left : left + BLOCK] = grainy(height=4, width=4)
    rough = texture(images, BOX)[0, :, DEVIATION] > texture(plain(), BOX)[0, :, DEVIATION]
    assert np.flatnonzero(rough).tolist() == [6 * row + column]


def test_texture_does_not_see_what_is_outside_the_box() -> None:
    images, outside = grainy(), grainy(60, seed=1)
    # The pixels next to the box stay, for gradients at its edge are taken to them.
    outside[..., 11:29, 11:37] = images[..., 11:29, 11:37]
    np.testing.assert_array_equal(texture(outside, BOX), texture(images, BOX))


def test_texture_sees_over_the_boxs_edge_by_the_one_pixel_of_a_gradient() -> None:
    images, outside = grainy(), grainy(60, seed=1)
    outside[..., ROWS, COLUMNS] = images[..., ROWS, COLUMNS]
    before, after = texture(images, BOX), texture(outside, BOX)
    for feature, expected in (
        (DEVIATION, []),
        (HORIZONTAL, [0, 6, 12, 18]),
        (VERTICAL, [0, 1, 2, 3, 4, 5]),
    ):
        only = [feature]
        assert changed_places(before[..., only], after[..., only]) == expected


@pytest.mark.parametrize(
    ("box", "row", "column"),
    [
        (Box(0.5, 0.51, 0.5, 0.51), 4, 6),
        (Box(0, 0.01, 0, 0.01), 0, 0),
        (Box(0.99, 1, 0.99, 1), 7, 11),
        (Box(0.99, 1, 0, 0.01), 7, 0),
    ],
    ids=str,
)
def test_a_box_smaller_than_a_block_still_is_one_block(box: Box, row: int, column: int) -> None:
    images = plain()
    top, left = BLOCK * row, BLOCK * column
    images[..., top : top + BLOCK, left : left + BLOCK] = grainy(height=4, width=4)
    found, flat = texture(images, box), texture(plain(), box)
    assert found.shape == (1, 1, 3)
    assert (found > flat).all()
    assert appearance(images, box)[0, 0, SPREAD] > 0


def test_a_box_may_be_the_whole_frame() -> None:
    whole = Box(0, 1, 0, 1)
    assert texture(grainy(), whole).shape == (1, 8 * 12, 3)
    np.testing.assert_allclose(appearance(grainy(), whole)[0, 0, COLOUR], 0, atol=1e-6)


@pytest.mark.parametrize(
    ("height", "width", "sixth"), [(32, 48, 8), (64, 96, 16), (16, 24, 4)], ids=str
)
def test_sides_see_the_outer_sixths_and_nothing_between(
    height: int, width: int, sixth: int
) -> None:
    images = grainy(height=height, width=width)
    middle = painted(images, slice(None), slice(sixth, width - sixth), BLACK)
    np.testing.assert_array_equal(sides(middle), sides(images))
    for column in (0, sixth - 1, width - sixth, width - 1):
        touched = painted(images, slice(0, 1), slice(column, column + 1), WHITE)
        assert len(changed_places(sides(images), sides(touched))) == 1, column


@pytest.mark.parametrize(
    ("row", "left", "place"), [(0, 0, 0), (0, 4, 1), (0, 40, 2), (7, 44, 31), (5, 40, 22)]
)
def test_sides_tell_each_blocks_colour_row_by_row_from_left_to_right(
    row: int, left: int, place: int
) -> None:
    images = painted(plain(), slice(4 * row, 4 * row + 4), slice(left, left + 4), (255, 51, 0))
    found = sides(images)
    assert found[0, place, :3] == pytest.approx([1, 0.2, 0])
    assert changed_places(sides(plain()), found) == [place]


def test_sides_tell_mean_and_roughness() -> None:
    assert (sides(grainy(20))[..., 3] > sides(grainy(2))[..., 3] + 1).all()
    # Stripes of levels 100 and 151: half-way between them, deviations of 0.1.
    described = sides(striped(True))
    np.testing.assert_allclose(described[..., :3], 125.5 / 255, atol=1e-6)
    np.testing.assert_allclose(np.exp(described[..., 3]), 0.1, atol=0.01)
