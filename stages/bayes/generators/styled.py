"""Avatars of a style: each shape as in an example, in the style's colours, joined to another shape.

Colours are taken out first (see `recolouring`); pixels that then change together are a group, drawn
as in one training avatar, its example. How probable each is as the example depends on the style, by
the group's own tree of tests (see `contexts`), and on one other group, its parent: those that look
there like what has been drawn count more (tree-augmented naive Bayes: Friedman, Geiger & Goldszmidt
1997, Machine Learning 29:131-163). So ln P(avatar | style) is a sum over groups, and one model
draws avatars and infers styles.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from scipy.special import logsumexp

from stages.bayes.avatars import Avatar, Avatars, AvatarSet
from stages.bayes.generators.base import Drawn, draw_index, smoothing_mass
from stages.bayes.generators.contexts import (
    LEAF,
    Codes,
    Context,
    answer,
    find_nodes,
    grow,
    how_told,
    list_tests,
)
from stages.bayes.generators.shapes import Shapes, find_shapes, log_emission, paint
from stages.bayes.generators.tree import ROOT, spanning_tree
from stages.bayes.styles import Style, StyleModel, draw_styles, encode_style, joint
from stages.common import paths
from stages.common.errors import InputError
from stages.common.types import FloatArray, Indices

# How often a group shows something new where a value that nobody wears may change it, at least.
UNSEEN = 0.25
# The share of the smoothing that examples of other contexts get; more of it tears shapes.
BACK_OFF = 0.3
# Of gains, in nats; further digits differ from machine to machine.
DIGITS = 6


@dataclass(frozen=True)
class Styled:
    """A distribution over avatars for each style, and one over styles.

    colours: the attributes that are colours; forms: the others. codes: styles of the training
    avatars, `[K, A]`. trees: one a group; nodes: where in it each combination of forms ends,
    `[G, F]`. new: how often each group, if smoothed, shows something new, `[G]`. order: groups,
    each after its parent; parents: of each group, or ROOT, `[G]`. slip: the share of examples that
    don't heed the parent.
    """

    shapes: Shapes
    model: StyleModel
    codes: Codes
    colours: tuple[int, ...]
    forms: tuple[int, ...]
    trees: list[Context]
    nodes: Indices
    new: FloatArray
    order: Indices
    parents: Indices
    slip: float

    @classmethod
    def fit(cls, training: AvatarSet, model: StyleModel, smoothing: float) -> Self:
        """Return the distribution of avatars whose styles are known.

        Raises InputError where they aren't, or aren't of the model's attributes and values.
        """
        codes, sizes = style_codes(training, model), value_counts(model)
        shapes, roles = find_shapes(training.avatars, codes, sizes, smoothing)
        forms = tuple(one for one in range(len(sizes)) if one not in roles.colours)
        tests = list_tests(codes, forms, pairs=True)
        answers = answer(codes, tests)
        trees = [grow(states, answers, BACK_OFF * smoothing) for states in shapes.states]
        nodes = find_nodes(trees, tests, codes, forms, sizes, how_told(shapes.states, trees))
        slip = smoothing_mass(smoothing, len(codes))
        order, parents = spanning_tree(predictive_gains(shapes.states, trees, slip))
        new = new_rates(shapes.states)
        return cls(
            shapes, model, codes, roles.colours, forms, trees, nodes, new, order, parents, slip
        )

    def sample(self, rng: np.random.Generator, given: Mapping[str, str] | None = None) -> Drawn:
        """Return an avatar of a random style, which has the given values of attributes if any.

        Raises InputError as `stages.bayes.styles.posterior` does.
        """
        style = next(draw_styles(self.model, rng, given))
        code = encode_style(self.model, style.style)
        sizes = value_counts(self.model)
        form, combination = (
            int(np.ravel_multi_index([code[i] for i in part], [sizes[i] for i in part]))
            if part
            else 0
            for part in (self.forms, self.colours)
        )
        looks = self.shapes.looks[:, combination][self.shapes.roles]
        drawn = np.empty(looks.shape[1], dtype=np.uint32)
        alike: dict[int, FloatArray] = {}
        log_probability = style.log_probability
        within = self.shapes.groups
        for group, chance in zip(self.order.tolist(), rng.random(len(within)), strict=True):
            weights = self.trees[group].weights[self.nodes[group, form]]
            if self.parents[group] != ROOT:
                weights = weights * (self.slip + (1 - self.slip) * alike[self.parents[group]])
            shown = looks[:, within[group]]
            drawn[within[group]] = shown[draw_index(weights, chance)]
            alike[group] = (shown == drawn[within[group]]).all(axis=1)
            log_probability += float(np.log(weights @ alike[group] / weights.sum()))
        return Drawn(paint(self.shapes, drawn), log_probability, style.style)

    def log_likelihoods(self, avatar: Avatar, mass: float = 0) -> FloatArray:
        """Return ln P(avatar | style) of every style, `[S]`, in the order of the flattened `joint`.

        mass: of the smoothing, for each pixel; above 0 a group may also show something new.
        """
        emission, new = log_emission(self.shapes, avatar, mass)
        states = self.shapes.cells.of_state
        # The first avatar is in a group's first state.
        largest = np.maximum.reduceat(emission, states[:, 0], axis=0)
        largest[~np.isfinite(largest)] = 0
        counts = np.diff(states[:, 0], append=len(emission))
        alike = np.exp(emission - np.repeat(largest, counts, axis=0))
        total = np.zeros((self.nodes.shape[1], emission.shape[1]))
        for group, (tree, parent) in enumerate(zip(self.trees, self.parents, strict=True)):
            given = tree.weights @ alike[states[group]]
            if parent != ROOT:
                heed = self.slip + (1 - self.slip) * alike[states[parent]]
                given = tree.weights @ (heed * alike[states[group]]) / (tree.weights @ heed)
            with np.errstate(divide="ignore"):
                logs = np.log(given) + largest[group]
            if mass:
                rates = np.maximum(np.where(tree.tests == LEAF, 0, UNSEEN), self.new[group])
                novelty = new[group] + np.log(rates)
                logs = np.logaddexp(logs + np.log1p(-rates)[:, None], novelty[:, None])
            total += logs[self.nodes[group]]
        sizes = value_counts(self.model)
        axes = (*self.forms, *self.colours)
        table = total.reshape([sizes[axis] for axis in axes])
        return np.asarray(table.transpose(np.argsort(axes)).ravel())

    def log_probability_given(self, avatar: Avatar, style: Style, mass: float = 0) -> float:
        """Return ln P(avatar | style), with that mass of the smoothing a pixel."""
        code = encode_style(self.model, style)
        index = np.ravel_multi_index(code, value_counts(self.model))
        return float(self.log_likelihoods(avatar, mass)[index])

    def log_probability(self, avatars: Avatars, mass: float = 0) -> FloatArray:
        """Return ln P of avatars `[N, H, W, 4]`, `[N]`, the sum over all styles.

        mass: of the smoothing, for each pixel.
        """
        prior = joint(self.model).ravel()
        return np.array(
            [logsumexp(self.log_likelihoods(avatar, mass), b=prior) for avatar in avatars]
        )

    def as_if_independent(self) -> Self:
        """Return the distribution whose groups depend on the style alone."""
        return replace(self, parents=np.full_like(self.parents, ROOT))

    def without(self, avatar: int) -> Self:
        """Return the distribution whose examples are all training avatars but one."""
        trees = []
        for tree in self.trees:
            weights = tree.weights.copy()
            weights[:, avatar] = 0
            trees.append(tree._replace(weights=weights / weights.sum(axis=1, keepdims=True)))
        return replace(self, trees=trees)


def new_rates(states: Indices) -> FloatArray:
    """Return how often each group shows what no avatar before showed, `[G]`.

    states: of groups in avatars, `[G, K]`. Estimated by the share that only one avatar shows (Good
    1953, Biometrika 40:237-264), one added to it.
    """
    single = np.array([(np.bincount(row) == 1).sum() for row in states])
    return np.asarray((single + 1) / (states.shape[1] + 2))


def predictive_gains(states: Indices, trees: Sequence[Context], slip: float) -> FloatArray:
    """Return how much better groups are predicted with another one as the parent, `[G, G]`.

    states: of groups in avatars, `[G, K]`. The gain is the sum over avatars, each predicted from
    all others, of ln P(state | style, other's state) / P(state | style), in nats, the mean of both
    directions.
    """
    gains = np.zeros((len(states), len(states)))
    for avatar, column in enumerate(states.T):
        alike = (states == column[:, None]).astype(np.float64)
        weights = np.stack([tree.from_others[avatar] for tree in trees])
        right = weights * alike
        share = right.sum(axis=1, keepdims=True)
        # A state that no other avatar is in can't be predicted by anything.
        seen = share > 0
        given = slip * share + (1 - slip) * (right @ alike.T)
        given /= slip + (1 - slip) * (weights @ alike.T)
        ratio = np.where(seen, given, 1) / np.where(seen, share, 1)
        gains += (np.log(ratio) + np.log(ratio.T)) / 2
    return np.asarray(gains.round(DIGITS))


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


def value_counts(model: StyleModel) -> list[int]:
    """Return how many values each attribute has."""
    return [len(values) for values in model.values.values()]
