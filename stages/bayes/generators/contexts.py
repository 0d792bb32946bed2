"""Which values of a style tell what a group of pixels shows: a tree of tests.

A style goes down the tree by whether it has a value, so that an attribute matters only where it
does: clothes at the neck, and hair there too if it is long (context-specific independence:
Boutilier et al. 1996, UAI; trees of it: Friedman & Goldszmidt 1996, UAI). Each test is the one
after which avatars are predicted best, each by all the others.
"""

from collections.abc import Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stages.common.types import FloatArray, Indices

# How probable styles must make what a group shows, for a value that nobody wears to change it: else
# that value, which may look like anything, would explain whatever styles leave open.
TOLD = 0.9
# In nats; what is less is rounding.
LEAST_GAIN = 1e-6
# The test of a node that has none.
LEAF = -1

# Styles as numbers, `[N, A]`: the index of each attribute's value, an attribute a column.
Codes = NDArray[np.int64]
# What a style must have to pass: values of one or two attributes, as pairs (attribute, value).
Test = tuple[tuple[int, int], ...]
Answers = NDArray[np.bool_]


class Context(NamedTuple):
    """A tree of M nodes, the root first, each before those below it.

    tests: the index of each node's test, or LEAF, `[M]`; passed, failed: the node that follows,
    `[M]`. weights: how probable each training avatar is as the example of a style at a node,
    `[M, K]`. from_others: those at the node where each avatar ends, from all other avatars,
    `[K, K]`.
    """

    tests: Indices
    passed: Indices
    failed: Indices
    weights: FloatArray
    from_others: FloatArray


def list_tests(codes: Codes, attributes: Sequence[int], pairs: bool = False) -> list[Test]:
    """Return the tests that some avatars pass and others don't, those of one value first.

    codes: styles of avatars, `[K, A]`. pairs: whether tests of two attributes' values follow.
    """
    single: list[Test] = [
        ((attribute, int(value)),)
        for attribute in attributes
        for value in np.unique(codes[:, attribute])
    ]
    both = [(*one, *other) for one, other in combinations(single, 2) if one[0][0] != other[0][0]]
    passing = [*single, *both] if pairs else single
    shares = answer(codes, passing).mean(axis=0)
    return [test for test, share in zip(passing, shares, strict=True) if 0 < share < 1]


def answer(codes: Codes, tests: Sequence[Test]) -> Answers:
    """Return whether styles `[N, A]` pass tests, `[N, T]`."""
    answers = np.ones((len(codes), len(tests)), dtype=bool)
    for column, test in enumerate(tests):
        for attribute, value in test:
            answers[:, column] &= codes[:, attribute] == value
    return answers


def grow(states: Indices, answers: Answers, smoothing: float) -> Context:
    """Return the tree that predicts the states of training avatars, `[K]`, from their answers.

    answers: to T tests, `[K, T]`. Below the root, weights are the avatars' there, with a share of
    α / (n + α) for those of the node above, n being the number of avatars.
    """
    number = len(states)
    same = (states[:, None] == states).astype(np.float64)
    alone = np.eye(number)
    from_others = np.empty((number, number))
    tests: list[int] = []
    passed: list[int] = []
    failed: list[int] = []
    weights: list[FloatArray] = []

    def add(members: Indices, own: FloatArray, others: FloatArray) -> int:
        """Add the node of those members with all below; own: `[K]`, others: `[n, K]` weights."""
        node = len(tests)
        test = best_test(same[members], members, answers[members], others, smoothing)
        tests.append(test)
        weights.append(own)
        passed.append(node)
        failed.append(node)
        if test == LEAF:
            from_others[members] = others
            return node
        for following, kept in (
            (passed, answers[members, test]),
            (failed, ~answers[members, test]),
        ):
            part = members[kept]
            there = np.zeros(number)
            there[part] = 1
            following[node] = add(
                part,
                (there + smoothing * own) / (len(part) + smoothing),
                (there - alone[part] + smoothing * others[kept]) / (len(part) - 1 + smoothing),
            )
        return node

    add(np.arange(number), np.full(number, 1 / number), (1 - alone) / (number - 1))
    return Context(
        np.array(tests), np.array(passed), np.array(failed), np.array(weights), from_others
    )


def best_test(
    same: FloatArray, members: Indices, answers: Answers, others: FloatArray, smoothing: float
) -> int:
    """Return the test after which n members of a node are predicted best, LEAF if none helps.

    same: whether each is in the state of each training avatar, `[n, K]`; answers: `[n, T]`;
    others: weights of the other avatars, `[n, K]`. The first of those that are as good.
    """
    among = same[:, members]
    dividing = np.flatnonzero(answers.any(axis=0) & ~answers.all(axis=0))
    if among.all() or not len(dividing):
        return LEAF
    before = (others * same).sum(axis=1)
    passes = answers[:, dividing]
    agreeing = among @ passes
    agreeing = np.where(passes, agreeing, among.sum(axis=1, keepdims=True) - agreeing) - 1
    number = np.where(passes, passes.sum(axis=0), (~passes).sum(axis=0)) - 1
    after = (agreeing + smoothing * before[:, None]) / (number + smoothing)
    # A state that no other avatar is in can't be predicted by anything.
    gains = np.log(np.where(after > 0, after, 1)).sum(axis=0)
    gains -= np.log(np.where(before > 0, before, 1)).sum()
    best = int(np.argmax(gains))
    return int(dividing[best]) if gains[best] > LEAST_GAIN else LEAF


def descend(tree: Context, answers: Answers, known: Answers | None = None) -> Indices:
    """Return the node to which each style comes by its answers `[N, T]`, `[N]`.

    known: to which tests there is an answer, `[N, T]`, all unless told; a style stays at a test to
    which there is none.
    """
    nodes = np.zeros(len(answers), dtype=np.intp)
    for node, test in enumerate(tree.tests):
        if test != LEAF:
            here = nodes == node if known is None else (nodes == node) & known[:, test]
            nodes[here] = np.where(answers[here, test], tree.passed[node], tree.failed[node])
    return nodes


def find_nodes(
    trees: Sequence[Context],
    tests: Sequence[Test],
    codes: Codes,
    forms: Sequence[int],
    sizes: Sequence[int],
    told: FloatArray,
) -> Indices:
    """Return where each combination of forms ends in each tree, `[G, F]`.

    A value that no training avatar has answers no test: there it ends, in groups that styles tell
    well. codes: of the avatars, `[K, A]`; told: how well each group is told, `[G]`.
    """
    combinations = list(np.ndindex(*(sizes[attribute] for attribute in forms)))
    every = np.zeros((len(combinations), len(sizes)), dtype=np.int64)
    every[:, list(forms)] = combinations
    worn = np.stack([np.isin(every[:, one], codes[:, one]) for one in range(len(sizes))], axis=1)
    known = [worn[:, [attribute for attribute, _ in test]].all(axis=1) for test in tests]
    answered = np.array(known, dtype=bool).reshape(len(tests), len(every)).T
    answers = answer(every, tests)
    everything = np.ones_like(answered)
    return np.stack(
        [
            descend(tree, answers, answered if certain else everything)
            for tree, certain in zip(trees, told > TOLD, strict=True)
        ]
    )


def how_told(states: Indices, trees: Sequence[Context]) -> FloatArray:
    """Return how probable groups' states are given the style, `[G]`, the mean over avatars.

    Each predicted from all others; states that only one avatar is in are left out.
    """
    found = []
    for row, tree in zip(states, trees, strict=True):
        alike = row[:, None] == row
        right = (tree.from_others * alike).sum(axis=1)
        shared = alike.sum(axis=1) > 1
        found.append(right[shared].mean() if shared.any() else 0)
    return np.array(found)
