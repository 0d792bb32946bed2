"""Parameters of styles and avatars."""

from typing import Annotated

from pydantic import AfterValidator, Field

from stages.bayes.generators.registry import GENERATORS
from stages.common.params import Count, NotNegative, Positive, Section, Seed, Source


def _check_generator(name: str) -> str:
    if name not in GENERATORS:
        raise ValueError(f"there is no such generator; there are {', '.join(GENERATORS)}")
    return name


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
        list[Annotated[str, AfterValidator(_check_generator)]], Field(min_length=1)
    ]


class FitParams(Section):
    """What generators of avatars are fitted with."""

    styles: StyleParams
    avatars: AvatarParams


class DrawParams(FitParams):
    """What they are fitted with, and what draws their avatars."""

    seed: Seed


class DrawStyleParams(Section):
    """What random styles are drawn with."""

    seed: Seed
    styles: StyleParams
