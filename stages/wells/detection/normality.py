"""What a score takes for normal, and how strange photos are to it."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Self

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, model_validator
from torch import Tensor

from stages.common.types import FloatArray, Images, Indices
from stages.wells.detection.batches import as_batches
from stages.wells.detection.features import Features
from stages.wells.detection.gaussians import Gaussians
from stages.wells.detection.regions import Share, pool
from stages.wells.detection.scores import SCORES, Score, block_errors
from stages.wells.networks.registry import Members

# Scores by name, `[N]` each.
Scores = dict[str, FloatArray]


class Normality(BaseModel):
    """What a score was fitted to: distributions, how and where it looks, at which share of that.

    view: of the score's, by name. members: one a fold, fitted to training photos of the others;
    none where the score compares nothing. where: positions, ascending; None: all.
    """

    model_config = ConfigDict(extra="forbid")

    view: str
    members: list[Gaussians]
    where: list[int] | None
    share: Share

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        for member in self.members:
            if self.where is not None and len(member.means) != len(self.where):
                raise ValueError("a member must have a distribution for each position of where")
        return self


def score_images(
    images: Images,
    normality: Mapping[str, Normality],
    networks: Mapping[str, Members],
    folds: Indices | None = None,
) -> Scores:
    """Return scores of images `[N, 3, H, W]` uint8, by the names of what was fitted to each.

    The mean over members; where the images' folds `[N]` are given, by that fold's member alone,
    which has not seen them (below 0: by all, for none has). Each member runs once, and only where a
    score needs it; raises KeyError where a network is missing.
    """
    if folds is None:
        folds = np.full(len(images), -1)
    scores = {name: np.empty(len(images)) for name in normality}
    for fold in np.unique(folds):
        part = np.flatnonzero(folds == fold)
        members = None if fold < 0 else [int(fold)]
        for batch in as_batches(torch.from_numpy(part)):
            places = batch.numpy()
            with torch.no_grad():
                some = torch.from_numpy(images[places])
                measured = measure_distances(some, normality, networks, members)
                for name, pooled in pool_distances(measured, normality).items():
                    scores[name][places] = pooled.numpy()
    return scores


def pool_distances(
    distances: Mapping[str, Sequence[Tensor]], normality: Mapping[str, Normality]
) -> dict[str, Tensor]:
    """Return scores `[N]` of what `measure_distances` returned: means over members."""
    return {
        name: torch.stack([pool(one, normality[name].share) for one in members]).mean(0)
        for name, members in distances.items()
    }


def measure_distances(
    images: Tensor,
    normality: Mapping[str, Normality],
    networks: Mapping[str, Members],
    members: Sequence[int] | None = None,
) -> dict[str, list[Tensor]]:
    """Return, by score and member, the distance at each position looked at, `[N, P]`.

    images: `[N, 3, H, W]` uint8; members: some of them, by fold; None: all.
    """

    @cache
    def errors_of(network: str, fold: int) -> Tensor:
        return block_errors(networks[network][fold], images)

    distances = {}
    for name, fitted in normality.items():
        score = SCORES[name]
        view = score.views[fitted.view]
        if score.network is None:
            chosen = range(len(fitted.members)) if members is None else members
            features = dict.fromkeys(chosen, view.describe(images))
        else:
            chosen = range(len(networks[score.network])) if members is None else members
            where = slice(None) if fitted.where is None else fitted.where
            features = {
                fold: view.describe(errors_of(score.network, fold)[:, where]) for fold in chosen
            }
        distances[name] = [
            strangeness(score, fitted.members, fold, one) for fold, one in features.items()
        ]
    return distances


def strangeness(
    score: Score, members: Sequence[Gaussians], fold: int, features: Features
) -> Tensor:
    """Return how strange each position of features `[N, P, F]` is to a member, `[N, P]`."""
    if score.distance is None:
        return features[..., 0]
    return score.distance(members[fold], features)
