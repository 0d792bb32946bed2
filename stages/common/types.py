"""Types that rooms share."""

from collections.abc import Mapping
from typing import Literal

import numpy as np
from numpy.typing import NDArray

# Photos `[N, 3, H, W]`, or one `[3, H, W]`.
Images = NDArray[np.uint8]
# A mark on each of N photos, `[N]`.
Marks = NDArray[np.bool_]
FloatArray = NDArray[np.float64]
# `[N]` places of an array.
Indices = NDArray[np.intp]
# Which value of a declared metric is better, by the metric's name.
Better = Mapping[str, Literal["higher", "lower", "neither"]]
