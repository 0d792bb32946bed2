"""Points in three blobs far from each other."""

import numpy as np

_RNG = np.random.default_rng(0)
SIZES = [30, 20, 10]
_CENTRES = np.array([[0, 0, 0], [20, 0, 0], [0, 20, 0]])
POINTS = np.concatenate([_RNG.normal(c, 1, (n, 3)) for c, n in zip(_CENTRES, SIZES, strict=True)])
# Of each point, from the largest blob to the smallest.
BLOBS = np.repeat([0, 1, 2], SIZES)
