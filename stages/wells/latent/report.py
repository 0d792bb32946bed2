"""A network's latent space: its maps, clusters and memory, in pictures and metrics."""

from pathlib import Path
from typing import Any

from stages.common.pictures import save_picture
from stages.common.types import Images
from stages.wells.latent import clusters, findings, maps, memory
from stages.wells.latent.clusters_picture import draw_clusters
from stages.wells.latent.map_picture import draw_map
from stages.wells.latent.maps import Components
from stages.wells.latent.queries_picture import draw_queries
from stages.wells.latent.shown import Shown
from stages.wells.networks.base import Network
from stages.wells.networks.mnad import Mnad

AT_THE_SIDES = "At the sides stand photos of some points, in the colour of their group."


def report_network(
    name: str, network: Network, photos: Shown, train: Images, count: int, seed: int, folder: Path
) -> dict[str, Any]:
    """Draw a network's maps, `count` clusters and, if it has one, memory; return its metrics.

    silhouette; spills_in_pure_clusters, where spills are shown: the share of them in clusters that
    are spills by findings.PURITY at least; of a memory, what `MemoryUse` holds. train:
    `[N, 3, H, W]` uint8.
    """
    components = maps.principal_components(maps.encode(network, photos.images))
    points, spills = components.points, photos.spills
    _save_maps(name, components, photos, seed, folder)
    found = clusters.find_clusters(points, count, seed)
    save_picture(
        folder / "clusters.png",
        findings.on_clusters(name, found, spills),
        "One row per cluster of latents, found by k-means without labels. Blue: normal wells, "
        "vermilion: spills, in the bar and, by their share, among the examples.",
        draw_clusters(photos, found),
    )
    metrics: dict[str, Any] = {"silhouette": clusters.silhouette(points, found)}
    if spills.any():
        share = clusters.spills_in_pure_clusters(found, spills, findings.PURITY)
        metrics["spills_in_pure_clusters"] = share
    if isinstance(network, Mnad) and len(network.memory):
        use = memory.memory_use(network, train)
        save_picture(
            folder / "queries.png",
            findings.on_places(name, use.position_share),
            "A query is what the encoder says of 8 x 8 pixels. Each place shows the item of the "
            "memory that its query is nearest to in most training photos, and in how many.",
            draw_queries(memory.nearest_items(network, train), len(network.memory), train[0]),
        )
        metrics |= use._asdict()
    return metrics


def _save_maps(name: str, components: Components, photos: Shown, seed: int, folder: Path) -> None:
    points, shares = components
    save_picture(
        folder / "tsne.png",
        findings.on_neighbours(name, maps.nearest_points(points), photos.spills),
        "One point per photo, placed by t-SNE of its latent: photos that look alike to the network "
        f"lie close. {AT_THE_SIDES}",
        draw_map(maps.neighbourhood_map(points, seed), photos),
    )
    numbered = enumerate(shares[:2], 1)
    axis_names = [f"component {n}: {100 * share:.0f} % of the variance" for n, share in numbered]
    save_picture(
        folder / "pca.png",
        findings.on_components(name, shares),
        "One point per photo, placed by the first two principal components of its latent. "
        f"{AT_THE_SIDES}",
        draw_map(points[:, :2], photos, axis_names),
    )
