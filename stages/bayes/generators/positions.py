"""Generators that draw each position of an avatar by itself: mle, poly and pixel.

A position is a channel of a pixel, or a whole pixel; what it shows is a symbol. The generators keep
the symbols of the positions where training avatars differ, and no table beside them.
"""

from abc import ABC, abstractmethod

import numpy as np
from numpy.typing import NDArray

from stages.bayes.avatars import Avatar, Avatars, Symbol, Symbols, as_avatar, as_symbols
from stages.bayes.generators.base import Drawn
from stages.bayes.generators.palette import count_symbols, probability
from stages.common.types import FloatArray


class Positions(ABC):
    """What training avatars show at each position.

    template: an avatar's symbols `[P]`, right at all positions but the `varying` ones `[M]`, at
    which avatars differ and for which `shown` `[K, M]` holds their symbols.
    """

    def __init__(self, avatars: Avatars, symbol: Symbol) -> None:
        """Take what avatars `[K, H, W, 4]` show, by channel (uint8) or pixel (uint32)."""
        symbols = as_symbols(avatars, symbol)
        self.size = avatars.shape[1], avatars.shape[2]
        self.template = symbols[0]
        self.varying = np.flatnonzero((symbols != symbols[0]).any(axis=0))
        self.shown = symbols.take(self.varying, axis=1)
        self.palette = count_symbols(symbols)

    def paint(self, symbols: Symbols) -> Avatar:
        """Return the avatar `[H, W, 4]` that shows these symbols `[M]` at the varying positions."""
        avatar = self.template.copy()
        avatar[self.varying] = symbols
        return as_avatar(avatar, *self.size)

    @abstractmethod
    def probabilities(self, counts: NDArray[np.int64]) -> FloatArray:
        """Return P(symbol) by how many training avatars show it at its position, `[P]` both."""

    def log_probability(self, avatars: Avatars, mass: float = 0) -> FloatArray:
        """Return ln P of avatars `[N, H, W, 4]`, `[N]`, with that mass of the smoothing."""
        found = []
        for symbols in as_symbols(avatars, self.template.dtype.type):
            counts = np.where(symbols == self.template, len(self.shown), 0)
            counts[self.varying] = (self.shown == symbols[self.varying]).sum(axis=0)
            shares = self.probabilities(counts)
            if mass:
                shares = (1 - mass) * shares + mass * probability(self.palette, symbols)
            with np.errstate(divide="ignore"):
                found.append(np.log(shares).sum())
        return np.array(found)


class Poly(Positions):
    """Each position shows what a training avatar, drawn for that position, shows there.

    counts: how many training avatars show what each of them shows at each varying position,
    `[K, M]`.
    """

    def __init__(self, avatars: Avatars, symbol: Symbol) -> None:
        """Take what avatars `[K, H, W, 4]` show, by channel (uint8) or pixel (uint32)."""
        super().__init__(avatars, symbol)
        self.counts = np.zeros(self.shown.shape, dtype=np.uint16)
        for row in self.shown:
            self.counts += self.shown == row

    def sample(self, rng: np.random.Generator) -> Drawn:
        """Return a random avatar, with ln P(avatar)."""
        avatars, columns = len(self.shown), np.arange(len(self.varying))
        exemplars = rng.integers(avatars, size=len(columns))
        # How many positions show what 1, 2, … K training avatars show there.
        shared = np.bincount(self.counts[exemplars, columns], minlength=avatars + 1)[1:]
        log_probability = (shared * np.log(np.arange(1, avatars + 1) / avatars)).sum()
        return Drawn(self.paint(self.shown[exemplars, columns]), float(log_probability))

    def probabilities(self, counts: NDArray[np.int64]) -> FloatArray:
        """Return P(symbol) by how many training avatars show it at its position, `[P]` both."""
        return counts / len(self.shown)


class Mle(Positions):
    """Each position shows one of the distinct symbols seen there, all equally probable.

    symbols: those of the first varying position, then those of the second, and so on; `starts` says
    where those of each position begin, `numbers` how many they are, `[M]` both.
    """

    def __init__(self, avatars: Avatars, symbol: Symbol) -> None:
        """Take what avatars `[K, H, W, 4]` show, by channel (uint8) or pixel (uint32)."""
        super().__init__(avatars, symbol)
        ordered = np.sort(self.shown, axis=0).T
        first = np.ones(ordered.shape, dtype=bool)
        first[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
        self.symbols, self.numbers = ordered[first], first.sum(axis=1)
        self.starts = np.cumsum(self.numbers) - self.numbers

    def sample(self, rng: np.random.Generator) -> Drawn:
        """Return a random avatar, with ln P(avatar), which is the same for all."""
        chosen = self.starts + (rng.random(len(self.numbers)) * self.numbers).astype(np.intp)
        return Drawn(self.paint(self.symbols[chosen]), float(-np.log(self.numbers).sum()))

    def probabilities(self, counts: NDArray[np.int64]) -> FloatArray:
        """Return P(symbol) by how many training avatars show it at its position, `[P]` both."""
        shares = (counts > 0).astype(np.float64)
        shares[self.varying] /= self.numbers
        return shares
