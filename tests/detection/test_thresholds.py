"""Thresholds separate held-out normals from known spills as well as any could."""

import math
from typing import get_args

import numpy as np
import pytest

from stages.common.types import FloatArray
from stages.wells.detection import thresholds
from stages.wells.detection.thresholds import SIGMAS, Rule

RULES: list[Rule] = list(get_args(Rule))
ABOVE_ONE = math.nextafter(1, 2)


def place(rule: Rule, normals: list[float], spills: list[float]) -> float:
    return thresholds.place(rule, np.array(normals, dtype=float), np.array(spills, dtype=float))


def youden_index(normals: FloatArray, spills: FloatArray, threshold: float) -> float:
    return float((spills >= threshold).mean() - (normals >= threshold).mean())


@pytest.mark.parametrize(
    ("rule", "expected"),
    [("youden", 4), ("margin", 3), ("sigma", 1 + SIGMAS * math.sqrt(2 / 3))],
)
def test_thresholds_of_scores_that_separate(rule: Rule, expected: float) -> None:
    # Normals 0, 1, 2: mean 1, variance (1 + 0 + 1) / 3. The gap lies between 2 and 4.
    assert place(rule, [0, 1, 2], [9, 4, 5]) == pytest.approx(expected)


def test_sigma_looks_at_no_spill() -> None:
    assert place("sigma", [1, 3], []) == place("sigma", [1, 3], [0, 2, 100]) == 5


@pytest.mark.parametrize("rule", [rule for rule in RULES if rule != thresholds.WITHOUT_SPILLS])
def test_every_other_rule_looks_at_spills(rule: Rule) -> None:
    assert place(rule, [1, 3], [5, 7]) != place(rule, [1, 3], [8, 12])


@pytest.mark.parametrize(("rule", "expected"), [("youden", 10), ("margin", 6.5)])
def test_of_equally_good_thresholds_the_one_with_the_widest_gap_is_taken(
    rule: Rule, expected: float
) -> None:
    # TPR - FPR is 1 - 1/2 from 1 on and 1/2 - 0 from 10 on; the gaps are 0 .. 1 and 3 .. 10.
    assert place(rule, [0, 3], [1, 10]) == expected


@pytest.mark.parametrize(("rule", "expected"), [("youden", 1), ("margin", 0.5)])
def test_the_widest_gap_may_be_the_lower_one(rule: Rule, expected: float) -> None:
    # As above, but 2 .. 2.5 is narrower than 0 .. 1.
    assert place(rule, [0, 2], [1, 2.5]) == expected


@pytest.mark.parametrize(("rule", "expected"), [("youden", 2), ("margin", 1)])
def test_a_normal_as_strange_as_the_threshold_is_called_a_spill(
    rule: Rule, expected: float
) -> None:
    # From 2 on TPR - FPR is 1 - 1/2, from 5 on 1/3: it pays to call the normal at 2 a spill.
    assert place(rule, [0, 2], [2, 2, 5]) == expected


@pytest.mark.parametrize("rule", ["youden", "margin"])
@pytest.mark.parametrize("seed", range(20))
def test_no_threshold_separates_better(rule: Rule, seed: int) -> None:
    # Rounded, so that many normals and spills tie.
    rng = np.random.default_rng(seed)
    normals = rng.normal(0, 1, 30).round(1)
    spills = rng.normal(rng.uniform(-1, 2), 1.5, 12).round(1)
    everywhere = [*normals, *spills, np.inf]
    best = max(youden_index(normals, spills, threshold) for threshold in everywhere)
    found = youden_index(normals, spills, thresholds.place(rule, normals, spills))
    assert found == pytest.approx(best)


@pytest.mark.parametrize("rule", ["equal_error", "youden", "margin"])
@pytest.mark.parametrize(
    ("normals", "spills"),
    [([2, 3, 4], [-1, 0, 1]), ([2, 3, 4], [0, 1, 3]), ([1, 1], [1]), ([1.0, ABOVE_ONE], [0.5])],
    ids=["all below", "most below", "all equal", "adjacent numbers"],
)
def test_where_spills_are_no_stranger_nothing_is_called_a_spill(
    rule: Rule, normals: list[float], spills: list[float]
) -> None:
    threshold = place(rule, normals, spills)
    assert math.isfinite(threshold)
    assert threshold > max(normals + spills)


@pytest.mark.parametrize("below", [1.0, ABOVE_ONE])
def test_the_middle_of_the_narrowest_gap_still_lies_above_the_normal(below: float) -> None:
    above = math.nextafter(below, 2)
    assert below < place("margin", [below], [above]) <= above


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


def test_one_extreme_score_moves_equal_error_far_less_than_margin() -> None:
    normals, spills = np.linspace(-1, 1, 1000), np.linspace(9, 11, 100)
    with_one = np.append(normals, 8)
    rules: list[Rule] = ["equal_error", "margin"]
    moved = {
        rule: thresholds.place(rule, with_one, spills) - thresholds.place(rule, normals, spills)
        for rule in rules
    }
    assert moved["margin"] == pytest.approx(3.5)
    assert 0 < moved["equal_error"] < moved["margin"] / 10


@pytest.mark.parametrize(("normals", "spills"), [([1, 1, 1], [2, 4]), ([0, 2], [3]), ([1], [3])])
def test_equal_error_of_a_kind_that_does_not_vary_lies_half_way_between_the_means(
    normals: list[float], spills: list[float]
) -> None:
    assert place("equal_error", normals, spills) == pytest.approx(2)
