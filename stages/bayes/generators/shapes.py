"""Avatars as shapes: groups of pixels that change together once the colours are taken out."""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stages.bayes.avatars import Avatar, Avatars, as_avatar, as_symbols
from stages.bayes.generators.contexts import Codes
from stages.bayes.generators.groups import find_columns, number_states
from stages.bayes.generators.palette import Palette, count_symbols, probability
from stages.bayes.generators.recolouring import Roles, take_out_colours
from stages.common.types import FloatArray, Indices

Symbols = NDArray[np.uint32]


class Cells(NamedTuple):
    """The roles of each group's states: Z states of all groups, one after another.

    roles, columns: of each state's cells, `[E]`; starts: where each state's begin, `[Z]`.
    of_state: which of the Z states each group is in, in each training avatar, `[G, K]`.
    """

    roles: Indices
    columns: Indices
    starts: Indices
    of_state: Indices


class Shapes(NamedTuple):
    """Training avatars as G groups of columns; pixels that look alike in all are one column.

    column_of: the column of each pixel, `[P]`; starts: where each group begins among the columns,
    `[G]`. roles: of each column in each avatar, `[K, U]`; looks: what a role shows in each
    combination of colours, `[R, C]`; known: whether that was seen. states: of each group in each
    avatar, named by the first one in it, `[G, K]`.
    """

    size: tuple[int, int]
    column_of: Indices
    starts: Indices
    roles: Indices
    looks: Symbols
    known: NDArray[np.bool_]
    states: Indices
    cells: Cells
    palette: Palette

    @property
    def groups(self) -> list[slice]:
        """Each group's columns."""
        return _slices(self.starts, self.roles.shape[1])


def find_shapes(
    avatars: Avatars, codes: Codes, sizes: Sequence[int], smoothing: float
) -> tuple[Shapes, Roles]:
    """Return the shapes of training avatars `[K, H, W, 4]`, and how their colours were taken out.

    codes: their styles, `[K, A]`; sizes: how many values each attribute has, `[A]`.
    """
    rows = as_symbols(avatars, np.uint32)
    found, column_of = find_columns(rows)
    symbols, numbers = np.unique(found, return_inverse=True)
    columns = numbers.reshape(found.shape)
    paints = symbols.view(np.uint8).reshape(-1, 4)
    pixels = np.bincount(column_of)
    roles = take_out_colours(columns, paints, pixels, codes, sizes, smoothing)
    states, group_of = find_columns(number_states(roles.roles))
    order = np.argsort(group_of, kind="stable")
    starts = np.searchsorted(group_of[order], np.arange(states.shape[1]))
    by_group = roles.roles[:, order]
    shapes = Shapes(
        (avatars.shape[1], avatars.shape[2]),
        np.argsort(order)[column_of],
        starts,
        by_group,
        symbols[roles.symbols],
        roles.known,
        states.T,
        _list_cells(by_group, _slices(starts, len(order)), states.T),
        count_symbols(rows),
    )
    return shapes, roles


def paint(shapes: Shapes, shown: Symbols) -> Avatar:
    """Return the avatar `[H, W, 4]` whose columns show these symbols, `[U]`."""
    return as_avatar(shown[shapes.column_of], *shapes.size)


def log_emission(shapes: Shapes, avatar: Avatar, mass: float) -> tuple[FloatArray, FloatArray]:
    """Return ln P(what an avatar shows in a group), given each of its states, and something new.

    Given the Z states, `[Z, C]`, in each combination of colours; for something new, `[G]`, where
    each pixel shows any symbol. mass: of the smoothing, the probability with which a pixel shows
    any symbol though its role is known; where that was never seen in these colours, it always does,
    unless the mass is 0.
    """
    pixels = as_symbols(avatar[None], np.uint32)[0].astype(np.int64)
    # Pixels of a column that show the same count together.
    kinds, number = np.unique(shapes.column_of << 32 | pixels, return_counts=True)
    columns, symbols = kinds >> 32, (kinds & 0xFFFFFFFF).astype(np.uint32)
    chance = probability(shapes.palette, symbols)
    with np.errstate(divide="ignore"):
        same, other = number * np.log1p(mass * chance - mass), number * np.log(mass * chance)
    anything = number * np.log(chance)

    cells = shapes.cells
    several = np.bincount(columns, minlength=shapes.roles.shape[1])[cells.columns]
    ends = several.cumsum()
    first = np.searchsorted(columns, cells.columns)
    kind = np.repeat(first - ends + several, several) + np.arange(ends[-1])
    role = np.repeat(cells.roles, several)
    starts = (ends - several)[cells.starts]
    same, other, unknown, shown = same[kind], other[kind], anything[kind], symbols[kind]
    emission = np.empty((len(starts), shapes.looks.shape[1]))
    for combination, (looks, known) in enumerate(zip(shapes.looks.T, shapes.known.T, strict=True)):
        logs = np.where(looks[role] == shown, same, other)
        if mass:
            logs = np.where(known[role], logs, unknown)
        emission[:, combination] = np.add.reduceat(logs, starts)
    group = np.searchsorted(shapes.starts, columns, side="right") - 1
    new = np.bincount(group, anything, len(shapes.starts))
    return emission, np.asarray(new, dtype=np.float64)


def _list_cells(roles: Indices, groups: Sequence[slice], states: Indices) -> Cells:
    cell_roles, columns, of_state = [], [], []
    widths: list[int] = []
    for within, row in zip(groups, states, strict=True):
        examples, which = np.unique(row, return_inverse=True)
        of_state.append(which + len(widths))
        shown = roles[examples, within]
        cell_roles.append(shown.ravel())
        columns.append(np.tile(np.arange(within.start, within.stop), len(examples)))
        widths += [shown.shape[1]] * len(examples)
    sizes = np.array(widths)
    return Cells(
        np.concatenate(cell_roles),
        np.concatenate(columns),
        sizes.cumsum() - sizes,
        np.stack(of_state),
    )


def _slices(starts: Indices, number: int) -> list[slice]:
    return [slice(*ends) for ends in pairwise([*starts.tolist(), number])]
