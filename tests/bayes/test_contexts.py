"""The tree of a group splits on what tells its states, and weighs avatars by where they end."""

import math
from itertools import product

import numpy as np
import pytest

from stages.bayes.generators.contexts import (
    LEAF,
    Answers,
    Codes,
    Context,
    answer,
    descend,
    find_nodes,
    grow,
    how_told,
    list_tests,
)
from stages.bayes.generators.styled import predictive_gains
from stages.common.types import Indices

SMOOTHING = 0.5
HALVES = np.array([0, 0, 0, 3, 3, 3])


def grow_on_values(states: Indices, codes: Codes) -> tuple[Context, Answers]:
    answers = answer(codes, list_tests(codes, range(codes.shape[1])))
    return grow(states, answers, SMOOTHING), answers


def attribute_at_root(states: Indices, codes: Codes) -> int:
    tree, _ = grow_on_values(states, codes)
    ((attribute, _),) = list_tests(codes, range(codes.shape[1]))[int(tree.tests[0])]
    return attribute


def draw_toy(seed: int) -> tuple[Indices, Codes]:
    """Return states of nine avatars, named by the first in each, and codes that tell some."""
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, [2, 3, 9], size=(9, 3))
    shown = np.where(rng.random(9) < 0.8, codes[:, 1], 7)
    return np.array([shown.tolist().index(one) for one in shown.tolist()]), codes


def predict(state: int, others: Indices) -> tuple[int, int]:
    return int((others == state).sum()), len(others)


def gain_by_leaving_out(states: Indices, passing: Answers) -> float:
    """Return by how many nats a test helps to predict each avatar from all others."""
    gain = 0.0
    for index, state in enumerate(states.tolist()):
        others = np.arange(len(states)) != index
        alike, number = predict(state, states[others])
        if alike:
            before = alike / number
            alike, number = predict(state, states[others & (passing == passing[index])])
            gain += np.log((alike + SMOOTHING * before) / (number + SMOOTHING) / before)
    return gain


def test_the_attribute_that_tells_most_is_asked_for_first() -> None:
    codes = np.array([[0, 0, 0], [0, 0, 0], [1, 0, 0], [1, 1, 0], [1, 1, 1], [1, 1, 1]])
    assert attribute_at_root(HALVES, codes) == 1
    assert attribute_at_root(HALVES, codes[:, ::-1]) == 1
    assert attribute_at_root(HALVES, codes[:, [1, 0, 2]]) == 0


@pytest.mark.parametrize("seed", range(10))
def test_the_first_test_predicts_avatars_best_each_by_all_others(seed: int) -> None:
    states, codes = draw_toy(seed)
    tree, answers = grow_on_values(states, codes)
    gains = [gain_by_leaving_out(states, column) for column in answers.T]
    assert tree.tests[0] != LEAF
    assert gains[tree.tests[0]] == pytest.approx(max(gains))
    assert max(gains) > 0


def test_nothing_is_asked_where_no_attribute_tells_anything() -> None:
    codes = np.array([[0], [1], [0], [1]])
    for states in ([0, 0, 0, 0], [0, 0, 2, 2], [0, 1, 2, 3]):
        tree, _ = grow_on_values(np.array(states), codes)
        assert tree.tests.tolist() == [LEAF]


def test_a_value_of_one_avatar_tells_only_if_the_others_gain() -> None:
    codes = np.array([[0, 0], [1, 0], [2, 0], [3, 1], [4, 1], [5, 0]])
    assert attribute_at_root(HALVES, codes) == 1
    odd_one = np.array([[0], [0], [0], [0], [1]])
    apart, _ = grow_on_values(np.array([0, 0, 0, 0, 4]), odd_one)
    assert apart.tests[0] != LEAF
    alike, _ = grow_on_values(np.array([0, 1, 0, 1, 0]), odd_one)
    assert alike.tests[0] == LEAF


def test_an_attribute_may_matter_in_one_branch_only() -> None:
    codes = np.array([[0, 0], [0, 1], [1, 0], [1, 1]] * 2)
    tree, answers = grow_on_values(np.array([0, 0, 2, 3] * 2), codes)
    first, second, third, fourth = descend(tree, answers)[:4].tolist()
    assert first == second
    assert len({first, third, fourth}) == 3


def test_a_test_of_two_values_tells_what_neither_tells() -> None:
    codes = np.array([[0, 0], [0, 1], [1, 0], [1, 1]] * 3)
    states = np.array([0, 1, 1, 1] * 3)
    tests = list_tests(codes, (0, 1), pairs=True)
    tree = grow(states, answer(codes, tests), SMOOTHING)
    assert tests[tree.tests[0]] == ((0, 0), (1, 0))
    assert len(tree.tests) == 3


def test_weights_are_the_avatars_at_a_node_with_a_share_for_the_node_above() -> None:
    answers = np.array([[1, 0], [1, 0], [0, 1], [0, 1], [0, 0], [0, 0]], dtype=bool)
    tree = grow(np.array([0, 0, 2, 2, 4, 4]), answers, SMOOTHING)
    first, second = tree.tests[0], tree.tests[tree.failed[0]]
    assert {first, second} == {0, 1}
    root = np.full(6, 1 / 6)
    assert tree.weights[0] == pytest.approx(root)
    above = (~answers[:, first] + SMOOTHING * root) / (4 + SMOOTHING)
    assert tree.weights[tree.failed[0]] == pytest.approx(above)
    below = (answers[:, second] + SMOOTHING * above) / (2 + SMOOTHING)
    assert tree.weights[tree.passed[tree.failed[0]]] == pytest.approx(below)


def test_weights_from_all_others_leave_the_avatar_out_at_each_node() -> None:
    answers = np.array([[1], [1], [0], [0], [0]], dtype=bool)
    tree = grow(np.array([0, 0, 2, 2, 2]), answers, SMOOTHING)
    others = np.array([0, 1, 1, 1, 1]) / 4
    expected = (np.array([0, 1, 0, 0, 0]) + SMOOTHING * others) / (1 + SMOOTHING)
    assert tree.from_others[0] == pytest.approx(expected)


@pytest.mark.parametrize("seed", range(5))
def test_weights_sum_to_one_and_no_avatar_predicts_itself(seed: int) -> None:
    tree, _ = grow_on_values(*draw_toy(seed))
    assert tree.weights.sum(axis=1) == pytest.approx(1)
    assert tree.from_others.sum(axis=1) == pytest.approx(1)
    assert not tree.from_others.diagonal().any()


def test_nodes_come_before_those_below_them() -> None:
    tree, _ = grow_on_values(*draw_toy(0))
    inner = np.flatnonzero(tree.tests != LEAF)
    assert len(inner) > 1
    assert (tree.passed[inner] > inner).all()
    assert (tree.failed[inner] > inner).all()
    assert sorted([*tree.passed[inner], *tree.failed[inner]]) == list(range(1, len(tree.tests)))


def test_a_style_stays_at_a_test_to_which_it_has_no_answer() -> None:
    answers = np.array([[1, 0], [1, 0], [0, 1], [0, 1], [0, 0], [0, 0]], dtype=bool)
    tree = grow(np.array([0, 0, 2, 2, 4, 4]), answers, SMOOTHING)
    first = tree.tests[0]
    none = np.zeros((1, 2), dtype=bool)
    only_first = none.copy()
    only_first[:, first] = True
    assert descend(tree, none).tolist() == [tree.failed[tree.failed[0]]]
    assert descend(tree, none, ~none).tolist() == [tree.failed[tree.failed[0]]]
    assert descend(tree, none, only_first).tolist() == [tree.failed[0]]
    assert descend(tree, none, ~only_first).tolist() == [0]


def test_tests_are_of_one_value_and_then_of_two_attributes() -> None:
    codes = np.array([[0, 5, 1], [2, 5, 0], [0, 5, 0]])
    single = [((0, 0),), ((0, 2),), ((2, 0),), ((2, 1),)]
    assert list_tests(codes, (0, 1, 2)) == single
    both = [((0, 0), (2, 0)), ((0, 0), (2, 1)), ((0, 2), (2, 0))]
    with_constant = [((0, 0), (1, 5)), ((0, 2), (1, 5)), ((1, 5), (2, 0)), ((1, 5), (2, 1))]
    found = list_tests(codes, (0, 1, 2), pairs=True)
    assert found[:4] == single
    assert sorted(found[4:]) == sorted(both + with_constant)
    assert list_tests(codes, (0,)) == single[:2]


def test_tests_that_all_or_none_pass_are_left_out() -> None:
    codes = np.array([[0, 1], [0, 1]])
    assert list_tests(codes, (0, 1), pairs=True) == []
    assert answer(codes, []).shape == (2, 0)


def test_a_test_of_two_values_needs_both() -> None:
    codes = np.array([[0, 0], [0, 1], [1, 0]])
    found = answer(codes, [((0, 0),), ((0, 0), (1, 0))])
    assert found.tolist() == [[True, True], [True, False], [False, False]]


def test_a_value_that_no_avatar_has_ends_where_it_is_asked_for() -> None:
    codes = np.array([[0, 0, 0], [0, 0, 1], [1, 0, 0], [1, 0, 1]] * 2)
    tests = list_tests(codes, (0, 2), pairs=True)
    trees = [grow(np.array([0, 1, 2, 2] * 2), answer(codes, tests), SMOOTHING)]
    # Values 2 of the first attribute and of the last are worn by nobody.
    ((*nodes,),) = find_nodes(trees, tests, codes, (0, 2), [3, 1, 3], np.ones(1))
    ends = dict(zip(product(range(3), repeat=2), map(int, nodes), strict=True))
    assert ends[1, 0] == ends[1, 1]
    assert len({ends[0, 0], ends[0, 1], ends[1, 0]}) == 3
    assert trees[0].tests[ends[2, 2]] != LEAF
    assert all(trees[0].tests[ends[one]] == LEAF for one in product(range(2), repeat=2))
    # A test of two values has no answer where nobody has one of them.
    both = [grow(np.array([0, 1, 1, 1] * 2), answer(codes, tests), SMOOTHING)]
    assert len(tests[both[0].tests[0]]) == 2
    assert find_nodes(both, tests, codes, (0, 2), [3, 1, 2], np.ones(1))[0, 4:].tolist() == [0, 0]


def test_where_styles_tell_little_a_value_that_no_avatar_has_fails_tests() -> None:
    codes = np.array([[0], [0], [1], [1]] * 2)
    tests = list_tests(codes, (0,))
    trees = [grow(np.array([0, 0, 2, 2] * 2), answer(codes, tests), SMOOTHING)]
    ((*well,),) = find_nodes(trees, tests, codes, (0,), [3], np.array([0.95]))
    ((*badly,),) = find_nodes(trees, tests, codes, (0,), [3], np.array([0.5]))
    assert trees[0].tests[well[2]] != LEAF
    assert badly == [*well[:2], badly[2]]
    assert badly[2] == well[1]


def test_groups_are_told_by_how_the_others_predict_them() -> None:
    # The last state is one avatar's alone, which nobody predicts.
    states = np.array([[0, 0, 0, 0, 4], [0, 1, 0, 1, 4], [0, 1, 2, 3, 4]])
    trees = [grow(row, np.zeros((5, 0), dtype=bool), SMOOTHING) for row in states]
    assert how_told(states, trees) == pytest.approx([3 / 4, 1 / 4, 0])


def test_a_group_gains_by_another_that_tells_of_it_beyond_the_tree() -> None:
    states = np.array([[0, 0, 2, 2, 0, 2], [0, 0, 2, 2, 0, 2], [0, 1, 1, 0, 0, 0]])
    trees = [grow(row, np.zeros((6, 0), dtype=bool), SMOOTHING) for row in states]
    gains = predictive_gains(states, trees, 0.1)
    assert (gains == gains.T).all()
    assert gains[0, 1] > 1 > 0 > gains[0, 2] == gains[1, 2]
    # Each of six is predicted from five: two as it is and three else, the two alike in the other.
    assert gains[0, 1] == pytest.approx(6 * math.log(2 / (2 + 0.1 * 3) * 5 / 2), abs=1e-6)
