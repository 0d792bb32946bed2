"""Where a detector finds a photo strange, block by block."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from stages.common.types import Indices, Marks
from stages.wells.detection.detector import Detector, safe_log
from stages.wells.detection.features import BLOCK, exact, middle
from stages.wells.detection.scores import SCORES


def map_blocks(detector: Detector, distances: Mapping[str, Sequence[Tensor]]) -> Tensor:
    """Return how strange each block of photos is, `[N, H / 4, W / 4]`.

    The log2 of how many times its distance is the one that a hundredth of the blocks of held-out
    normals exceeds; 0 where it is less, and where a score doesn't look. The mean over the
    detector's scores of each block's own, or of the middle's where a score looks at it as a whole.
    distances: of each score and member, as `measure_distances` returns them.
    """
    grid, mapped = _grid(detector), []
    for name, fitted in detector.scores.items():
        times = safe_log(torch.stack(list(distances[name])).mean(0)) - safe_log(exact(fitted.rare))
        strange = times.clamp_min(0) / exact(math.log(2))
        # One row a block that is looked at, with 1 in that block's column: what is multiplied by
        # it goes where it belongs.
        placed = torch.eye(grid.size, dtype=torch.float64)[_looked_at(detector, name)]
        mapped.append(strange.expand(-1, len(placed)) @ placed)
    return torch.stack(mapped).mean(0).reshape(-1, *grid.shape)


def mark_counted(detector: Detector) -> Marks:
    """Mark the blocks that any of a detector's scores looks at, `[H / 4, W / 4]`."""
    counted = np.zeros(_grid(detector).shape, dtype=np.bool_)
    for name in detector.scores:
        counted.ravel()[_looked_at(detector, name)] = True
    return counted


def _grid(detector: Detector) -> Indices:
    """Return the numbers of a photo's blocks, row by row, `[H / 4, W / 4]`."""
    rows, columns = detector.height // BLOCK, detector.width // BLOCK
    return np.arange(rows * columns).reshape(rows, columns)


def _looked_at(detector: Detector, name: str) -> Indices:
    """Return the numbers of the blocks that one of a detector's scores looks at."""
    grid, fitted = _grid(detector), detector.scores[name].normality
    if SCORES[name].views[fitted.view].region == "middle":
        top, left = middle(detector.height, detector.width)
        grid = grid[
            top.start // BLOCK : top.stop // BLOCK, left.start // BLOCK : left.stop // BLOCK
        ]
    return grid.ravel() if fitted.where is None else grid.ravel()[fitted.where]
