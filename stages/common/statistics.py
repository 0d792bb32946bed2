"""Intervals of shares."""

from scipy.stats import binomtest


def wilson_interval(successes: int, number: int) -> dict[str, float]:
    """Return the 95 % score interval of a share of successes (Wilson 1927, JASA 22:209-212)."""
    interval = binomtest(successes, number).proportion_ci(0.95, method="wilson")
    return {"low": float(interval.low), "high": float(interval.high)}
