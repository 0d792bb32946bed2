"""How drawn avatars resemble those that were learnt from, pixel by pixel."""

import numpy as np

from stages.bayes.avatars import Avatars, as_symbols
from stages.bayes.generators.palette import count_symbols, is_new
from stages.common.types import FloatArray


def distances(avatars: Avatars, others: Avatars) -> FloatArray:
    """Return the share of pixels that differ, of each avatar from each other one, `[N, M]`.

    avatars: `[N, H, W, 4]`; others: `[M, H, W, 4]`.
    """
    left, right = as_symbols(avatars, np.uint32), as_symbols(others, np.uint32)
    return np.stack([(right != row).mean(axis=1) for row in left])


def copy_rate(to_training: FloatArray) -> float:
    """Return the share of avatars that equal a training avatar, from distances `[N, K]`."""
    return float((to_training.min(axis=1) == 0).mean())


def diversity(avatars: Avatars) -> float:
    """Return the mean distance of two different avatars of a sample `[N, H, W, 4]`."""
    between = distances(avatars, avatars)
    return float(between.sum() / (len(avatars) * (len(avatars) - 1)))


def unseen_colours(avatars: Avatars, training: Avatars) -> float:
    """Return the share of pixels with a colour that no training avatar has anywhere."""
    known = count_symbols(as_symbols(training, np.uint32))
    return float(np.mean([is_new(known, row).mean() for row in as_symbols(avatars, np.uint32)]))


def unseen_share(avatars: Avatars, training: Avatars, symbol: type[np.unsignedinteger]) -> float:
    """Return the share of symbols (see `as_symbols`) that no training avatar has there."""
    rows, shown = as_symbols(avatars, symbol), as_symbols(training, symbol)
    return float(np.mean([(shown != row).all(axis=0).mean() for row in rows]))
