"""Clusters in a latent space, found without labels."""

import numpy as np
from sklearn.cluster import KMeans
from sklearn.metrics import silhouette_score
from threadpoolctl import threadpool_limits

from stages.common.types import FloatArray, Indices, Marks


def find_clusters(components: FloatArray, count: int, seed: int) -> Indices:
    """Return each point's cluster by k-means, of points `[N, K]`: `[N]`, 0 the largest."""
    with threadpool_limits(1):
        found = KMeans(count, n_init=10, random_state=seed).fit_predict(components)
    order = np.argsort(-np.bincount(found, minlength=count), kind="stable")
    return np.asarray(np.argsort(order)[found])


def silhouette(components: FloatArray, clusters: Indices) -> float:
    """Return the mean silhouette, -1 to 1, larger = clusters better apart.

    Rousseeuw 1987, Journal of Computational and Applied Mathematics 20:53-65.
    """
    return float(silhouette_score(components, clusters))


def pure_clusters(clusters: Indices, spills: Marks, purity: float) -> Marks:
    """Return of which clusters, `[C]`, spills are at least the share `purity`."""
    return np.asarray(np.bincount(clusters, weights=spills) >= purity * np.bincount(clusters))


def spills_in_pure_clusters(clusters: Indices, spills: Marks, purity: float) -> float:
    """Return the share of spills that lie in clusters of which spills are at least `purity`."""
    return float(pure_clusters(clusters, spills, purity)[clusters][spills].mean())
