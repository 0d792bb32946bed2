"""The map of the latent space shows what is there, and is the same each time."""

import numpy as np
import pytest
import torch

from stages.wells import networks
from stages.wells.latent import (
    find_clusters,
    latents,
    neighbourhood_map,
    principal_components,
    silhouette,
    spills_in_pure_clusters,
)
from stages.wells.latent_figures import cluster_rows, far_apart

RNG = np.random.default_rng(0)
CENTRES = np.array([[0, 0, 0], [20, 0, 0], [0, 20, 0]])
SIZES = [30, 20, 10]
POINTS = np.concatenate([RNG.normal(c, 1, (n, 3)) for c, n in zip(CENTRES, SIZES, strict=True)])
BLOB = np.repeat([0, 1, 2], SIZES)


def test_a_latent_is_one_flat_vector_an_image() -> None:
    images = RNG.integers(0, 256, (5, 3, 16, 16), dtype=np.uint8)
    settings = {"height": 16, "width_pixels": 16, "width": 4, "latent": 3}
    network = networks.build("autoencoder", settings, seed=0)
    found = latents(network, images)
    assert found.shape == (5, 3)
    with torch.inference_mode():
        alone = network.encode(torch.from_numpy(images[3:4]).float() / 255)
    assert np.allclose(found[3], alone[0], atol=1e-5)


def test_components_come_in_order_of_variance_and_are_uncorrelated() -> None:
    components = principal_components(POINTS)
    covariance = np.cov(components.T)
    assert np.all(np.diff(np.diag(covariance)) <= 0)
    assert np.allclose(covariance - np.diag(np.diag(covariance)), 0, atol=1e-8)


def test_clusters_far_apart_are_found_and_numbered_by_size() -> None:
    assert find_clusters(POINTS, 3, seed=0).tolist() == BLOB.tolist()


def test_the_silhouette_of_the_right_clusters_is_higher_than_that_of_wrong_ones() -> None:
    assert silhouette(POINTS, BLOB) > 0.8
    assert silhouette(POINTS, RNG.permutation(BLOB)) < 0.1


def test_the_map_is_the_same_each_time_and_keeps_clusters_together() -> None:
    first, second = neighbourhood_map(POINTS, seed=0), neighbourhood_map(POINTS, seed=0)
    assert np.array_equal(first, second)
    assert silhouette(first, BLOB) > 0.5


@pytest.mark.parametrize(("purity", "share"), [(1.0, 0.5), (0.4, 1.0)])
def test_spills_count_as_found_in_clusters_that_are_pure_enough(
    purity: float, share: float
) -> None:
    clusters = np.array([0, 0, 0, 0, 0, 1, 1])
    spills = np.array([True, True, False, False, False, True, True])
    assert spills_in_pure_clusters(clusters, spills, purity) == share


def test_no_pure_cluster_holds_no_spill() -> None:
    assert spills_in_pure_clusters(np.array([0, 0, 0]), np.array([True, False, False]), 0.9) == 0


def test_thumbnails_reach_every_cluster_and_are_never_of_one_point_twice() -> None:
    chosen = far_apart(POINTS[:, :2], 6)
    assert len(set(chosen)) == 6
    assert set(BLOB[chosen]) == {0, 1, 2}
    assert len(far_apart(POINTS[:4, :2], 60)) == 4


def test_a_row_of_the_gallery_shows_one_cluster_and_counts_its_spills() -> None:
    images = np.arange(60, dtype=np.uint8).reshape(60, 1, 1, 1).repeat(3, axis=1)
    groups = np.where(np.arange(60) < 15, "test spill", "train")
    tiles, captions = cluster_rows(images, BLOB, groups, columns=4)
    shown = tiles[:, 0, 0, 0].reshape(3, 4)
    assert [set(BLOB[row]) for row in shown] == [{0}, {1}, {2}]
    assert captions[0] == "cluster 0: 30, 15 spills"
    assert len(captions) == 12
