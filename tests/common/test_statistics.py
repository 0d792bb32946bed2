"""Intervals of shares are those of the literature."""

import pytest

from stages.common.statistics import wilson_interval


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611)],
)
def test_intervals_are_those_of_newcombe_1998_table_1_method_3(
    successes: int, trials: int, low: float, high: float
) -> None:
    # Statistics in Medicine 17:857-872, score method without continuity correction.
    interval = wilson_interval(successes, trials)
    assert interval == pytest.approx({"low": low, "high": high}, abs=5e-5)


@pytest.mark.parametrize("trials", [1, 10, 1000])
def test_the_interval_of_no_success_reaches_to_z2_over_n_plus_z2(trials: int) -> None:
    z2 = 1.959964**2
    expected = z2 / (trials + z2)
    assert wilson_interval(0, trials) == pytest.approx({"low": 0, "high": expected})
    assert wilson_interval(trials, trials) == pytest.approx({"low": 1 - expected, "high": 1})
