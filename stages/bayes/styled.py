"""Avatars of a style: each group of pixels as in a training avatar of a like style.

For each group, attributes are put in the order in which they tell what the group shows, found by
predicting each training avatar from all the others. Its donor is drawn among those that agree with
the style in all of these attributes; where they are few, by interpolation, among those that agree
in all but the last, and so on (as back-off does for words: Witten & Bell 1991, IEEE IT
37:1085-1094).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from stages.bayes.avatars import Avatar, Avatars, AvatarSet
from stages.bayes.generator import Drawn
from stages.bayes.groups import Donors, Groups, collapse, log_emission, paint
from stages.bayes.styles import Style, StyleModel, all_styles, draw_styles, joint, places_of
from stages.common.errors import InputError

# In nats; what is less is rounding.
LEAST_GAIN = 1e-6

# Values of attributes as numbers, an attribute a column.
Codes = NDArray[np.int64]
Attributes = tuple[int, ...]
Weights = NDArray[np.float64]


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
        """Fit to avatars whose styles are known.

        Raises InputError where they aren't, or aren't of the model's attributes and values.
        """
        groups, codes = collapse(training.avatars), style_codes(training, model)
        attributes = telling_attributes(groups.donors, codes, smoothing)
        return cls(groups, model, codes, attributes, smoothing)

    def sample(self, rng: np.random.Generator, given: Mapping[str, str] | None = None) -> Drawn:
        """Draw a style, given values of attributes if any, and an avatar of it."""
        style = next(draw_styles(self.model, rng, given))
        weights = self.weights(np.array([places_of(self.model, style.style)]))
        chances = rng.random(len(self.attributes))
        donors = np.array(
            [
                np.searchsorted(sums, chance * sums[-1], side="right")
                for sums, chance in zip(
                    (weights[attributes][0].cumsum() for attributes in self.attributes),
                    chances,
                    strict=True,
                )
            ]
        )
        avatar = paint(self.groups, donors)
        conditional = self.log_probability_given(avatar, style.style)
        return Drawn(avatar, style.log_probability + conditional, style.style)

    def log_probability_given(self, avatar: Avatar, style: Style, escape: float = 0) -> float:
        """Give ln P(avatar | style)."""
        weights = self.weights(np.array([places_of(self.model, style)]))
        return float(self._log_likelihoods(avatar, weights, escape)[0])

    def log_probability(self, avatars: Avatars, escape: float = 0) -> NDArray[np.float64]:
        """Give ln P of avatars `[N, H, W, 4]`, the sum over all styles."""
        weights = self.weights(all_codes(self.model))
        prior = joint(self.model).ravel()
        return np.array(
            [
                logsumexp(self._log_likelihoods(avatar, weights, escape), b=prior)
                for avatar in avatars
            ]
        )

    def weights(self, styles: Codes) -> dict[Attributes, Weights]:
        """Give each training avatar's probability to be the donor, `[S, K]`, by attributes."""
        return {
            attributes: donor_weights(self.codes, styles, attributes, self.smoothing)
            for attributes in set(self.attributes)
        }

    def _log_likelihoods(
        self, avatar: Avatar, weights: Mapping[Attributes, Weights], escape: float
    ) -> NDArray[np.float64]:
        emission = log_emission(self.groups, avatar, escape)
        return log_likelihoods(emission, self.attributes, weights)


def log_likelihoods(
    emission: NDArray[np.float64],
    attributes: Sequence[Attributes],
    weights: Mapping[Attributes, Weights],
) -> NDArray[np.float64]:
    """Give ln P(avatar | style) for each style, `[S]`, groups being independent given the style.

    emission: ln P(what the avatar shows in a group | as in a training avatar), `[G, K]`.
    """
    total = np.zeros(len(next(iter(weights.values()))))
    for telling, table in weights.items():
        rows = emission[[one == telling for one in attributes]]
        largest = rows.max(axis=1, keepdims=True)
        largest[~np.isfinite(largest)] = 0
        with np.errstate(divide="ignore"):
            total += (np.log(table @ np.exp(rows - largest).T) + largest.T).sum(axis=1)
    return total


def donor_weights(codes: Codes, styles: Codes, attributes: Attributes, smoothing: float) -> Weights:
    """Give each training avatar's probability to be the donor for each style, `[S, K]`."""
    agree = np.ones((len(styles), len(codes)), dtype=bool)
    return _interpolated(
        agree, [styles[:, None, a] == codes[None, :, a] for a in attributes], smoothing
    )


def telling_attributes(donors: Donors, codes: Codes, smoothing: float) -> list[Attributes]:
    """Give for each group the attributes that tell what it shows, the most telling first.

    One after another that attribute is added which raises most the probability of avatars' states
    given all other avatars, until none raises it.
    """
    number, columns = codes.shape
    others = ~np.eye(number, dtype=bool)
    same = (codes[:, None] == codes[None]) & others[..., None]
    agree = [(donors == column[:, None]) for column in donors.T]

    def score(attributes: Attributes) -> NDArray[np.float64]:
        weights = _interpolated(others, [same[..., a] for a in attributes], smoothing)
        found = [agreeing @ row for agreeing, row in zip(agree, weights, strict=True)]
        # A state that no other avatar is in can't be predicted by anything.
        logs: NDArray[np.float64] = np.log([np.where(one > 0, one, 1) for one in found])
        total: NDArray[np.float64] = logs.sum(axis=0)
        return total

    chosen: list[Attributes] = [()] * len(donors)
    best = score(())
    for _ in range(columns):
        longer = {(*one, a) for one in chosen for a in range(columns) if a not in one}
        scores = {attributes: score(attributes) for attributes in sorted(longer)}
        before = list(chosen)
        for group, attributes in enumerate(before):
            for a in range(columns):
                candidate = (*attributes, a)
                if candidate in scores and scores[candidate][group] > best[group] + LEAST_GAIN:
                    best[group], chosen[group] = scores[candidate][group], candidate
        if chosen == before:
            break
    return chosen


def style_codes(training: AvatarSet, model: StyleModel) -> Codes:
    """Give the styles of avatars as numbers `[K, A]`.

    Raises InputError where they have none, or not of the model's attributes and values.
    """
    if not training.styles:
        raise InputError(
            "the avatars have no styles, so nothing can be learnt about them: put a styles.csv "
            "beside the PNG files, or take `style` out of avatars.generators"
        )
    if training.attributes != tuple(model.values):
        raise InputError(
            f"the avatars' attributes are {', '.join(training.attributes)}, "
            f"those of data/styles.yaml {', '.join(model.values)}"
        )
    return np.array([places_of(model, style) for style in training.styles])


def all_codes(model: StyleModel) -> Codes:
    """Give every style as numbers `[S, A]`, in the order of the flattened `joint`."""
    return np.array([places_of(model, style) for style in all_styles(model)])


def _interpolated(
    agree: NDArray[np.bool_], more: Sequence[NDArray[np.bool_]], smoothing: float
) -> Weights:
    """Give probabilities over the last axis: evenly where `agree`, then more and more choosy."""
    weights: Weights = agree / agree.sum(axis=-1, keepdims=True)
    for one in more:
        agree = agree & one
        weights = (agree + smoothing * weights) / (agree.sum(axis=-1, keepdims=True) + smoothing)
    return weights
