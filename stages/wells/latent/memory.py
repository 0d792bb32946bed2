"""How a memory is used, and where its queries lie."""

from typing import NamedTuple

import numpy as np
from scipy.stats import entropy
from sklearn.decomposition import PCA

from stages.common.types import FloatArray, Images, Indices
from stages.wells.networks.mnad import Mnad

# Pixels of a query's side.
QUERY_PIXELS = 8


class MemoryUse(NamedTuple):
    """How queries use a memory.

    usage_perplexity: exponential of the entropy of the nearest items, between 1 and their number;
    dead_items: items that are nearest to no query; position_share: share of the queries' variance
    that their position in the image explains.
    """

    usage_perplexity: float
    dead_items: int
    position_share: float


class QueryPlane(NamedTuple):
    """Queries of images in the plane of their first two principal components.

    queries `[K, 2]`, memory items `[M, 2]`, the nearest item of each query `[K]` and its row and
    column in the image `[K, 2]`.
    """

    queries: FloatArray
    items: FloatArray
    nearest: Indices
    positions: Indices


def memory_use(network: Mnad, images: Images) -> MemoryUse:
    """Return how the queries of images `[N, 3, H, W]` uint8 use the memory."""
    queries = network.queries_of(images)
    counts = np.bincount(network.read(queries).nearest.numpy(), minlength=len(network.memory))
    by_position = queries.numpy().reshape(len(images), -1, queries.shape[1])
    return MemoryUse(
        usage_perplexity=float(np.exp(entropy(counts))),
        dead_items=int((counts == 0).sum()),
        position_share=float(
            by_position.mean(axis=0).var(axis=0).sum() / by_position.var(axis=(0, 1)).sum()
        ),
    )


def query_plane(network: Mnad, images: Images) -> QueryPlane:
    """Return the queries of images `[N, 3, H, W]` uint8 and the memory's items in the plane."""
    queries = network.queries_of(images)
    plane = PCA(2, svd_solver="full").fit(queries.numpy())
    rows, columns = (side // QUERY_PIXELS for side in images.shape[-2:])
    grid = np.stack(np.meshgrid(np.arange(rows), np.arange(columns), indexing="ij"), axis=-1)
    return QueryPlane(
        plane.transform(queries.numpy()),
        plane.transform(network.memory.numpy()),
        network.read(queries).nearest.numpy(),
        np.tile(grid.reshape(-1, 2), (len(images), 1)),
    )
