"""Where in a photo known spills are told, and how few positions of a photo may count."""

from typing import Literal, assert_never

import numpy as np
from torch import Tensor

from stages.common.types import FloatArray, Indices

# All positions, the less strange half of them, the strangest tenth, the strangest fiftieth.
Share = Literal["all", "half", "tenth", "fiftieth"]
SHARES: tuple[Share, ...] = ("all", "half", "tenth", "fiftieth")
# Of what the best position tells above chance.
TOLD = 0.9


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


def pool(distances: Tensor, share: Share) -> Tensor:
    """Return the mean of a share of the distances `[N, P]`, at least one: `[N]`."""
    count = distances.shape[1]
    match share:
        case "all":
            return distances.mean(1)
        case "half":
            return distances.sort(dim=1).values[:, : max(1, count // 2)].mean(1)
        case "tenth":
            return distances.sort(dim=1).values[:, -max(1, count // 10) :].mean(1)
        case "fiftieth":
            return distances.sort(dim=1).values[:, -max(1, count // 50) :].mean(1)
        case _:
            assert_never(share)


def area_under_roc(normals: FloatArray, spills: FloatArray) -> FloatArray:
    """Return the share of pairs in which the spill is stranger, by position: `[…]`.

    Of `[N, …]` and `[S, …]`, by ranks (Mann and Whitney 1947); pairs that are equal count half.
    """
    # Imported here, as above.
    from scipy.stats import rankdata

    ranks = rankdata(np.concatenate([normals, spills]), axis=0)[len(normals) :]
    count = len(spills)
    area: FloatArray = (ranks.sum(0) - count * (count + 1) / 2) / (count * len(normals))
    return area
