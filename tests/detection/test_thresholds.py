"""Thresholds lie between held-out normals and known spills as their rules say."""

import math
from typing import get_args

import numpy as np
import pytest

from stages.wells.detection import thresholds
from stages.wells.detection.thresholds import SIGMAS, Rule

RULES: list[Rule] = list(get_args(Rule))
ABOVE_ONE = math.nextafter(1, 2)


def place(rule: Rule, normals: list[float], spills: list[float]) -> float:
    return thresholds.place(rule, np.array(normals, dtype=float), np.array(spills, dtype=float))


def test_sigma_lies_three_deviations_above_the_normals_mean() -> None:
    # Normals 0, 1, 2: mean 1, variance (1 + 0 + 1) / 3.
    assert SIGMAS == 3
    assert place("sigma", [0, 1, 2], [9, 4, 5]) == pytest.approx(1 + 3 * math.sqrt(2 / 3))


def test_sigma_looks_at_no_spill() -> None:
    assert place("sigma", [1, 3], []) == place("sigma", [1, 3], [0, 2, 100]) == 5


def test_the_rule_without_spills_is_sigma_and_the_other_looks_at_spills() -> None:
    assert thresholds.WITHOUT_SPILLS == "sigma"
    assert place("equal_error", [1, 3], [5, 7]) != place("equal_error", [1, 3], [8, 12])


@pytest.mark.parametrize(
    ("normals", "spills"),
    [([2, 3, 4], [-1, 0, 1]), ([2, 3, 4], [0, 1, 3]), ([1, 1], [1]), ([1.0, ABOVE_ONE], [0.5])],
    ids=["all below", "most below", "all equal", "adjacent numbers"],
)
def test_where_spills_are_no_stranger_nothing_is_called_a_spill(
    normals: list[float], spills: list[float]
) -> None:
    threshold = place("equal_error", normals, spills)
    assert math.isfinite(threshold)
    assert threshold > max(normals + spills)


@pytest.mark.parametrize("rule", RULES)
def test_thresholds_do_not_depend_on_the_order_of_scores(rule: Rule) -> None:
    normals, spills = [0.5, -1, 2, 0.1], [3.0, 1, 1.5]
    assert place(rule, normals[::-1], spills[::-1]) == pytest.approx(place(rule, normals, spills))


@pytest.mark.parametrize(
    ("normals", "spills", "expected"),
    [
        # Means 1 and 10, deviations 1 and 3: 3.25 lies 2.25 deviations from either mean.
        ([0, 2], [7, 13], 3.25),
        # Deviations 3 and 1 from means 3 and 11.
        ([0, 6], [10, 12], 9),
        # Equal deviations, and none at all: half-way.
        ([0, 2], [9, 11], 5.5),
        ([-1, 1, 1, -1], [3, 5], 2),
        ([1, 1], [3, 3, 3], 2),
        # Overlapping: means 1 and 2, deviations 1.
        ([0, 2], [1, 3], 1.5),
    ],
)
def test_equal_error_lies_as_many_deviations_above_the_normals_as_below_the_spills(
    normals: list[float], spills: list[float], expected: float
) -> None:
    assert place("equal_error", normals, spills) == pytest.approx(expected)


@pytest.mark.parametrize("seed", range(10))
def test_equal_error_lies_between_the_means(seed: int) -> None:
    rng = np.random.default_rng(seed)
    normals = rng.normal(0, rng.uniform(0.1, 3), 30)
    spills = rng.normal(2, rng.uniform(0.1, 3), 12)
    assert normals.mean() < thresholds.place("equal_error", normals, spills) < spills.mean()


@pytest.mark.parametrize("seed", range(5))
def test_equal_error_treats_normals_and_spills_alike(seed: int) -> None:
    rng = np.random.default_rng(seed)
    normals, spills = rng.normal(0, 1, 30), rng.normal(4, 2, 12)
    forwards = thresholds.place("equal_error", normals, spills)
    backwards = thresholds.place("equal_error", -spills, -normals)
    assert forwards == pytest.approx(-backwards)


def test_equal_error_makes_the_same_errors_of_both_kinds_where_scores_are_normal() -> None:
    rng = np.random.default_rng(0)
    normals, spills = rng.normal(0, 1, 50_000), rng.normal(4, 2, 50_000)
    threshold = thresholds.place("equal_error", normals, spills)
    false_alarms, misses = (normals >= threshold).mean(), (spills < threshold).mean()
    assert false_alarms == pytest.approx(misses, rel=0.1)


def test_one_extreme_score_moves_equal_error_little() -> None:
    normals, spills = np.linspace(-1, 1, 1000), np.linspace(9, 11, 100)
    before = thresholds.place("equal_error", normals, spills)
    after = thresholds.place("equal_error", np.append(normals, 8), spills)
    assert 0 < after - before < 0.35


@pytest.mark.parametrize(("normals", "spills"), [([1, 1, 1], [2, 4]), ([0, 2], [3]), ([1], [3])])
def test_equal_error_of_a_kind_that_does_not_vary_lies_half_way_between_the_means(
    normals: list[float], spills: list[float]
) -> None:
    assert place("equal_error", normals, spills) == pytest.approx(2)
