"""Pictures with the colours taken out: what an avatar would show with hair of another colour.

An attribute is a *colour* if changing its value replaces each symbol by a certain other one,
wherever it stands (see `votes`). Symbols that replace one another are one *role*, such as the
highlight of the hair; what an avatar shows is its role in its colours.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from stages.bayes.generators.contexts import Codes
from stages.bayes.generators.votes import Votes, agreement, count_votes
from stages.common.types import FloatArray, Indices

# Of an attribute's replacements, the share that agrees: 0.98 and more for colours, below 0.7 for
# what changes shapes.
COLOUR = 0.9
MAX_COMBINATIONS = 1024


class Roles(NamedTuple):
    """What training avatars show, with the colours taken out.

    colours: the attributes that are colours; combinations: of their values, `[C, colours]`.
    roles: of each column in each avatar, `[K, U]`. symbols: what a role shows in each combination,
    `[R, C]`, as numbers; known: whether that was seen, else it is what the role shows most often.
    """

    colours: tuple[int, ...]
    combinations: Codes
    roles: Indices
    symbols: Indices
    known: NDArray[np.bool_]


class Links(NamedTuple):
    """Symbols with a value, each of which replaces one with another value, `[L]`."""

    old: Indices
    value: Indices
    new: Indices
    other: Indices


def take_out_colours(
    columns: Indices, pixels: Indices, codes: Codes, sizes: Sequence[int], smoothing: float
) -> Roles:
    """Return the roles of training avatars.

    columns: symbols as numbers from 0, `[K, U]`; pixels: how many each column stands for, `[U]`.
    codes: styles of the avatars, `[K, A]`; sizes: how many values each attribute has, `[A]`.
    """
    idle, votes = count_votes(columns, pixels, codes, sizes, smoothing)
    number = int(columns.max()) + 1
    links = {}
    combinations = 1
    for attribute, found in votes.items():
        combinations *= sizes[attribute]
        if agreement(found) > COLOUR and combinations <= MAX_COMBINATIONS:
            links[attribute] = link(found, number, sizes[attribute])
        else:
            combinations //= sizes[attribute]
    return assign_roles(columns, pixels, codes, sizes, idle, links)


def link(votes: Votes, number: int, size: int) -> Links:
    """Return which of so many symbols replace one another, as most votes have it both ways.

    size: how many values the attribute has. Symbols that mostly stay replace nothing.
    """
    source = votes.old * size + votes.value
    total = np.bincount(source, votes.number, minlength=number * size)
    stays = votes.old == votes.new
    stayed = np.bincount(source, votes.number * stays, minlength=number * size)
    goes = stayed < total / 2
    target = votes.new * size + votes.other
    # Votes for one symbol compete with those for others in the same pair of values.
    pair = source * size + votes.other
    among = np.bincount(pair, votes.number)
    wins = (votes.number > among[pair] / 2) & ~stays
    wins &= goes[source] & goes[target]
    forth = source[wins] * number * size + target[wins]
    back = target[wins] * number * size + source[wins]
    mutual = np.flatnonzero(wins)[np.isin(forth, back)]
    return Links(votes.old[mutual], votes.value[mutual], votes.new[mutual], votes.other[mutual])


def assign_roles(
    columns: Indices,
    pixels: Indices,
    codes: Codes,
    sizes: Sequence[int],
    idle: NDArray[np.bool_],
    links: Mapping[int, Links],
) -> Roles:
    """Return the role of each column in each avatar, and what roles show in other colours.

    columns, pixels, codes, sizes: as for `take_out_colours`; idle: as from `count_votes`.
    """
    number = int(columns.max()) + 1
    colours = tuple(links)
    shape = [sizes[attribute] for attribute in colours]
    combinations = np.array(list(np.ndindex(*shape)), dtype=np.int64).reshape(-1, len(shape))
    # Which colours a column in an avatar has, as a binary number.
    having = np.zeros(columns.shape, dtype=np.intp)
    for place, attribute in enumerate(colours):
        replaced = np.zeros((number, sizes[attribute]), dtype=bool)
        replaced[links[attribute].old, links[attribute].value] = True
        has = replaced[columns, codes[:, [attribute]]] & ~idle[attribute]
        having += has.astype(np.intp) << place

    roles = np.empty_like(columns)
    symbols: list[Indices] = []
    known: list[NDArray[np.bool_]] = []
    for which in np.unique(having):
        places = [place for place in range(len(colours)) if which >> place & 1]
        own = [colours[place] for place in places]
        values = [sizes[attribute] for attribute in own]
        width = int(np.prod(values, dtype=np.int64))
        here = having == which
        in_colours = _flat(codes[:, own], values)
        nodes = (columns * width + in_colours[:, None])[here]
        parts = connect(number, values, [links[attribute] for attribute in own])
        found, numbers = np.unique(parts[nodes], return_inverse=True)
        roles[here] = numbers + sum(map(len, symbols))
        seen = np.zeros(number * width, dtype=np.intp)
        np.add.at(seen, nodes, np.broadcast_to(pixels, columns.shape)[here])
        table, sure = _fill(parts, found, seen, width)
        combination = _flat(combinations[:, places], values)
        symbols.append(table[:, combination])
        known.append(sure[:, combination])
    return _merge(
        Roles(colours, combinations, roles, np.concatenate(symbols), np.concatenate(known))
    )


def connect(number: int, values: Sequence[int], links: Sequence[Links]) -> Indices:
    """Return the part to which each symbol in each combination of values belongs, `[N x W]`.

    number: N, of symbols; values: of each attribute, W their product; links: of each attribute,
    which hold whatever the values of the others.
    """
    width = int(np.prod(values, dtype=np.int64))
    every = np.array(list(np.ndindex(*values)), dtype=np.int64).reshape(width, len(values))
    starts, ends = [np.empty(0, dtype=np.intp)], [np.empty(0, dtype=np.intp)]
    for place, found in enumerate(links):
        others = every[every[:, place] == 0]
        for symbol, value, nodes in (
            (found.old, found.value, starts),
            (found.new, found.other, ends),
        ):
            combined = np.repeat(others[None], len(symbol), axis=0)
            combined[:, :, place] = value[:, None]
            nodes.append((symbol[:, None] * width + _flat(combined, values)).ravel())
    start, end = np.concatenate(starts), np.concatenate(ends)
    edges = coo_array((np.ones(len(start), dtype=bool), (start, end)), shape=[number * width] * 2)
    return np.asarray(connected_components(edges, directed=False)[1], dtype=np.intp)


def _flat(values: Codes, sizes: Sequence[int]) -> Indices:
    """Return combinations of values, along the last axis, as single numbers."""
    index = np.zeros(values.shape[:-1], dtype=np.intp)
    for place, size in enumerate(sizes):
        index = index * size + values[..., place]
    return index


def _fill(
    parts: Indices, found: Indices, seen: Indices, width: int
) -> tuple[Indices, NDArray[np.bool_]]:
    """Return the symbol of each found part in each of W combinations, and whether it is known.

    parts: of each symbol in each combination, `[N x W]`; seen: how often it was seen so. Of several
    the one seen most.
    """
    nodes = np.flatnonzero(np.isin(parts, found))
    nodes = nodes[np.argsort(seen[nodes], kind="stable")]
    rows, (symbols, combinations) = np.searchsorted(found, parts[nodes]), np.divmod(nodes, width)
    table, usual = np.full((len(found), width), -1), np.empty(len(found), dtype=np.intp)
    # What is seen more overwrites what is seen less.
    table[rows, combinations] = symbols
    usual[rows] = symbols
    return np.where(table < 0, usual[:, None], table), table >= 0


def _merge(roles: Roles) -> Roles:
    """Return the roles with those as one that show the same."""
    both = np.concatenate([roles.symbols, roles.known], axis=1)
    _, first, same = np.unique(both, axis=0, return_index=True, return_inverse=True)
    return roles._replace(
        roles=same.reshape(-1)[roles.roles], symbols=roles.symbols[first], known=roles.known[first]
    )
