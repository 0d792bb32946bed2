"""Detectors fitted to normal wells, with thresholds by known spills."""

from collections.abc import Mapping

from stages.common.errors import InputError
from stages.common.types import FloatArray, Images
from stages.wells.detection import thresholds
from stages.wells.detection.detector import (
    Detector,
    FittedScore,
    combine,
    log,
    standardise,
)
from stages.wells.detection.gaussians import Gaussians
from stages.wells.detection.occlusion import Occlusion
from stages.wells.detection.params import DetectorParams
from stages.wells.detection.scores import SCORES, Scores, score_images
from stages.wells.networks.base import Network


def fit_detectors(
    wanted: Mapping[str, DetectorParams],
    networks: Mapping[str, Network],
    train: Images,
    holdout: Images,
    spills: Images,
) -> dict[str, Detector]:
    """Fit detectors, by name, to images `[N, 3, H, W]` uint8 of each kind.

    A score that two detectors share is fitted and computed once. Raises InputError where a rule
    needs known spills and there are none, and where a score is the same for all held-out normals.
    """
    for name, one in wanted.items():
        if one.rule != thresholds.WITHOUT_SPILLS and not len(spills):
            raise InputError(
                f"detectors.{name}.rule is {one.rule}, which needs known spills, and the wells' "
                f"archive holds none (proliv/): set {thresholds.WITHOUT_SPILLS}, or add spills"
            )
    names = dict.fromkeys(name for one in wanted.values() for name in one.scores)
    normality = {name: SCORES[name].fit(train) for name in names}
    normals = score_images(holdout, normality, networks)
    spilled = score_images(spills, normality, networks)
    occlusion = Occlusion.fit(train, holdout)
    height, width = train.shape[-2:]
    return {
        name: _fit(name, one, normality, normals, spilled, (height, width), occlusion)
        for name, one in wanted.items()
    }


def _fit(
    name: str,
    wanted: DetectorParams,
    normality: Mapping[str, Gaussians | None],
    normals: Scores,
    spills: Scores,
    size: tuple[int, int],
    occlusion: Occlusion,
) -> Detector:
    statistics = {score: _statistics(score, normals[score]) for score in wanted.scores}
    standard_normals, standard_spills = (
        {score: standardise(found[score], *statistics[score]) for score in wanted.scores}
        for found in (normals, spills)
    )
    fitted = {
        score: FittedScore(
            mean=mean,
            std=std,
            threshold=thresholds.place(
                wanted.rule, standard_normals[score], standard_spills[score]
            ),
            normality=normality[score],
        )
        for score, (mean, std) in statistics.items()
    }
    return Detector(
        name=name,
        rule=wanted.rule,
        height=size[0],
        width=size[1],
        threshold=thresholds.place(
            wanted.rule, combine(standard_normals), combine(standard_spills)
        ),
        scores=fitted,
        occlusion=occlusion,
    )


def _statistics(name: str, scores: FloatArray) -> tuple[float, float]:
    """Return mean and deviation of the log of held-out normals' scores, `[N]`."""
    logs = log(scores)
    mean, std = float(logs.mean()), float(logs.std())
    # Rounding may give equal scores a deviation above 0.
    if logs.min() == logs.max() or not std > 0:
        raise InputError(
            f"the score {name} is the same for all {len(scores)} held-out normals, so it can't be "
            "standardised: hold out more images (split.holdout) or train a network that works"
        )
    return mean, std
