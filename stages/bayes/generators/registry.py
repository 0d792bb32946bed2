"""The generators of avatars by name."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from stages.bayes.avatars import AvatarSet, Symbol
from stages.bayes.generators.base import Generator
from stages.bayes.generators.positions import Mle, Poly
from stages.bayes.generators.styled import Styled
from stages.bayes.generators.tree import Tree
from stages.bayes.styles import StyleModel


class Kind(NamedTuple):
    """What a generator does, the symbols that it draws, and how it is fitted.

    fit: of avatars to learn from, the distribution of styles and the smoothing. Raises InputError
    for `style` where the avatars have no styles, or others than the model.
    """

    description: str
    symbol: Symbol
    fit: Callable[[AvatarSet, StyleModel, float], Generator]


GENERATORS = {
    "mle": Kind(
        "each channel of each pixel by itself, evenly among the values seen there",
        np.uint8,
        lambda training, model, smoothing: Mle(training.avatars, np.uint8),
    ),
    "poly": Kind(
        "each channel of each pixel by itself, by how often values were seen there",
        np.uint8,
        lambda training, model, smoothing: Poly(training.avatars, np.uint8),
    ),
    "pixel": Kind(
        "each pixel by itself, by how often colours were seen there",
        np.uint32,
        lambda training, model, smoothing: Poly(training.avatars, np.uint32),
    ),
    "tree": Kind(
        "pixels that always change together as one, each given another one",
        np.uint32,
        lambda training, model, smoothing: Tree.fit(training.avatars, smoothing),
    ),
    "style": Kind(
        "shapes in the colours of a style, each given the style and another shape",
        np.uint32,
        Styled.fit,
    ),
}
# Draw every pixel by itself, so that their avatars are noise.
INDEPENDENT = ("mle", "poly", "pixel")


def title(name: str) -> str:
    """Return a generator's name with what it does."""
    return f"{name}: {GENERATORS[name].description}"
