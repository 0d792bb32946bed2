"""Parameters of the detectors: which there are, and which one is in use."""

import re
from typing import Annotated

from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from stages.common.params import Section
from stages.wells.detection.detector import EXPORTED, IN_USE
from stages.wells.detection.scores import SCORES
from stages.wells.detection.thresholds import Rule
from stages.wells.networks.registry import NETWORKS

# Keys of metrics that mean something else.
TAKEN = (IN_USE, EXPORTED, "holdout_mse")
# A detector's name names files and metrics too.
NAME = re.compile("[a-z][a-z0-9_]*")


def _check_name(name: str) -> str:
    if not NAME.fullmatch(name):
        raise ValueError("a name has small letters, digits and _ only, and begins with a letter")
    if name in TAKEN:
        raise ValueError(f"{name} means something else in metrics; take another name")
    return name


Name = Annotated[str, AfterValidator(_check_name)]


class DetectorParams(Section):
    scores: list[str]
    rule: Rule

    @field_validator("scores", mode="before")
    @classmethod
    def _nothing_is_an_empty_list(cls, names: object) -> object:
        # So YAML reads a key below which nothing stands.
        return [] if names is None else names

    @field_validator("scores")
    @classmethod
    def _are_scores(cls, names: list[str]) -> list[str]:
        known = f"there are {', '.join(SCORES)}"
        if not names:
            raise ValueError(f"a detector needs a score; {known}")
        for name in names:
            network, dot, _ = name.rpartition(".")
            if dot and network not in NETWORKS:
                raise ValueError(
                    f"{name} is a score of a network that isn't trained; {', '.join(NETWORKS)} are"
                )
            if name not in SCORES:
                raise ValueError(f"{name} is no score; {known}")
            if names.count(name) > 1:
                raise ValueError(f"{name} stands in it twice; name each score once")
        return names


class DetectionParams(Section):
    detectors: Annotated[dict[Name, DetectorParams], Field(min_length=1)]
    detector: str

    @field_validator("detector")
    @classmethod
    def _is_a_detector(cls, name: str, info: ValidationInfo) -> str:
        detectors = info.data.get("detectors", {name})
        if name not in detectors:
            raise ValueError(f"there is no such detector; there are {', '.join(detectors)}")
        return name
