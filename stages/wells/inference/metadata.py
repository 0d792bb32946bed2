"""What the file of an exported detector says of itself."""

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from stages.common.errors import InputError
from stages.common.types import Marks

# Raised when a program that reads the last one would misunderstand the next.
FORMAT = "spill detector, format 2"


class Metadata(NamedTuple):
    """What stands in the file beside the graph, each under its name, as JSON.

    detector: its name; threshold: from which score on a photo is a spill; height, width: of the
    photos that it takes; labels, views: what the numbers of `spill` and `view` stand for; scores:
    names of its scores, in their order; counted: rows of 0 and 1, a number a block, 1 where it
    counts; parameters: of the detector and its networks; made_from: SHA-256 of each file.
    """

    detector: str
    threshold: float
    height: int
    width: int
    labels: list[str]
    views: list[str]
    scores: list[str]
    counted: list[list[int]]
    parameters: Mapping[str, Any]
    made_from: Mapping[str, str]

    def marks(self) -> Marks:
        """Return where blocks count, `[rows, columns]`."""
        marks: Marks = np.array(self.counted, dtype=np.bool_)
        return marks


def to_strings(metadata: Metadata) -> dict[str, str]:
    """Return what ONNX keeps: texts by name, the format among them, always in the same order."""
    values = {name: json.dumps(value, sort_keys=True) for name, value in metadata._asdict().items()}
    return {"format": FORMAT, **values}


def from_strings(strings: Mapping[str, str]) -> Metadata:
    """Undo `to_strings`; raises InputError where it is of another format, or something is missing.

    The values themselves are trusted, for whoever wrote them wrote the graph too.
    """
    found = strings.get("format")
    if found != FORMAT:
        said = "has no metadata of a spill detector" if found is None else f"is {found!r}"
        raise InputError(f"it {said}, and this program reads {FORMAT!r}")
    try:
        return Metadata(**{name: json.loads(strings[name]) for name in Metadata._fields})
    except (KeyError, ValueError) as error:
        raise InputError(f"its metadata are incomplete ({error})") from None
