"""A network's latent space: its maps, clusters and memory, in pictures and metrics."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from stages.common.pictures import evenly_spaced, gallery, save_picture
from stages.common.types import Images
from stages.wells.latent import clusters, maps, memory, plots
from stages.wells.networks.base import Network
from stages.wells.networks.mnad import Mnad

# Images shown of each group; of spills all.
SHOWN = {plots.TRAIN: 400, plots.HOLDOUT: 400, plots.TEST_NORMAL: 400}
QUERY_IMAGES, CLUSTER_COLUMNS = 150, 8
PURITY = 0.9


class Shown(NamedTuple):
    """Images `[N, 3, H, W]` uint8 that a map shows, and each one's group, `[N]`."""

    images: Images
    groups: NDArray[np.str_]


def choose_shown(parts: Mapping[str, Images]) -> Shown:
    """Return some images of each group, by its name in plots.COLOURS, evenly spaced over it."""
    chosen = {
        name: part[evenly_spaced(len(part), SHOWN.get(name, len(part)))]
        for name, part in parts.items()
    }
    names, sizes = np.array(list(chosen)), [len(part) for part in chosen.values()]
    return Shown(np.concatenate(list(chosen.values())), np.repeat(names, sizes))


def report_network(
    name: str, network: Network, shown: Shown, train: Images, count: int, seed: int, folder: Path
) -> dict[str, Any]:
    """Draw a network's maps, `count` clusters and, if it has one, memory; return its metrics.

    silhouette; spills_in_pure_clusters, where spills are shown: the share of them in clusters that
    are spills by PURITY at least; of a memory, what `MemoryUse` holds. train: `[N, 3, H, W]` uint8.
    """
    components = maps.principal_components(maps.encode(network, shown.images))
    found = clusters.find_clusters(components, count, seed)
    planes = {
        "pca": (components[:, :2], "principal component"),
        "tsne": (maps.neighbourhood_map(components, seed), "t-SNE axis"),
    }
    for plane, (points, axis_name) in planes.items():
        title = f"{name}: a point an image, by its latent"
        path = folder / f"{plane}.png"
        plots.save_map(points, shown.groups, shown.images, title, axis_name, path)
    tiles, captions = plots.cluster_rows(shown.images, found, shown.groups, CLUSTER_COLUMNS)
    title = f"{name}: a row a cluster of the latent space, from the largest to the smallest"
    save_picture(gallery(tiles, title, CLUSTER_COLUMNS, captions), folder / "clusters.png")

    spills = np.char.endswith(shown.groups, "spill")
    metrics: dict[str, Any] = {"silhouette": clusters.silhouette(components, found)}
    if spills.any():
        metrics["spills_in_pure_clusters"] = clusters.spills_in_pure_clusters(found, spills, PURITY)
    if isinstance(network, Mnad):
        some = train[evenly_spaced(len(train), QUERY_IMAGES)]
        plots.save_queries(memory.query_plane(network, some), folder / "queries.png")
        metrics |= memory.memory_use(network, train)._asdict()
    return metrics
