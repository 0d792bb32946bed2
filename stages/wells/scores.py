"""Scores: what maps an image and its reconstruction to a number, larger = stranger."""

from collections import defaultdict
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from stages.wells.images import Images
from stages.wells.mnad import Mnad
from stages.wells.network import Network
from stages.wells.training import reconstruct

MSE, CENTRE_MSE, COARSE_MSE, MEMORY = "mse", "centre_mse", "coarse_mse", "memory"
# Of 1, 3, 5, 7 and 9 pixels, the one that leaves the widest gap between held-out normals and known
# spills.
COARSE_PIXELS = 3

Scores = dict[str, NDArray[np.float64]]


class Ellipse(NamedTuple):
    """An upright ellipse in a frame: centre and half-axes, in shares of the frame's sides."""

    row: float
    column: float
    half_height: float
    half_width: float


def ellipse_weights(ellipse: Ellipse, height: int, width: int) -> Tensor:
    """Give weights `[H, W]` that sum to 1: even on the pixels whose centre lies in the ellipse.

    An ellipse smaller than a pixel weighs the pixel that it lies in.
    """
    rows = (torch.arange(height) + 0.5) / height - ellipse.row
    columns = (torch.arange(width) + 0.5) / width - ellipse.column
    distance = (rows[:, None] / ellipse.half_height) ** 2 + (columns / ellipse.half_width) ** 2
    inside = (distance <= distance.min().clamp_min(1)).float()
    return inside / inside.sum()


def squared_error(images: Tensor, reconstructions: Tensor) -> Tensor:
    """Give the squared error of each pixel, mean of its channels: `[N, H, W]` of `[N, 3, H, W]`."""
    return (reconstructions - images).square().mean(1)


def mse(images: Tensor, reconstructions: Tensor) -> Tensor:
    """Give the mean squared error over the whole frame, `[N]`."""
    return squared_error(images, reconstructions).mean((1, 2))


def centre_mse(images: Tensor, reconstructions: Tensor, centre: Ellipse) -> Tensor:
    """Give the mean squared error over the well's middle, `[N]`.

    A spill happens there, whereas hands, tools and bars lie over the edges of normal wells.
    """
    weights = ellipse_weights(centre, *images.shape[-2:]).to(images)
    return (squared_error(images, reconstructions) * weights).sum((1, 2))


def coarse_mse(images: Tensor, reconstructions: Tensor, centre: Ellipse) -> Tensor:
    """Give `centre_mse` of errors averaged over COARSE_PIXELS x COARSE_PIXELS pixels, `[N]`.

    The grain of rough metal is never the same twice: no network can redraw it, and its errors,
    which change sign from pixel to pixel, say nothing. What is left after averaging does.
    """
    averaged = functional.avg_pool2d(
        reconstructions - images, COARSE_PIXELS, stride=1, padding=COARSE_PIXELS // 2
    )
    return centre_mse(torch.zeros_like(averaged), averaged, centre)


def score_images(network: Network, images: Images, centre: Ellipse) -> Scores:
    """Give every score that a network has, of images `[N, 3, H, W]` uint8: name to `[N]`.

    `memory`, of MNAD alone, is the mean distance of an image's queries to their nearest items.
    """
    parts: dict[str, list[Tensor]] = defaultdict(list)
    for inputs, outputs in reconstruct(network, images):
        parts[MSE].append(mse(inputs, outputs))
        parts[CENTRE_MSE].append(centre_mse(inputs, outputs, centre))
        parts[COARSE_MSE].append(coarse_mse(inputs, outputs, centre))
        if isinstance(network, Mnad):
            parts[MEMORY].append(network.distances(inputs).mean((1, 2)))
    return {name: torch.cat(part).cpu().double().numpy() for name, part in parts.items()}
