"""What a detector says of photos."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stages.common.types import FloatArray, Marks

# What the numbers of `spill` and of `view` stand for.
LABELS, VIEWS = ("normal", "spill"), ("clear", "obstructed")


class Verdict(NamedTuple):
    """What a detector says of N photos; its fields are the outputs of an exported detector.

    score: how strange each is, `[N]`; margin: how far above the threshold that is, `[N]`; spill:
    whether it is at or above the threshold, `[N]`; view: the number in VIEWS of what the sides
    show, `[N]`; scores: each of the detector's own, whose mean `score` is, `[N, S]`; blocks: how
    strange each block of 4 x 4 pixels is, `[N, H / 4, W / 4]`. Scores, margin and blocks are in
    standard deviations of held-out normals, float64.
    """

    score: FloatArray
    margin: FloatArray
    spill: Marks
    view: NDArray[np.uint8]
    scores: FloatArray
    blocks: FloatArray
