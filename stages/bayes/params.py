"""Parameters of styles and avatars."""

from typing import Annotated, Literal

from pydantic import Field

from stages.common.params import Count, NotNegative, Positive, Section, Source


class StyleParams(Section):
    smoothing: NotNegative
    count: Count


class AvatarParams(Section):
    source: Source
    varied: bool
    train: Annotated[int, Field(ge=2)]
    holdout: Count
    smoothing: Positive
    generators: Annotated[
        list[Literal["mle", "poly", "pixel", "tree", "style"]], Field(min_length=1)
    ]
