"""Where a detector finds a photo strange, block by block."""

from collections.abc import Mapping

import matplotlib as mpl
import numpy as np
from PIL import Image

from stages.common.types import FloatArray, Images
from stages.wells.detection.detector import Detector, FittedScore, standardise
from stages.wells.detection.features import BLOCK, in_blocks, middle
from stages.wells.detection.scores import SCORES, FeatureScore, NetworkScore, ellipse_weights
from stages.wells.networks.base import Network
from stages.wells.networks.training import reconstruct

HEAT_MAP = "inferno"
MAGNIFICATION = 8
# A block as strange as that many times the threshold hides the photo below it.
FULL_HEAT = 2.0


def map_decision(detector: Detector, networks: Mapping[str, Network], images: Images) -> FloatArray:
    """Return how strange each block of images `[N, 3, H, W]` uint8 is, `[N, H / 4, W / 4]`.

    In standard deviations of held-out normals, as the detector's score is: the mean over its scores
    of each block's own, where a score looks at blocks, or of the photo's, where it looks at the
    middle as a whole; 0 where a score doesn't look.
    """
    maps = []
    for name, fitted in detector.scores.items():
        score = SCORES[name]
        if isinstance(score, NetworkScore):
            maps.append(_of_network(score, networks[score.network], fitted, images))
        else:
            maps.append(_of_features(score, fitted, images))
    mapped: FloatArray = np.mean(maps, axis=0)
    return mapped


def _of_network(
    score: NetworkScore, network: Network, fitted: FittedScore, images: Images
) -> FloatArray:
    """Return the mean of what is strange in each block, standardised as the score made of it is."""
    height, width = images.shape[-2:]
    found = np.concatenate(
        [
            score.locate(network, *pair).cpu().double().numpy()
            for pair in reconstruct(network, images)
        ]
    )
    _, rows, columns = found.shape
    pixels = found.repeat(height // rows, axis=1).repeat(width // columns, axis=2)
    looks = np.ones((height, width), dtype=bool)
    if score.in_middle:
        looks = ellipse_weights(height, width).numpy() > 0
    seen = in_blocks(looks).sum((1, 3))
    means = in_blocks(pixels * looks).sum((2, 4)) / np.maximum(seen, 1)
    return np.where(seen, standardise(means, fitted.mean, fitted.std), 0)


def _of_features(score: FeatureScore, fitted: FittedScore, images: Images) -> FloatArray:
    assert fitted.normality is not None
    distances = score.distances(images, fitted.normality)
    strange = standardise(distances, fitted.mean, fitted.std)
    height, width = images.shape[-2:]
    rows, columns = (slice(s.start // BLOCK, s.stop // BLOCK) for s in middle(height, width))
    mapped = np.zeros((len(images), height // BLOCK, width // BLOCK))
    inside = mapped[:, rows, columns]
    # One position stands for the whole middle.
    inside[:] = strange.reshape(
        len(images), *(inside.shape[1:] if strange.shape[1] > 1 else (1, 1))
    )
    return mapped


def overlay(image: Images, blocks: FloatArray, threshold: float) -> Image.Image:
    """Return an image `[3, H, W]` uint8 with its map `[H / 4, W / 4]` laid over it, magnified.

    The photo shows where nothing is strange, half of it at the threshold, only heat at FULL_HEAT
    times the threshold and above.
    """
    share = np.clip(blocks / (FULL_HEAT * max(threshold, 1e-6)), 0, 1)
    share = share.repeat(BLOCK, axis=0).repeat(BLOCK, axis=1)
    heat = mpl.colormaps[HEAT_MAP](share, bytes=True)[..., :3].transpose(2, 0, 1)
    blended = image + share * (heat.astype(np.float64) - image)
    picture = Image.fromarray(blended.round().astype(np.uint8).transpose(1, 2, 0))
    height, width = (MAGNIFICATION * side for side in image.shape[1:])
    return picture.resize((width, height), Image.Resampling.NEAREST)
