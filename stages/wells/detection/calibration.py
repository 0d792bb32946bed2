"""Detectors fitted to normal wells, with thresholds by known spills."""

from collections.abc import Mapping
from functools import partial

import torch
from torch import Tensor

from stages.common.errors import InputError
from stages.common.types import FloatArray, Images, Indices
from stages.wells.detection import thresholds
from stages.wells.detection.batches import in_batches
from stages.wells.detection.detector import (
    Detector,
    FittedScore,
    combine,
    safe_log,
    standardise,
)
from stages.wells.detection.features import BLOCK
from stages.wells.detection.learning import GAIN, Learnt, learn_normality
from stages.wells.detection.normality import Scores
from stages.wells.detection.occlusion import Occlusion
from stages.wells.detection.params import DetectorParams
from stages.wells.detection.regions import area_under_roc
from stages.wells.detection.scores import SCORES, block_errors
from stages.wells.networks.registry import Members


def fit_detectors(
    wanted: Mapping[str, DetectorParams],
    networks: Mapping[str, Members],
    train: Images,
    folds: Indices,
    spills: Images,
) -> dict[str, Detector]:
    """Fit detectors, by name, to images `[N, 3, H, W]` uint8 of each kind.

    folds: in which each training image is held out, `[N]`: as such it stands for a new normal one.
    A score that two detectors share is fitted and computed once. Raises InputError where a rule
    needs known spills and there are none, and where a score is the same for all held-out normals.
    """
    for name, one in wanted.items():
        if one.rule != thresholds.WITHOUT_SPILLS and not len(spills):
            raise InputError(
                f"detectors.{name}.rule is {one.rule}, which needs known spills, and the wells' "
                f"archive holds none (proliv/): set {thresholds.WITHOUT_SPILLS}, or add spills"
            )
    height, width = train.shape[-2:]
    names = dict.fromkeys(name for one in wanted.values() for name in one.scores)
    learnt = {}
    for network in dict.fromkeys(SCORES[name].network for name in names):
        seen = [(torch.as_tensor(train), torch.as_tensor(spills))]
        if network is not None:
            errors = [partial(block_errors, one) for one in networks[network]]
            seen = [(in_batches(of, train), in_batches(of, spills)) for of in errors]
        for name in names:
            if SCORES[name].network == network:
                learnt[name] = learn_normality(SCORES[name], seen, folds, height // BLOCK)
    occlusion = Occlusion.fit(train)
    return {
        name: _fit(name, one, learnt, (height, width), occlusion) for name, one in wanted.items()
    }


def _fit(
    name: str,
    wanted: DetectorParams,
    learnt: Mapping[str, Learnt],
    size: tuple[int, int],
    occlusion: Occlusion,
) -> Detector:
    statistics = {score: _statistics(score, learnt[score].normals) for score in wanted.scores}
    normals = {
        score: standardise(learnt[score].normals, *known).numpy()
        for score, known in statistics.items()
    }
    spills = {
        score: standardise(learnt[score].spills, *known).numpy()
        for score, known in statistics.items()
    }
    kept = choose_scores(normals, spills)
    fitted = {
        score: FittedScore(
            mean=statistics[score][0],
            std=statistics[score][1],
            threshold=thresholds.place(wanted.rule, normals[score], spills[score]),
            rare=learnt[score].rare,
            normality=learnt[score].normality,
        )
        for score in kept
    }
    together = (_mean(kept, one) for one in (normals, spills))
    return Detector(
        name=name,
        rule=wanted.rule,
        height=size[0],
        width=size[1],
        threshold=thresholds.place(wanted.rule, *together),
        scores=fitted,
        occlusion=occlusion,
    )


def choose_scores(normals: Scores, spills: Scores) -> list[str]:
    """Return the scores whose mean tells known spills best, in their order.

    normals, spills: standardised scores of held-out normals, `[N]`, and of known spills, `[S]`. As
    long as the others tell more by GAIN without one, the score that blurs most is left out; none,
    where fewer than two spills are known.
    """

    def tell(names: list[str]) -> float:
        return float(area_under_roc(_mean(names, normals), _mean(names, spills)))

    kept = list(normals)
    while len(kept) > 1 and len(spills[kept[0]]) > 1:
        without = [[name for name in kept if name != left] for left in kept]
        best = max(without, key=tell)
        if tell(best) <= tell(kept) + GAIN:
            break
        kept = best
    return kept


def _mean(names: list[str], scores: Scores) -> FloatArray:
    return combine({name: scores[name] for name in names})


def _statistics(name: str, scores: Tensor) -> tuple[float, float]:
    """Return mean and deviation of the log of held-out normals' scores, `[N]`."""
    logs = safe_log(scores)
    mean, std = float(logs.mean()), float(logs.std(correction=0))
    # Rounding may give equal scores a deviation above 0.
    if logs.min() == logs.max() or not std > 0:
        raise InputError(
            f"the score {name} is the same for all {len(scores)} held-out normals, so it can't be "
            "standardised: add images to train, or train a network that works"
        )
    return mean, std
