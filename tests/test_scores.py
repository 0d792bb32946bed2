"""Scores measure the reconstruction's error where they are told to look."""

import math

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from stages.wells import networks, training
from stages.wells.network import Network
from stages.wells.scores import (
    CENTRE_MSE,
    MSE,
    Ellipse,
    centre_mse,
    coarse_mse,
    ellipse_weights,
    mse,
    score_images,
    squared_error,
)

CENTRE = Ellipse(row=0.5, column=0.5, half_height=0.25, half_width=0.25)
WHOLE_FRAME = Ellipse(0.5, 0.5, 2, 2)
IMAGES = np.random.default_rng(0).integers(0, 256, (11, 3, 16, 16), dtype=np.uint8)


@pytest.fixture(scope="module")
def network() -> Network:
    settings = {"height": 16, "width_pixels": 16, "width": 4, "latent": 3}
    return networks.build("autoencoder", settings, seed=0)


def error_at(*pixels: tuple[int, int]) -> tuple[torch.Tensor, torch.Tensor]:
    """Give a black 16 x 16 image and a reconstruction that is 0.6 off there, in one channel."""
    images = torch.zeros(1, 3, 16, 16)
    reconstructions = images.clone()
    for row, column in pixels:
        reconstructions[0, 1, row, column] = 0.6
    return images, reconstructions


def test_squared_error_of_a_pixel_is_the_mean_of_its_channels() -> None:
    errors = squared_error(*error_at((3, 5)))
    assert errors.shape == (1, 16, 16)
    assert errors[0, 3, 5].item() == pytest.approx(0.36 / 3)
    assert errors.sum().item() == pytest.approx(0.36 / 3)


def test_mse_is_the_mean_over_channels_and_pixels_of_each_image() -> None:
    images = torch.zeros(3, 3, 2, 2)
    reconstructions = images.clone()
    reconstructions[1, 0, 0, 0] = 0.6
    reconstructions[2] = -0.5
    torch.testing.assert_close(
        mse(images, reconstructions), torch.tensor([0, 0.36 / 12, 0.25]), rtol=1e-6, atol=0
    )


@pytest.mark.parametrize("edge", [(0, 0), (0, 8), (8, 0), (15, 15), (8, 15), (3, 8)])
def test_centre_mse_does_not_see_an_error_outside_the_ellipse(edge: tuple[int, int]) -> None:
    assert centre_mse(*error_at(edge), CENTRE).item() == 0
    assert mse(*error_at(edge)).item() > 0


@pytest.mark.parametrize("middle", [(8, 8), (5, 7), (8, 11)])
def test_centre_mse_weighs_an_error_inside_more_than_mse_does(middle: tuple[int, int]) -> None:
    # The ellipse covers pi / 16 of the frame, so what lies in it counts about 5 times as much.
    ratio = centre_mse(*error_at(middle), CENTRE) / mse(*error_at(middle))
    assert ratio.item() == pytest.approx(16 / math.pi, rel=0.1)


def test_the_ellipse_is_placed_by_row_and_column() -> None:
    lower_left = Ellipse(row=0.8, column=0.2, half_height=0.1, half_width=0.1)
    assert centre_mse(*error_at((12, 3)), lower_left).item() > 0
    assert centre_mse(*error_at((3, 12)), lower_left).item() == 0


@pytest.mark.parametrize("ellipse", [Ellipse(0.5, 0.5, 0.5, 0.1), Ellipse(0.5, 0.5, 0.1, 0.5)])
def test_the_ellipse_is_as_high_and_as_wide_as_told(ellipse: Ellipse) -> None:
    rows, columns = ellipse_weights(ellipse, 100, 200).nonzero().unbind(1)
    assert len(set(rows.tolist())) == pytest.approx(2 * ellipse.half_height * 100, abs=2)
    assert len(set(columns.tolist())) == pytest.approx(2 * ellipse.half_width * 200, abs=4)


@pytest.mark.parametrize(("height", "width"), [(16, 16), (32, 48), (200, 100)])
def test_weights_are_even_over_the_ellipses_area_and_sum_to_one(height: int, width: int) -> None:
    weights = ellipse_weights(Ellipse(0.6, 0.5, 0.28, 0.19), height, width)
    inside = weights[weights > 0]
    assert weights.sum().item() == pytest.approx(1)
    assert inside.min() == inside.max()
    assert len(inside) == pytest.approx(math.pi * 0.28 * 0.19 * height * width, rel=0.1)


@pytest.mark.parametrize(
    ("row", "column", "pixel"), [(0.45, 0.66, (4, 6)), (0.01, 0.99, (0, 9)), (0.5001, 0.29, (5, 2))]
)
def test_an_ellipse_smaller_than_a_pixel_weighs_the_pixel_it_lies_in(
    row: float, column: float, pixel: tuple[int, int]
) -> None:
    weights = ellipse_weights(Ellipse(row, column, 1e-3, 1e-4), 10, 10)
    assert weights[pixel].item() == 1
    assert weights.sum().item() == 1


def test_centre_mse_over_the_whole_frame_is_mse() -> None:
    generator = torch.Generator().manual_seed(0)
    images, reconstructions = torch.rand(2, 4, 3, 16, 16, generator=generator)
    torch.testing.assert_close(
        centre_mse(images, reconstructions, WHOLE_FRAME), mse(images, reconstructions)
    )


def test_every_score_is_a_number_per_image_in_double_precision(network: Network) -> None:
    scores = score_images(network, IMAGES, CENTRE)
    assert set(scores) == {"mse", "centre_mse", "coarse_mse"}
    assert all(found.shape == (11,) and found.dtype == np.float64 for found in scores.values())


def test_scores_are_of_the_networks_reconstructions(network: Network) -> None:
    scores = score_images(network, IMAGES, CENTRE)
    inputs = torch.from_numpy(IMAGES).float() / 255
    errors: NDArray[np.float32] = (network(inputs) - inputs).detach().numpy() ** 2
    np.testing.assert_allclose(scores[MSE], errors.mean(axis=(1, 2, 3)), rtol=1e-5)
    # A pixel's centre lies in the circle of radius 4 pixels about the frame's middle.
    offsets = np.arange(16) - 7.5
    circle = offsets[:, None] ** 2 + offsets**2 <= 16
    np.testing.assert_allclose(
        scores[CENTRE_MSE], errors[:, :, circle].mean(axis=(1, 2)), rtol=1e-5
    )


def test_scores_do_not_depend_on_the_images_order(network: Network) -> None:
    order = np.random.default_rng(1).permutation(len(IMAGES))
    shuffled = score_images(network, IMAGES[order], CENTRE)
    for name, scores in score_images(network, IMAGES, CENTRE).items():
        np.testing.assert_allclose(shuffled[name], scores[order], rtol=1e-5)


@pytest.mark.parametrize("batch", [1, 4, 11])
def test_scores_do_not_depend_on_the_batch_size(
    monkeypatch: pytest.MonkeyPatch, network: Network, batch: int
) -> None:
    expected = score_images(network, IMAGES, CENTRE)
    monkeypatch.setattr(training, "EVALUATION_BATCH", batch)
    for name, scores in score_images(network, IMAGES, CENTRE).items():
        np.testing.assert_allclose(scores, expected[name], rtol=1e-5)


def test_coarse_mse_forgives_grain_that_changes_sign_and_not_a_patch_of_the_same_energy() -> None:
    images = torch.full((2, 3, 16, 16), 0.5)
    reconstructions = images.clone()
    rows, columns = torch.meshgrid(torch.arange(16), torch.arange(16), indexing="ij")
    reconstructions[0] += 0.1 * (1 - 2 * ((rows + columns) % 2))
    reconstructions[1] += 0.1
    torch.testing.assert_close(
        centre_mse(images, reconstructions, CENTRE), torch.tensor([0.01, 0.01])
    )
    # Of nine neighbours on a chessboard, five are of one sign and four of the other.
    torch.testing.assert_close(
        coarse_mse(images, reconstructions, CENTRE), torch.tensor([0.01 / 81, 0.01])
    )


def test_coarse_mse_sees_only_the_centre() -> None:
    assert coarse_mse(*error_at((0, 0)), CENTRE).item() == 0
    assert coarse_mse(*error_at((8, 8)), CENTRE).item() > 0


def test_coarse_mse_averages_around_the_pixel_it_looks_at() -> None:
    pixel = Ellipse(row=2.5 / 16, column=8.5 / 16, half_height=0.01, half_width=0.01)
    one_ninth = (0.6 / 9) ** 2 / 3
    for row, expected in ((0, 0), (1, one_ninth), (2, one_ninth), (3, one_ninth), (4, 0)):
        assert coarse_mse(*error_at((row, 8)), pixel).item() == pytest.approx(expected)
