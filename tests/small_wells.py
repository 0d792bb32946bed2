"""Small networks, images that stand for wells, and detectors fitted to them in a moment."""

from collections.abc import Iterable
from typing import Any
from unittest.mock import patch

import numpy as np
import torch

from stages.common.types import Images, Indices
from stages.wells.detection import calibration, learning
from stages.wells.detection.detector import Detector
from stages.wells.detection.learning import Learnt
from stages.wells.detection.normality import Scores
from stages.wells.detection.params import DetectorParams
from stages.wells.detection.scores import SCORES, Score, networks_of
from stages.wells.detection.thresholds import Rule
from stages.wells.networks import registry
from stages.wells.networks.base import Network

SETTINGS: dict[str, dict[str, int | float | bool]] = {
    "autoencoder": {"height": 16, "width": 16, "channels": 4, "latent": 0.75},
    "mnad": {
        "height": 16,
        "width": 16,
        "channels": 4,
        "query_size": 6,
        "items": 5,
        "temperature": 0.1,
        "compactness": 0.1,
        "separateness": 0.1,
        "kmeans": True,
    },
}
GRAIN = 10.0


def small_network(name: str, seed: int = 0, **changes: int | float | bool) -> Network:
    """Return an untrained network to use, for images of 16 x 16 unless told otherwise."""
    return registry.build(name, SETTINGS[name] | changes, seed).eval()


def small_members(name: str, count: int = 2, **changes: int | float | bool) -> list[Network]:
    """Return a network's members, one a fold, each with other weights."""
    return [small_network(name, seed, **changes) for seed in range(count)]


def in_turn(count: int, folds: int = 2) -> Indices:
    """Return the fold of each of so many images: they take turns."""
    return np.arange(count) % folds


def noise(count: int, seed: int = 0, height: int = 16, width: int = 16) -> Images:
    """Return images whose pixels know nothing of each other."""
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (count, 3, height, width), dtype=np.uint8)


def grainy_wells(
    count: int, seed: int, grain: float = GRAIN, height: int = 32, width: int = 48
) -> Images:
    """Return grey images whose grain is about as strong as told and differs a little."""
    rng = np.random.default_rng(seed)
    each = (count, 1, 1, 1)
    light, strength = rng.uniform(110, 130, each), grain * rng.uniform(0.8, 1.25, each)
    grey = light + strength * rng.normal(size=(count, 1, height, width))
    return np.repeat(grey.clip(0, 255).round().astype(np.uint8), 3, axis=1)


def with_thing(images: Images, rows: slice, columns: slice, grey: int = 10) -> Images:
    """Return images with a plain thing over some of their rows and columns."""
    changed = images.copy()
    changed[..., rows, columns] = grey
    return changed


def with_specks(images: Images, grey: int = 250) -> Images:
    """Return images with a plain speck of 4 x 4 pixels in each, every time at another place."""
    changed, (rows, columns) = images.copy(), (side // 4 for side in images.shape[2:])
    for number, image in enumerate(changed):
        row, column = divmod(7 * number % (rows * columns), columns)
        image[:, 4 * row : 4 * row + 4, 4 * column : 4 * column + 4] = grey
    return changed


def fit_to_scores(
    names: Iterable[str], normals: Scores, spills: Scores, rule: Rule = "equal_error"
) -> Detector:
    """Return a detector fitted to made-up scores of held-out normals and of known spills.

    All that comes of images is fitted to noise, of 16 x 24 pixels.
    """
    names = list(names)
    train, spilled = noise(12, seed=3, width=24), noise(5, seed=4, width=24)
    networks = {name: small_members(name, width=24) for name in networks_of(names)}
    learn = learning.learn_normality

    def pretend(score: Score, *rest: Any) -> Learnt:
        (name,) = (name for name in names if SCORES[name] is score)
        normal, spilled = (torch.from_numpy(part[name]) for part in (normals, spills))
        return learn(score, *rest)._replace(normals=normal, spills=spilled)

    wanted = {"one": DetectorParams(scores=names, rule=rule)}
    with patch.object(calibration, "learn_normality", pretend):
        return calibration.fit_detectors(wanted, networks, train, in_turn(12), spilled)["one"]
