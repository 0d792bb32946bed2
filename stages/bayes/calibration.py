"""Whether predictions are as sure as they are right."""

from typing import Any, NamedTuple

import numpy as np

from stages.common.statistics import wilson_interval
from stages.common.types import FloatArray, Indices, Marks

GROUPS = 10
RESAMPLES, INTERVAL = 1000, (0.025, 0.975)
# Of confidence; further ones differ from machine to machine.
DIGITS = 12


class Group(NamedTuple):
    """Predictions that are about as sure: their mean confidence, their number, how many are right.

    low, high: of the 95 % score interval of the share that is right.
    """

    confidence: float
    number: int
    right: int
    low: float
    high: float


def group_by_confidence(confidence: FloatArray, right: Marks) -> list[Group]:
    """Return predictions `[N]` in ten groups of the same number, as nearly, the least sure first.

    Fewer than ten make a group each.
    """
    return [_measure(confidence[part], right[part]) for part in _split(confidence)]


def calibration_error(confidence: FloatArray, right: Marks) -> float:
    """Return the mean distance of how sure predictions `[N]` are from how often they are right.

    By the groups of `group_by_confidence` (expected calibration error: Naeini et al. 2015, AAAI, in
    bins of equal number).
    """
    apart = [abs(float((confidence[part] - right[part]).sum())) for part in _split(confidence)]
    return sum(apart) / len(confidence)


def calibration_interval(confidence: FloatArray, right: Marks) -> list[float]:
    """Return the 95 % interval of `calibration_error` over resamples of the predictions `[N]`.

    The bootstrap (Efron 1979, Annals of Statistics 7:1-26), always with the same random numbers.
    """
    rng = np.random.default_rng(0)
    resamples = rng.integers(len(confidence), size=(RESAMPLES, len(confidence)))
    errors = [calibration_error(confidence[chosen], right[chosen]) for chosen in resamples]
    return [float(bound) for bound in np.quantile(errors, INTERVAL)]


def judge(logs: FloatArray, truth: Indices) -> tuple[dict[str, Any], list[Group]]:
    """Return metrics of predictions ln P `[N, …]` by what is true, `[N]`, and groups of them.

    `log_posterior` is the mean of ln P(what is true), in nats; `confidence` the mean probability of
    what is the most probable, `accuracy` how often that is true; `calibration_error` comes with its
    95 % interval. Groups are by the confidence.
    """
    confidence, right = np.exp(logs.max(axis=1)), logs.argmax(axis=1) == truth
    metrics: dict[str, Any] = {
        "accuracy": float(right.mean()),
        "confidence": float(confidence.mean()),
        "calibration_error": calibration_error(confidence, right),
        "calibration_interval": calibration_interval(confidence, right),
        "log_posterior": float(logs[np.arange(len(truth)), truth].mean()),
    }
    return metrics, group_by_confidence(confidence, right)


def _split(confidence: FloatArray) -> list[Indices]:
    order = np.argsort(confidence.round(DIGITS), kind="stable")
    return np.array_split(order, min(GROUPS, len(order)))


def _measure(confidence: FloatArray, right: Marks) -> Group:
    number, hits = len(right), int(right.sum())
    return Group(float(confidence.mean()), number, hits, **wilson_interval(hits, number))
