"""Each place of a photo shows the item that its queries are nearest to, and how often they are."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from stages.common.pictures import GAP, MARGIN, PALE, WIDTH, save_picture
from stages.wells.latent.queries_picture import (
    COLOURS,
    KEY_SIZE,
    KEYS_A_ROW,
    LINE_HEIGHT,
    colour_of,
    draw_queries,
    ink_on,
    places_of,
)
from tests.pictures import assert_draws_the_same_bytes
from tests.small_wells import noise

PHOTO = noise(1, height=16, width=24)[0]
# Width and height in pixels of what is drawn on the left.
GRID = (WIDTH - 2 * MARGIN - 2 * GAP) // 2, (WIDTH - 2 * MARGIN - 2 * GAP) // 3
# Of four photos with 2 x 3 places; item 3 is nearest to the same three places in each.
NEAREST = np.array([[[3, 1, 3], [0, 3, 1]]] * 3 + [[[3, 0, 3], [0, 3, 5]]])


def test_the_same_queries_give_the_same_png_bytes(tmp_path: Path) -> None:
    def draw(path: Path) -> None:
        save_picture(path, "title", "subtitle", draw_queries(NEAREST, 6, PHOTO))

    assert_draws_the_same_bytes(draw, tmp_path)


def test_a_place_is_held_by_the_item_that_is_nearest_most_often() -> None:
    places = places_of(NEAREST, 6)
    assert places.items.tolist() == [[3, 1, 3], [0, 3, 1]]
    assert places.shares.tolist() == [[1, 0.75, 1], [1, 1, 0.75]]


def test_items_are_numbered_from_the_top_left_and_last_those_that_hold_no_place() -> None:
    # In this order: 3, 1, 0, and then 2, 4 and 5.
    assert places_of(NEAREST, 6).numbers.tolist() == [3, 2, 4, 1, 5, 6]


def grid_colours(picture: Image.Image, rows: int, columns: int) -> list[list[int]]:
    """Return the number of COLOURS in a corner of each place of the grid on the left."""
    palette: list[object] = [rgb(colour) for colour in COLOURS]
    found = []
    for row in range(rows):
        y = LINE_HEIGHT + round(GRID[1] * row / rows) + 5
        xs = [MARGIN + round(GRID[0] * column / columns) + 5 for column in range(columns)]
        found.append([palette.index(picture.getpixel((x, y))) for x in xs])
    return found


def rgb(colour: str) -> tuple[int, ...]:
    return tuple(bytes.fromhex(colour[1:]))


def test_the_grid_has_the_colour_of_each_places_item() -> None:
    picture = draw_queries(NEAREST, 6, PHOTO)
    assert grid_colours(picture, 2, 3) == [[0, 1, 0], [2, 0, 1]]
    assert picture.width == WIDTH


@pytest.mark.parametrize("items", [6, 23, 50])
def test_every_item_is_named_and_those_are_pale_that_are_never_nearest(items: int) -> None:
    picture = draw_queries(NEAREST, items, PHOTO)
    rows = -(-items // KEYS_A_ROW)
    top = picture.height - rows * (KEY_SIZE + GAP) + 2
    corners = [
        (
            MARGIN + 2 + number % KEYS_A_ROW * (WIDTH - 2 * MARGIN) // KEYS_A_ROW,
            top + number // KEYS_A_ROW * (KEY_SIZE + GAP),
        )
        for number in range(items)
    ]
    # In the order of their numbers, items are 3, 1, 0, 2, 4, 5 and all others.
    used = [True, True, True, False, False, True] + [False] * (items - 6)
    colours = [COLOURS[n % len(COLOURS)] if used[n] else PALE for n in range(items)]
    assert [picture.getpixel(corner) for corner in corners] == [rgb(name) for name in colours]


@pytest.mark.parametrize(("rows", "columns", "plain"), [(4, 6, False), (8, 12, True)])
def test_a_share_that_is_wider_than_its_place_is_left_out(
    rows: int, columns: int, plain: bool
) -> None:
    nearest = np.zeros((2, rows, columns), dtype=np.intp)
    width, height = GRID[0] // columns, GRID[1] // rows
    corner = MARGIN + 3, LINE_HEIGHT + (height + LINE_HEIGHT) // 2
    below_number = draw_queries(nearest, 2, PHOTO).crop(
        (*corner, MARGIN + width - 3, LINE_HEIGHT + height - 3)
    )
    colours = below_number.getcolors()
    assert (colours is not None and len(colours) == 1) == plain


def test_more_items_than_colours_repeat_them() -> None:
    assert colour_of(1) == colour_of(len(COLOURS) + 1) != colour_of(2)


@pytest.mark.parametrize("colour", [*COLOURS, PALE])
def test_what_is_written_on_a_colour_can_be_read(colour: str) -> None:
    lights = sorted([light(colour), light(ink_on(colour))])
    # WCAG's contrast, of which large text needs 3 and any other 4.5.
    assert (lights[1] + 0.05) / (lights[0] + 0.05) > 4


def light(colour: str) -> float:
    """Return a colour's relative luminance, as WCAG defines it."""
    channels = np.array(rgb(colour)) / 255
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])
