"""Pictures of latent spaces."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.offsetbox import AnnotationBbox, OffsetImage
from numpy.typing import NDArray

from stages.common.pictures import save_figure
from stages.wells.figures import COLOURS, DPI, INK
from stages.wells.images import Images
from stages.wells.latent import FloatArray, Indices
from stages.wells.splits import spread

TRAIN_COLOUR = "#BBBBBB"
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
    """Draw points `[N, 2]`, coloured by their group (`train` or a name in COLOURS), `[N]`.

    Small copies of some of their images `[N, 3, H, W]`, far from each other, show what lies where.
    """
    figure = Figure(figsize=(11, 8), dpi=DPI, layout="constrained")
    axes = figure.subplots()
    for name, colour in {"train": TRAIN_COLOUR, **COLOURS}.items():
        mine = points[groups == name]
        size = SPILL_SIZE if name.endswith("spill") else NORMAL_SIZE
        label = f"{name} ({len(mine):,})"
        axes.scatter(
            mine[:, 0], mine[:, 1], s=size, color=colour, label=label, linewidths=0, alpha=0.8
        )
    for index in far_apart(points, THUMBNAILS):
        thumbnail = OffsetImage(images[index].transpose(1, 2, 0), zoom=THUMBNAIL_ZOOM)
        colour = {"train": TRAIN_COLOUR, **COLOURS}[str(groups[index])]
        frame = {"edgecolor": colour, "linewidth": 1.5, "boxstyle": "square,pad=0.05"}
        axes.add_artist(AnnotationBbox(thumbnail, points[index], bboxprops=frame, pad=0.1))
    axes.legend(loc="best", markerscale=2)
    label_plane(axes, title, axis_name)
    save_figure(figure, path)


def save_queries(
    queries: FloatArray, items: FloatArray, nearest: Indices, places: Indices, path: Path
) -> None:
    """Draw queries `[K, 2]` with the memory's items `[M, 2]` as stars.

    Left they are coloured by the item nearest to them, `[K]`, right by their row and column in the
    image, `[K, 2]`: a row's hue, a column's brightness.
    """
    figure = Figure(figsize=(13, 6), dpi=DPI, layout="constrained")
    by_item, by_place = figure.subplots(1, 2)
    rows, columns = places.T
    hues = colormaps["viridis"]((rows + 0.5) / (rows.max() + 1))[:, :3]
    shades = 0.45 + 0.55 * (columns[:, None] + 0.5) / (columns.max() + 1)
    colours = {by_item: colormaps["tab20"](nearest % 20), by_place: hues * shades}
    for axes, colour in colours.items():
        axes.scatter(queries[:, 0], queries[:, 1], s=5, c=colour, linewidths=0)
        axes.scatter(
            items[:, 0],
            items[:, 1],
            s=170,
            marker="*",
            color="#D55E00",
            edgecolors=INK,
            label="item",
        )
        axes.legend(loc="best")
    label_plane(by_item, "queries by the item they are nearest to", "component")
    label_plane(by_place, "the same by their place: row = hue, column = brightness", "component")
    save_figure(figure, path)


def label_plane(axes: Axes, title: str, axis_name: str) -> None:
    """Name a plane's title and axes; its units mean nothing, so no ticks."""
    axes.set(title=title, xlabel=f"{axis_name} 1", ylabel=f"{axis_name} 2", xticks=[], yticks=[])


def far_apart(points: FloatArray, count: int) -> list[int]:
    """Choose points that cover the plane: each next one is the farthest from all before it."""
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
    """Give `columns` images of each cluster, with captions, for a gallery of a row a cluster."""
    rows, captions = [], []
    for cluster in range(clusters.max() + 1):
        mine = np.flatnonzero(clusters == cluster)
        spills = np.char.endswith(groups[mine], "spill").sum()
        chosen = np.resize(mine[spread(len(mine), columns)], columns)
        rows.append(images[chosen])
        captions += [f"cluster {cluster}: {len(mine)}, {spills} spills"] + [
            str(name) for name in groups[chosen][1:]
        ]
    return np.concatenate(rows), captions
