"""Scores: what maps an image to a number, larger = stranger, and what they compare it with."""

from collections import defaultdict
from collections.abc import Collection
from typing import Annotated, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor
from torch.nn import functional

from stages.wells import descriptions
from stages.wells.descriptions import Box
from stages.wells.gaussians import Gaussians, fit_gaussians, squared_distances
from stages.wells.images import Images
from stages.wells.mnad import Mnad
from stages.wells.network import Network
from stages.wells.training import reconstruct

MSE, CENTRE_MSE, COARSE_MSE, MEMORY = "mse", "centre_mse", "coarse_mse", "memory"
APPEARANCE, TEXTURE = "appearance", "texture"
# Scores that need no network.
DESCRIPTIVE = (APPEARANCE, TEXTURE)
# Of 1, 3, 5, 7 and 9 pixels, the one that leaves the widest gap between held-out normals and known
# spills.
COARSE_PIXELS = 3
# Of the blocks' distances, from the least: a thing that covers the others changes nothing.
LESS_STRANGE = 0.5
# Side blocks that must be strange together, for one alone may be a reflection.
SIDE_BLOCKS = 3
# What a processor keeps at hand: larger batches take a quarter longer.
DESCRIBED_TOGETHER = 128

Scores = dict[str, NDArray[np.float64]]


class Ellipse(NamedTuple):
    """An upright ellipse in a frame: centre and half-axes, in shares of the frame's sides."""

    row: float
    column: float
    half_height: float
    half_width: float


class Reference(BaseModel):
    """Where scores look, in frames of `height` x `width` pixels, and what training wells show."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    height: Annotated[int, Field(gt=0)]
    width: Annotated[int, Field(gt=0)]
    centre: Ellipse
    box: Box
    appearance: Gaussians
    texture: Gaussians
    sides: Gaussians


def fit_reference(images: Images, centre: Ellipse, box: Box) -> Reference:
    """Describe training wells, `[N, 3, H, W]` uint8."""
    height, width = images.shape[-2:]
    return Reference(
        height=height,
        width=width,
        centre=centre,
        box=box,
        appearance=fit_gaussians(descriptions.appearance(images, box)),
        texture=fit_gaussians(descriptions.texture(images, box)),
        sides=fit_gaussians(descriptions.sides(images)),
    )


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


def appearance(images: Images, reference: Reference) -> NDArray[np.float64]:
    """Give how unlike training wells the middle looks as a whole, a squared distance, `[N]`.

    Finds streaks by their contrast and empty wells by their colour and smoothness.
    """
    described = descriptions.appearance(images, reference.box)
    return squared_distances(reference.appearance, described)[:, 0]


def texture(images: Images, reference: Reference) -> NDArray[np.float64]:
    """Give how unlike training wells the middle's blocks are in roughness, `[N]`.

    The mean squared distance of the less strange half of the blocks: a spill changes the whole of
    the middle, a hand or a tool a part of it. A trimmed mean, as in Rousseeuw's least trimmed
    squares (1984, JASA 79:871-880).
    """
    described = descriptions.texture(images, reference.box)
    distances = np.sort(squared_distances(reference.texture, described), axis=1)
    kept = max(1, int(LESS_STRANGE * distances.shape[1]))
    trimmed: NDArray[np.float64] = distances[:, :kept].mean(axis=1)
    return trimmed


def obstruction(images: Images, reference: Reference) -> NDArray[np.float64]:
    """Give how unlike training wells the strangest blocks at the frame's sides are, `[N]`.

    No spill score: metal leaves a well at the front, what lies over it comes from the sides.
    """
    distances = np.sort(squared_distances(reference.sides, descriptions.sides(images)), axis=1)
    strangest: NDArray[np.float64] = distances[:, -SIDE_BLOCKS:].mean(axis=1)
    return strangest


def kinds_of_spill(images: Images, reference: Reference) -> NDArray[np.str_]:
    """Tell spills apart by texture, for nobody has labelled them: `streak` or `empty`, `[N]`.

    A streak's blocks in the middle deviate more, in the median, than those of training wells, an
    empty well's less.
    """
    described = descriptions.texture(images, reference.box)
    roughness = np.median((described - reference.texture.means)[..., 0], axis=1)
    return np.where(roughness > 0, "streak", "empty")


def score_images(
    network: Network,
    images: Images,
    reference: Reference,
    only: Collection[str] | None = None,
) -> Scores:
    """Give scores of images `[N, 3, H, W]` uint8, name to `[N]`: all, or at least those of `only`.

    The network runs only where a score is wanted that needs it.
    `memory`, of MNAD alone, is the mean distance of an image's queries to their nearest items.
    """
    parts: dict[str, list[NDArray[np.float64]]] = defaultdict(list)
    for start in range(0, len(images), DESCRIBED_TOGETHER):
        batch = images[start : start + DESCRIBED_TOGETHER]
        parts[APPEARANCE].append(appearance(batch, reference))
        parts[TEXTURE].append(texture(batch, reference))
    if only is None or not set(only) <= set(DESCRIPTIVE):
        for inputs, outputs in reconstruct(network, images):
            found = {
                MSE: mse(inputs, outputs),
                CENTRE_MSE: centre_mse(inputs, outputs, reference.centre),
                COARSE_MSE: coarse_mse(inputs, outputs, reference.centre),
            }
            if isinstance(network, Mnad):
                found[MEMORY] = network.distances(inputs).mean((1, 2))
            for name, values in found.items():
                parts[name].append(values.cpu().double().numpy())
    return {name: np.concatenate(part) for name, part in parts.items()}
