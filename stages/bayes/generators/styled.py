"""Avatars of a style: each group of pixels as in a training avatar of a like style.

For each group, attributes are put in the order in which they tell what the group shows, found by
predicting each training avatar from all the others. Its exemplar is drawn among those that agree
with the style in all of these attributes; where they are few, by interpolation, among those that
agree in all but the last, and so on (as back-off does for words: Witten & Bell 1991, IEEE IT
37:1085-1094).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from stages.bayes.avatars import Avatar, Avatars, AvatarSet
from stages.bayes.generators.base import Drawn, draw_index
from stages.bayes.generators.groups import Exemplars, Groups, collapse, log_emission, paint
from stages.bayes.styles import Style, StyleModel, draw_styles, encode_style, joint
from stages.common import paths
from stages.common.errors import InputError
from stages.common.types import FloatArray

# In nats; what is less is rounding.
LEAST_GAIN = 1e-6

# Styles as numbers, `[N, A]`: the index of each attribute's value, an attribute a column.
Codes = NDArray[np.int64]
# Attributes by their columns.
Attributes = tuple[int, ...]


@dataclass(frozen=True)
class Styled:
    """A distribution over avatars for each style, and one over styles.

    codes: styles of the training avatars, `[K, A]`. attributes: for each group those that tell
    what it shows, the most telling first.
    """

    groups: Groups
    model: StyleModel
    codes: Codes
    attributes: list[Attributes]
    smoothing: float

    @classmethod
    def fit(cls, training: AvatarSet, model: StyleModel, smoothing: float) -> Self:
        """Return the distribution of avatars whose styles are known.

        Raises InputError where they aren't, or aren't of the model's attributes and values.
        """
        groups, codes = collapse(training.avatars), style_codes(training, model)
        attributes = rank_attributes(groups.exemplars, codes, smoothing)
        return cls(groups, model, codes, attributes, smoothing)

    def sample(self, rng: np.random.Generator, given: Mapping[str, str] | None = None) -> Drawn:
        """Return an avatar of a random style, which has the given values of attributes if any.

        Raises InputError as `stages.bayes.styles.posterior` does.
        """
        style = next(draw_styles(self.model, rng, given))
        weights = self.weights(np.array([encode_style(self.model, style.style)]))
        chances = rng.random(len(self.attributes))
        drawn = zip(self.attributes, chances, strict=True)
        exemplars = [draw_index(weights[attributes][0], chance) for attributes, chance in drawn]
        avatar = paint(self.groups, np.array(exemplars))
        conditional = self.log_probability_given(avatar, style.style)
        return Drawn(avatar, style.log_probability + conditional, style.style)

    def log_probability_given(self, avatar: Avatar, style: Style, mass: float = 0) -> float:
        """Return ln P(avatar | style), with that mass of the smoothing a pixel."""
        weights = self.weights(np.array([encode_style(self.model, style)]))
        emission = log_emission(self.groups, avatar, mass)
        return float(log_likelihoods(emission, self.attributes, weights)[0])

    def log_probability(self, avatars: Avatars, mass: float = 0) -> FloatArray:
        """Return ln P of avatars `[N, H, W, 4]`, `[N]`, the sum over all styles.

        mass: of the smoothing, for each pixel.
        """
        weights, prior = self.weights(all_codes(self.model)), joint(self.model).ravel()
        found = []
        for avatar in avatars:
            emission = log_emission(self.groups, avatar, mass)
            found.append(logsumexp(log_likelihoods(emission, self.attributes, weights), b=prior))
        return np.array(found)

    def weights(self, styles: Codes) -> dict[Attributes, FloatArray]:
        """Return each training avatar's probability to be the exemplar, `[S, K]`, by attributes."""
        return {
            attributes: exemplar_weights(self.codes, styles, attributes, self.smoothing)
            for attributes in set(self.attributes)
        }


def log_likelihoods(
    emission: FloatArray, attributes: Sequence[Attributes], weights: Mapping[Attributes, FloatArray]
) -> FloatArray:
    """Return ln P(avatar | style) for each style, `[S]`, groups being independent given the style.

    emission: ln P(what the avatar shows in a group | as in a training avatar), `[G, K]`.
    attributes: those of each group; weights: of exemplars `[S, K]`, by attributes.
    """
    total = np.zeros(len(next(iter(weights.values()))))
    for telling, table in weights.items():
        rows = emission[[one == telling for one in attributes]]
        largest = rows.max(axis=1, keepdims=True)
        largest[~np.isfinite(largest)] = 0
        with np.errstate(divide="ignore"):
            total += (np.log(table @ np.exp(rows - largest).T) + largest.T).sum(axis=1)
    return total


def exemplar_weights(
    codes: Codes,
    styles: Codes,
    attributes: Attributes,
    smoothing: float,
    candidates: NDArray[np.bool_] | None = None,
) -> FloatArray:
    """Return each training avatar's probability to be the exemplar for each style, `[S, K]`.

    Even among the candidates `[S, K]`, which are all unless told, then more and more choosy.
    """
    agree = np.ones((len(styles), len(codes)), dtype=bool) if candidates is None else candidates
    weights: FloatArray = agree / agree.sum(axis=1, keepdims=True)
    for attribute in attributes:
        agree = agree & (styles[:, None, attribute] == codes[None, :, attribute])
        weights = (agree + smoothing * weights) / (agree.sum(axis=1, keepdims=True) + smoothing)
    return weights


def rank_attributes(exemplars: Exemplars, codes: Codes, smoothing: float) -> list[Attributes]:
    """Return for each group the attributes that tell what it shows, the most telling first.

    exemplars: states of groups in avatars, `[G, K]`; codes: styles of the avatars, `[K, A]`.
    Forward selection: to those chosen that attribute is added which raises most the probability of
    avatars' states given all other avatars, until none raises it.
    """
    scores = cache(partial(predictive_scores, exemplars, codes, smoothing))
    ranked = []
    for group in range(len(exemplars)):
        chosen: Attributes | None = None
        best: Attributes = ()
        while chosen != best:
            chosen = best
            for attribute in [one for one in range(codes.shape[1]) if one not in chosen]:
                longer = (*chosen, attribute)
                if scores(longer)[group] > scores(best)[group] + LEAST_GAIN:
                    best = longer
        ranked.append(best)
    return ranked


def predictive_scores(
    exemplars: Exemplars, codes: Codes, smoothing: float, attributes: Attributes
) -> FloatArray:
    """Return how well attributes predict each group: ln P of its states, in nats, `[G]`.

    The sum over avatars, each predicted from all the others.
    """
    others = ~np.eye(len(codes), dtype=bool)
    weights = exemplar_weights(codes, codes, attributes, smoothing, others)
    pairs = zip(exemplars.T, weights, strict=True)
    found = np.array([(exemplars == states[:, None]) @ row for states, row in pairs])
    # A state that no other avatar is in can't be predicted by anything.
    total: FloatArray = np.log(np.where(found > 0, found, 1)).sum(axis=0)
    return total


def style_codes(avatars: AvatarSet, model: StyleModel) -> Codes:
    """Return the styles of avatars as numbers `[N, A]`.

    Raises InputError where they have none, or not of the model's attributes and values.
    """
    if not avatars.styles:
        raise InputError(
            "the avatars have no styles, so nothing can be learnt about them: put a styles.csv "
            "beside the PNG files, or take `style` out of avatars.generators"
        )
    if avatars.attributes != tuple(model.values):
        raise InputError(
            f"the avatars' attributes are {', '.join(avatars.attributes)}, "
            f"those of {paths.STYLE_COUNTS} {', '.join(model.values)}"
        )
    return np.array([encode_style(model, style) for style in avatars.styles])


def all_codes(model: StyleModel) -> Codes:
    """Return every style as numbers `[S, A]`, in the order of the flattened `joint`."""
    return np.array(list(np.ndindex(*map(len, model.values.values()))))
