"""The latent space of a network: points, map and clusters, and how a memory is used."""

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from sklearn.metrics import silhouette_score
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from stages.wells.images import Images
from stages.wells.mnad import Mnad
from stages.wells.network import Network
from stages.wells.training import EVALUATION_BATCH

COMPONENTS = 20
PERPLEXITY = 30

FloatArray = NDArray[np.floating]
Indices = NDArray[np.intp]


class MemoryUse(NamedTuple):
    """How queries use a memory.

    usage_perplexity: exponential of the entropy of the nearest items, between 1 and their number;
    dead_items: items that are nearest to no query; position_share: share of the queries' variance
    that their place in the image explains.
    """

    usage_perplexity: float
    dead_items: int
    position_share: float


def latents(network: Network, images: Images) -> FloatArray:
    """Give the flattened latents `[N, D]` of images `[N, 3, H, W]` uint8."""
    network.eval()
    with torch.inference_mode():
        parts = [
            network.encode(batch.float() / 255).flatten(1)
            for batch in torch.from_numpy(images).split(EVALUATION_BATCH)  # type: ignore[no-untyped-call]
        ]
    return np.asarray(torch.cat(parts).numpy())


def principal_components(points: FloatArray) -> FloatArray:
    """Give up to COMPONENTS principal components `[N, K]` of points `[N, D]`, largest first."""
    count = min(COMPONENTS, *points.shape)
    scores = PCA(count, svd_solver="full").fit_transform(StandardScaler().fit_transform(points))
    return np.asarray(scores)


def neighbourhood_map(components: FloatArray, seed: int) -> FloatArray:
    """Lay points out in the plane by t-SNE (van der Maaten and Hinton 2008), `[N, 2]`."""
    perplexity = min(PERPLEXITY, (len(components) - 1) / 3)
    # One thread: the order of additions, and so the map, would differ from run to run.
    with threadpool_limits(1):
        embedded = TSNE(perplexity=perplexity, init="pca", random_state=seed, n_jobs=1)
        return np.asarray(embedded.fit_transform(components))


def find_clusters(components: FloatArray, count: int, seed: int) -> Indices:
    """Give each point's cluster `[N]` by k-means, numbered from the largest to the smallest."""
    with threadpool_limits(1):
        found = KMeans(count, n_init=10, random_state=seed).fit_predict(components)
    order = np.argsort(-np.bincount(found, minlength=count), kind="stable")
    return np.asarray(np.argsort(order)[found])


def silhouette(components: FloatArray, clusters: Indices) -> float:
    """Give the mean silhouette (Rousseeuw 1987), -1 to 1, larger = clusters better apart."""
    return float(silhouette_score(components, clusters))


def spills_in_pure_clusters(clusters: Indices, spills: NDArray[np.bool_], purity: float) -> float:
    """Give the share of spills that lie in clusters of which spills are at least `purity`."""
    sizes = np.bincount(clusters)
    pure = np.bincount(clusters, weights=spills) >= purity * sizes
    return float(pure[clusters][spills].mean())


def memory_use(network: Mnad, images: Images) -> MemoryUse:
    """Measure how the queries of images `[N, 3, H, W]` uint8 use the memory."""
    queries = network.queries_of(images)
    counts = np.bincount(network.read(queries).nearest.numpy(), minlength=len(network.memory))
    used = counts[counts > 0] / counts.sum()
    by_place = queries.numpy().reshape(len(images), -1, queries.shape[1])
    return MemoryUse(
        usage_perplexity=float(np.exp(-(used * np.log(used)).sum())),
        dead_items=int((counts == 0).sum()),
        position_share=float(
            by_place.mean(axis=0).var(axis=0).sum() / by_place.var(axis=(0, 1)).sum()
        ),
    )


def query_plane(network: Mnad, images: Images) -> tuple[FloatArray, FloatArray, Indices, Indices]:
    """Give the queries of images in the plane of their first two principal components.

    Gives queries `[K, 2]`, memory items `[M, 2]`, the nearest item of each query `[K]` and its row
    and column in the image `[K, 2]`.
    """
    queries = network.queries_of(images)
    plane = PCA(2, svd_solver="full").fit(queries.numpy())
    rows, columns = images.shape[-2] // 8, images.shape[-1] // 8
    places = np.stack(np.meshgrid(np.arange(rows), np.arange(columns), indexing="ij"), axis=-1)
    return (
        plane.transform(queries.numpy()),
        plane.transform(network.memory.numpy()),
        network.read(queries).nearest.numpy(),
        np.tile(places.reshape(-1, 2), (len(images), 1)),
    )
