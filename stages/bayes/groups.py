"""Pixels that tell training avatars apart in the same way, taken together.

Where two pixels split the training avatars alike, each is a function of the other: they are one
variable, whose states are the different things that training avatars show there. A state is named
by a *donor*, the first avatar that is in it.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stages.bayes.avatars import Avatar, Avatars, as_avatar, as_letters
from stages.bayes.palette import Palette, count_letters, probability

Donors = NDArray[np.intp]


class Groups(NamedTuple):
    """Training avatars as groups of pixels.

    colours: what each avatar shows, `[K, P]`, pixels ordered by their group.
    pixels: where each of these pixels lies in an avatar, `[P]`.
    starts: where each group begins among them, `[G]`.
    donors: the state of each group in each avatar, `[G, K]`.
    """

    size: tuple[int, int]
    colours: NDArray[np.uint32]
    pixels: NDArray[np.intp]
    starts: NDArray[np.intp]
    donors: Donors
    palette: Palette


def collapse(avatars: Avatars) -> Groups:
    """Find the groups of training avatars `[K, H, W, 4]`, in the order of their first pixels."""
    colours = as_letters(avatars, np.uint32)
    donors = np.empty(colours.shape, dtype=np.uint16)
    for donor in reversed(range(len(colours))):
        donors[colours == colours[donor]] = donor
    columns = np.ascontiguousarray(donors.T)
    whole = columns.view(np.dtype((np.void, columns[0].nbytes)))[:, 0]
    _, firsts, places = np.unique(whole, return_index=True, return_inverse=True)
    by_first = np.argsort(firsts)
    group = np.argsort(by_first)[places]
    pixels = np.argsort(group, kind="stable")
    return Groups(
        (avatars.shape[1], avatars.shape[2]),
        colours.take(pixels, axis=1),
        pixels,
        np.searchsorted(group[pixels], np.arange(len(firsts))),
        columns[firsts[by_first]].astype(np.intp),
        count_letters(colours),
    )


def sizes(groups: Groups) -> NDArray[np.intp]:
    """Give the number of pixels of each group, `[G]`."""
    return np.diff(groups.starts, append=len(groups.pixels))


def paint(groups: Groups, donors: Donors) -> Avatar:
    """Give the avatar in which each group looks as in its donor, `[G]`."""
    shown = groups.colours[np.repeat(donors, sizes(groups)), np.arange(len(groups.pixels))]
    avatar = np.empty_like(shown)
    avatar[groups.pixels] = shown
    return as_avatar(avatar, *groups.size)


def log_emission(groups: Groups, avatar: Avatar, escape: float) -> NDArray[np.float64]:
    """Give ln P(what an avatar shows in a group | it is as in a training avatar), `[G, K]`.

    Each pixel escapes with that probability and then shows any colour.
    """
    colours = as_letters(avatar[None], np.uint32)[0, groups.pixels]
    any_colour = escape * probability(groups.palette, colours)
    with np.errstate(divide="ignore"):
        same, other = np.log1p(any_colour - escape), np.log(any_colour)
    pixels = np.where(groups.colours == colours, same, other)
    sums: NDArray[np.float64] = np.add.reduceat(pixels, groups.starts, axis=1).T
    return sums
