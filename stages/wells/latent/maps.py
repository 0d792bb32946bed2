"""Latents of photos, and how they lie in the plane."""

from typing import NamedTuple

import numpy as np
import torch
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from stages.common.types import FloatArray, Images, Indices
from stages.wells.networks.base import Network, batches

COMPONENTS = 20
PERPLEXITY = 30


class Components(NamedTuple):
    """Points along K principal components, `[N, K]`, and the share of variance of each, `[K]`."""

    points: FloatArray
    shares: FloatArray


def encode(network: Network, images: Images) -> FloatArray:
    """Return the flattened latents `[N, D]` of images `[N, 3, H, W]` uint8."""
    network.eval()
    with torch.inference_mode():
        parts = [network.encode(batch).flatten(1) for batch in batches(images)]
    return np.asarray(torch.cat(parts).numpy())


def principal_components(points: FloatArray) -> Components:
    """Return up to COMPONENTS principal components of points `[N, D]`, largest first."""
    pca = PCA(min(COMPONENTS, *points.shape), svd_solver="full")
    scores = pca.fit_transform(StandardScaler().fit_transform(points))
    return Components(np.asarray(scores), pca.explained_variance_ratio_)


def neighbourhood_map(components: FloatArray, seed: int) -> FloatArray:
    """Return points `[N, K]` laid out in the plane, `[N, 2]`, so that neighbours stay neighbours.

    By t-SNE (van der Maaten and Hinton 2008, JMLR 9:2579-2605).
    """
    perplexity = min(PERPLEXITY, (len(components) - 1) / 3)
    # One thread: the order of additions, and so the map, would differ from run to run.
    with threadpool_limits(1):
        embedded = TSNE(perplexity=perplexity, init="pca", random_state=seed, n_jobs=1)
        return np.asarray(embedded.fit_transform(components))


def nearest_points(components: FloatArray) -> Indices:
    """Return which other point is nearest to each of points `[N, K]`: `[N]`."""
    with threadpool_limits(1):
        nearest = NearestNeighbors(n_neighbors=1).fit(components).kneighbors(return_distance=False)
    return np.asarray(nearest[:, 0])
