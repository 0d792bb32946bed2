"""How well a score with its threshold tells spills from normal wells."""

from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, roc_auc_score

from stages.common.errors import InputError
from stages.common.statistics import wilson_interval
from stages.common.types import Better, FloatArray, Marks

# Digits of declared rates and areas under curves that mean something, of thousands of photos.
RATE_DIGITS = 4
# Significant digits of declared errors.
ERROR_DIGITS = 3
DECLARED = ("tpr", "tnr", "auroc")
BETTER: Better = {**dict.fromkeys(DECLARED, "higher"), "holdout_mse": "lower"}


def refuse_one_kind(labels: Marks) -> None:
    """Raise InputError where spills or normal wells are missing, for then a rate is."""
    if labels.all() or not labels.any():
        raise InputError(
            f"{labels.sum()} spills and {(~labels).sum()} normal wells are left to measure on, and "
            "both kinds are needed: add images to test that are neither copies nor among the others"
        )


def measure(scores: FloatArray, labels: Marks, threshold: float) -> dict[str, Any]:
    """Return the metrics of a score on labelled images, `[N]` each, True = spill = positive.

    spills, normals: how many; tpr, tnr: shares of spills at or above, of normals below the
    threshold, each with its 95 % Wilson interval; auroc, average_precision: of the score, whatever
    the threshold. What a missing kind would be needed for is left out.
    """
    right = (scores >= threshold) == labels
    measured: dict[str, Any] = {}
    for kind, rate, which in (("spills", "tpr", labels), ("normals", "tnr", ~labels)):
        measured[kind] = int(which.sum())
        if which.any():
            measured[rate] = float(right[which].mean())
            measured[f"{rate}_interval"] = wilson_interval(int(right[which].sum()), measured[kind])
    if {"tpr", "tnr"} <= measured.keys():
        measured["balanced_accuracy"] = (measured["tpr"] + measured["tnr"]) / 2
        measured["auroc"] = float(roc_auc_score(labels, scores))
        measured["average_precision"] = float(average_precision_score(labels, scores))
    return measured


def measure_by_kind(
    scores: FloatArray, labels: Marks, kinds: NDArray[np.str_], thresholds: FloatArray
) -> dict[str, Any]:
    """Return the metrics on images of several kinds, each of which counts the same.

    thresholds: of each image, `[N]`.
    tpr, tnr: means of the shares called rightly of each kind of spill, of each kind of normal;
    auroc: mean over all pairs of such kinds; `right`: the shares by kind.
    """
    called = scores >= thresholds
    right = {kind: float((called == labels)[kinds == kind].mean()) for kind in dict.fromkeys(kinds)}
    spilled = [kind for kind in right if labels[kinds == kind].all()]
    normal = [kind for kind in right if kind not in spilled]
    areas = [
        roc_auc_score(labels[pair], scores[pair])
        for pair in (np.isin(kinds, names) for names in product(spilled, normal))
    ]
    return {
        "tpr": float(np.mean([right[kind] for kind in spilled])),
        "tnr": float(np.mean([right[kind] for kind in normal])),
        "auroc": float(np.mean(areas)),
        "right": right,
    }


def declare(measured: dict[str, Any]) -> dict[str, float]:
    """Return what is declared of what was measured, in the digits that mean something."""
    return {name: round(measured[name], RATE_DIGITS) for name in DECLARED}
