"""Whether predictions are as sure as they are right."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stages.common.types import FloatArray, Indices

BINS = 10


class Calibration(NamedTuple):
    """Predictions by their confidence: the mean of it, how many were right, and their number.

    Each `[bins]`; `error` is the mean distance of the first two, weighted by the third (expected
    calibration error: Naeini et al. 2015, AAAI).
    """

    confidence: FloatArray
    accuracy: FloatArray
    number: NDArray[np.int64]
    error: float


def calibrate(confidence: FloatArray, right: NDArray[np.bool_]) -> Calibration:
    """Return how sure predictions were beside how often they were right, both `[N]`."""
    bins = np.minimum((confidence * BINS).astype(np.intp), BINS - 1)
    number = np.bincount(bins, minlength=BINS)
    filled = np.maximum(number, 1)
    mean = np.bincount(bins, confidence, BINS) / filled
    accuracy = np.bincount(bins, right, BINS) / filled
    error = float((number * np.abs(mean - accuracy)).sum() / len(confidence))
    return Calibration(mean, accuracy, number, error)


def judge(logs: FloatArray, truth: Indices) -> tuple[dict[str, float], Calibration]:
    """Return metrics of predictions ln P `[N, …]` by what is true, `[N]`, and their calibration.

    `log_posterior` is the mean of ln P(what is true), in nats; `confidence` the mean probability of
    what is the most probable, `accuracy` how often that is true.
    """
    confidence, right = np.exp(logs.max(axis=1)), logs.argmax(axis=1) == truth
    curve = calibrate(confidence, right)
    metrics = {
        "accuracy": float(right.mean()),
        "confidence": float(confidence.mean()),
        "calibration_error": curve.error,
        "log_posterior": float(logs[np.arange(len(truth)), truth].mean()),
    }
    return metrics, curve
