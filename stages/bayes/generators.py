"""The generators of avatars by name."""

import numpy as np

from stages.bayes.avatars import AvatarSet
from stages.bayes.generator import Generator
from stages.bayes.places import Mle, Poly
from stages.bayes.styled import Styled
from stages.bayes.styles import StyleModel
from stages.bayes.tree import Tree

GENERATORS = {
    "mle": "each channel of each pixel by itself, evenly among the values seen there",
    "poly": "each channel of each pixel by itself, by how often values were seen there",
    "pixel": "each pixel by itself, by how often colours were seen there",
    "tree": "pixels that always change together as one, each given another one",
    "style": "pixels that always change together as one, each given a style",
}
# Of those, the ones that draw channels rather than pixels.
BY_CHANNEL = {"mle", "poly"}


def fit(name: str, training: AvatarSet, model: StyleModel, smoothing: float) -> Generator:
    """Fit a generator to avatars; `style` needs their styles and the distribution of styles.

    Raises InputError for `style` where the avatars have no styles, or others than the model.
    """
    match name:
        case "mle":
            return Mle.fit(training.avatars, np.uint8)
        case "poly":
            return Poly.fit(training.avatars, np.uint8)
        case "pixel":
            return Poly.fit(training.avatars, np.uint32)
        case "tree":
            return Tree.fit(training.avatars, smoothing)
        case "style":
            return Styled.fit(training, model, smoothing)
    raise ValueError(f"there is no generator {name}")
