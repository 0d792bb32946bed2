"""What all generators of avatars have in common."""

import math
from typing import NamedTuple, Protocol, TypeVar

import numpy as np

from stages.bayes.avatars import Avatar, Avatars
from stages.bayes.styles import Style
from stages.common.types import FloatArray

OneOrMany = TypeVar("OneOrMany", float, FloatArray)


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
        """Return a random avatar."""

    def log_probability(self, avatars: Avatars, mass: float = 0) -> FloatArray:
        """Return ln P of avatars `[N, H, W, 4]`, `[N]`; -inf for what can't be drawn.

        mass: of the smoothing, that is the probability with which a position shows any symbol
        whatever, by how often symbols appear anywhere, in place of what the generator would show.
        With 0 it is the distribution that `sample` draws from; above 0 no avatar is impossible.
        """


def smoothing_mass(smoothing: float, avatars: int) -> float:
    """Return the probability mass that smoothing takes: α / (K + α) for α beside K avatars.

    As if so many more avatars had been seen, with any symbols: at a position by itself
    P = (n + α P(symbol)) / (K + α), which is additive smoothing.
    """
    return smoothing / (avatars + smoothing)


def bits_per_dimension(log_probability: OneOrMany, dimensions: int) -> OneOrMany:
    """Return the bits that a probability, given as ln P, needs for each of so many values."""
    return -log_probability / (dimensions * math.log(2))


def draw_index(weights: FloatArray, chance: float) -> int:
    """Return an index `i` with a probability in proportion to `weights[i]`, `[N]`.

    chance: uniform in [0, 1), put through the inverse of the cumulative distribution.
    """
    sums = weights.cumsum()
    return int(np.searchsorted(sums, chance * sums[-1], side="right"))
