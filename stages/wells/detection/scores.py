"""Scores: what maps photos to a number each, larger = stranger.

A score is fitted to training photos, if there is anything to fit, and says which network it needs,
if any. SCORES holds all of them by the names that params.yaml knows them by. Where functions take
tensors, images and reconstructions are `[N, 3, H, W]` in [0, 1].
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from stages.common.types import FloatArray, Images
from stages.wells.detection.features import Features, describe_appearance, describe_texture
from stages.wells.detection.gaussians import Gaussians, fit_gaussians, squared_distances
from stages.wells.networks.base import Network
from stages.wells.networks.registry import NETWORKS
from stages.wells.networks.training import reconstruct

APPEARANCE, TEXTURE = "appearance", "texture"
# The middle of the well, an upright ellipse: centre and half-axes in shares of the frame's sides.
# Metal runs out there; hands and tools lie over the edges.
ROW, COLUMN, HALF_HEIGHT, HALF_WIDTH = 0.64, 0.51, 0.28, 0.19
# Of 1, 3, 5, 7 and 9 pixels, the one that leaves the widest gap between held-out normals and known
# spills.
COARSE_PIXELS = 3
# Of the blocks' distances, from the least: a thing that covers the others changes nothing.
LESS_STRANGE = 0.5
# What a processor keeps at hand: larger batches take a quarter longer.
DESCRIBED_TOGETHER = 128

# Scores by name, `[N]` each.
Scores = dict[str, FloatArray]


class NetworkScore(NamedTuple):
    """A score of what a network makes of photos; there is nothing to fit.

    measure: (network, images, reconstructions), both `[N, 3, H, W]` in [0, 1], to scores `[N]`;
    locate: the same to what is strange where, pixel by pixel or patch by patch, `[N, h, w]`, whose
    mean is the score: everywhere, or where `in_middle` is true in the well's middle alone.
    """

    network: str
    measure: Callable[[Network, Tensor, Tensor], Tensor]
    locate: Callable[[Network, Tensor, Tensor], Tensor]
    in_middle: bool

    def fit(self, images: Images) -> None:
        """Return what there is to know of training photos: nothing."""


class FeatureScore(NamedTuple):
    """How far features of photos lie from those of training photos.

    describe: images `[N, 3, H, W]` uint8 to features `[N, P, F]`; pool: squared distances `[N, P]`
    to scores `[N]`.
    """

    describe: Callable[[Images], Features]
    pool: Callable[[FloatArray], FloatArray]
    network: None = None

    def fit(self, images: Images) -> Gaussians:
        """Return the normality model of training photos, `[N, 3, H, W]` uint8."""
        return fit_gaussians(self.describe(images))

    def distances(self, images: Images, normality: Gaussians) -> FloatArray:
        """Return the squared distance at each position, `[N, P]`."""
        return squared_distances(normality, self.describe(images))


def mse(images: Tensor, reconstructions: Tensor) -> Tensor:
    """Return the mean squared error over the whole frame, `[N]`."""
    return squared_error(images, reconstructions).mean((1, 2))


def centre_mse(images: Tensor, reconstructions: Tensor) -> Tensor:
    """Return the mean squared error over the well's middle, `[N]`."""
    return _mean_in_middle(squared_error(images, reconstructions))


def coarse_mse(images: Tensor, reconstructions: Tensor) -> Tensor:
    """Return `centre_mse` of errors averaged over COARSE_PIXELS x COARSE_PIXELS pixels, `[N]`.

    The grain of rough metal is never the same twice: no network can redraw it, and its errors,
    which change sign from pixel to pixel, say nothing. What is left after averaging does.
    """
    return _mean_in_middle(coarse_error(images, reconstructions))


def squared_error(images: Tensor, reconstructions: Tensor) -> Tensor:
    """Return the squared error of each pixel, mean of its channels, `[N, H, W]`."""
    return (reconstructions - images).square().mean(1)


def coarse_error(images: Tensor, reconstructions: Tensor) -> Tensor:
    """Return the squared error of each pixel's neighbourhood, mean of its channels, `[N, H, W]`."""
    averaged = functional.avg_pool2d(
        reconstructions - images, COARSE_PIXELS, stride=1, padding=COARSE_PIXELS // 2
    )
    return averaged.square().mean(1)


def ellipse_weights(height: int, width: int) -> Tensor:
    """Return weights `[H, W]` that sum to 1: even on pixels whose centre is in the well's middle.

    Where a frame is so coarse that there is none, the pixel nearest to it.
    """
    rows = (torch.arange(height) + 0.5) / height - ROW
    columns = (torch.arange(width) + 0.5) / width - COLUMN
    distance = (rows[:, None] / HALF_HEIGHT) ** 2 + (columns / HALF_WIDTH) ** 2
    inside = (distance <= distance.min().clamp_min(1)).float()
    return inside / inside.sum()


def only_one(distances: FloatArray) -> FloatArray:
    """Return the distances `[N, 1]` of features of the middle as a whole, `[N]`."""
    return distances[:, 0]


def mean_of_less_strange(distances: FloatArray) -> FloatArray:
    """Return the mean of the smaller half of the blocks' distances `[N, P]`, `[N]`.

    A spill changes the whole of the middle, a hand or a tool a part of it. A trimmed mean, as in
    Rousseeuw's least trimmed squares (1984, JASA 79:871-880).
    """
    kept = max(1, int(LESS_STRANGE * distances.shape[1]))
    pooled: FloatArray = np.sort(distances, axis=1)[:, :kept].mean(axis=1)
    return pooled


def _mean_in_middle(errors: Tensor) -> Tensor:
    return (errors * ellipse_weights(*errors.shape[-2:]).to(errors)).sum((1, 2))


def _of_error(
    error: Callable[[Tensor, Tensor], Tensor], _: Network, images: Tensor, reconstructions: Tensor
) -> Tensor:
    return error(images, reconstructions)


def _locate_own(name: str, network: Network, images: Tensor, _: Tensor) -> Tensor:
    return network.locate(images)[name]


def _measure_own(name: str, network: Network, images: Tensor, _: Tensor) -> Tensor:
    return network.locate(images)[name].mean((1, 2))


def _scores_of(network: str) -> dict[str, NetworkScore]:
    errors = {
        error.__name__: NetworkScore(
            network, partial(_of_error, error), partial(_of_error, located), in_middle
        )
        for error, located, in_middle in (
            (mse, squared_error, False),
            (centre_mse, squared_error, True),
            (coarse_mse, coarse_error, True),
        )
    }
    own = {
        name: NetworkScore(
            network, partial(_measure_own, name), partial(_locate_own, name), in_middle=False
        )
        for name in NETWORKS[network].own_scores
    }
    return {f"{network}.{name}": score for name, score in {**errors, **own}.items()}


SCORES: dict[str, NetworkScore | FeatureScore] = {
    **{name: score for network in NETWORKS for name, score in _scores_of(network).items()},
    # Finds streaks by their contrast and empty wells by their colour and smoothness.
    APPEARANCE: FeatureScore(describe_appearance, only_one),
    # How unlike training wells the middle's blocks are in roughness.
    TEXTURE: FeatureScore(describe_texture, mean_of_less_strange),
}


def networks_of(names: Iterable[str]) -> set[str]:
    """Return the names of the networks that scores need."""
    return {network for name in names if (network := SCORES[name].network) is not None}


def score_images(
    images: Images,
    normality: Mapping[str, Gaussians | None],
    networks: Mapping[str, Network],
) -> Scores:
    """Return scores of images `[N, 3, H, W]` uint8, by the names of what was fitted to each.

    Each network runs once, and only where a score needs it; raises KeyError where it is missing.
    """
    if not len(images):
        return {name: np.empty(0) for name in normality}
    parts: dict[str, list[FloatArray]] = defaultdict(list)
    by_network: dict[str, dict[str, NetworkScore]] = defaultdict(dict)
    by_feature: dict[str, tuple[FeatureScore, Gaussians]] = {}
    for name, fitted in normality.items():
        score = SCORES[name]
        if isinstance(score, NetworkScore):
            by_network[score.network][name] = score
        else:
            assert fitted is not None
            by_feature[name] = score, fitted
    for start in range(0, len(images), DESCRIBED_TOGETHER):
        batch = images[start : start + DESCRIBED_TOGETHER]
        for name, (score, fitted) in by_feature.items():
            parts[name].append(score.pool(score.distances(batch, fitted)))
    for network, scores in by_network.items():
        for inputs, outputs in reconstruct(networks[network], images):
            for name, score in scores.items():
                found = score.measure(networks[network], inputs, outputs)
                parts[name].append(found.cpu().double().numpy())
    return {name: np.concatenate(parts[name]) for name in normality}
