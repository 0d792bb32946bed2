"""What all generators of avatars have in common."""

import math
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from stages.bayes.avatars import Avatar, Avatars
from stages.bayes.styles import Style


class Drawn(NamedTuple):
    """An avatar `[H, W, 4]`, its log-probability, and the style that it was drawn for, if any.

    With a style it is the probability of both: ln P(style) + ln P(avatar | style).
    """

    avatar: Avatar
    log_probability: float
    style: Style | None = None


class Generator(Protocol):
    """A distribution over avatars."""

    def sample(self, rng: np.random.Generator) -> Drawn:
        """Draw an avatar."""

    def log_probability(self, avatars: Avatars, escape: float = 0) -> NDArray[np.float64]:
        """Give ln P of avatars `[N, H, W, 4]`; -inf for what can't be drawn.

        escape: the probability with which a place shows any letter whatever, by how often letters
        appear anywhere, in place of what the generator would show. With 0 it is the distribution
        that `sample` draws from; above 0 no avatar is impossible.
        """


def escape_of(smoothing: float, avatars: int) -> float:
    """Give the probability to escape: as if so many avatars more had been seen, with any letters.

    α / (K + α), so that at a place by itself P = (n + α P(letter)) / (K + α), additive smoothing.
    """
    return smoothing / (avatars + smoothing)


def bits_per_dimension(log_probability: float, dimensions: int) -> float:
    """Give the bits that a probability needs for each of an avatar's channel values."""
    return -log_probability / (dimensions * math.log(2))


def figures_of(one: Drawn) -> dict[str, float | None]:
    """Give what is told of an avatar; its probability only where a float can hold it."""
    probability = math.exp(one.log_probability)
    return {
        "log_probability": one.log_probability,
        "bits_per_dimension": bits_per_dimension(one.log_probability, one.avatar.size),
        "probability": probability if probability > 0 else None,
    }
