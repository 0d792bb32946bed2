"""Scores: what maps photos to a number each, larger = stranger.

Each looks at positions of a photo: at what a network's reconstruction misses of each block, or at
features of the photo itself. How far a position is from that of training photos is its distance;
the mean over positions is the score. SCORES holds all of them by the names that params.yaml knows
them by.
"""

from collections.abc import Callable, Iterable
from typing import NamedTuple

from torch import Tensor
from torch.nn import functional

from stages.wells.detection.features import (
    BLOCK,
    Features,
    describe_appearance,
    describe_texture,
    log,
)
from stages.wells.detection.gaussians import Gaussians, squared_distances, squared_excess
from stages.wells.detection.regions import Share
from stages.wells.networks.base import Network
from stages.wells.networks.registry import NETWORKS

# Keeps logarithms finite where a block is redrawn perfectly; a twelfth of a grey level.
PERFECT = 1e-7


class Score(NamedTuple):
    """How a score is made.

    network: whose errors it looks at, `[N, blocks, 3]` as `block_errors` returns them; None: it
    looks at photos, `[N, 3, H, W]` uint8. describe: makes features `[N, P, F]` of what it looks at.
    distance: of features from the normal ones, `[N, P]`; None: the one feature at each position
    says how strange it is. learns_where: whether known spills tell at which positions it looks, and
    at which share of them; else it looks at `share` of all.
    """

    network: str | None
    describe: Callable[[Tensor], Features]
    distance: Callable[[Gaussians, Features], Tensor] | None
    learns_where: bool = False
    share: Share = "all"


def block_errors(network: Network, images: Tensor) -> Tensor:
    """Return the squared error of each block and channel, mean of its pixels: `[N, blocks, 3]`.

    images: `[N, 3, H, W]` uint8; errors: of images in [0, 1], float64; a block is BLOCK x BLOCK
    pixels. The network is used as it is, so `eval()` must have been called.
    """
    inputs = images.float() / 255
    errors = functional.avg_pool2d((network(inputs) - inputs).square(), BLOCK)
    return errors.double().flatten(2).transpose(1, 2)


def mean_error(errors: Tensor) -> Features:
    """Return each block's mean squared error, `[N, blocks, 1]`: its mean is that of the photo."""
    return errors.mean(dim=2, keepdim=True)


def log_errors(errors: Tensor) -> Features:
    """Return the logs of errors `[N, blocks, 3]`, which are distributed about normally."""
    return log(errors + PERFECT)


def _scores_of(network: str) -> dict[str, Score]:
    scores = {
        # The mean squared error, as the assignment asks.
        "mse": Score(network, mean_error, None),
        # How unusual the error of each block is, whether too large or too small.
        "blocks": Score(network, log_errors, squared_distances, learns_where=True),
        # How much more of each block the network misses than usual.
        "excess": Score(network, log_errors, squared_excess, learns_where=True),
    }
    return {f"{network}.{name}": score for name, score in scores.items()}


SCORES: dict[str, Score] = {
    **{name: score for network in NETWORKS for name, score in _scores_of(network).items()},
    # Finds streaks by their contrast and empty wells by their colour and smoothness.
    "appearance": Score(None, describe_appearance, squared_distances),
    # How unlike training wells the middle's blocks are in roughness. The less strange half, for a
    # spill changes the whole of the middle, a hand or a tool a part of it. A trimmed mean, as in
    # Rousseeuw's least trimmed squares (1984, JASA 79:871-880).
    "texture": Score(None, describe_texture, squared_distances, share="half"),
}


def networks_of(names: Iterable[str]) -> set[str]:
    """Return the names of the networks that scores need."""
    return {network for name in names if (network := SCORES[name].network) is not None}
