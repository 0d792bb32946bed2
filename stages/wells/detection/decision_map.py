"""Where a detector finds a photo strange, block by block."""

from collections.abc import Mapping

import matplotlib as mpl
import numpy as np

from stages.common.types import FloatArray, Images
from stages.wells.detection.detector import Detector, standardise
from stages.wells.detection.features import BLOCK, middle
from stages.wells.detection.normality import measure_distances
from stages.wells.detection.scores import SCORES
from stages.wells.networks.registry import Members

HEAT_MAP = "inferno"
# A block as strange as that many times the threshold hides the photo below it.
FULL_HEAT = 2.0


def map_decision(detector: Detector, networks: Mapping[str, Members], images: Images) -> FloatArray:
    """Return how strange each block of images `[N, 3, H, W]` uint8 is, `[N, H / 4, W / 4]`.

    In standard deviations of held-out normals, as the detector's score is: the mean over its scores
    of each block's own, or of the middle's where a score looks at it as a whole; 0 where a score
    doesn't look.
    """
    height, width = images.shape[-2:]
    rows, columns = height // BLOCK, width // BLOCK
    grid = np.arange(rows * columns).reshape(rows, columns)
    inside = grid[tuple(slice(s.start // BLOCK, s.stop // BLOCK) for s in middle(height, width))]
    mapped = np.zeros((len(images), rows * columns))
    found = measure_distances(images, detector.normality(), networks)
    for name, distances in found.items():
        fitted = detector.scores[name]
        strange = standardise(np.mean(distances, axis=0), fitted.mean, fitted.std)
        if SCORES[name].network is None:
            # One position stands for the whole middle.
            mapped[:, inside.ravel()] += strange
        else:
            where = fitted.normality.where
            mapped[:, slice(None) if where is None else where] += strange
    return mapped.reshape(len(images), rows, columns) / len(found)


def lay_over(images: Images, blocks: FloatArray, threshold: float) -> Images:
    """Return images `[N, 3, H, W]` uint8 with their maps `[N, H / 4, W / 4]` laid over them.

    The photo shows where nothing is strange, half of it at the threshold, only heat at FULL_HEAT
    times the threshold and above.
    """
    share = np.clip(blocks / (FULL_HEAT * max(threshold, 1e-6)), 0, 1)
    share = share.repeat(BLOCK, axis=1).repeat(BLOCK, axis=2)
    heat = mpl.colormaps[HEAT_MAP](share, bytes=True)[..., :3].transpose(0, 3, 1, 2)
    blended = images + share[:, None] * (heat.astype(np.float64) - images)
    laid: Images = blended.round().astype(np.uint8)
    return laid
