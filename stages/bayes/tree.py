"""Groups of pixels as a tree, each drawn given another one (Chow & Liu 1968, IEEE IT 14:462-467).

The tree maximises what each group tells of its neighbour. Measured by mutual information on the
training avatars themselves it learns them by heart, for few avatars and many groups agree by
chance; so each avatar's states are predicted from all the others.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.sparse.csgraph import breadth_first_order, minimum_spanning_tree

from stages.bayes.avatars import Avatars
from stages.bayes.generator import Drawn, escape_of
from stages.bayes.groups import Donors, Groups, collapse, log_emission, paint

ROOT = -1


@dataclass(frozen=True)
class Tree:
    """A tree over groups.

    order: groups, each after its parent; parents: the parent of each group, ROOT of the first.
    states: the donors that name each group's states; tables: P(state | state of the parent).
    """

    groups: Groups
    order: NDArray[np.intp]
    parents: NDArray[np.intp]
    states: list[Donors]
    tables: list[NDArray[np.float64]]

    @classmethod
    def fit(cls, avatars: Avatars, smoothing: float) -> Self:
        """Fit to avatars `[K, H, W, 4]`.

        With the probability α / (K + α) a group does not heed its parent and shows what any
        training avatar shows.
        """
        groups = collapse(avatars)
        order, parents = spanning_tree(predictive_gains(groups.donors, smoothing))
        escape = escape_of(smoothing, len(avatars))
        found = [np.unique(row, return_inverse=True) for row in groups.donors]
        tables = []
        for (states, places), parent in zip(found, parents, strict=True):
            above = found[parent][1] if parent != ROOT else np.zeros_like(places)
            counts = np.zeros((above.max() + 1, len(states)))
            np.add.at(counts, (above, places), 1)
            given = counts / counts.sum(axis=1, keepdims=True)
            tables.append((1 - escape) * given + escape * counts.sum(axis=0) / len(avatars))
        return cls(groups, order, parents, [states for states, _ in found], tables)

    def sample(self, rng: np.random.Generator) -> Drawn:
        """Draw an avatar, with ln P(avatar)."""
        drawn = np.zeros(len(self.order), dtype=np.intp)
        log_probability = 0.0
        for group, chance in zip(self.order, rng.random(len(self.order)), strict=True):
            parent = self.parents[group]
            given = self.tables[group][drawn[parent] if parent != ROOT else 0]
            sums = given.cumsum()
            drawn[group] = np.searchsorted(sums, chance * sums[-1], side="right")
            log_probability += float(np.log(given[drawn[group]]))
        donors = np.array([states[i] for states, i in zip(self.states, drawn, strict=True)])
        return Drawn(paint(self.groups, donors), log_probability)

    def log_probability(self, avatars: Avatars, escape: float = 0) -> NDArray[np.float64]:
        """Give ln P of avatars `[N, H, W, 4]`, each pixel escaping with that probability.

        Exact, by summing over all states from the leaves to the root.
        """
        log_tables = [np.log(table) for table in self.tables]
        found = []
        for avatar in avatars:
            emission = log_emission(self.groups, avatar, escape)
            below = [row[states] for row, states in zip(emission, self.states, strict=True)]
            for group in self.order[::-1]:
                message = np.logaddexp.reduce(log_tables[group] + below[group], axis=1)
                if self.parents[group] == ROOT:
                    found.append(message[0])
                else:
                    below[self.parents[group]] += message
        return np.array(found)


def predictive_gains(donors: Donors, smoothing: float) -> NDArray[np.float64]:
    """Give for each two groups how much better one predicts the other than nothing does, `[G, G]`.

    donors: states of groups in avatars, `[G, K]`. The gain is the sum over avatars of
    ln P(state | other's state) / P(state), in nats, the mean of both directions. Probabilities are
    from all other avatars, with smoothing towards those without the other group.
    """
    groups, avatars = donors.shape
    gains = np.zeros((groups, groups))
    for column in donors.T:
        agree = (donors == column[:, None]).astype(np.float64)
        # How many others share an avatar's state, of one group and of two.
        alone = agree.sum(axis=1) - 1
        both = agree @ agree.T - 1
        shares = np.maximum(alone, 1) / (avatars - 1)
        ratio = (both / shares[:, None] + smoothing) / (alone + smoothing)
        gains += (np.log(ratio) + np.log(ratio.T)) / 2
    return gains


def spanning_tree(gains: NDArray[np.float64]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Give the tree with the largest sum of gains: groups after their parents, and the parents.

    The parent of the first is ROOT. Gains may be negative: a constant makes costs of them.
    """
    costs = gains.max() - gains + 1
    np.fill_diagonal(costs, 0)
    order, parents = breadth_first_order(minimum_spanning_tree(costs), 0, directed=False)
    return order.astype(np.intp), np.where(parents < 0, ROOT, parents).astype(np.intp)
