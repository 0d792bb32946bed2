"""How well a score with its threshold tells spills from normal wells."""

from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest
from sklearn.metrics import average_precision_score, roc_auc_score

from stages.common.errors import InputError

Labels = NDArray[np.bool_]

DISTINCT_FIGURES = ("tpr", "tnr", "tpr_interval", "tnr_interval", "auroc")


def rates(scores: NDArray[np.float64], labels: Labels, threshold: float) -> dict[str, Any]:
    """Measure a score on labelled images, `[N]` each, True = spill = positive.

    tpr, tnr: shares of spills at or above, of normals below the threshold, each with its 95 %
    Wilson interval; balanced_accuracy: their mean; auroc, average_precision: of the score, whatever
    the threshold. Raises InputError where either kind is missing.
    """
    if labels.all() or not labels.any():
        raise InputError(
            f"{labels.sum()} spills and {(~labels).sum()} normal wells are left to measure on, and "
            "both kinds are needed: add images to test that are neither copies nor among the others"
        )
    called = scores >= threshold
    tpr, tnr = float(called[labels].mean()), float((~called[~labels]).mean())
    return {
        "tpr": tpr,
        "tnr": tnr,
        "tpr_interval": wilson_interval(called[labels]),
        "tnr_interval": wilson_interval(~called[~labels]),
        "balanced_accuracy": (tpr + tnr) / 2,
        "auroc": float(roc_auc_score(labels, scores)),
        "average_precision": float(average_precision_score(labels, scores)),
        "threshold": threshold,
    }


def wilson_interval(successes: Labels) -> dict[str, float]:
    """Give the 95 % score interval of the share of successes (Wilson 1927, JASA 22:209-212)."""
    test = binomtest(int(successes.sum()), len(successes))
    interval = test.proportion_ci(0.95, method="wilson")
    return {"low": float(interval.low), "high": float(interval.high)}


def rates_all_and_distinct(
    scores: NDArray[np.float64], labels: Labels, distinct: Labels, threshold: float
) -> dict[str, Any]:
    """Measure on all images and, under `distinct`, the rates and AUROC on those marked so."""
    on_distinct = rates(scores[distinct], labels[distinct], threshold)
    return rates(scores, labels, threshold) | {
        "distinct": {name: on_distinct[name] for name in DISTINCT_FIGURES}
    }


def rates_of_part(
    scores: NDArray[np.float64], labels: Labels, part: Labels, threshold: float
) -> dict[str, Any]:
    """Give how many spills and normals are in a part of the images, and the rates among them.

    A rate of which there is no image is left out.
    """
    right = (scores >= threshold) == labels
    measured: dict[str, Any] = {}
    for kind, rate, which in (("spills", "tpr", labels), ("normals", "tnr", ~labels)):
        found = right[which & part]
        measured[kind] = len(found)
        if len(found):
            measured |= {rate: float(found.mean()), f"{rate}_interval": wilson_interval(found)}
    return measured


def rates_by_kind(
    scores: NDArray[np.float64], labels: Labels, kinds: NDArray[np.str_], threshold: float
) -> dict[str, Any]:
    """Measure on images of several kinds, each of which counts the same, however many there are.

    tpr, tnr: means of the shares called rightly of each kind of spill, of each kind of normal;
    auroc: mean over all pairs of such kinds; `right`: the shares by kind.
    """
    called = scores >= threshold
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


def shares_by_kind(
    scores: NDArray[np.float64], kinds: NDArray[np.str_], threshold: float
) -> dict[str, Any]:
    """Give, for each kind of spill, how many there are and which share is found, with interval."""
    called = scores >= threshold
    return {
        str(kind): {
            "count": int((kinds == kind).sum()),
            "tpr": float(called[kinds == kind].mean()),
            "tpr_interval": wilson_interval(called[kinds == kind]),
        }
        for kind in np.unique(kinds)
    }
