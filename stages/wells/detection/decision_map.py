"""Where a detector finds a photo strange, block by block."""

from collections.abc import Mapping

import matplotlib as mpl
import numpy as np
from numpy.typing import NDArray

from stages.common.types import FloatArray, Images, Indices, Marks
from stages.wells.detection.detector import Detector, standardise
from stages.wells.detection.features import BLOCK, middle
from stages.wells.detection.normality import measure_distances
from stages.wells.detection.scores import SCORES
from stages.wells.networks.registry import Members

HEAT_MAP = "inferno"
# A block as strange as that many times the threshold hides the photo below it.
FULL_HEAT = 2.0
# A threshold may be set to 0 or below; colours and bars need a scale.
LEAST_THRESHOLD = 1e-6


def map_decision(detector: Detector, networks: Mapping[str, Members], images: Images) -> FloatArray:
    """Return how strange each block of images `[N, 3, H, W]` uint8 is, `[N, H / 4, W / 4]`.

    In standard deviations of held-out normals, as the detector's score is: the mean over its scores
    of each block's own, or of the middle's where a score looks at it as a whole; 0 where a score
    doesn't look.
    """
    grid = _grid(detector)
    mapped = np.zeros((len(images), grid.size))
    found = measure_distances(images, detector.normality(), networks)
    for name, distances in found.items():
        fitted = detector.scores[name]
        strange = standardise(np.mean(distances, axis=0), fitted.mean, fitted.std)
        mapped[:, _looked_at(detector, name)] += strange
    return mapped.reshape(len(images), *grid.shape) / len(found)


def mark_counted(detector: Detector) -> Marks:
    """Mark the blocks that any of a detector's scores looks at, `[H / 4, W / 4]`."""
    counted = np.zeros(_grid(detector).shape, dtype=np.bool_)
    for name in detector.scores:
        counted.ravel()[_looked_at(detector, name)] = True
    return counted


def lay_over(images: Images, blocks: FloatArray, threshold: float) -> Images:
    """Return images `[N, 3, H, W]` uint8 with their maps `[N, H / 4, W / 4]` laid over them.

    The photo shows where nothing is strange, half of it at the threshold, only heat at FULL_HEAT
    times the threshold and above.
    """
    share = np.clip(blocks / (FULL_HEAT * max(threshold, LEAST_THRESHOLD)), 0, 1)
    share = share.repeat(BLOCK, axis=1).repeat(BLOCK, axis=2)
    heat = heat_of(share).transpose(0, 3, 1, 2)
    blended = images + share[:, None] * (heat.astype(np.float64) - images)
    laid: Images = blended.round().astype(np.uint8)
    return laid


def heat_of(share: FloatArray) -> NDArray[np.uint8]:
    """Return the colours of shares of full heat, 0 to 1, as RGB: `[…]` to `[…, 3]`."""
    colours: NDArray[np.uint8] = mpl.colormaps[HEAT_MAP](share, bytes=True)[..., :3]
    return colours


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
