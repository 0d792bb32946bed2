"""Pictures show every image in its place, and the same inputs give the same bytes."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from numpy.typing import NDArray

from stages.common.pictures import evenly_spaced, gallery, save_figure, save_picture
from tests.pictures import (
    BLUE,
    GREEN,
    PAINTS,
    RED,
    SIDE,
    assert_draws_the_same_bytes,
    box_of,
    plain,
)


@pytest.mark.parametrize("captions", [None, list("abcde")], ids=["plain", "captions"])
def test_a_gallery_shows_every_image_whole_from_left_to_right_and_top_to_bottom(
    captions: list[str] | None,
) -> None:
    picture = gallery(plain(*PAINTS), "title", 2, captions)
    boxes = [box_of(picture, paint) for paint in PAINTS]
    sizes = {(right - left, bottom - top) for left, top, right, bottom in boxes}
    ((width, height),) = sizes
    assert width == height >= SIDE
    for index, (left, top, _, _) in enumerate(boxes):
        assert left == boxes[index % 2][0]
        assert top == boxes[index - index % 2][1]
    assert boxes[1][0] > boxes[0][2]
    assert boxes[2][1] > boxes[0][3]
    assert boxes[4][1] > boxes[2][3]


def test_a_tile_keeps_its_images_orientation() -> None:
    # Red above, blue below, and green to the left of both.
    image = plain(RED)
    image[0, :, SIDE // 2 :] = np.reshape(BLUE, (3, 1, 1))
    image[0, :, :, : SIDE // 2] = np.reshape(GREEN, (3, 1, 1))
    pixels = np.asarray(gallery(image, "", 1))
    middles = {
        paint: np.argwhere((pixels == paint).all(axis=2)).mean(axis=0)
        for paint in (RED, GREEN, BLUE)
    }
    assert middles[RED][0] < middles[BLUE][0]
    assert middles[GREEN][1] < middles[RED][1]


@pytest.mark.parametrize("captions", [False, True])
def test_a_gallery_grows_by_a_row_when_the_last_one_is_full(captions: bool) -> None:
    def size(count: int) -> tuple[int, int]:
        texts = ["x"] * count if captions else None
        return gallery(plain(*[RED] * count), "title", 3, texts).size

    assert size(1) == size(3)
    assert size(4) == size(6)
    (width, one_row), (same_width, two_rows), (_, three_rows) = size(1), size(4), size(7)
    assert width == same_width
    assert three_rows - two_rows == two_rows - one_row >= SIDE


def test_a_gallery_of_nothing_is_a_title_over_paper() -> None:
    picture = gallery(plain(), "nothing here", 4, [])
    pixels = np.asarray(picture)
    assert picture.size == gallery(plain(RED), "", 4).size
    assert (pixels[:28] != 255).any()
    assert (pixels[28:] == 255).all()


def test_a_caption_stands_below_its_own_image() -> None:
    captioned = gallery(plain(RED, BLUE), "", 2, ["", "caption"])
    left, _, right, bottom = box_of(captioned, BLUE)
    ink = (np.asarray(captioned)[bottom:] < 128).all(axis=2)
    columns = np.flatnonzero(ink.any(axis=0))
    assert left <= columns.min() < columns.max() <= right


def test_the_title_is_written_over_the_images() -> None:
    def above(title: str) -> NDArray[np.uint8]:
        picture = gallery(plain(RED), title, 4)
        return np.asarray(picture)[: box_of(picture, RED)[1]]

    assert (above("") == 255).all()
    assert (above("wells") < 128).any()


def draw_gallery(path: Path) -> None:
    save_picture(gallery(plain(*PAINTS), "title", 3, list("abcde")), path)


def draw_curve(path: Path) -> None:
    figure = Figure()
    figure.add_subplot().plot([0, 1])
    save_figure(figure, path)


@pytest.mark.parametrize("draw", [draw_gallery, draw_curve])
def test_the_same_inputs_give_the_same_png_bytes(
    draw: Callable[[Path], None], tmp_path: Path
) -> None:
    assert_draws_the_same_bytes(draw, tmp_path)


@pytest.mark.parametrize(("count", "wanted"), [(100, 7), (8, 7), (7, 7), (3, 7), (1, 7), (0, 7)])
def test_evenly_spaced_are_as_many_distinct_ascending_indices_as_there_can_be(
    count: int, wanted: int
) -> None:
    indices = evenly_spaced(count, wanted)
    assert len(indices) == min(count, wanted)
    assert (np.diff(indices) > 0).all()
    assert ((indices >= 0) & (indices < count)).all()


def test_evenly_spaced_reach_from_the_first_to_the_last_in_even_steps() -> None:
    assert evenly_spaced(101, 5).tolist() == [0, 25, 50, 75, 100]
