"""Which images count: duplicates, leaks and the held-out part, all by content."""

import numpy as np
from numpy.typing import NDArray

from stages.common.errors import InputError

MIN_TRAIN, MIN_HOLDOUT = 8, 2

Digests = NDArray[np.str_]
Indices = NDArray[np.intp]


def first_of_each(digests: Digests) -> NDArray[np.bool_]:
    """Mark the first image of every content, `[N]`."""
    mask = np.zeros(len(digests), dtype=np.bool_)
    mask[np.unique(digests, return_index=True)[1]] = True
    return mask


def seen_in(digests: Digests, others: Digests) -> NDArray[np.bool_]:
    """Mark the images whose content stands among the others too, `[N]`."""
    return np.isin(digests, others)


def hold_out(digests: Digests, share: float, seed: int) -> tuple[Indices, Indices]:
    """Split distinct images at random into a training and a held-out part.

    Which image goes where depends on its content and the seed, not on its name. Gives the indices
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


def spread(count: int, wanted: int) -> Indices:
    """Give up to `wanted` indices spread evenly over `count`."""
    return np.linspace(0, count - 1, min(wanted, count)).round().astype(np.intp)
