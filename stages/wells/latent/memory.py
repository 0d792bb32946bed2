"""How a memory is used, and by which places of a photo."""

from typing import NamedTuple

import numpy as np
from scipy.stats import entropy

from stages.common.types import Images, Indices
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


def memory_use(network: Mnad, images: Images) -> MemoryUse:
    """Return how the queries of images `[N, 3, H, W]` uint8 use the memory."""
    queries = network.queries_of(images)
    counts = np.bincount(network.read(queries).best[:, 0].numpy(), minlength=len(network.memory))
    by_position = queries.numpy().reshape(len(images), -1, queries.shape[1])
    return MemoryUse(
        usage_perplexity=float(np.exp(entropy(counts))),
        dead_items=int((counts == 0).sum()),
        position_share=float(
            by_position.mean(axis=0).var(axis=0).sum() / by_position.var(axis=(0, 1)).sum()
        ),
    )


def nearest_items(network: Mnad, images: Images) -> Indices:
    """Return the item nearest to each place of images `[N, 3, H, W]` uint8: `[N, H / 8, W / 8]`."""
    rows, columns = (side // QUERY_PIXELS for side in images.shape[-2:])
    nearest = network.read(network.queries_of(images)).best[:, 0].numpy()
    return np.asarray(nearest.reshape(len(images), rows, columns))
