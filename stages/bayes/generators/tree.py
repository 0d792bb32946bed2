"""Groups of pixels as a tree, each drawn given another one (Chow & Liu 1968, IEEE IT 14:462-467).

The tree maximises what each group tells of its neighbour. Measured by mutual information on the
training avatars themselves it learns them by heart, for few avatars and many groups agree by
chance; so each avatar's states are predicted from all the others.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from scipy.sparse.csgraph import breadth_first_order, minimum_spanning_tree

from stages.bayes.avatars import Avatars
from stages.bayes.generators.base import Drawn, draw_index, smoothing_mass
from stages.bayes.generators.groups import Exemplars, Groups, collapse, log_emission, paint
from stages.common.types import FloatArray, Indices

ROOT = -1


@dataclass(frozen=True)
class Tree:
    """A tree over groups.

    order: groups, each after its parent; parents: the parent of each group, ROOT of the first.
    states: the exemplars that name each group's states; tables: P(state | state of the parent).
    """

    groups: Groups
    order: Indices
    parents: Indices
    states: list[Exemplars]
    tables: list[FloatArray]

    @classmethod
    def fit(cls, avatars: Avatars, smoothing: float) -> Self:
        """Return the tree of avatars `[K, H, W, 4]`.

        With the probability α / (K + α) a group does not heed its parent and shows what any
        training avatar shows.
        """
        groups = collapse(avatars)
        order, parents = spanning_tree(predictive_gains(groups.exemplars, smoothing))
        mass = smoothing_mass(smoothing, len(avatars))
        # Of each group: its states, and which of them each avatar is in.
        found = [np.unique(row, return_inverse=True) for row in groups.exemplars]
        tables = []
        for (states, indices), parent in zip(found, parents, strict=True):
            above = found[parent][1] if parent != ROOT else np.zeros_like(indices)
            counts = np.zeros((above.max() + 1, len(states)))
            np.add.at(counts, (above, indices), 1)
            given = counts / counts.sum(axis=1, keepdims=True)
            tables.append((1 - mass) * given + mass * counts.sum(axis=0) / len(avatars))
        return cls(groups, order, parents, [states for states, _ in found], tables)

    def sample(self, rng: np.random.Generator) -> Drawn:
        """Return a random avatar, with ln P(avatar)."""
        drawn = np.zeros(len(self.order), dtype=np.intp)
        log_probability = 0.0
        for group, chance in zip(self.order, rng.random(len(self.order)), strict=True):
            parent = self.parents[group]
            given = self.tables[group][drawn[parent] if parent != ROOT else 0]
            drawn[group] = draw_index(given, chance)
            log_probability += float(np.log(given[drawn[group]]))
        exemplars = np.array([states[i] for states, i in zip(self.states, drawn, strict=True)])
        return Drawn(paint(self.groups, exemplars), log_probability)

    def log_probability(self, avatars: Avatars, mass: float = 0) -> FloatArray:
        """Return ln P of avatars `[N, H, W, 4]`, `[N]`, with that mass of the smoothing a pixel.

        Exact, by summing over all states from the leaves to the root.
        """
        log_tables = [np.log(table) for table in self.tables]
        found = []
        for avatar in avatars:
            emission = log_emission(self.groups, avatar, mass)
            below = [row[states] for row, states in zip(emission, self.states, strict=True)]
            for group in self.order[::-1]:
                message = np.logaddexp.reduce(log_tables[group] + below[group], axis=1)
                if self.parents[group] == ROOT:
                    found.append(message[0])
                else:
                    below[self.parents[group]] += message
        return np.array(found)


def predictive_gains(exemplars: Exemplars, smoothing: float) -> FloatArray:
    """Return for each two groups how much better one predicts the other than nothing, `[G, G]`.

    exemplars: states of groups in avatars, `[G, K]`. The gain is the sum over avatars of
    ln P(state | other's state) / P(state), in nats, the mean of both directions. Probabilities are
    from all other avatars, with smoothing towards those without the other group.
    """
    groups, avatars = exemplars.shape
    gains = np.zeros((groups, groups))
    for column in exemplars.T:
        agree = (exemplars == column[:, None]).astype(np.float64)
        # How many others share an avatar's state, of one group and of two.
        alone = agree.sum(axis=1) - 1
        both = agree @ agree.T - 1
        shares = np.maximum(alone, 1) / (avatars - 1)
        ratio = (both / shares[:, None] + smoothing) / (alone + smoothing)
        gains += (np.log(ratio) + np.log(ratio.T)) / 2
    return gains


def spanning_tree(gains: FloatArray) -> tuple[Indices, Indices]:
    """Return the tree with the largest sum of gains: groups after their parents, and the parents.

    Of G groups `[G]` both. The parent of the first is ROOT. Gains `[G, G]` may be negative: a
    constant makes costs of them.
    """
    costs = gains.max() - gains + 1
    np.fill_diagonal(costs, 0)
    order, parents = breadth_first_order(minimum_spanning_tree(costs), 0, directed=False)
    return order.astype(np.intp), np.where(parents < 0, ROOT, parents).astype(np.intp)
