"""The detector of a model: scores standardised by held-out normals, combined, with thresholds."""

from pathlib import Path
from typing import Annotated, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from stages.common.errors import InputError
from stages.wells import thresholds
from stages.wells.scores import Reference, Scores

COMBINED = "detector"
MIN_SCORE = 1e-12
OBSTRUCTED_SHARE = 0.01


class FittedScore(BaseModel):
    """A score's statistics over held-out normals, on the log scale, and its own threshold."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    mean: float
    std: Annotated[float, Field(gt=0)]
    threshold: float


class Detector(BaseModel):
    """All that scoring and deciding needs beside the network.

    A standardised score is (log score - mean) / std; the detector's own score is the mean of the
    standardised scores named in `combination`, its threshold is in the same unit. A view is
    obstructed where `scores.obstruction` is above `obstruction_threshold`.
    """

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    rule: str
    combination: Annotated[list[str], Field(min_length=1)]
    threshold: float
    obstruction_threshold: float
    scores: dict[str, FittedScore]
    reference: Reference

    @model_validator(mode="after")
    def _combines_fitted_scores(self) -> Self:
        if unknown := set(self.combination) - set(self.scores):
            raise ValueError(f"combination names scores that aren't fitted: {sorted(unknown)}")
        return self

    def thresholds(self) -> dict[str, float]:
        """Give the threshold of each single score and of the combination, by name."""
        single = {name: fitted.threshold for name, fitted in self.scores.items()}
        return single | {COMBINED: self.threshold}


def fit_detector(
    normals: Scores,
    spills: Scores,
    *,
    combination: list[str],
    rule: str,
    sigmas: float,
    reference: Reference,
    obstructions: NDArray[np.float64],
) -> Detector:
    """Fit a detector to the scores of held-out normals and known spills.

    `obstructions`: of held-out normals, `[N]`; OBSTRUCTED_SHARE of them will be called obstructed.

    Raises InputError where the normals' scores don't vary, so nothing can be standardised.
    """
    statistics = {name: _statistics(name, scores) for name, scores in normals.items()}
    standard_normals = _standardise(normals, statistics)
    standard_spills = _standardise(spills, statistics)

    def threshold(name: str) -> float:
        return thresholds.choose(rule, standard_normals[name], standard_spills[name], sigmas)

    fitted = {
        name: FittedScore(mean=mean, std=std, threshold=threshold(name))
        for name, (mean, std) in statistics.items()
    }
    return Detector(
        rule=rule,
        combination=combination,
        threshold=thresholds.choose(
            rule,
            _combine(standard_normals, combination),
            _combine(standard_spills, combination),
            sigmas,
        ),
        obstruction_threshold=float(np.quantile(obstructions, 1 - OBSTRUCTED_SHARE)),
        scores=fitted,
        reference=reference,
    )


def standardised(detector: Detector, scores: Scores) -> Scores:
    """Give the standardised scores and, under `detector`, their combination, `[N]` each.

    Scores that aren't given are left out; those of the combination must be there.
    """
    statistics = {name: (detector.scores[name].mean, detector.scores[name].std) for name in scores}
    standard = _standardise(scores, statistics)
    return standard | {COMBINED: _combine(standard, detector.combination)}


def load_detector(path: Path) -> Detector:
    """Read a detector's JSON file; raises InputError where it is missing or broken."""
    try:
        return Detector.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, ValidationError) as error:
        raise InputError(
            f"{path} can't be read as a detector ({error}): `dvc repro` makes it anew, "
            "`dvc checkout` brings back the committed one"
        ) from None


def _log(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.log(np.maximum(scores, MIN_SCORE))


def _statistics(name: str, scores: NDArray[np.float64]) -> tuple[float, float]:
    logs = _log(scores)
    mean, std = float(logs.mean()), float(logs.std())
    # Rounding may give equal scores a deviation above 0.
    if logs.min() == logs.max() or not std > 0:
        raise InputError(
            f"the score {name} is the same for all {len(scores)} held-out normals, so it can't be "
            "standardised: hold out more images (split.holdout) or train a network that works"
        )
    return mean, std


def _standardise(scores: Scores, statistics: dict[str, tuple[float, float]]) -> Scores:
    return {name: (_log(scores[name]) - mean) / std for name, (mean, std) in statistics.items()}


def _combine(standard: Scores, combination: list[str]) -> NDArray[np.float64]:
    combined: NDArray[np.float64] = np.stack([standard[name] for name in combination]).mean(axis=0)
    return combined
