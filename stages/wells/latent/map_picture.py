"""A map of a latent space: a point for each photo, and some of the photos at its margin."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from PIL import Image
from scipy.optimize import linear_sum_assignment

from stages.common.charts import new_chart, render
from stages.common.pictures import (
    BLUE,
    DPI,
    GAP,
    GREY,
    INK,
    MARGIN,
    ORANGE,
    PALE,
    SKY,
    VERMILION,
    WIDTH,
    as_tiles,
    fit_tile,
    height_at,
)
from stages.common.types import FloatArray, Indices, Marks
from stages.wells.latent import shown
from stages.wells.latent.shown import Shown

COLOURS = {
    shown.TRAIN: PALE,
    shown.HOLDOUT: BLUE,
    shown.TEST_NORMAL: SKY,
    shown.KNOWN_SPILL: ORANGE,
    shown.TEST_SPILL: VERMILION,
}
# Of all tiles some are of spills, so that each kind of them is seen.
TILES_A_SIDE, SPILL_TILES = 8, 6
# In pixels: a tile's width, where the tiles on either side begin, and the uppermost of them.
TILE_WIDTH = 138
LEFT, RIGHT, TOP = MARGIN, WIDTH - MARGIN - TILE_WIDTH, 50
# In pixels: between tiles and points, where the lines fan out, and for the name of an axis.
FAN, NAME_HEIGHT = 36, 34
# Areas of points, in squares of 1/72 inch.
NORMAL_SIZE, SPILL_SIZE, RING_SIZE = 12, 20, 60


def draw_map(points: FloatArray, photos: Shown, axis_names: Sequence[str] = ()) -> Image.Image:
    """Return a picture of photos' points `[N, 2]`, on one scale, coloured by their groups.

    At its sides stand photos that lie far from each other, with a line to the point of each.
    axis_names: of the two axes, where they mean something.
    """
    height = height_at(TILE_WIDTH, *photos.images.shape[2:])
    bottom = TOP + TILES_A_SIDE * (height + GAP)
    corners = [(left, top) for left in (LEFT, RIGHT) for top in range(TOP, bottom, height + GAP)]
    # A line begins in the middle of its tile's inner edge.
    anchors = np.array(
        [(LEFT + TILE_WIDTH if x == LEFT else RIGHT, y + height / 2) for x, y in corners]
    )
    names = NAME_HEIGHT if axis_names else 0
    box = LEFT + TILE_WIDTH + FAN, TOP + names, RIGHT - FAN, bottom - GAP - names
    placed = fit(points, box)
    slots, chosen = join(anchors, placed, choose_photos(placed, photos.spills, len(corners)))

    chart = new_chart(bottom / DPI)
    # Everything stands where the tiles' places say, in pixels.
    chart.set_layout_engine("none")
    axes = chart.add_axes((0, 0, 1, 1), xlim=(0, WIDTH), ylim=(bottom, 0))
    axes.set_axis_off()
    for start, end in zip(anchors[slots], placed[chosen], strict=True):
        axes.plot(*np.array([start, end]).T, color=GREY, linewidth=0.7, zorder=0)
    _scatter(axes, placed, photos)
    axes.scatter(
        placed[chosen, 0], placed[chosen, 1], RING_SIZE, "none", edgecolors=INK, linewidths=0.8
    )
    if axis_names:
        axes.text(box[0], bottom - GAP, f"→ {axis_names[0]}", va="bottom")
        axes.text(box[0], TOP, f"↑ {axis_names[1]}", va="top")

    picture = render(chart)
    for slot, index, tile in zip(slots, chosen, as_tiles(photos.images[chosen]), strict=True):
        colour = COLOURS[str(photos.groups[index])]
        picture.paste(fit_tile(tile, TILE_WIDTH, colour), corners[slot])
    return picture


def _scatter(axes: Axes, placed: FloatArray, photos: Shown) -> None:
    for name, colour in COLOURS.items():
        mine = placed[photos.groups == name]
        if len(mine):
            size = SPILL_SIZE if name in shown.SPILLS else NORMAL_SIZE
            label = f"{name} ({len(mine):,})"
            axes.scatter(mine[:, 0], mine[:, 1], size, colour, label=label, linewidths=0)
    axes.legend(
        loc="upper left",
        bbox_to_anchor=(LEFT, 0),
        bbox_transform=axes.transData,
        borderaxespad=0,
        borderpad=0.3,
        handlelength=1,
        handletextpad=0.4,
        markerscale=1.8,
        ncols=len(COLOURS),
    )


def fit(points: FloatArray, box: tuple[int, int, int, int]) -> FloatArray:
    """Return points `[N, 2]` in pixels, as large as fits into a box and in its middle.

    box: left, top, right, bottom. The second axis points up, as in any chart.
    """
    low, high = points.min(axis=0), points.max(axis=0)
    left, top, right, bottom = box
    # Points may lie on a line, or all on each other.
    scale = (np.array([right - left, bottom - top]) / (high - low).clip(1e-9)).min()
    middle = np.array([left + right, top + bottom]) / 2
    return np.asarray(middle + (points - (low + high) / 2) * scale * [1, -1])


def choose_photos(points: FloatArray, spills: Marks, count: int) -> Indices:
    """Return up to `count` points that cover all, SPILL_TILES of them spills, if there are any."""
    are_spills, others = np.flatnonzero(spills), np.flatnonzero(~spills)
    chosen = are_spills[farthest_points(points[are_spills], SPILL_TILES)]
    more = others[farthest_points(points[others], count - len(chosen))]
    return np.concatenate([chosen, more])


def farthest_points(points: FloatArray, count: int) -> Indices:
    """Return up to `count` points that cover `[N, 2]`, each the farthest from all before it.

    Farthest-point sampling (Gonzalez 1985, Theoretical Computer Science 38:293-306).
    """
    if not len(points):
        return np.array([], dtype=np.intp)
    chosen = [np.linalg.norm(points - points.mean(axis=0), axis=1).argmin()]
    apart = np.full(len(points), np.inf)
    while len(chosen) < min(count, len(points)):
        apart = np.minimum(apart, np.linalg.norm(points - points[chosen[-1]], axis=1))
        # Points may lie on each other, and still none is chosen twice.
        apart[chosen] = -1
        chosen.append(apart.argmax())
    return np.array(chosen)


def join(anchors: FloatArray, points: FloatArray, chosen: Indices) -> tuple[Indices, Indices]:
    """Return which anchors `[A, 2]` are joined with which of the chosen points `[N, 2]`.

    The lines between them are the shortest in total, and so none crosses another: two that cross
    would be shorter with their ends exchanged.
    """
    lengths = np.linalg.norm(anchors[:, None] - points[chosen], axis=2)
    slots, order = linear_sum_assignment(lengths)
    return slots, chosen[order]
