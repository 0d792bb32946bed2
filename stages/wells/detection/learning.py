"""What a score learns of training photos and known spills: what is normal, and how to look."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple, Self

import numpy as np
import torch
from torch import Tensor

from stages.common.types import FloatArray, Indices
from stages.wells.detection.batches import in_batches
from stages.wells.detection.gaussians import Gaussians, fit_gaussians
from stages.wells.detection.normality import Normality, strangeness
from stages.wells.detection.regions import Share, area_under_roc, learn_where, pool
from stages.wells.detection.scores import Score, View

# Of an area under a curve: a gain of less does not pay for another choice than the first.
GAIN = 1e-3
# Of known spills: each is left out once.
PARTS = 5
# Of the positions of held-out normals, those that are strange.
RARE = 0.01


class Learnt(NamedTuple):
    """A normality, the scores of what it was learnt from, and how well it tells known spills.

    normals: of training photos, each by the member that has not seen it, `[N]`; spills: of known
    spills, `[S]`; told: the share of pairs of both in which the spill is stranger; rare: the
    distance that RARE of all positions of these normals exceed.
    """

    normality: Normality
    normals: Tensor
    spills: Tensor
    told: float
    rare: float


class _Distances(NamedTuple):
    """Members, and the distances at each position: `[N, P]`, and by member `[K, S, P]`."""

    members: list[Gaussians]
    normals: FloatArray
    spills: FloatArray

    def at(self, places: Indices) -> Self:
        """Return what there is at some positions."""
        members = [
            Gaussians(means=one.means[places], precisions=one.precisions[places])
            for one in self.members
        ]
        return self._replace(
            members=members, normals=self.normals[:, places], spills=self.spills[..., places]
        )

    def scores(self, share: Share) -> tuple[Tensor, Tensor]:
        """Return the scores of normals, `[N]`, and of spills, `[S]`, means over members."""
        normals, *spills = (
            pool(torch.from_numpy(one), share) for one in (self.normals, *self.spills)
        )
        return normals, torch.stack(spills).mean(0)


def learn_normality(
    score: Score, seen: Sequence[tuple[Tensor, Tensor]], folds: Indices, rows: int
) -> Learnt:
    """Return what is normal to a score, in the view and at the share that tell known spills best.

    The first view and its first share, unless others tell more by GAIN: they also show what no
    known spill does. seen: what the score looks at of training photos and of known spills, by fold;
    one pair where it needs no network, for all folds see the same photos. rows: of the blocks in a
    photo.
    """
    choices = _choices(score, seen, folds, rows)
    first = next(choices)
    if first.told + GAIN >= 1:
        return first
    best = max([first, *choices], key=lambda choice: choice.told)
    return best if best.told > first.told + GAIN else first


def _choices(
    score: Score, seen: Sequence[tuple[Tensor, Tensor]], folds: Indices, rows: int
) -> Iterator[Learnt]:
    for name, view in score.views.items():
        everywhere = _measure(score, view, seen, folds)
        there, where = everywhere, None
        if view.region == "told" and everywhere.spills.shape[1]:
            places = learn_where(everywhere.normals, everywhere.spills.mean(0), rows)
            there, where = everywhere.at(places), places.tolist()
        tests = _tests(view, everywhere, rows)
        rare = float(np.quantile(there.normals, 1 - RARE))
        for share in view.shares:
            normality = Normality(view=name, members=there.members, where=where, share=share)
            yield Learnt(normality, *there.scores(share), _tell(tests, share), rare)


def _measure(
    score: Score, view: View, seen: Sequence[tuple[Tensor, Tensor]], folds: Indices
) -> _Distances:
    train, known = (
        [in_batches(view.describe, part) for part in parts] for parts in zip(*seen, strict=True)
    )
    if score.network is None:
        count = int(folds.max()) + 1
        train, known = train * count, known * count
    members = []
    if score.distance is not None:
        members = [fit_gaussians(one[folds != fold]) for fold, one in enumerate(train)]
    normals = np.empty(train[0].shape[:2])
    for fold, one in enumerate(train):
        held_out = folds == fold
        normals[held_out] = strangeness(score, members, fold, one[held_out])
    spills = [strangeness(score, members, fold, one) for fold, one in enumerate(known)]
    return _Distances(members, normals, torch.stack(spills).numpy())


def _tests(view: View, everywhere: _Distances, rows: int) -> list[_Distances]:
    """Return parts of the known spills, each at the places that the others tell.

    Spills that stand side by side stay together, for they look alike. All are one part where spills
    don't tell where to look; there is none where fewer than two are known.
    """
    known = np.arange(everywhere.spills.shape[1])
    if len(known) < 2:
        return []
    if view.region != "told":
        return [everywhere]
    mean, tests = everywhere.spills.mean(0), []
    for part in np.array_split(known, min(PARTS, len(known))):
        places = learn_where(everywhere.normals, np.delete(mean, part, axis=0), rows)
        there = everywhere.at(places)
        tests.append(there._replace(spills=there.spills[:, part]))
    return tests


def _tell(tests: Sequence[_Distances], share: Share) -> float:
    """Return the share of pairs of a normal and a spill that are told; without tests, 1."""
    areas = [area_under_roc(*(one.numpy() for one in test.scores(share))) for test in tests]
    return float(np.mean(areas)) if areas else 1.0
