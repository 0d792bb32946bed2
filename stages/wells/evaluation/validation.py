"""Detectors measured on hard cases drawn from held-out wells: what is chosen is chosen by these."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from stages.common.pictures import (
    NORMAL,
    PHOTOS_A_ROW,
    SPILL,
    draw_rows,
    evenly_spaced,
    framed_row,
    save_picture,
)
from stages.common.types import Better, FloatArray, Indices
from stages.wells.detection import thresholds
from stages.wells.detection.detector import Detector, combine, score_for
from stages.wells.detection.normality import Scores
from stages.wells.evaluation.charts import chart_table
from stages.wells.evaluation.hard_cases import HardCases
from stages.wells.evaluation.metrics import RATE_DIGITS, measure_by_kind
from stages.wells.networks.registry import Members

# What kinds of cases are called in pictures, normal wells first, and those that are not drawn.
KINDS = {
    "normal": "normal wells",
    "far": "unlike any learned",
    "covered": "covered",
    "contrast": "another contrast",
    "light": "another light",
    "haze": "haze",
    "spill": "known spills",
    "spill_covered": "spills, covered",
    "spill_light": "spills, another light",
    "empty": "empty wells",
    "empty_covered": "empty, covered",
    "empty_light": "empty, another light",
}
UNDRAWN = ("normal", "spill")
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


def draw_cases(path: Path, cases: HardCases, measured: Mapping[str, Any]) -> None:
    """Draw some cases of each drawn kind, under how many of them the detector in use calls rightly.

    measured: what `measure_detectors` returns, the one in use first.
    """
    first = next(iter(measured.values()))
    rows = []
    for kind, title in KINDS.items():
        found = np.flatnonzero(cases.kinds == kind)
        if kind not in UNDRAWN and len(found):
            images = cases.images[found[evenly_spaced(len(found), PHOTOS_A_ROW)]]
            label = f"{title}: {100 * first['right'][kind]:.1f} % called rightly"
            colour = SPILL if cases.labels[found[0]] else NORMAL
            rows.append(framed_row(label, images, colour))
    worst = min(first["right"].values())
    title = f"The detector in use is right on {100 * worst:.1f} % or more of each kind of hard case"
    subtitle = (
        "Drawn over held-out wells and known spills, to choose detectors by; blue frames: normal "
        "wells, orange ones: spills."
    )
    save_picture(path, title, subtitle, draw_rows(rows, PHOTOS_A_ROW))


def draw_validation(path: Path, measured: Mapping[str, Any]) -> None:
    """Draw how much of each kind of case each detector, and each of its scores, calls rightly.

    measured: what `measure_detectors` returns, the one in use first.
    """
    rows = {}
    for one in measured.values():
        rows[one["name"]] = one["right"]
        if len(one["scores"]) > 1:
            rows |= {f"  {name}": alone["right"] for name, alone in one["scores"].items()}
    kinds = [kind for kind in KINDS if kind in next(iter(rows.values()))]
    shares = np.array([[right[kind] for kind in kinds] for right in rows.values()])
    lower = [
        f"{measured[key]['name']} {one['validation']:.{RATE_DIGITS}f}"
        for key, one in declare(measured).items()
    ]
    title = f"The lower of TPR and TNR on hard cases, to choose by: {', '.join(lower)}"
    subtitle = (
        "Per cent called rightly of each kind of hard case, rounded down; normal wells left, "
        "spills right. Under a detector of several scores, each of them alone."
    )
    save_picture(path, title, subtitle, chart_table(shares, list(rows), [KINDS[k] for k in kinds]))


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
