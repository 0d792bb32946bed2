"""How a model of styles looks in figures, and whether what is drawn from it agrees with it."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chisquare

from stages.bayes.styles import StyleModel, Table, all_styles, described

# Below that many expected, the statistic isn't distributed as its name says (Cochran 1954,
# Biometrics 10:417-451).
LEAST_EXPECTED = 5


class Agreement(NamedTuple):
    """Pearson's test that a sample comes from a distribution."""

    chi2: float
    degrees: int
    p_value: float


def entropy(table: Table) -> float:
    """Give the entropy of a distribution in bits."""
    found = table[table > 0]
    return float(-(found * np.log2(found)).sum())


def extremes(model: StyleModel, table: Table) -> dict[str, Any]:
    """Give the most and the least likely style, each with its probability; of equals, the first."""
    styles, flat = list(all_styles(model)), table.ravel()
    return {
        name: {"style": described(model, styles[index]), "probability": float(flat[index])}
        for name, index in (
            ("most_likely", int(flat.argmax())),
            ("least_likely", int(flat.argmin())),
        )
    }


def agreement(observed: NDArray[np.int64], table: Table) -> Agreement:
    """Test counts of styles, in the shape of the table, against it.

    Styles of which fewer than LEAST_EXPECTED are expected are counted as one. A style of
    probability 0 that was observed all the same gives a p-value of 0.
    """
    counts, expected = observed.ravel(), table.ravel() * observed.sum()
    if counts[expected == 0].any():
        return Agreement(float("inf"), 0, 0.0)
    rare = expected < LEAST_EXPECTED
    pooled = [counts[rare].sum()], [expected[rare].sum()]
    counts, expected = (
        np.concatenate([part[~rare], rest])
        for part, rest in zip((counts, expected), pooled, strict=True)
    )
    kept = expected > 0
    found = chisquare(counts[kept], expected[kept])
    return Agreement(float(found.statistic), int(kept.sum()) - 1, float(found.pvalue))
