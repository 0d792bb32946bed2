"""How often each letter (a channel value, or the colour of a pixel) appears anywhere.

What a smoothed model falls back to where a letter was never seen at its place.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stages.bayes.avatars import Letters


class Palette(NamedTuple):
    """Letters in ascending order, the probability of each, and that of any other letter."""

    letters: Letters
    probabilities: NDArray[np.float64]
    other: float


def count_letters(letters: Letters) -> Palette:
    """Estimate each letter's probability from avatars `[K, P]`.

    Letters that were never seen share what leaving an avatar out tells of them: the share of
    letters that only a single avatar has (Good 1953, Biometrika 40:237-264), one added to it.
    """
    rows = [np.unique(row, return_counts=True) for row in letters]
    known = np.unique(np.concatenate([row for row, _ in rows]))
    counts, avatars = np.zeros((2, len(known)), dtype=np.int64)
    for row, numbers in rows:
        places = np.searchsorted(known, row)
        counts[places] += numbers
        avatars[places] += 1
    new = (counts[avatars == 1].sum() + 1) / (letters.size + 2)
    alphabet = 2.0 ** (8 * letters.itemsize)
    return Palette(known, (1 - new) * counts / letters.size + new / alphabet, new / alphabet)


def probability(palette: Palette, letters: Letters) -> NDArray[np.float64]:
    """Give each letter's probability, in the shape of the letters."""
    places = _places(palette, letters)
    return np.where(
        palette.letters[places] == letters, palette.probabilities[places], palette.other
    )


def is_new(palette: Palette, letters: Letters) -> NDArray[np.bool_]:
    """Mark letters that were never seen, in the shape of the letters."""
    new: NDArray[np.bool_] = palette.letters[_places(palette, letters)] != letters
    return new


def _places(palette: Palette, letters: Letters) -> NDArray[np.intp]:
    return np.minimum(np.searchsorted(palette.letters, letters), len(palette.letters) - 1)
