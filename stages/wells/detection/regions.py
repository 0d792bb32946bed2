"""Where in a photo to look, and at which share of the positions there: learned from spills."""

from typing import Literal

import numpy as np
import torch
from torch import Tensor

from stages.common.types import FloatArray, Indices

# All positions, the less strange half of them, the strangest tenth.
Share = Literal["all", "half", "tenth"]
SHARES: tuple[Share, ...] = ("all", "half", "tenth")
# Of what the best position tells above chance.
TOLD = 0.9
# Of an area under a curve: a gain of less does not pay for looking at less.
GAIN = 1e-3


def learn_where(normals: FloatArray, spills: FloatArray, rows: int) -> Indices:
    """Return the positions that tell known spills best, ascending.

    normals, spills: distances `[N, P]` and `[S, P]` of positions in `rows` rows. A position tells
    spills by the area under its own ROC curve; those that tell, above chance, TOLD of what the best
    one does are taken; all, where none does. Known spills are few and may all lean to one side, so
    a position shares what it tells with its mirror image and its neighbours.
    """
    # Imported here, for using what is fitted should not wait for SciPy.
    from scipy.ndimage import uniform_filter

    areas = area_under_roc(normals, spills).reshape(rows, -1)
    told = uniform_filter((areas + areas[:, ::-1]) / 2, 3, mode="nearest").ravel() - 0.5
    if told.max() <= 0:
        return np.arange(told.size)
    return np.flatnonzero(told >= TOLD * told.max())


def learn_share(normals: FloatArray, spills: FloatArray) -> Share:
    """Return the share of positions whose mean tells known spills best: `[N, P]` and `[S, P]`.

    A spill that changes all of a region is told by all, a small defect by the strangest few. The
    whole counts unless less of it tells more by GAIN: it also shows what no known spill does.
    """

    def pooled(distances: FloatArray, share: Share) -> FloatArray:
        found: FloatArray = pool(torch.from_numpy(distances), share)[:, None].numpy()
        return found

    areas = {
        share: area_under_roc(pooled(normals, share), pooled(spills, share))[0] for share in SHARES
    }
    best = max(SHARES, key=lambda share: areas[share])
    return best if areas[best] > areas["all"] + GAIN else "all"


def pool(distances: Tensor, share: Share) -> Tensor:
    """Return the mean of a share of the distances `[N, P]`, at least one: `[N]`."""
    count = distances.shape[1]
    if share == "half":
        distances = distances.sort(dim=1).values[:, : max(1, count // 2)]
    elif share == "tenth":
        distances = distances.sort(dim=1).values[:, -max(1, count // 10) :]
    return distances.mean(1)


def area_under_roc(normals: FloatArray, spills: FloatArray) -> FloatArray:
    """Return the share of pairs in which the spill is stranger, by column: `[P]`.

    Of `[N, P]` and `[S, P]`, by ranks (Mann and Whitney 1947); pairs that are equal count half.
    """
    # Imported here, as above.
    from scipy.stats import rankdata

    ranks = rankdata(np.concatenate([normals, spills]), axis=0)[len(normals) :]
    count = len(spills)
    area: FloatArray = (ranks.sum(0) - count * (count + 1) / 2) / (count * len(normals))
    return area
