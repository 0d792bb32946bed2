"""A detector: scores standardised by held-out normals, their mean, and its threshold."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Self

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from torch import Tensor

from stages.common import paths
from stages.common.errors import InputError
from stages.common.files import keep_only, replacing, write_text
from stages.common.types import FloatArray, Images, Indices
from stages.wells.detection.features import BLOCK, exact, log
from stages.wells.detection.normality import Normality, Scores, score_images
from stages.wells.detection.occlusion import Occlusion
from stages.wells.detection.scores import SCORES, networks_of
from stages.wells.detection.thresholds import Rule
from stages.wells.networks import registry
from stages.wells.networks.registry import Members

# All detectors, each in a file of its name; the one in use, with the weights that it needs.
FILE = "detector.json"
# Keys in metrics and plots: of the one in use, whichever it is, and of its exported file.
IN_USE, EXPORTED = "detector", "exported"
LEAST_SCORE = 1e-12


class FittedScore(BaseModel):
    """A score's normality, and its statistics over held-out normals.

    mean, std: of its log; threshold: of this score alone, standardised; rare: the distance that
    a hundredth of all positions exceeds.
    """

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    mean: float
    std: Annotated[float, Field(gt=0)]
    threshold: float
    rare: Annotated[float, Field(ge=0)]
    normality: Normality


class Detector(BaseModel):
    """All that scoring and deciding needs beside networks, for frames of `height` x `width` pixels.

    A standardised score is (log score - mean) / std; the detector's own score is the mean of its
    standardised scores. A photo is called a spill where that is at or above `threshold`.
    """

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    name: str
    rule: Rule
    height: Annotated[int, Field(gt=0)]
    width: Annotated[int, Field(gt=0)]
    threshold: float
    scores: Annotated[dict[str, FittedScore], Field(min_length=1)]
    occlusion: Occlusion

    @model_validator(mode="after")
    def _knows_its_scores(self) -> Self:
        if unknown := self.scores.keys() - SCORES.keys():
            raise ValueError(f"there are no scores {', '.join(sorted(unknown))}")
        for name, fitted in self.scores.items():
            if bool(fitted.normality.members) != (SCORES[name].distance is not None):
                raise ValueError(f"{name} lacks what it compares with, or has it and needs none")
            if fitted.normality.view not in SCORES[name].views:
                raise ValueError(f"{name} has no view {fitted.normality.view}")
            blocks = (self.height // BLOCK) * (self.width // BLOCK)
            where = fitted.normality.where
            if where is not None and where != sorted(set(where) & set(range(blocks))):
                raise ValueError(f"{name} looks at a block twice, or beyond the frame")
        return self

    def networks(self) -> set[str]:
        """Return the names of the networks that its scores need."""
        return networks_of(self.scores)

    def normality(self) -> dict[str, Normality]:
        """Return what was fitted to training photos, by score."""
        return {name: fitted.normality for name, fitted in self.scores.items()}

    def standardise(self, scores: Mapping[str, FloatArray]) -> Scores:
        """Return its scores `[N]` standardised, out of scores that may be more."""
        return {
            name: standardise(torch.from_numpy(scores[name]), fitted.mean, fitted.std).numpy()
            for name, fitted in self.scores.items()
        }

    def combine(self, scores: Mapping[str, FloatArray]) -> FloatArray:
        """Return the detector's own score, `[N]`, of scores that aren't standardised yet."""
        return combine(self.standardise(scores))


def score_for(
    detectors: Iterable[Detector],
    networks: Mapping[str, Members],
    images: Images,
    folds: Indices | None = None,
) -> Scores:
    """Return all scores that detectors need of images `[N, 3, H, W]` uint8, not standardised yet.

    Each is computed once. The detectors must have been fitted together. folds: of training images,
    `[N]`, which are then scored by what has not seen them.
    """
    normality = {name: one for detector in detectors for name, one in detector.normality().items()}
    return score_images(images, normality, networks, folds)


def standardise(scores: Tensor, mean: float, std: float) -> Tensor:
    """Return the log of scores less `mean`, in units of `std`: both of held-out normals' logs."""
    return (safe_log(scores) - exact(mean)) / exact(std)


def combine(standard: Scores) -> FloatArray:
    """Return the mean of standardised scores, `[N]`."""
    combined: FloatArray = np.stack(list(standard.values())).mean(axis=0)
    return combined


def safe_log(scores: Tensor) -> Tensor:
    """Return the log of scores, finite where one is 0."""
    return log(scores.clamp_min(LEAST_SCORE))


def save_detectors(detectors: Mapping[str, Detector], folder: Path) -> None:
    """Write each detector as a JSON file of its name; nothing else stays in the folder."""
    for name, detector in detectors.items():
        write_text(folder / f"{name}.json", _as_json(detector))
    keep_only(folder, {f"{name}.json" for name in detectors})


def load_detectors(folder: Path = paths.DETECTORS) -> dict[str, Detector]:
    """Read all detectors of a folder; raises InputError where there is none, or one is broken."""
    found = {path.stem: load_detector(path) for path in sorted(folder.glob("*.json"))}
    if not found:
        raise InputError(f"{folder} holds no detector: `dvc repro` makes them")
    return found


def by_key(detectors: Mapping[str, Detector], in_use: str) -> dict[str, Detector]:
    """Return detectors by their keys in metrics: the one in use first, as IN_USE, others by name.

    Raises InputError where the one in use isn't among them.
    """
    if in_use not in detectors:
        raise InputError(
            f"detector is {in_use}, which isn't in {paths.DETECTORS} ({', '.join(detectors)}): "
            "run `dvc repro calibrate`"
        )
    others = {name: detector for name, detector in detectors.items() if name != in_use}
    return {IN_USE: detectors[in_use], **others}


def load_detector(path: Path) -> Detector:
    """Read a detector's JSON file; raises InputError where it is missing or broken."""
    try:
        return Detector.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, ValidationError) as error:
        raise InputError(
            f"{path} can't be read as a detector ({error}): `dvc repro` makes it anew, "
            "`dvc checkout` brings back the committed one"
        ) from None


def save_artifact(detector: Detector, networks: Path, folder: Path) -> None:
    """Write a detector with the weights of the networks that it needs, and nothing else.

    networks: the folder that holds a folder of each network.
    """
    needed = sorted(detector.networks())
    weights = {_weights(name): networks / name / registry.WEIGHTS for name in needed}
    for name, source in weights.items():
        with replacing(folder / name) as temporary:
            temporary.write_bytes(source.read_bytes())
    write_text(folder / FILE, _as_json(detector))
    keep_only(folder, {FILE, *weights})


def load_artifact(folder: Path = paths.DETECTOR) -> tuple[Detector, dict[str, Members]]:
    """Read what `save_artifact` wrote; raises InputError where a part is missing or broken."""
    detector = load_detector(folder / FILE)
    needed = sorted(detector.networks())
    networks = {name: registry.load(folder / _weights(name)) for name in needed}
    for name, fitted in detector.scores.items():
        network = SCORES[name].network
        members = len(fitted.normality.members)
        if network is not None and members and members != len(networks[network]):
            raise InputError(
                f"{folder}: {FILE} and {_weights(network)} are of different runs ({members} and "
                f"{len(networks[network])} members): `dvc checkout` brings the committed ones back"
            )
    return detector, networks


def _weights(network: str) -> str:
    return f"{network}.safetensors"


def _as_json(detector: Detector) -> str:
    return detector.model_dump_json(indent=1) + "\n"
