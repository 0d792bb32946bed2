"""The autoencoder returns what has the images' size, in the images' units."""

import pytest
import torch
from torch import Tensor

from stages.wells.networks.autoencoder import Autoencoder

LATENT = 0.6


def network(height: int = 16, width: int = 16) -> Autoencoder:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return Autoencoder(height, width, channels=4, latent=LATENT)


def random_images(count: int = 5, height: int = 16, width: int = 16) -> Tensor:
    return torch.rand(count, 3, height, width, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(("height", "width"), [(16, 16), (8, 8), (32, 48), (24, 8), (16, 40)])
def test_reconstructions_have_the_size_of_the_images(height: int, width: int) -> None:
    images = random_images(2, height, width)
    assert network(height, width)(images).shape == images.shape


@pytest.mark.parametrize(
    ("height", "width", "numbers"), [(8, 8, 1), (16, 16, 2), (32, 48, 14), (128, 96, 115)]
)
def test_an_image_becomes_as_many_numbers_for_each_8_x_8_pixels_as_asked_for(
    height: int, width: int, numbers: int
) -> None:
    latents = network(height, width).encode(random_images(2, height, width))
    assert latents.shape == (2, numbers)


def test_an_image_becomes_one_number_at_least() -> None:
    tiny = Autoencoder(16, 16, channels=4, latent=0.1)
    assert tiny.encode(random_images(2)).shape == (2, 1)


def test_fit_channels_takes_each_channels_mean_and_deviation() -> None:
    # Channel 0: 0 and 1 half each, n = 4, so the variance is 4 * 0.25 / 3. Channel 1: 0, 0, 0, 0.4,
    # mean 0.1, variance (3 * 0.01 + 0.09) / 3 = 0.04. Channel 2 holds 0.7 only.
    values = torch.tensor([[0, 1, 0, 1], [0, 0, 0, 0.4], [0.7, 0.7, 0.7, 0.7]])
    images = values.reshape(3, 2, 1, 2).transpose(0, 1)
    model = network()
    model.fit_channels(images)
    torch.testing.assert_close(model.channel_mean.flatten(), torch.tensor([0.5, 0.1, 0.7]))
    torch.testing.assert_close(model.channel_std.flatten()[:2], torch.tensor([(1 / 3) ** 0.5, 0.2]))


def test_a_constant_channel_is_divided_by_a_small_number_and_not_by_zero() -> None:
    images = random_images()
    images[:, 1] = 0.5
    model = network()
    model.fit_channels(images)
    loss, reconstructions = model.loss(images)
    assert 0 < model.channel_std.min() < 0.01
    assert loss.isfinite()
    assert reconstructions.isfinite().all()


def test_mean_and_deviation_are_kept_with_the_weights() -> None:
    model = network()
    model.fit_channels(random_images())
    other = network()
    other.load_state_dict(model.state_dict())
    assert torch.equal(other.channel_mean, model.channel_mean)
    assert torch.equal(other.channel_std, model.channel_std)


@pytest.mark.parametrize("channel", [0, 1, 2])
def test_latents_and_loss_stay_the_same_when_a_channel_is_stretched_and_shifted(
    channel: int,
) -> None:
    images = random_images()
    stretched = images.clone()
    stretched[:, channel] = 0.2 * stretched[:, channel] + 0.3
    model = network()
    model.fit_channels(images)
    loss, latents = model.loss(images)[0], model.encode(images)
    model.fit_channels(stretched)
    torch.testing.assert_close(model.encode(stretched), latents, rtol=0, atol=1e-4)
    torch.testing.assert_close(model.loss(stretched)[0], loss, rtol=1e-4, atol=0)


def test_reconstructions_are_in_the_images_units() -> None:
    images = 0.01 * random_images() + 0.6
    model = network()
    model.fit_channels(images)
    assert (model(images) - 0.6).abs().max() < 0.1


def test_loss_returns_the_reconstructions_that_it_is_of() -> None:
    images = random_images()
    model = network()
    model.fit_channels(images)
    loss, reconstructions = model.loss(images)
    assert torch.equal(reconstructions, model(images))
    errors = ((reconstructions - images) ** 2).mean((0, 2, 3))
    torch.testing.assert_close(loss, (errors / images.var((0, 2, 3))).mean())


def test_the_loss_reaches_every_weight() -> None:
    model = network()
    model.loss(random_images())[0].backward()  # type: ignore[no-untyped-call]
    for name, weight in model.named_parameters():
        assert weight.grad is not None, name
        assert weight.grad.abs().max() > 0, name


def test_reconstruction_of_an_image_does_not_depend_on_the_others() -> None:
    images = random_images()
    model = network()
    torch.testing.assert_close(model(images)[:1], model(images[:1]), rtol=0, atol=1e-6)
