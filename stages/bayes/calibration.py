"""Whether predictions are as sure as they are right."""

from typing import NamedTuple

import numpy as np

from stages.common.statistics import wilson_interval
from stages.common.types import FloatArray, Indices, Marks

BINS = 10
GROUPS = 3
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
    """Return predictions `[N]` in three groups of the same number, as nearly, the least sure first.

    Fewer than three make a group each.
    """
    order = np.argsort(confidence.round(DIGITS), kind="stable")
    parts = np.array_split(order, min(GROUPS, len(order)))
    return [_measure(confidence[part], right[part]) for part in parts]


def calibration_error(confidence: FloatArray, right: Marks) -> float:
    """Return the mean distance of how sure predictions `[N]` are from how often they are right.

    By bins of the confidence, weighted by their number (expected calibration error: Naeini et al.
    2015, AAAI).
    """
    bins = np.minimum((confidence * BINS).astype(np.intp), BINS - 1)
    number = np.bincount(bins, minlength=BINS)
    filled = np.maximum(number, 1)
    mean = np.bincount(bins, confidence, BINS) / filled
    accuracy = np.bincount(bins, right, BINS) / filled
    return float((number * np.abs(mean - accuracy)).sum() / len(confidence))


def judge(logs: FloatArray, truth: Indices) -> tuple[dict[str, float], list[Group]]:
    """Return metrics of predictions ln P `[N, …]` by what is true, `[N]`, and groups of them.

    `log_posterior` is the mean of ln P(what is true), in nats; `confidence` the mean probability of
    what is the most probable, `accuracy` how often that is true. Groups are by the confidence.
    """
    confidence, right = np.exp(logs.max(axis=1)), logs.argmax(axis=1) == truth
    metrics = {
        "accuracy": float(right.mean()),
        "confidence": float(confidence.mean()),
        "calibration_error": calibration_error(confidence, right),
        "log_posterior": float(logs[np.arange(len(truth)), truth].mean()),
    }
    return metrics, group_by_confidence(confidence, right)


def _measure(confidence: FloatArray, right: Marks) -> Group:
    number, hits = len(right), int(right.sum())
    return Group(float(confidence.mean()), number, hits, **wilson_interval(hits, number))
