"""Whether the exported file says of test photos what the pipeline says."""

import math
from typing import Any

import numpy as np

from stages.common.types import Better
from stages.wells.evaluation.metrics import RATE_DIGITS
from stages.wells.evaluation.report import Judged
from stages.wells.inference.verdict import Verdict

# Further apart, two scores are not the same.
TOLERANCE = 1e-4
BETTER: Better = {"agreement": "higher"}


def measure_agreement(exported: Verdict, judged: Judged) -> dict[str, Any]:
    """Return how well what the exported file says agrees with what the pipeline says of photos.

    agreement: the share of photos with the same label, the same view, and scores no further apart
    than TOLERANCE; labels, views: shares of each alone; difference_below: the power of ten above
    the largest difference of scores, whose digits are each processor's own.
    """
    same_label = exported.spill == judged.called
    same_view = exported.view == judged.obstructed
    difference = np.abs(exported.score - judged.scores)
    return {
        "agreement": float((same_label & same_view & (difference <= TOLERANCE)).mean()),
        "labels": float(same_label.mean()),
        "views": float(same_view.mean()),
        "difference_below": _power_of_ten_above(float(difference.max())),
    }


def declare(measured: dict[str, Any]) -> dict[str, float]:
    """Return what is declared of what was measured."""
    return {"agreement": round(measured["agreement"], RATE_DIGITS)}


def _power_of_ten_above(value: float) -> float:
    return 10.0 ** math.ceil(math.log10(value)) if value else 0.0
