"""A map shows each photo's point in its place, and some photos beside it, joined to theirs."""

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure
from PIL import Image

from stages.common.charts import render
from stages.common.pictures import WIDTH, save_picture
from stages.common.types import FloatArray, Marks
from stages.wells.latent import map_picture
from stages.wells.latent.map_picture import (
    COLOURS,
    LEFT,
    RIGHT,
    SPILL_TILES,
    TILE_WIDTH,
    TILES_A_SIDE,
    choose_photos,
    draw_map,
    farthest_points,
    fit,
    join,
)
from stages.wells.latent.shown import KNOWN_SPILL, TRAIN, Shown
from tests.latent.points import BLOBS, POINTS
from tests.pictures import PAINTS, assert_draws_the_same_bytes, box_of, plain
from tests.small_wells import noise

PLANE = POINTS[:, :2]
PHOTOS = Shown(noise(len(PLANE)), np.resize(np.array(list(COLOURS)), len(PLANE)))
BOX = 100, 50, 500, 250


def test_the_same_photos_give_the_same_png_bytes(tmp_path: Path) -> None:
    def draw(path: Path) -> None:
        save_picture(path, "title", "subtitle", draw_map(PLANE, PHOTOS, ["one", "other"]))

    assert_draws_the_same_bytes(draw, tmp_path)


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """Return a list of the charts that are rendered from now on."""
    charts: list[Figure] = []

    def keep(chart: Figure) -> Image.Image:
        charts.append(chart)
        return render(chart)

    monkeypatch.setattr(map_picture, "render", keep)
    return charts


def groups_in(chart: Figure) -> dict[str, FloatArray]:
    """Return the points of each group that the legend names."""
    shown = [part for part in chart.axes[0].collections if isinstance(part, PathCollection)]
    named = {str(part.get_label()): np.asarray(part.get_offsets()) for part in shown}
    return {name: points for name, points in named.items() if not name.startswith("_")}


def test_each_point_stands_among_those_of_its_group(drawn: list[Figure]) -> None:
    draw_map(PLANE, PHOTOS)
    found = groups_in(drawn[0])
    assert list(found) == [f"{name} (12)" for name in COLOURS]
    placed = np.empty_like(PLANE)
    for name, points in zip(COLOURS, found.values(), strict=True):
        placed[name == PHOTOS.groups] = points
    # Moved and stretched, as a whole: in each direction by the same factor.
    factors = np.ptp(placed, axis=0) / np.ptp(PLANE, axis=0)
    assert factors[0] == pytest.approx(factors[1])
    assert np.corrcoef(placed[:, 0], PLANE[:, 0])[0, 1] == pytest.approx(1)
    assert np.corrcoef(placed[:, 1], PLANE[:, 1])[0, 1] == pytest.approx(-1)


@pytest.mark.parametrize("name", [TRAIN, KNOWN_SPILL])
def test_a_group_without_photos_is_not_named(name: str, drawn: list[Figure]) -> None:
    draw_map(PLANE, Shown(PHOTOS.images, np.full(len(PLANE), name)))
    assert list(groups_in(drawn[0])) == [f"{name} (60)"]


def test_axes_have_names_where_they_mean_something(drawn: list[Figure]) -> None:
    draw_map(PLANE, PHOTOS, ["one", "other"])
    draw_map(PLANE, PHOTOS)
    written = [[text.get_text() for text in chart.axes[0].texts] for chart in drawn]
    assert written == [["→ one", "↑ other"], []]


def test_photos_stand_at_the_sides_in_the_colour_of_their_group_and_cover_no_point() -> None:
    photos = Shown(plain(*PAINTS), np.array(list(COLOURS)))
    picture = draw_map(PLANE[: len(PAINTS)], photos)
    for paint, colour in zip(PAINTS, COLOURS.values(), strict=True):
        left, top, right, bottom = box_of(picture, paint)
        assert right <= LEFT + TILE_WIDTH or left >= RIGHT
        frame = picture.crop((left - 1, top - 1, right + 1, bottom + 1))
        assert frame.getpixel((0, 0)) == frame.getpixel((right - left + 1, 9)) == rgb(colour)
    assert picture.width == WIDTH


def rgb(colour: str) -> tuple[int, ...]:
    return tuple(bytes.fromhex(colour[1:]))


@pytest.mark.parametrize("count", [3, 2 * TILES_A_SIDE, 60])
@pytest.mark.parametrize("seed", range(3))
def test_lines_to_the_points_never_cross(count: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    anchors = np.array([(x, y) for x in (0, 10) for y in range(TILES_A_SIDE)], dtype=float)
    points = rng.uniform(1, 7, (60, 2))
    chosen = rng.permutation(60)[:count]
    slots, joined = join(anchors, points, chosen)
    assert len(slots) == len(joined) == min(count, len(anchors))
    assert len(set(slots)) == len(set(joined)) == len(slots)
    assert set(joined) <= set(chosen)
    lines = list(zip(anchors[slots], points[joined], strict=True))
    assert not any(cross(*one, *other) for one, other in combinations(lines, 2))


def cross(a: FloatArray, b: FloatArray, c: FloatArray, d: FloatArray) -> bool:
    """Return whether the line from a to b crosses that from c to d."""
    return turn(a, b, c) != turn(a, b, d) and turn(c, d, a) != turn(c, d, b)


def turn(a: FloatArray, b: FloatArray, c: FloatArray) -> bool:
    """Return whether one turns left at b, from a to c."""
    (x, y), (u, v) = b - a, c - b
    return bool(x * v > y * u)


def test_points_fill_their_box_on_one_scale_with_the_second_axis_upwards() -> None:
    placed = fit(np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]]), BOX)
    assert placed.tolist() == [[200, 250], [400, 250], [200, 50]]


@pytest.mark.parametrize(
    ("points", "placed"),
    [([[3, 3]] * 2, [[300, 150]] * 2), ([[0, 3], [4, 3]], [[100, 150], [500, 150]])],
    ids=["all on one place", "on a line"],
)
def test_points_may_lie_on_each_other(points: list[list[int]], placed: list[list[int]]) -> None:
    assert fit(np.array(points, dtype=float), BOX).tolist() == placed


@pytest.mark.parametrize(
    ("spills", "of_spills"),
    [
        (np.arange(60) < 30, SPILL_TILES),
        (np.arange(60) < 2, 2),
        (np.zeros(60, dtype=bool), 0),
    ],
    ids=["many", "few", "none"],
)
def test_some_of_the_photos_are_spills_as_far_as_there_are_any(
    spills: Marks, of_spills: int
) -> None:
    chosen = choose_photos(PLANE, spills, 16)
    assert len(set(chosen)) == 16
    assert spills[chosen].sum() == of_spills


def test_spills_alone_are_shown_too() -> None:
    chosen = choose_photos(PLANE, np.ones(60, dtype=bool), 16)
    assert len(set(chosen)) == SPILL_TILES


def test_farthest_points_reach_every_cluster() -> None:
    assert set(BLOBS[farthest_points(PLANE, 3)]) == {0, 1, 2}


@pytest.mark.parametrize("count", [3, 9])
def test_no_point_is_chosen_twice_also_where_points_lie_on_each_other(count: int) -> None:
    chosen = farthest_points(np.ones((5, 2)), count)
    assert len(set(chosen)) == len(chosen) == min(count, 5)
