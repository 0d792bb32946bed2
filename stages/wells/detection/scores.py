"""Scores: what maps photos to a number each, larger = stranger.

Each looks at positions of a photo: at what a network's reconstruction misses of each block, or at
features of the photo itself. How far a position is from that of training photos is its distance;
the mean over positions is the score. SCORES holds all of them by the names that params.yaml knows
them by.

A score has one view of photos or several. What is strange may lie at a place that all photos share,
as metal in the middle of a well, or anywhere and be small, as a crack in a tile. Which of the two
it is, known spills tell.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Literal, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from stages.wells.detection.features import (
    BLOCK,
    Features,
    describe_appearance,
    describe_roughness,
    describe_texture,
    log,
    subtract_own_median,
)
from stages.wells.detection.gaussians import Gaussians, squared_distances, squared_excess
from stages.wells.detection.regions import SHARES, Share
from stages.wells.networks.base import Network
from stages.wells.networks.registry import NETWORKS

# Keeps logarithms finite where a block is redrawn perfectly; a twelfth of a grey level.
PERFECT = 1e-7
# The same where a block's errors are all alike; a quarter of a squared grey level.
EVEN = 4e-6


class View(NamedTuple):
    """A way to look at photos.

    describe: makes features `[N, P, F]` of what the score looks at. region: where these positions
    lie: each block of the frame, each of its middle, or of the frame's the ones that tell known
    spills. shares: of the positions that may count; the first, where known spills don't tell.
    """

    describe: Callable[[Tensor], Features]
    region: Literal["frame", "middle", "told"]
    shares: tuple[Share, ...]


class Score(NamedTuple):
    """How a score is made.

    network: whose errors it looks at, `[N, blocks, 6]` as `block_errors` returns them; None: it
    looks at photos, `[N, 3, H, W]` uint8. distance: of features from the normal ones, `[N, P]`;
    None: the one feature at each position says how strange it is. views: by name; the first, where
    known spills don't tell.
    """

    network: str | None
    distance: Callable[[Gaussians, Features], Tensor] | None
    views: Mapping[str, View]


def block_errors(network: Network, images: Tensor) -> Tensor:
    """Return what the network misses of each block, `[N, blocks, 6]` float64.

    The squared error of each channel (3) and the error itself (3), means of the block's pixels.
    images: `[N, 3, H, W]` uint8; errors: of images in [0, 1]; a block is BLOCK x BLOCK pixels. The
    network is used as it is, so `eval()` must have been called.
    """
    inputs = images.float() / 255
    errors = network(inputs) - inputs
    squared, plain = (functional.avg_pool2d(one, BLOCK) for one in (errors.square(), errors))
    return torch.cat([squared, plain], dim=1).double().flatten(2).transpose(1, 2)


def mean_error(errors: Tensor) -> Features:
    """Return each block's mean squared error, `[N, blocks, 1]`: its mean is that of the photo."""
    return errors[..., :3].mean(dim=2, keepdim=True)


def log_errors(errors: Tensor) -> Features:
    """Return the logs of squared errors, `[N, blocks, 3]`, which are about normally distributed."""
    return log(errors[..., :3] + PERFECT)


def relative_errors(errors: Tensor) -> Features:
    """Return by how much each block's error stands out of its own photo's, `[N, blocks, 2]`.

    Of the logs of its mean squared error and of the errors' variance inside it.
    """
    squared = mean_error(errors)
    variance = (squared - errors[..., 3:].square().mean(dim=2, keepdim=True)).clamp_min(0)
    return subtract_own_median(log(torch.cat([squared + PERFECT, variance + EVEN], dim=2)))


def _scores_of(network: str) -> dict[str, Score]:
    errors = {
        "place": View(log_errors, "told", ("all", "half", "tenth")),
        "anywhere": View(relative_errors, "frame", SHARES),
    }
    scores = {
        # The mean squared error, as the assignment asks.
        "mse": Score(network, None, {"whole": View(mean_error, "frame", ("all",))}),
        # How unusual the error of each block is, whether too large or too small.
        "blocks": Score(network, squared_distances, errors),
        # How much more of each block the network misses than usual.
        "excess": Score(network, squared_excess, errors),
    }
    return {f"{network}.{name}": score for name, score in scores.items()}


SCORES: dict[str, Score] = {
    **{name: score for network in NETWORKS for name, score in _scores_of(network).items()},
    # Finds streaks by their contrast and empty wells by their colour and smoothness.
    "appearance": Score(
        None, squared_distances, {"place": View(describe_appearance, "middle", ("all",))}
    ),
    # How unlike training wells the middle's blocks are in roughness. The less strange half, for a
    # spill changes the whole of the middle, a hand or a tool a part of it. A trimmed mean, as in
    # Rousseeuw's least trimmed squares (1984, JASA 79:871-880).
    "texture": Score(
        None,
        squared_distances,
        {
            "place": View(describe_texture, "middle", ("half",)),
            "anywhere": View(describe_roughness, "frame", SHARES),
        },
    ),
}


def networks_of(names: Iterable[str]) -> set[str]:
    """Return the names of the networks that scores need."""
    return {network for name in names if (network := SCORES[name].network) is not None}
