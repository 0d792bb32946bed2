"""How drawn avatars resemble those that were learnt from, pixel by pixel."""

import numpy as np
from numpy.typing import NDArray

from stages.bayes.avatars import Avatars, as_letters
from stages.bayes.palette import count_letters, is_new


def distances(avatars: Avatars, others: Avatars) -> NDArray[np.float64]:
    """Give the share of pixels that differ, of each avatar `[N, …]` from each other `[M, …]`."""
    left, right = as_letters(avatars, np.uint32), as_letters(others, np.uint32)
    return np.stack([(right != row).mean(axis=1) for row in left])


def copy_rate(to_training: NDArray[np.float64]) -> float:
    """Give the share of avatars that equal a training avatar, from distances `[N, K]`."""
    return float((to_training.min(axis=1) == 0).mean())


def diversity(avatars: Avatars) -> float:
    """Give the mean distance of two different avatars of a sample `[N, H, W, 4]`."""
    between = distances(avatars, avatars)
    return float(between.sum() / (len(avatars) * (len(avatars) - 1)))


def unseen_colours(avatars: Avatars, training: Avatars) -> float:
    """Give the share of pixels with a colour that no training avatar has anywhere."""
    known = count_letters(as_letters(training, np.uint32))
    return float(np.mean([is_new(known, row).mean() for row in as_letters(avatars, np.uint32)]))


def unseen_share(avatars: Avatars, training: Avatars, letter: type[np.unsignedinteger]) -> float:
    """Give the share of letters (see `as_letters`) that no training avatar has at their place."""
    rows, shown = as_letters(avatars, letter), as_letters(training, letter)
    return float(np.mean([(shown != row).all(axis=0).mean() for row in rows]))
