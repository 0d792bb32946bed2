"""Which images count: duplicates, leaks and the held-out part, all by content."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stages.common.errors import InputError
from stages.common.types import Indices, Marks

MIN_TRAIN, MIN_HOLDOUT = 8, 2

Digests = NDArray[np.str_]


def mark_distinct(digests: Digests) -> Marks:
    """Return a mark on the first image of every content, `[N]`."""
    distinct: Marks = ~pd.Series(digests).duplicated().to_numpy()
    return distinct


def mark_seen(digests: Digests, others: Digests) -> Marks:
    """Return a mark on the images whose content stands among the others too, `[N]`."""
    return np.isin(digests, others)


def hold_out(digests: Digests, share: float, seed: int) -> tuple[Indices, Indices]:
    """Split distinct images at random into a training and a held-out part.

    Which image goes where depends on its content and the seed, not on its name. Returns the indices
    of both parts, ascending. Raises InputError where a part would be too small.
    """
    by_content = np.argsort(digests)
    count = round(share * len(digests))
    if count < MIN_HOLDOUT or len(digests) - count < MIN_TRAIN:
        raise InputError(
            f"{len(digests)} distinct training images split by split.holdout = {share} leave "
            f"{len(digests) - count} to train and {count} held out; at least {MIN_TRAIN} and "
            f"{MIN_HOLDOUT} are needed. Add images to train or change split.holdout"
        )
    shuffled = by_content[np.random.default_rng(seed).permutation(len(digests))]
    return np.sort(shuffled[count:]), np.sort(shuffled[:count])
