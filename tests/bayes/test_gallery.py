"""Rows of avatars show each in its place, with what is known of it."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from stages.bayes.avatars import Avatars
from stages.bayes.gallery import (
    BACKGROUND,
    TILE,
    choose_detail,
    lay_on_background,
    save_comparison,
    save_published,
    tell_difference,
    tell_finding,
)
from stages.bayes.generators.base import Drawn
from stages.common.pictures import VERMILION, WIDTH
from tests.avatar_files import paint_rows
from tests.pictures import BLUE, GREEN, RED, YELLOW, assert_draws_the_same_bytes, box_of

SIDE = 6


def plain(*paints: tuple[int, int, int], height: int = SIDE, width: int = SIDE) -> Avatars:
    """Return opaque avatars of one colour each."""
    avatars = np.full((len(paints), height, width, 4), 255, dtype=np.uint8)
    for avatar, paint in zip(avatars, paints, strict=True):
        avatar[..., :3] = paint
    return avatars


def rgb(colour: str) -> tuple[int, int, int]:
    """Return a colour `#rrggbb` as numbers."""
    red, green, blue = bytes.fromhex(colour[1:])
    return red, green, blue


def drawn(*paints: tuple[int, int, int], style: tuple[str, ...] | None = None) -> list[Drawn]:
    return [Drawn(avatar, -2.5, style) for avatar in plain(*paints)]


def compare(path: Path, samples: Mapping[str, Sequence[Drawn]]) -> Image.Image:
    report = {name: {"held_out_bits_per_dimension": 0.5} for name in samples}
    save_comparison(plain(RED, GREEN), samples, report, path)
    with Image.open(path) as picture:
        picture.load()
        return picture


def publish(folder: Path, name: str, sample: Sequence[Drawn], *below: Image.Image) -> Image.Image:
    """Publish a sample of a generator that learnt from a red avatar and a green one."""
    save_published(name, sample, plain(RED, GREEN), folder / "one.png", *below)
    with Image.open(folder / "one.png") as picture:
        picture.load()
        return picture


def test_a_small_avatar_shows_its_pixels_as_squares_on_the_background() -> None:
    (avatar,) = paint_rows("r ")
    tile = lay_on_background(np.repeat(avatar, 2, axis=0))
    assert tile.size == (TILE, TILE)
    half = TILE // 2
    assert box_of(tile, (200, 0, 0)) == (0, 0, half, TILE)
    assert box_of(tile, rgb(BACKGROUND)) == (half, 0, TILE, TILE)


@pytest.mark.parametrize(("height", "width"), [(1, 600), (600, 1), (1, 3), (6, 6), (600, 500)])
def test_an_avatar_of_any_shape_makes_a_tile_that_is_neither_long_nor_small(
    height: int, width: int
) -> None:
    (avatar,) = plain(RED, height=height, width=width)
    tile = lay_on_background(avatar)
    assert min(tile.size) >= TILE / 2
    assert 1 / 2 <= tile.width / tile.height <= 2
    assert tile.getpixel((0, 0)) == RED


def test_generators_stand_in_rows_below_what_they_learn_from(tmp_path: Path) -> None:
    picture = compare(tmp_path / "one.png", {"tree": drawn(BLUE, YELLOW)})
    assert picture.width == WIDTH
    red, green, blue, yellow = (box_of(picture, paint) for paint in (RED, GREEN, BLUE, YELLOW))
    assert red[1] == green[1] < red[3] < blue[1] == yellow[1]
    assert red[0] == blue[0] < green[0] == yellow[0]
    assert {box[2] - box[0] for box in (red, green, blue, yellow)} == {red[2] - red[0]}


def test_of_noise_one_avatar_is_shown_beside_a_framed_detail(tmp_path: Path) -> None:
    picture = compare(tmp_path / "one.png", {"pixel": drawn(BLUE, YELLOW)})
    colours = {colour for _, colour in picture.getcolors(WIDTH * picture.height) or ()}
    assert BLUE in colours
    assert YELLOW not in colours
    frame = rgb(VERMILION)
    framed = np.flatnonzero((np.asarray(picture) == frame).all(axis=2).any(axis=0))
    # A part of the first tile, and all around the second one.
    left, right = np.split(framed, np.flatnonzero(np.diff(framed) > 9) + 1)
    assert 3 < np.ptp(right) / np.ptp(left) < 8


def test_styles_are_written_below_the_avatars_that_were_drawn_for_them(tmp_path: Path) -> None:
    heights = []
    for style in (("cap",), ("cap", "red"), ("cap", "red", "old")):
        heights.append(publish(tmp_path, "style", drawn(BLUE, style=style)).height)
    assert heights[2] - heights[1] == heights[1] - heights[0] > 0


def test_below_a_published_avatar_stands_the_nearest_to_learn_from(tmp_path: Path) -> None:
    blue, green = drawn(BLUE, BLUE)
    green.avatar[:, :4] = (*GREEN, 255)
    picture = publish(tmp_path, "tree", [blue, green])
    _, top, right, bottom = box_of(picture, RED)
    # Neither is near to the blue one: the first is shown.
    assert right < WIDTH / 2
    below = np.asarray(picture)[top:bottom]
    assert (below == GREEN).all(axis=2).any(axis=0).argmax() > WIDTH / 2
    assert not (below == BLUE).all(axis=2).any()


def test_of_noise_the_nearest_to_learn_from_is_not_shown(tmp_path: Path) -> None:
    picture = publish(tmp_path, "pixel", drawn(BLUE))
    assert RED not in {colour for _, colour in picture.getcolors(WIDTH * picture.height) or ()}


def test_further_pictures_stand_at_the_end_of_the_published_one(tmp_path: Path) -> None:
    further = Image.new("RGB", (WIDTH, 20), YELLOW)
    picture = publish(tmp_path, "tree", drawn(BLUE), further)
    assert box_of(picture, YELLOW) == (0, picture.height - 20, WIDTH, picture.height)


@pytest.mark.parametrize(
    ("share", "told"),
    [
        (0, "a copy"),
        (1 / 73920, "differs at less than 0.1 % of the pixels"),
        (0.0916, "differs at 9.2 % of the pixels"),
        (1, "differs at 100.0 % of the pixels"),
    ],
)
def test_a_difference_is_told_as_a_share_unless_there_is_none(share: float, told: str) -> None:
    assert tell_difference(share) == told


def test_the_detail_is_where_much_varies_beside_what_never_does() -> None:
    avatars = plain(*[RED] * 3, height=16, width=16)
    # The upper left varies wholly, the next half of it; elsewhere all is the same.
    avatars[1, :2, :3] = 0
    assert choose_detail(avatars) == (2, 0, 4, 2)


def test_the_finding_tells_the_worst_and_the_best_generator() -> None:
    mle, tree = (
        {"held_out_bits_per_dimension": bits, "unseen_colours": share}
        for bits, share in ((1.234, 0.49), (0.031, 0.0))
    )
    found = "mle needs 1.23 bits per channel value of a held-out avatar"
    assert tell_finding({"tree": tree, "mle": mle}) == f"{found}, tree only 0.03"
    assert tell_finding({"mle": mle}) == found


def test_without_held_out_avatars_the_finding_is_about_colours() -> None:
    report = {"mle": {"unseen_colours": 0.49}, "tree": {"unseen_colours": 0.0}}
    found = "49 % of the pixels that mle draws have a colour of no avatar"
    assert tell_finding(report) == f"{found}, of tree's 0 %"
    assert tell_finding({"mle": report["mle"]}) == found


def test_the_same_avatars_give_the_same_png_bytes(tmp_path: Path) -> None:
    samples = {"mle": drawn(BLUE), "style": drawn(YELLOW, style=("cap", "red"))}

    def draw(path: Path) -> None:
        compare(path, samples)

    assert_draws_the_same_bytes(draw, tmp_path)
