"""The map of the latent space shows what is there, and is the same each time."""

import numpy as np
import pytest
import torch

from stages.wells.latent.clusters import silhouette
from stages.wells.latent.maps import (
    COMPONENTS,
    encode,
    nearest_points,
    neighbourhood_map,
    principal_components,
)
from stages.wells.networks import base
from tests.latent.points import BLOBS, POINTS
from tests.small_wells import noise, small_network


def test_a_latent_is_one_flat_vector_an_image() -> None:
    images, network = noise(5), small_network("autoencoder")
    found = encode(network, images)
    assert found.shape == (5, 3)
    with torch.inference_mode():
        alone = network.encode(torch.from_numpy(images[3:4]).float() / 255)
    assert np.allclose(found[3], alone[0], atol=1e-5)


def test_the_latent_of_a_memorys_network_is_all_queries_of_an_image() -> None:
    assert encode(small_network("mnad"), noise(5)).shape == (5, 6 * 2 * 2)


@pytest.mark.parametrize("batch", [1, 2, 5])
def test_latents_do_not_depend_on_the_batch_size(
    batch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = small_network("mnad")
    expected = encode(network, noise(5))
    monkeypatch.setattr(base, "BATCH", batch)
    np.testing.assert_allclose(encode(network, noise(5)), expected, atol=1e-5)


def test_components_come_in_order_of_variance_and_are_uncorrelated() -> None:
    components, shares = principal_components(POINTS)
    covariance = np.cov(components.T)
    variances = np.diag(covariance)
    assert np.all(np.diff(variances) <= 0)
    np.testing.assert_allclose(shares, variances / variances.sum())
    assert np.allclose(covariance - np.diag(variances), 0, atol=1e-8)


@pytest.mark.parametrize(
    ("count", "numbers", "kept"), [(60, 3, 3), (60, 50, COMPONENTS), (10, 50, 10)]
)
def test_there_are_as_many_components_as_there_can_be(count: int, numbers: int, kept: int) -> None:
    points = np.random.default_rng(0).normal(size=(count, numbers))
    assert principal_components(points).points.shape == (count, kept)


def test_the_map_is_the_same_each_time_and_keeps_clusters_together() -> None:
    first, second = neighbourhood_map(POINTS, seed=0), neighbourhood_map(POINTS, seed=0)
    assert np.array_equal(first, second)
    assert first.shape == (60, 2)
    assert silhouette(first, BLOBS) > 0.5


def test_a_few_points_have_a_map_too() -> None:
    assert np.isfinite(neighbourhood_map(POINTS[:5], seed=0)).all()


def test_the_nearest_point_is_another_one() -> None:
    assert nearest_points(np.array([[0.0], [1.0], [1.4], [9.0]])).tolist() == [1, 2, 1, 2]


def test_of_points_on_each_other_each_has_another_as_its_nearest() -> None:
    nearest = nearest_points(np.zeros((3, 2)))
    assert all(nearest != np.arange(3))
