"""Clusters are found where points lie together, and counted as they are."""

import numpy as np
import pytest

from stages.wells.latent.clusters import (
    find_clusters,
    pure_clusters,
    silhouette,
    spills_in_pure_clusters,
)
from tests.latent.points import BLOBS, POINTS


def test_clusters_far_apart_are_found_and_numbered_by_size() -> None:
    assert find_clusters(POINTS, 3, seed=0).tolist() == BLOBS.tolist()


@pytest.mark.parametrize("seed", range(3))
def test_clusters_are_numbered_by_size_wherever_their_points_stand(seed: int) -> None:
    order = np.random.default_rng(seed).permutation(len(POINTS))
    assert find_clusters(POINTS[order], 3, seed).tolist() == BLOBS[order].tolist()


def test_the_silhouette_of_the_right_clusters_is_higher_than_that_of_wrong_ones() -> None:
    assert silhouette(POINTS, BLOBS) > 0.8
    assert silhouette(POINTS, np.random.default_rng(0).permutation(BLOBS)) < 0.1


@pytest.mark.parametrize(("purity", "share"), [(1.0, 0.5), (0.4, 1.0)])
def test_spills_count_as_found_in_clusters_that_are_pure_enough(
    purity: float, share: float
) -> None:
    clusters = np.array([0, 0, 0, 0, 0, 1, 1])
    spills = np.array([True, True, False, False, False, True, True])
    assert spills_in_pure_clusters(clusters, spills, purity) == share


def test_clusters_are_pure_one_by_one() -> None:
    clusters, spills = np.array([0, 0, 1, 2, 2]), np.array([True, False, True, False, False])
    assert pure_clusters(clusters, spills, 0.6).tolist() == [False, True, False]
    assert pure_clusters(clusters, spills, 0.5).tolist() == [True, True, False]


def test_no_pure_cluster_holds_no_spill() -> None:
    assert spills_in_pure_clusters(np.array([0, 0, 0]), np.array([True, False, False]), 0.9) == 0
