"""Seven wells, of which a detector whose scores are told calls some rightly and others not."""

import numpy as np

from stages.common.types import FloatArray
from stages.wells.detection.detector import Detector
from stages.wells.detection.normality import Scores
from stages.wells.evaluation.report import Judged, LabelledWells, judge
from tests.small_wells import fit_to_scores, noise

MSE, BLOCKS = "autoencoder.mse", "autoencoder.blocks"
# Spills score 5 (twice) and 1, normals 4 (twice) and 0 (two of them); copies are not distinct.
STANDARD = np.array([5.0, 5, 1, 4, 4, 0, 0])
LABELS = np.array([True, True, True, False, False, False, False])
DISTINCT = np.array([True, False, True, True, False, True, True])
KINDS = np.array(["streak", "streak", "empty", *["normal"] * 4])
WELLS = LabelledWells(
    noise(7, width=24), np.array([f"{letter}.jpg" for letter in "abcdefg"]), LABELS, DISTINCT
)
THRESHOLD = 3.0


def as_scores(standard: FloatArray, other: FloatArray | None = None) -> Scores:
    """Return scores that are these once standardised by the detectors below."""
    return {MSE: np.exp(standard), BLOCKS: np.exp(standard if other is None else other)}


def detector_of(*names: str, name: str = "mine", threshold: float = THRESHOLD) -> Detector:
    """Return a detector whose standardised scores are the logs of its scores."""
    made = as_scores(np.array([-1.0, 1]))
    fitted = fit_to_scores(names, made, as_scores(np.array([4.0, 6])))
    scores = {
        key: one.model_copy(update={"mean": 0.0, "std": 1.0, "threshold": threshold})
        for key, one in fitted.scores.items()
    }
    return fitted.model_copy(update={"name": name, "threshold": threshold, "scores": scores})


DETECTOR = detector_of(MSE)


def judged(detector: Detector = DETECTOR, standard: FloatArray = STANDARD) -> Judged:
    """Return what a detector says of the wells, whose standardised scores these are."""
    return judge(detector, WELLS, as_scores(standard), KINDS)
