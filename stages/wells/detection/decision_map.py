"""Where a detector finds a photo strange, block by block."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from stages.common.types import Indices, Marks
from stages.wells.detection.detector import Detector, standardise
from stages.wells.detection.features import BLOCK, middle
from stages.wells.detection.scores import SCORES


def map_blocks(detector: Detector, distances: Mapping[str, Sequence[Tensor]]) -> Tensor:
    """Return how strange each block of photos is, `[N, H / 4, W / 4]`.

    In standard deviations of held-out normals, as the detector's score is: the mean over its scores
    of each block's own, or of the middle's where a score looks at it as a whole; 0 where a score
    doesn't look. distances: of each score and member, as `measure_distances` returns them.
    """
    grid, mapped = _grid(detector), []
    for name, fitted in detector.scores.items():
        strange = standardise(torch.stack(list(distances[name])).mean(0), fitted.mean, fitted.std)
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
    grid, where = _grid(detector), detector.scores[name].normality.where
    if SCORES[name].network is None:
        top, left = middle(detector.height, detector.width)
        grid = grid[
            top.start // BLOCK : top.stop // BLOCK, left.start // BLOCK : left.stop // BLOCK
        ]
    return grid.ravel() if where is None else grid.ravel()[where]
