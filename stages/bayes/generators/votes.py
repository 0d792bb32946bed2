"""What becomes of symbols where an attribute's value changes, as pairs of training avatars tell.

A pair differs in the attribute, comes to the same context once that is changed, and differs in
others only where these are idle: where an avatar with another value shows the same.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stages.bayes.generators.contexts import Codes, answer, descend, grow, list_tests
from stages.bayes.generators.groups import find_columns, number_states
from stages.common.types import Indices


class Votes(NamedTuple):
    """How often symbols `old` became `new` where a value changed to another, each `[V]`."""

    old: Indices
    value: Indices
    new: Indices
    other: Indices
    number: Indices


def count_votes(
    columns: Indices, pixels: Indices, codes: Codes, sizes: Sequence[int], smoothing: float
) -> tuple[NDArray[np.bool_], list[Votes]]:
    """Return where attributes are idle, `[A, K, U]`, and the votes on each attribute.

    An attribute is idle where an avatar with another value shows the same in the same context.
    """
    attributes = range(codes.shape[1])
    groups, group_of = find_columns(number_states(columns))
    tests = list_tests(codes, attributes)
    answers = answer(codes, tests)
    differ = codes.T[:, :, None] != codes.T[:, None, :]
    # Each avatar with each value of each attribute in place of its own.
    changed = [
        np.array([_with(code, attribute, value) for code in codes for value in range(size)])
        for attribute, size in enumerate(sizes)
    ]
    changed_answers = [answer(some, tests) for some in changed]
    idle = np.empty((len(sizes), len(codes), groups.shape[1]), dtype=bool)
    ballots: list[list[tuple[Indices, ...]]] = [[] for _ in attributes]
    for group, states in enumerate(groups.T):
        inside = group_of == group
        tree = grow(states, answers, smoothing)
        nodes = descend(tree, answers)
        alike = (nodes[:, None] == nodes) & (states[:, None] == states)
        idle[:, :, group] = (alike & differ).any(axis=2)
        mattering = differ & ~(idle[:, :, None, group] | idle[:, None, :, group])
        for attribute in attributes:
            moved = descend(tree, changed_answers[attribute]).reshape(len(codes), -1)
            there = moved[:, codes[:, attribute]] == nodes
            others = np.delete(mattering, attribute, axis=0).any(axis=0)
            pairs = np.nonzero(differ[attribute] & there & there.T & ~others)
            ballots[attribute].append(
                _poll(states, codes[:, attribute], pairs, columns[:, inside], pixels[inside])
            )
    number = int(columns.max()) + 1
    votes = [_tally(found, number, size) for found, size in zip(ballots, sizes, strict=True)]
    return idle[:, :, group_of], votes


def _with(code: NDArray[np.int64], attribute: int, value: int) -> NDArray[np.int64]:
    changed = code.copy()
    changed[attribute] = value
    return changed


def _poll(
    states: Indices,
    values: Indices,
    pairs: tuple[Indices, ...],
    columns: Indices,
    pixels: Indices,
) -> tuple[Indices, ...]:
    """Return the votes of pairs of avatars on a group's columns, in the order of `Votes`.

    states: of the group in avatars, `[K]`, named by their first avatars; values: of the attribute,
    `[K]`; columns: of the group, `[K, U]`; pixels: how many each stands for, `[U]`.
    """
    one, other = (states[part] * (values.max() + 1) + values[part] for part in pairs)
    width = len(states) * (values.max() + 1)
    kinds, number = np.unique(one * width + other, return_counts=True)
    (old, value), (new, target) = (
        np.divmod(part, values.max() + 1) for part in np.divmod(kinds, width)
    )
    votes = (columns[old], value[:, None], columns[new], target[:, None], number[:, None] * pixels)
    return tuple(part.ravel() for part in np.broadcast_arrays(*votes))


def _tally(ballots: Sequence[tuple[Indices, ...]], number: int, size: int) -> Votes:
    """Return the votes of all groups, the same ones taken together."""
    old, value, new, other, times = map(np.concatenate, zip(*ballots, strict=True))
    width = number * size
    kinds, kind = np.unique((old * size + value) * width + new * size + other, return_inverse=True)
    source, target = np.divmod(kinds, width)
    total = np.zeros(len(kinds), dtype=np.intp)
    np.add.at(total, kind, times)
    return Votes(*np.divmod(source, size), *np.divmod(target, size), total)
