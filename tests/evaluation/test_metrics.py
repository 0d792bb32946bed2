"""Rates agree with what can be counted by hand and with published intervals."""

import json
import math

import numpy as np
import pytest

from stages.common.errors import InputError
from stages.common.statistics import wilson_interval
from stages.common.types import FloatArray, Marks
from stages.wells.evaluation.metrics import (
    declare,
    measure,
    measure_by_kind,
    refuse_one_kind,
)

# Spills score 4, 3 and 1, normals 2 and 0.
SCORES = np.array([2.0, 4, 1, 0, 3])
LABELS = np.array([False, True, True, False, True])


def outcomes(successes: int, trials: int) -> Marks:
    return np.arange(trials) < successes


@pytest.mark.parametrize(
    ("threshold", "tpr", "tnr"),
    [(-1, 1, 0), (0.5, 1, 1 / 2), (1.5, 2 / 3, 1 / 2), (2.5, 2 / 3, 1), (9, 0, 1)],
)
def test_rates_are_the_shares_of_spills_and_of_normals_called_so(
    threshold: float, tpr: float, tnr: float
) -> None:
    found = measure(SCORES, LABELS, threshold)
    assert found["tpr"] == pytest.approx(tpr)
    assert found["tnr"] == pytest.approx(tnr)
    assert found["balanced_accuracy"] == pytest.approx((tpr + tnr) / 2)


@pytest.mark.parametrize(("threshold", "tpr", "tnr"), [(3, 2 / 3, 1), (2, 2 / 3, 1 / 2)])
def test_a_score_at_the_threshold_is_a_spill(threshold: float, tpr: float, tnr: float) -> None:
    found = measure(SCORES, LABELS, threshold)
    assert (found["tpr"], found["tnr"]) == pytest.approx((tpr, tnr))


@pytest.mark.parametrize("threshold", [-1, 1.5, 9])
def test_auroc_and_average_precision_do_not_depend_on_the_threshold(threshold: float) -> None:
    # Of 6 pairs of a spill and a normal, 5 are in order. The spills stand at ranks 1, 2 and 4,
    # where the precision is 1, 1 and 3/4.
    found = measure(SCORES, LABELS, threshold)
    assert found["auroc"] == pytest.approx(5 / 6)
    assert found["average_precision"] == pytest.approx((1 + 1 + 3 / 4) / 3)


def test_scores_that_separate_have_rates_and_areas_of_one() -> None:
    found = measure(np.array([1.0, 2, 8, 9]), np.array([False, False, True, True]), 5)
    for name in ("tpr", "tnr", "balanced_accuracy", "auroc", "average_precision"):
        assert found[name] == 1, name


def test_inverted_scores_have_an_auroc_of_zero() -> None:
    assert measure(-SCORES, SCORES > 2.5, 0)["auroc"] == 0


def test_each_rate_has_the_interval_of_its_own_counts() -> None:
    # 10 spills, none found: 3.8415 / 13.8415 = 0.2775. 263 normals, 81 of them called so.
    labels = outcomes(10, 273)
    scores = np.where(labels | (np.arange(273) < 10 + 81), 0.0, 1.0)
    found = measure(scores, labels, 0.5)
    assert found["tpr_interval"] == pytest.approx({"low": 0, "high": 0.2775}, abs=5e-5)
    assert found["tnr_interval"] == pytest.approx({"low": 0.2553, "high": 0.3662}, abs=5e-5)


def test_every_metric_is_a_finite_number_that_json_can_hold() -> None:
    found = measure(SCORES, LABELS, 1.5)
    assert json.loads(json.dumps(found)) == found
    pending = [found]
    while pending:
        for name, value in pending.pop().items():
            if isinstance(value, dict):
                pending.append(value)
            else:
                assert type(value) in (int, float), name
                assert math.isfinite(value), name


def test_a_measure_counts_spills_and_normals() -> None:
    found = measure(SCORES, LABELS, 1.5)
    assert (found["spills"], found["normals"]) == (3, 2)


def test_both_kinds_are_enough_to_measure() -> None:
    refuse_one_kind(LABELS)
    refuse_one_kind(np.array([True, False]))


@pytest.mark.parametrize(
    ("spills", "normals"), [(5, 0), (0, 5), (0, 0)], ids=["spills", "normals", "none"]
)
def test_images_of_one_kind_are_refused_with_what_to_do(spills: int, normals: int) -> None:
    with pytest.raises(
        InputError,
        match=rf"{spills} spills and {normals} normal wells are left.*both kinds are needed: add",
    ):
        refuse_one_kind(np.arange(spills + normals) < spills)


# Normals of two kinds, four and one of them; spills of two kinds, two and three of them.
KINDS = np.array(["dry"] * 4 + ["wet"] + ["streak"] * 2 + ["empty"] * 3)
IS_SPILL = np.isin(KINDS, ["streak", "empty"])
BY_KIND = np.array([1.0, 2, 3, 6, 4, 5, 9, 2.5, 3, 7])


def at(threshold: float, count: int = len(KINDS)) -> FloatArray:
    return np.full(count, threshold)


def test_rates_by_kind_count_each_kind_the_same_however_many_there_are() -> None:
    found = measure_by_kind(BY_KIND, IS_SPILL, KINDS, at(3))
    assert found["right"] == pytest.approx({"dry": 2 / 4, "wet": 0, "streak": 1, "empty": 2 / 3})
    assert found["tnr"] == pytest.approx((2 / 4 + 0) / 2)
    assert found["tpr"] == pytest.approx((1 + 2 / 3) / 2)


def test_the_auroc_by_kind_is_the_mean_over_pairs_of_a_kind_of_spill_and_one_of_normal() -> None:
    # streak, dry: 7 of 8 pairs in order; streak, wet: 2 of 2; empty, dry: 2.5 above two, 3 above
    # two and a half, 7 above four of 12; empty, wet: 1 of 3.
    found = measure_by_kind(BY_KIND, IS_SPILL, KINDS, at(3))
    assert found["auroc"] == pytest.approx((7 / 8 + 1 + 8.5 / 12 + 1 / 3) / 4)


def test_each_image_is_called_by_its_own_threshold() -> None:
    thresholds = np.where(np.arange(len(KINDS)) < 7, 3, 6.5)
    thresholds[3] = 7
    found = measure_by_kind(BY_KIND, IS_SPILL, KINDS, thresholds)
    assert found["right"] == pytest.approx({"dry": 3 / 4, "wet": 0, "streak": 1, "empty": 1 / 3})
    assert found["auroc"] == measure_by_kind(BY_KIND, IS_SPILL, KINDS, at(3))["auroc"]


@pytest.mark.parametrize("seed", range(3))
def test_rates_by_kind_do_not_depend_on_the_images_order(seed: int) -> None:
    order = np.random.default_rng(seed).permutation(len(KINDS))
    found = measure_by_kind(BY_KIND[order], IS_SPILL[order], KINDS[order], at(3))
    expected = measure_by_kind(BY_KIND, IS_SPILL, KINDS, at(3))
    assert found.pop("right") == expected.pop("right")
    assert found == pytest.approx(expected)


def test_more_images_of_one_kind_move_no_rate() -> None:
    again = np.r_[np.arange(len(KINDS)), np.repeat(np.flatnonzero(KINDS == "dry"), 9)]
    found = measure_by_kind(BY_KIND[again], IS_SPILL[again], KINDS[again], at(3, len(again)))
    expected = measure_by_kind(BY_KIND, IS_SPILL, KINDS, at(3))
    for name in ("tpr", "tnr", "auroc"):
        assert found[name] == pytest.approx(expected[name]), name


def test_metrics_by_kind_can_stand_in_json() -> None:
    found = measure_by_kind(BY_KIND, IS_SPILL, KINDS, at(3))
    assert json.loads(json.dumps(found)) == found


def test_what_a_missing_kind_would_be_needed_for_is_left_out() -> None:
    # Of 263 streaks 81 are found, of 20 empty wells none: 0 to 0.1611, as above.
    for successes, trials, interval in ((81, 263, (0.2553, 0.3662)), (0, 20, (0, 0.1611))):
        scores = outcomes(successes, trials).astype(float)
        found = measure(scores, np.ones(trials, dtype=np.bool_), threshold=1)
        assert found.keys() == {"spills", "tpr", "tpr_interval", "normals"}
        assert (found["spills"], found["normals"]) == (trials, 0)
        assert found["tpr"] == pytest.approx(successes / trials)
        low, high = interval
        assert found["tpr_interval"] == pytest.approx({"low": low, "high": high}, abs=5e-5)


def test_normals_alone_have_a_rate_of_their_own_kind_alone() -> None:
    assert measure(SCORES[~LABELS], LABELS[~LABELS], 1.5) == {
        "spills": 0,
        "normals": 2,
        "tnr": 0.5,
        "tnr_interval": wilson_interval(1, 2),
    }


def test_no_images_are_counted_and_no_more() -> None:
    assert measure(SCORES[:0], LABELS[:0], 1.5) == {"spills": 0, "normals": 0}


def test_declared_are_three_metrics_in_four_digits() -> None:
    measured = {"tpr": 2 / 3, "tnr": 0.98765, "auroc": 1.0, "spills": 3, "tpr_interval": {}}
    assert declare(measured) == {"tpr": 0.6667, "tnr": 0.9877, "auroc": 1.0}
    assert list(declare(measured)) == ["tpr", "tnr", "auroc"]


def test_what_is_declared_is_what_was_measured() -> None:
    found = measure(SCORES, LABELS, 1.5)
    for name, value in declare(found).items():
        assert value == pytest.approx(found[name], abs=5e-5)
