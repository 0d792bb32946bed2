"""Generators that draw each position of an avatar by itself: mle, poly and pixel.

A position is a channel of a pixel, or a whole pixel; what it shows is a symbol. The generators keep
the symbols of the positions where training avatars differ, and no table beside them.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from stages.bayes.avatars import Avatar, Avatars, Symbols, as_avatar, as_symbols
from stages.bayes.generators.base import Drawn
from stages.bayes.generators.palette import Palette, count_symbols, probability
from stages.common.types import FloatArray, Indices


@dataclass(frozen=True)
class Positions:
    """What training avatars show at each position.

    template: an avatar's symbols `[P]`, right at all positions but the `varying` ones `[M]`, at
    which avatars differ and for which `shown` `[K, M]` holds their symbols.
    """

    size: tuple[int, int]
    template: Symbols
    varying: Indices
    shown: Symbols
    palette: Palette

    @classmethod
    def of(cls, avatars: Avatars, symbol: type[np.unsignedinteger]) -> Self:
        """Return the positions of avatars `[K, H, W, 4]` by channel (uint8) or pixel (uint32)."""
        symbols = as_symbols(avatars, symbol)
        varying = np.flatnonzero((symbols != symbols[0]).any(axis=0))
        return cls(
            (avatars.shape[1], avatars.shape[2]),
            symbols[0],
            varying,
            symbols.take(varying, axis=1),
            count_symbols(symbols),
        )

    def paint(self, symbols: Symbols) -> Avatar:
        """Return the avatar `[H, W, 4]` that shows these symbols `[M]` at the varying positions."""
        avatar = self.template.copy()
        avatar[self.varying] = symbols
        return as_avatar(avatar, *self.size)

    def count_alike(self, avatar: Avatar) -> tuple[Symbols, NDArray[np.int64]]:
        """Return an avatar's symbols, and how many training avatars show each there, `[P]` both."""
        symbols = as_symbols(avatar[None], self.template.dtype.type)[0]
        counts = np.where(symbols == self.template, len(self.shown), 0)
        counts[self.varying] = (self.shown == symbols[self.varying]).sum(axis=0)
        return symbols, counts


@dataclass(frozen=True)
class Poly:
    """Each position shows what a training avatar, drawn for that position, shows there.

    counts: how many training avatars show what each of them shows at each varying position,
    `[K, M]`.
    """

    positions: Positions
    counts: NDArray[np.uint16]

    @classmethod
    def fit(cls, avatars: Avatars, symbol: type[np.unsignedinteger]) -> Self:
        """Return what avatars `[K, H, W, 4]` show, by channel (uint8) or pixel (uint32)."""
        positions = Positions.of(avatars, symbol)
        counts = np.zeros(positions.shown.shape, dtype=np.uint16)
        for row in positions.shown:
            counts += positions.shown == row
        return cls(positions, counts)

    def sample(self, rng: np.random.Generator) -> Drawn:
        """Return a random avatar, with ln P(avatar)."""
        avatars, varying = self.counts.shape
        exemplars, columns = rng.integers(avatars, size=varying), np.arange(varying)
        # How many positions show what 1, 2, … K training avatars show there.
        shared = np.bincount(self.counts[exemplars, columns], minlength=avatars + 1)[1:]
        log_probability = (shared * np.log(np.arange(1, avatars + 1) / avatars)).sum()
        avatar = self.positions.paint(self.positions.shown[exemplars, columns])
        return Drawn(avatar, float(log_probability))

    def log_probability(self, avatars: Avatars, mass: float = 0) -> FloatArray:
        """Return ln P of avatars `[N, H, W, 4]`, `[N]`, with that mass of the smoothing."""
        found = []
        for avatar in avatars:
            symbols, counts = self.positions.count_alike(avatar)
            shares = counts / len(self.counts)
            found.append(_log_sum(shares, symbols, self.positions.palette, mass))
        return np.array(found)


@dataclass(frozen=True)
class Mle:
    """Each position shows one of the distinct symbols seen there, all equally probable.

    symbols: those of the first varying position, then those of the second, and so on; `starts` says
    where those of each position begin, `numbers` how many they are, `[M]` both.
    """

    positions: Positions
    symbols: Symbols
    starts: Indices
    numbers: Indices

    @classmethod
    def fit(cls, avatars: Avatars, symbol: type[np.unsignedinteger]) -> Self:
        """Return what avatars `[K, H, W, 4]` show, by channel (uint8) or pixel (uint32)."""
        positions = Positions.of(avatars, symbol)
        ordered = np.sort(positions.shown, axis=0).T
        first = np.ones(ordered.shape, dtype=bool)
        first[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
        numbers = first.sum(axis=1)
        return cls(positions, ordered[first], np.cumsum(numbers) - numbers, numbers)

    def sample(self, rng: np.random.Generator) -> Drawn:
        """Return a random avatar, with ln P(avatar), which is the same for all."""
        chosen = self.starts + (rng.random(len(self.numbers)) * self.numbers).astype(np.intp)
        avatar = self.positions.paint(self.symbols[chosen])
        return Drawn(avatar, float(-np.log(self.numbers).sum()))

    def log_probability(self, avatars: Avatars, mass: float = 0) -> FloatArray:
        """Return ln P of avatars `[N, H, W, 4]`, `[N]`, with that mass of the smoothing."""
        numbers = np.ones(self.positions.template.shape)
        numbers[self.positions.varying] = self.numbers
        found = []
        for avatar in avatars:
            symbols, counts = self.positions.count_alike(avatar)
            shares = (counts > 0) / numbers
            found.append(_log_sum(shares, symbols, self.positions.palette, mass))
        return np.array(found)


def _log_sum(shares: FloatArray, symbols: Symbols, palette: Palette, mass: float) -> float:
    if mass:
        shares = (1 - mass) * shares + mass * probability(palette, symbols)
    with np.errstate(divide="ignore"):
        return float(np.log(shares).sum())
