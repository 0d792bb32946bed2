"""Generators that draw each place of an avatar by itself, place for place.

A place is a channel of a pixel, or a whole pixel; what it shows is a letter. Both generators keep
the letters of the places where training avatars differ, and no table beside them.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from stages.bayes.avatars import Avatars, Letters, as_avatar, as_letters
from stages.bayes.generator import Drawn
from stages.bayes.palette import Palette, count_letters, probability


@dataclass(frozen=True)
class Places:
    """What training avatars show at each place.

    `still`: an avatar's letters `[P]`, right at all places but the `moving` ones `[M]`, at which
    avatars differ and for which `shown` `[K, M]` holds their letters.
    """

    size: tuple[int, int]
    still: Letters
    moving: NDArray[np.intp]
    shown: Letters
    palette: Palette

    @classmethod
    def of(cls, avatars: Avatars, letter: type[np.unsignedinteger]) -> Self:
        letters = as_letters(avatars, letter)
        moving = np.flatnonzero((letters != letters[0]).any(axis=0))
        return cls(
            (avatars.shape[1], avatars.shape[2]),
            letters[0],
            moving,
            letters.take(moving, axis=1),
            count_letters(letters),
        )

    def with_shown(self, letters: Letters) -> Avatars:
        """Give the avatar that shows these letters at the moving places."""
        avatar = self.still.copy()
        avatar[self.moving] = letters
        return as_avatar(avatar, *self.size)

    def seen(self, avatar: Avatars) -> tuple[Letters, NDArray[np.int64]]:
        """Give an avatar's letters, and how many training avatars show each at its place, `[P]`."""
        letters = as_letters(avatar[None], self.still.dtype.type)[0]
        counts = np.where(letters == self.still, len(self.shown), 0)
        counts[self.moving] = (self.shown == letters[self.moving]).sum(axis=0)
        return letters, counts


@dataclass(frozen=True)
class Poly:
    """Each place shows what a training avatar, drawn for that place, shows there."""

    places: Places
    counts: NDArray[np.uint16]

    @classmethod
    def fit(cls, avatars: Avatars, letter: type[np.unsignedinteger]) -> Self:
        """Fit to avatars `[K, H, W, 4]`, a place a channel (uint8) or a pixel (uint32)."""
        places = Places.of(avatars, letter)
        counts = np.zeros(places.shown.shape, dtype=np.uint16)
        for row in places.shown:
            counts += places.shown == row
        return cls(places, counts)

    def sample(self, rng: np.random.Generator) -> Drawn:
        """Draw an avatar, with ln P(avatar)."""
        number, moving = self.counts.shape
        donors = rng.integers(number, size=moving) * moving + np.arange(moving)
        counts = np.bincount(self.counts.ravel()[donors], minlength=number + 1)
        log_probability = (counts[1:] * np.log(np.arange(1, number + 1) / number)).sum()
        return Drawn(
            self.places.with_shown(self.places.shown.ravel()[donors]), float(log_probability)
        )

    def log_probability(self, avatars: Avatars, escape: float = 0) -> NDArray[np.float64]:
        """Give ln P of avatars `[N, H, W, 4]`, each place escaping with that probability."""
        found = []
        for avatar in avatars:
            letters, counts = self.places.seen(avatar)
            shares = counts / len(self.counts)
            found.append(_log_sum(shares, letters, self.places.palette, escape))
        return np.array(found)


@dataclass(frozen=True)
class Mle:
    """Each place shows one of the distinct letters seen there, all equally probable."""

    places: Places
    letters: Letters
    starts: NDArray[np.intp]
    numbers: NDArray[np.intp]

    @classmethod
    def fit(cls, avatars: Avatars, letter: type[np.unsignedinteger]) -> Self:
        """Fit to avatars `[K, H, W, 4]`, a place a channel (uint8) or a pixel (uint32)."""
        places = Places.of(avatars, letter)
        ordered = np.sort(places.shown, axis=0).T
        first = np.ones(ordered.shape, dtype=bool)
        first[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
        numbers = first.sum(axis=1)
        return cls(places, ordered[first], np.cumsum(numbers) - numbers, numbers)

    def sample(self, rng: np.random.Generator) -> Drawn:
        """Draw an avatar, with ln P(avatar), which is the same for all."""
        chosen = self.starts + (rng.random(len(self.numbers)) * self.numbers).astype(np.intp)
        return Drawn(
            self.places.with_shown(self.letters[chosen]), float(-np.log(self.numbers).sum())
        )

    def log_probability(self, avatars: Avatars, escape: float = 0) -> NDArray[np.float64]:
        """Give ln P of avatars `[N, H, W, 4]`, each place escaping with that probability."""
        numbers = np.ones(self.places.still.shape)
        numbers[self.places.moving] = self.numbers
        found = []
        for avatar in avatars:
            letters, counts = self.places.seen(avatar)
            found.append(_log_sum((counts > 0) / numbers, letters, self.places.palette, escape))
        return np.array(found)


def _log_sum(
    shares: NDArray[np.float64], letters: Letters, palette: Palette, escape: float
) -> float:
    if escape:
        shares = (1 - escape) * shares + escape * probability(palette, letters)
    with np.errstate(divide="ignore"):
        return float(np.log(shares).sum())
