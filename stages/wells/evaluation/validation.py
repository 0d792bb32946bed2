"""Detectors measured on hard cases drawn from held-out wells: what is chosen is chosen by these."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from PIL import Image

from stages.common.pictures import evenly_spaced, gallery
from stages.common.types import Better, FloatArray, Indices
from stages.wells.detection import thresholds
from stages.wells.detection.detector import Detector, combine, score_for
from stages.wells.detection.normality import Scores
from stages.wells.evaluation.hard_cases import HardCases
from stages.wells.evaluation.metrics import RATE_DIGITS, measure_by_kind
from stages.wells.networks.registry import Members

GALLERY_COLUMNS = 8
BETTER: Better = {"validation": "higher"}


def measure_detectors(
    detectors: Mapping[str, Detector],
    networks: Mapping[str, Members],
    cases: HardCases,
    normals: Scores,
    groups: Indices,
) -> dict[str, Any]:
    """Return each detector's rates by kind of case; under `scores`, of each score alone.

    Known spills placed the thresholds. So each is measured with the threshold that the others give,
    those of its own group, `groups` `[S]`, left out; where a score looks, which they told too,
    stays as it is. normals: scores, not standardised, of all held-out normals.
    """
    scores = score_for(detectors.values(), networks, cases.images, cases.folds)
    return {
        key: _measure(detector, scores, cases, detector.standardise(normals), groups)
        for key, detector in detectors.items()
    }


def declare(measured: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    """Return each detector's one number to choose by: the lower of its two rates."""
    return {
        key: {"validation": round(min(one["tpr"], one["tnr"]), RATE_DIGITS)}
        for key, one in measured.items()
    }


def show_cases(cases: HardCases) -> Image.Image:
    """Return a gallery of drawn cases, a row a kind."""
    drawn = [kind for kind in dict.fromkeys(cases.kinds) if kind not in ("normal", "spill")]
    found = [np.flatnonzero(cases.kinds == kind) for kind in drawn]
    chosen = np.concatenate([one[evenly_spaced(len(one), GALLERY_COLUMNS)] for one in found])
    title = "validation: hard cases, a row a kind"
    return gallery(cases.images[chosen], title, GALLERY_COLUMNS, list(cases.kinds[chosen]))


def _measure(
    detector: Detector, scores: Scores, cases: HardCases, normals: Scores, groups: Indices
) -> dict[str, Any]:
    standard = detector.standardise(scores)

    def measure_one(found: FloatArray, held_out: FloatArray, threshold: float) -> dict[str, Any]:
        placed = np.full(len(found), threshold)
        known = cases.kinds == "spill"
        placed[known] = _leave_out(detector.rule, held_out, found[known], groups, threshold)
        return measure_by_kind(found, cases.labels, cases.kinds, placed)

    whole = measure_one(combine(standard), combine(normals), detector.threshold)
    alone = {
        name: measure_one(standard[name], normals[name], fitted.threshold)
        for name, fitted in detector.scores.items()
    }
    return {"name": detector.name, **whole, "scores": alone}


def _leave_out(
    rule: thresholds.Rule,
    normals: FloatArray,
    spills: FloatArray,
    groups: Indices,
    threshold: float,
) -> FloatArray:
    """Return the threshold that a rule places without each spill's own group, `[S]`.

    Where there is but one group, the one that all of them placed.
    """
    placed = np.full(len(spills), threshold)
    for group in np.unique(groups):
        others = groups != group
        if others.any():
            placed[~others] = thresholds.place(rule, normals, spills[others])
    return placed
