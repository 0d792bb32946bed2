"""Pictures of latent spaces."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.offsetbox import AnnotationBbox, OffsetImage
from numpy.typing import NDArray

from stages.common.pictures import (
    BLUE,
    DPI,
    INK,
    ORANGE,
    SKY,
    VERMILION,
    evenly_spaced,
    save_figure,
)
from stages.common.types import FloatArray, Images, Indices
from stages.wells.latent.memory import QueryPlane

TRAIN, HOLDOUT, KNOWN_SPILL = "train", "held-out normal", "known spill"
TEST_NORMAL, TEST_SPILL = "test normal", "test spill"
COLOURS = {
    TRAIN: "#BBBBBB",
    HOLDOUT: BLUE,
    KNOWN_SPILL: ORANGE,
    TEST_NORMAL: SKY,
    TEST_SPILL: VERMILION,
}
THUMBNAILS, THUMBNAIL_ZOOM = 60, 0.55
SPILL_SIZE, NORMAL_SIZE = 26, 9


def save_map(
    points: FloatArray,
    groups: NDArray[np.str_],
    images: Images,
    title: str,
    axis_name: str,
    path: Path,
) -> None:
    """Draw points `[N, 2]`, coloured by their group, a name in COLOURS, `[N]`.

    Small copies of some of their images `[N, 3, H, W]`, far from each other, show what lies where.
    """
    figure = Figure(figsize=(11, 8), dpi=DPI, layout="constrained")
    axes = figure.subplots()
    for name, colour in COLOURS.items():
        mine = points[groups == name]
        size = SPILL_SIZE if name.endswith("spill") else NORMAL_SIZE
        label = f"{name} ({len(mine):,})"
        axes.scatter(
            mine[:, 0], mine[:, 1], s=size, color=colour, label=label, linewidths=0, alpha=0.8
        )
    for index in farthest_points(points, THUMBNAILS):
        thumbnail = OffsetImage(images[index].transpose(1, 2, 0), zoom=THUMBNAIL_ZOOM)
        colour = COLOURS[str(groups[index])]
        frame = {"edgecolor": colour, "linewidth": 1.5, "boxstyle": "square,pad=0.05"}
        axes.add_artist(AnnotationBbox(thumbnail, points[index], bboxprops=frame, pad=0.1))
    axes.legend(loc="best", markerscale=2)
    label_plane(axes, title, axis_name)
    save_figure(figure, path)


def save_queries(plane: QueryPlane, path: Path) -> None:
    """Draw queries with the memory's items as stars.

    Left they are coloured by the item nearest to them, right by their row and column in the image:
    a row's hue, a column's brightness.
    """
    figure = Figure(figsize=(13, 6), dpi=DPI, layout="constrained")
    by_item, by_position = figure.subplots(1, 2)
    rows, columns = plane.positions.T
    hues = colormaps["viridis"]((rows + 0.5) / (rows.max() + 1))[:, :3]
    shades = 0.45 + 0.55 * (columns[:, None] + 0.5) / (columns.max() + 1)
    colours = {by_item: colormaps["tab20"](plane.nearest % 20), by_position: hues * shades}
    for axes, colour in colours.items():
        axes.scatter(*plane.queries.T, s=5, c=colour, linewidths=0)
        axes.scatter(
            *plane.items.T,
            s=170,
            marker="*",
            color=VERMILION,
            edgecolors=INK,
            label="item",
        )
        axes.legend(loc="best")
    label_plane(by_item, "queries by the item they are nearest to", "component")
    label_plane(
        by_position, "the same by their position: row = hue, column = brightness", "component"
    )
    save_figure(figure, path)


def label_plane(axes: Axes, title: str, axis_name: str) -> None:
    """Name a plane's title and axes; its units mean nothing, so no ticks."""
    axes.set(title=title, xlabel=f"{axis_name} 1", ylabel=f"{axis_name} 2", xticks=[], yticks=[])


def farthest_points(points: FloatArray, count: int) -> list[int]:
    """Return indices of points that cover the plane, each the farthest from all before it.

    Farthest-point sampling (Gonzalez 1985, Theoretical Computer Science 38:293-306).
    """
    scaled = (points - points.mean(axis=0)) / points.std(axis=0)
    chosen = [int(np.argmin((scaled**2).sum(axis=1)))]
    distance = ((scaled - scaled[chosen[0]]) ** 2).sum(axis=1)
    while len(chosen) < min(count, len(points)):
        chosen.append(int(np.argmax(distance)))
        distance = np.minimum(distance, ((scaled - scaled[chosen[-1]]) ** 2).sum(axis=1))
    return chosen


def cluster_rows(
    images: Images, clusters: Indices, groups: NDArray[np.str_], columns: int
) -> tuple[Images, Sequence[str]]:
    """Return `columns` images of each cluster, with captions, for a gallery of a row a cluster."""
    rows, captions = [], []
    for cluster in range(clusters.max() + 1):
        mine = np.flatnonzero(clusters == cluster)
        spills = np.char.endswith(groups[mine], "spill").sum()
        chosen = np.resize(mine[evenly_spaced(len(mine), columns)], columns)
        rows.append(images[chosen])
        captions += [f"cluster {cluster}: {len(mine)}, {spills} spills"] + [
            str(name) for name in groups[chosen][1:]
        ]
    return np.concatenate(rows), captions
