"""Parameters of the wells' data."""

from typing import Annotated

from pydantic import Field

from stages.common.params import Section, Source

PatchedPixels = Annotated[int, Field(ge=16, le=256, multiple_of=8)]


class DatasetParams(Section):
    source: Source
    known: Annotated[int, Field(ge=0)]
    additions: list[Source]


class ImageParams(Section):
    height: PatchedPixels
    width: PatchedPixels


class SplitParams(Section):
    folds: Annotated[int, Field(ge=2, le=10)]
