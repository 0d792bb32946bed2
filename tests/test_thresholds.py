"""Thresholds separate held-out normals from known spills as well as any could."""

import math

import numpy as np
import pytest

from stages.common.errors import InputError
from stages.wells.thresholds import FloatArray, choose

SIGMAS = 3
ABOVE_ONE = math.nextafter(1, 2)


def place(rule: str, normals: list[float], spills: list[float]) -> float:
    return choose(rule, np.array(normals, dtype=float), np.array(spills, dtype=float), SIGMAS)


def youden_index(normals: FloatArray, spills: FloatArray, threshold: float) -> float:
    return float((spills >= threshold).mean() - (normals >= threshold).mean())


@pytest.mark.parametrize(
    ("rule", "expected"),
    [("youden", 4), ("margin", 3), ("sigma", 1 + SIGMAS * math.sqrt(2 / 3))],
)
def test_thresholds_of_scores_that_separate(rule: str, expected: float) -> None:
    # Normals 0, 1, 2: mean 1, variance (1 + 0 + 1) / 3. The gap lies between 2 and 4.
    assert place(rule, [0, 1, 2], [9, 4, 5]) == pytest.approx(expected)


def test_sigma_looks_at_no_spill() -> None:
    assert place("sigma", [1, 3], []) == place("sigma", [1, 3], [0, 2, 100]) == 5


@pytest.mark.parametrize(("rule", "expected"), [("youden", 10), ("margin", 6.5)])
def test_of_equally_good_thresholds_the_one_with_the_widest_gap_is_taken(
    rule: str, expected: float
) -> None:
    # TPR - FPR is 1 - 1/2 from 1 on and 1/2 - 0 from 10 on; the gaps are 0 .. 1 and 3 .. 10.
    assert place(rule, [0, 3], [1, 10]) == expected


@pytest.mark.parametrize(("rule", "expected"), [("youden", 1), ("margin", 0.5)])
def test_the_widest_gap_may_be_the_lower_one(rule: str, expected: float) -> None:
    # As above, but 2 .. 2.5 is narrower than 0 .. 1.
    assert place(rule, [0, 2], [1, 2.5]) == expected


@pytest.mark.parametrize(("rule", "expected"), [("youden", 2), ("margin", 1)])
def test_a_normal_as_strange_as_the_threshold_is_called_a_spill(rule: str, expected: float) -> None:
    # From 2 on TPR - FPR is 1 - 1/2, from 5 on 1/3: it pays to call the normal at 2 a spill.
    assert place(rule, [0, 2], [2, 2, 5]) == expected


@pytest.mark.parametrize("rule", ["youden", "margin"])
@pytest.mark.parametrize("seed", range(20))
def test_no_threshold_separates_better(rule: str, seed: int) -> None:
    # Rounded, so that many normals and spills tie.
    rng = np.random.default_rng(seed)
    normals = rng.normal(0, 1, 30).round(1)
    spills = rng.normal(rng.uniform(-1, 2), 1.5, 12).round(1)
    everywhere = [*normals, *spills, np.inf]
    best = max(youden_index(normals, spills, threshold) for threshold in everywhere)
    found = youden_index(normals, spills, choose(rule, normals, spills, SIGMAS))
    assert found == pytest.approx(best)


@pytest.mark.parametrize("rule", ["youden", "margin"])
@pytest.mark.parametrize(
    ("normals", "spills"),
    [([2, 3, 4], [-1, 0, 1]), ([2, 3, 4], [0, 1, 3]), ([1, 1], [1]), ([1.0, ABOVE_ONE], [0.5])],
    ids=["all below", "most below", "all equal", "adjacent numbers"],
)
def test_where_spills_are_no_stranger_nothing_is_called_a_spill(
    rule: str, normals: list[float], spills: list[float]
) -> None:
    threshold = place(rule, normals, spills)
    assert math.isfinite(threshold)
    assert threshold > max(normals + spills)


@pytest.mark.parametrize("below", [1.0, ABOVE_ONE])
def test_the_middle_of_the_narrowest_gap_still_lies_above_the_normal(below: float) -> None:
    above = math.nextafter(below, 2)
    assert below < place("margin", [below], [above]) <= above


@pytest.mark.parametrize("rule", ["youden", "margin", "sigma"])
def test_thresholds_do_not_depend_on_the_order_of_scores(rule: str) -> None:
    normals, spills = [0.5, -1, 2, 0.1], [3.0, 1, 1.5]
    assert place(rule, normals[::-1], spills[::-1]) == pytest.approx(place(rule, normals, spills))


@pytest.mark.parametrize("rule", ["", "Youden", "median"])
def test_an_unknown_rule_is_refused_with_the_key_and_the_known_ones(rule: str) -> None:
    with pytest.raises(InputError, match=r"detector\.rule.*youden, margin or sigma"):
        place(rule, [0], [1])
