"""Pixels that tell training avatars apart in the same way, taken together.

Where two pixels split the training avatars alike, each is a function of the other: they are one
variable, whose states are the different things that training avatars show there. A state is named
by its *exemplar*, the first avatar that is in it.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from stages.bayes.avatars import Avatar, Avatars, as_avatar, as_symbols
from stages.bayes.generators.palette import Palette, count_symbols, probability
from stages.common.types import FloatArray, Indices

Exemplars = NDArray[np.intp]


class Groups(NamedTuple):
    """Training avatars as groups of pixels.

    colours: what each avatar shows, `[K, P]`, pixels ordered by their group.
    pixels: where each of these pixels lies in an avatar, `[P]`.
    starts: where each group begins among them, `[G]`.
    exemplars: the state of each group in each avatar, `[G, K]`.
    """

    size: tuple[int, int]
    colours: NDArray[np.uint32]
    pixels: Indices
    starts: Indices
    exemplars: Exemplars
    palette: Palette


def collapse(avatars: Avatars) -> Groups:
    """Return the groups of training avatars `[K, H, W, 4]`, in the order of their first pixels."""
    colours = as_symbols(avatars, np.uint32)
    columns, column_of = find_columns(colours)
    states, group_of = find_columns(number_states(columns))
    group = group_of[column_of]
    pixels = np.argsort(group, kind="stable")
    starts = np.searchsorted(group[pixels], np.arange(states.shape[1]))
    return Groups(
        (avatars.shape[1], avatars.shape[2]),
        colours.take(pixels, axis=1),
        pixels,
        starts,
        states.T,
        count_symbols(colours),
    )


def find_columns(rows: NDArray[Any]) -> tuple[NDArray[Any], Indices]:
    """Return the different columns of `[K, P]` by first appearance, `[K, U]`, and of each which."""
    numbers: dict[bytes, int] = {}
    found = [
        numbers.setdefault(one.tobytes(), len(numbers)) for one in np.ascontiguousarray(rows.T)
    ]
    which = np.array(found)
    first = np.unique(which, return_index=True)[1]
    return rows[:, first], which


def number_states(columns: NDArray[Any]) -> Exemplars:
    """Return for each cell of `[K, U]` the first row that shows the same in its column."""
    states = np.empty(columns.shape, dtype=np.intp)
    for row in reversed(range(len(columns))):
        states[columns == columns[row]] = row
    return states


def paint(groups: Groups, exemplars: Exemplars) -> Avatar:
    """Return the avatar `[H, W, 4]` in which each group looks as in its exemplar, `[G]`."""
    number = len(groups.pixels)
    sizes = np.diff(groups.starts, append=number)
    avatar = np.empty(number, dtype=np.uint32)
    avatar[groups.pixels] = groups.colours[np.repeat(exemplars, sizes), np.arange(number)]
    return as_avatar(avatar, *groups.size)


def log_emission(groups: Groups, avatar: Avatar, mass: float) -> FloatArray:
    """Return ln P(what an avatar shows in a group | it is as in a training avatar), `[G, K]`.

    mass: of the smoothing, the probability with which each pixel shows any colour.
    """
    colours = as_symbols(avatar[None], np.uint32)[0, groups.pixels]
    any_colour = mass * probability(groups.palette, colours)
    with np.errstate(divide="ignore"):
        same, other = np.log1p(any_colour - mass), np.log(any_colour)
    pixels = np.where(groups.colours == colours, same, other)
    return np.asarray(np.add.reduceat(pixels, groups.starts, axis=1).T)
