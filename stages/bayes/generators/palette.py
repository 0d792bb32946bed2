"""How often each symbol (a channel's value, or the colour of a pixel) appears anywhere.

What a smoothed model falls back to where a symbol was never seen at its position.
"""

from typing import NamedTuple

import numpy as np

from stages.bayes.avatars import Symbols
from stages.common.types import FloatArray


class Palette(NamedTuple):
    """Symbols in ascending order, the probability of each, and that of any other symbol."""

    symbols: Symbols
    probabilities: FloatArray
    other: float


def count_symbols(symbols: Symbols) -> Palette:
    """Return each symbol's probability, estimated from avatars `[K, P]`.

    Symbols that were never seen share what leaving an avatar out tells of them: the share of
    symbols that only a single avatar has (Good 1953, Biometrika 40:237-264), one added to it.
    """
    rows = [np.unique(row, return_counts=True) for row in symbols]
    known = np.unique(np.concatenate([row for row, _ in rows]))
    counts, avatars = np.zeros((2, len(known)), dtype=np.int64)
    for row, numbers in rows:
        indices = np.searchsorted(known, row)
        counts[indices] += numbers
        avatars[indices] += 1
    new = (counts[avatars == 1].sum() + 1) / (symbols.size + 2)
    alphabet = 2.0 ** (8 * symbols.itemsize)
    return Palette(known, (1 - new) * counts / symbols.size + new / alphabet, new / alphabet)


def probability(palette: Palette, symbols: Symbols) -> FloatArray:
    """Return each symbol's probability, in the shape of the symbols."""
    nearest = np.searchsorted(palette.symbols, symbols).clip(max=len(palette.symbols) - 1)
    known = palette.symbols[nearest] == symbols
    return np.where(known, palette.probabilities[nearest], palette.other)
