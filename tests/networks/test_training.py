"""Training learns, repeats itself bit by bit, and only measures the held-out images."""

import os

import numpy as np
import pytest
import torch

from stages.common.types import Images
from stages.wells.networks import base, training
from stages.wells.networks.autoencoder import Autoencoder
from stages.wells.networks.base import Network
from stages.wells.networks.training import Epoch, choose_device, mean_squared_error, reconstruct
from tests.small_wells import small_network


def stripes(count: int, seed: int) -> Images:
    """Draw a left and a right half, each of one grey: two numbers say all of an image."""
    levels = np.random.default_rng(seed).integers(40, 216, (count, 1, 1, 2))
    return np.ascontiguousarray(
        np.broadcast_to(levels.repeat(8, axis=3), (count, 3, 16, 16)), dtype=np.uint8
    )


IMAGES, HOLDOUT = stripes(40, seed=0), stripes(10, seed=1)


def train(
    *,
    seed: int = 0,
    images: Images = IMAGES,
    holdout: Images = HOLDOUT,
    epochs: int = 2,
    batch_size: int = 8,
    learning_rate: float = 1e-2,
) -> tuple[Network, list[Epoch]]:
    network = small_network("autoencoder")
    history = training.train(
        network,
        images,
        holdout,
        epochs=epochs,
        batch_size=batch_size,
        learning_rate=learning_rate,
        seed=seed,
        device=torch.device("cpu"),
    )
    return network, history


def same_weights(one: Network, other: Network) -> bool:
    others = other.state_dict()
    return all(torch.equal(weight, others[name]) for name, weight in one.state_dict().items())


def test_a_longer_gradient_is_cut_to_a_length_of_one(monkeypatch: pytest.MonkeyPatch) -> None:
    loss = Autoencoder.loss
    monkeypatch.setattr(
        Autoencoder, "loss", lambda self, images: (1e6 * loss(self, images)[0], images)
    )
    network, _ = train(epochs=1)
    gradients = [p.grad.flatten() for p in network.parameters() if p.grad is not None]
    assert float(torch.cat(gradients).norm()) == pytest.approx(1)


def test_the_same_seed_gives_bit_identical_weights_and_history() -> None:
    (one, one_history), (other, other_history) = train(), train()
    assert same_weights(one, other)
    assert one_history == other_history


def test_the_result_does_not_depend_on_the_global_generator() -> None:
    torch.manual_seed(1)
    one = train()[0]
    torch.manual_seed(2)
    assert same_weights(one, train()[0])


def test_another_seed_trains_in_another_order() -> None:
    (one, one_history), (other, other_history) = train(), train(seed=1)
    assert not same_weights(one, other)
    assert one_history != other_history


def test_held_out_images_are_measured_but_leave_the_weights_as_they_are() -> None:
    (one, one_history), (other, other_history) = train(), train(holdout=255 - HOLDOUT[:3])
    assert same_weights(one, other)
    assert [epoch.train for epoch in one_history] == [epoch.train for epoch in other_history]
    assert all(a.holdout != b.holdout for a, b in zip(one_history, other_history, strict=True))


def test_training_brings_the_held_out_error_down() -> None:
    # A network that only gave the mean image back would err by the variance of the images.
    history = train(epochs=20)[1]
    variance = float((HOLDOUT / 255).var(axis=0).mean())
    assert history[-1].holdout < 0.1 * variance
    assert history[-1].holdout < 0.1 * history[0].holdout
    assert history[-1].train < 0.1 * history[0].train


def test_history_holds_an_entry_an_epoch_and_ends_with_the_returned_networks_error() -> None:
    network, history = train(epochs=3)
    assert [epoch.epoch for epoch in history] == [1, 2, 3]
    assert history[-1].holdout == mean_squared_error(network, HOLDOUT)


def test_history_weighs_a_short_last_batch_by_its_images() -> None:
    # Steps too small to matter: the batches of 16 and 1 are of one and the same network.
    images = IMAGES[:17]
    network, (epoch,) = train(images=images, epochs=1, batch_size=16, learning_rate=1e-9)
    assert epoch.train == pytest.approx(mean_squared_error(network, images), rel=1e-3)


def test_channels_are_standardised_by_the_training_images() -> None:
    network = train()[0]
    expected = (IMAGES / 255).mean(axis=(0, 2, 3))
    np.testing.assert_allclose(network.channel_mean.flatten().numpy(), expected, rtol=1e-5)


def test_training_leaves_a_network_for_use_on_the_cpu() -> None:
    network = train()[0]
    assert not network.training
    assert {weight.device.type for weight in network.parameters()} == {"cpu"}


@pytest.mark.parametrize("batch", [1, 3, 10])
def test_reconstructions_do_not_depend_on_the_batch_size(
    monkeypatch: pytest.MonkeyPatch, batch: int
) -> None:
    network = train()[0]
    ((_, expected),) = reconstruct(network, HOLDOUT)
    monkeypatch.setattr(base, "BATCH", batch)
    parts = [outputs for _, outputs in reconstruct(network, HOLDOUT)]
    assert len(parts) == -(-len(HOLDOUT) // batch)
    torch.testing.assert_close(torch.cat(parts), expected, rtol=0, atol=1e-6)


def test_reconstruct_yields_the_images_themselves_in_zero_to_one() -> None:
    ((inputs, outputs),) = reconstruct(small_network("autoencoder"), HOLDOUT)
    np.testing.assert_allclose(inputs.numpy(), HOLDOUT / 255, rtol=1e-6)
    assert outputs.shape == inputs.shape


def test_mean_squared_error_counts_every_image_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    network = small_network("autoencoder")
    each = [mean_squared_error(network, HOLDOUT[i : i + 1]) for i in range(len(HOLDOUT))]
    monkeypatch.setattr(base, "BATCH", 4)
    assert mean_squared_error(network, HOLDOUT) == pytest.approx(np.mean(each), rel=1e-5)


@pytest.mark.parametrize(("available", "device"), [(False, "cpu"), (True, "cuda")])
def test_training_runs_on_a_cuda_device_where_there_is_one(
    available: bool, device: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: available)
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":16:8")
    assert choose_device() == torch.device(device)


def test_cublas_is_told_to_be_deterministic(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    # Set first, so that what was there before the test comes back after it.
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", "")
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG")
    choose_device()
    assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8"


@pytest.mark.parametrize("epochs", range(1, 7))
def test_training_may_be_of_any_number_of_steps(epochs: int) -> None:
    assert len(train(epochs=epochs, batch_size=len(IMAGES))[1]) == epochs


@pytest.mark.parametrize(
    ("count", "kept"), [(0, 0), (1, 1), (19, 19), (20, 10), (29, 15), (30, 10), (1000, 10)]
)
def test_enough_images_are_taken_evenly_and_few_are_all_taken(
    count: int, kept: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(base, "ENOUGH", 10)
    places = base.thin_out(torch.arange(count))
    assert len(places) == kept
    assert len(np.unique(np.diff(places))) <= 1
    assert places[:1].tolist() == [0][:count]


def test_channels_are_fitted_to_enough_images_of_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "ENOUGH", 10)
    # The first half is black: whoever took the first images would see nothing else.
    images = np.repeat(np.array([0, 255], dtype=np.uint8), 20)[:, None, None, None]
    network, _ = train(images=np.broadcast_to(images, (40, 3, 16, 16)).copy(), epochs=1)
    torch.testing.assert_close(network.channel_mean.flatten(), torch.full((3,), 0.5))
