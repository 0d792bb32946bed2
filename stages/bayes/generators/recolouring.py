"""Pictures with the colours taken out: what an avatar would show with hair of another colour.

An attribute is a *colour* if changing its value replaces each symbol by a certain other one,
wherever it stands (see `votes`). Symbols that replace one another are one *role*, such as the
highlight of the hair; what an avatar shows is its role in its colours.
"""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from stages.bayes.generators.contexts import Codes
from stages.bayes.generators.votes import Votes, count_votes
from stages.common.types import Indices

# The share of votes for a change that a colour's links explain, at least: what they don't, is lost.
# Those of drawn avatars' colours explain 0.98 and more, if faces vary 0.3 and 0.5; others' 0.01.
COLOUR = 0.5
MAX_COMBINATIONS = 1024


class Roles(NamedTuple):
    """What training avatars show, with the colours taken out.

    colours: the attributes that are colours. roles: of each column in each avatar, `[K, U]`.
    symbols: what a role shows in each combination of their values, `[R, C]`, as numbers; known:
    whether that was seen, else it is a guess.
    """

    colours: tuple[int, ...]
    roles: Indices
    symbols: Indices
    known: NDArray[np.bool_]


class Links(NamedTuple):
    """Symbols with a value, each of which replaces one with another value, by votes, `[L]`."""

    old: Indices
    value: Indices
    new: Indices
    other: Indices
    votes: Indices


def take_out_colours(
    columns: Indices,
    paints: NDArray[np.uint8],
    pixels: Indices,
    codes: Codes,
    sizes: Sequence[int],
    smoothing: float,
) -> Roles:
    """Return the roles of training avatars.

    columns: symbols as numbers from 0, `[K, U]`; paints: these symbols' RGBA, `[N, 4]`; pixels: how
    many each column stands for, `[U]`. codes: styles of the avatars, `[K, A]`; sizes: how many
    values each attribute has, `[A]`.
    """
    idle, votes = count_votes(columns, pixels, codes, sizes, smoothing)
    number = len(paints)
    links = {}
    combinations = 1
    for attribute, (found, size) in enumerate(zip(votes, sizes, strict=True)):
        linked = link(found, number, size)
        changes = found.number[found.old != found.new].sum()
        explained = linked.votes.sum() > COLOUR * changes
        if explained and combinations * size <= MAX_COMBINATIONS:
            links[attribute] = linked
            combinations *= size
    return assign_roles(columns, paints, pixels, codes, sizes, idle, links)


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
    wins &= goes[source]
    forth = source[wins] * number * size + target[wins]
    back = target[wins] * number * size + source[wins]
    mutual = np.flatnonzero(wins)[np.isin(forth, back)]
    return Links(
        votes.old[mutual],
        votes.value[mutual],
        votes.new[mutual],
        votes.other[mutual],
        votes.number[mutual],
    )


def assign_roles(
    columns: Indices,
    paints: NDArray[np.uint8],
    pixels: Indices,
    codes: Codes,
    sizes: Sequence[int],
    idle: NDArray[np.bool_],
    links: Mapping[int, Links],
) -> Roles:
    """Return the role of each column in each avatar, and what roles show in other colours.

    columns, paints, pixels, codes, sizes: as for `take_out_colours`; idle: as from `count_votes`.
    A column in an avatar has one colour at most, of those that aren't idle that with most votes.
    """
    number = len(paints)
    colours = tuple(links)
    values = [sizes[attribute] for attribute in colours]
    combinations = np.array(list(np.ndindex(*values)), dtype=np.int64)
    combinations = combinations.reshape(math.prod(values), len(values))
    having, most = np.full(columns.shape, -1), np.zeros(columns.shape)
    for place, attribute in enumerate(colours):
        votes = np.zeros((number, sizes[attribute]))
        old, value, *_, numbers = links[attribute]
        np.add.at(votes, (old, value), numbers)
        votes = np.where(idle[attribute], 0, votes[columns, codes[:, [attribute]]])
        having[votes > most] = place
        most = np.maximum(most, votes)

    roles = np.empty_like(columns)
    symbols: list[Indices] = []
    known: list[NDArray[np.bool_]] = []
    for place in np.unique(having):
        here = having == place
        if place < 0:
            width, parts, value = 1, np.arange(number), np.zeros(len(combinations), dtype=np.intp)
            nodes = columns[here]
        else:
            attribute = colours[place]
            width, value = sizes[attribute], combinations[:, place]
            parts = connect(links[attribute], number, width)
            nodes = (columns * width + codes[:, [attribute]])[here]
        found, numbers = np.unique(parts[nodes], return_inverse=True)
        roles[here] = numbers + sum(map(len, symbols))
        seen = np.zeros(number * width, dtype=np.intp)
        np.add.at(seen, nodes, np.broadcast_to(pixels, columns.shape)[here])
        table, sure = _fill(parts, found, seen, width)
        symbols.append(guess(table, sure, paints)[:, value])
        known.append(sure[:, value])
    return _merge(Roles(colours, roles, np.concatenate(symbols), np.concatenate(known)))


def connect(links: Links, number: int, size: int) -> Indices:
    """Return the part to which each of N symbols with each of V values belongs, `[N x V]`.

    number: N; size: V. Symbols that replace one another, if through others, are of one part.
    """
    ends = links.old * size + links.value, links.new * size + links.other
    edges = coo_array((np.ones(len(links.old), dtype=bool), ends), shape=[number * size] * 2)
    return np.asarray(connected_components(edges, directed=False)[1], dtype=np.intp)


def guess(symbols: Indices, known: NDArray[np.bool_], paints: NDArray[np.uint8]) -> Indices:
    """Return the symbols of roles, `[R, V]`, with those that aren't known guessed.

    As those of the role that is known there and looks most alike where both are known, by the mean
    square of the difference of RGBA; where none is, the symbol stays.
    """
    doubtful = np.flatnonzero(~known.all(axis=1))
    seen = np.repeat(known, paints.shape[1], axis=1).astype(np.float64)
    looks = paints[symbols].reshape(seen.shape) * seen
    some, looks_of_some = seen[doubtful], looks[doubtful]
    apart = looks_of_some**2 @ seen.T + some @ (looks**2).T - 2 * looks_of_some @ looks.T
    both = some @ seen.T
    apart = np.where(both > 0, apart / np.maximum(both, 1), np.inf)
    guessed = symbols.copy()
    for value, column in enumerate(known.T):
        distances = np.where(column, apart, np.inf)
        nearest = distances.argmin(axis=1)
        found = ~known[doubtful, value] & np.isfinite(distances.min(axis=1, initial=np.inf))
        guessed[doubtful[found], value] = symbols[nearest[found], value]
    return guessed


def _fill(
    parts: Indices, found: Indices, seen: Indices, size: int
) -> tuple[Indices, NDArray[np.bool_]]:
    """Return the symbol of each found part with each of V values, and whether it is known.

    parts: of each symbol with each value, `[N x V]`; seen: how often it was seen so. Of several
    the one seen most.
    """
    nodes = np.flatnonzero(np.isin(parts, found))
    nodes = nodes[np.argsort(seen[nodes], kind="stable")]
    rows, (symbols, values) = np.searchsorted(found, parts[nodes]), np.divmod(nodes, size)
    table, usual = np.full((len(found), size), -1), np.empty(len(found), dtype=np.intp)
    # What is seen more overwrites what is seen less.
    table[rows, values] = symbols
    usual[rows] = symbols
    return np.where(table < 0, usual[:, None], table), table >= 0


def _merge(roles: Roles) -> Roles:
    """Return the roles with those as one that show the same."""
    both = np.concatenate([roles.symbols, roles.known], axis=1)
    _, first, same = np.unique(both, axis=0, return_index=True, return_inverse=True)
    return roles._replace(
        roles=same.reshape(-1)[roles.roles], symbols=roles.symbols[first], known=roles.known[first]
    )
