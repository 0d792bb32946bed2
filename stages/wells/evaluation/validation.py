"""Detectors measured on hard cases drawn from held-out wells: what is chosen is chosen by these."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from PIL import Image

from stages.common.pictures import evenly_spaced, gallery
from stages.wells.detection.detector import Detector, combine, score_for
from stages.wells.evaluation.hard_cases import HardCases
from stages.wells.evaluation.metrics import RATE_DIGITS, measure_by_kind
from stages.wells.networks.base import Network

GALLERY_COLUMNS = 8


def measure_detectors(
    detectors: Mapping[str, Detector], networks: Mapping[str, Network], cases: HardCases
) -> dict[str, Any]:
    """Return each detector's rates by kind of case; under `scores`, of each score alone."""
    scores = score_for(detectors.values(), networks, cases.images)
    return {key: _measure(detector, scores, cases) for key, detector in detectors.items()}


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
    title = "validation: drawn hard cases, a row a kind"
    return gallery(cases.images[chosen], title, GALLERY_COLUMNS, list(cases.kinds[chosen]))


def _measure(detector: Detector, scores: Mapping[str, Any], cases: HardCases) -> dict[str, Any]:
    standard = detector.standardise(scores)
    whole = measure_by_kind(combine(standard), cases.labels, cases.kinds, detector.threshold)
    alone = {
        name: measure_by_kind(standard[name], cases.labels, cases.kinds, fitted.threshold)
        for name, fitted in detector.scores.items()
    }
    return {"name": detector.name, **whole, "scores": alone}
