"""What a model of styles is like, in numbers, and whether what is drawn from it agrees with it."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chisquare, entropy

from stages.bayes.styles import StyleModel, Table, all_styles, describe
from stages.common.types import Better

# Below that many expected, the statistic isn't distributed as its name says (Cochran 1954,
# Biometrics 10:417-451).
LEAST_EXPECTED = 5
BETTER: Better = {"entropy_bits": "neither", "chi2_p_value": "neither"}


def measure_styles(
    model: StyleModel, table: Table, sample: NDArray[np.int64], smoothing: float
) -> dict[str, Any]:
    """Return the model's entropy, its extremes, and how a sample of styles agrees with it.

    table: the model's `joint`. sample: how often each style was drawn, in the table's shape.
    """
    bits = float(entropy(table.ravel(), base=2))
    return {
        "styles": {
            "smoothing": smoothing,
            "number": table.size,
            "entropy_bits": bits,
            "perplexity": 2**bits,
            **extremes(model, table),
            "large_sample": {"size": int(sample.sum()), **agreement(sample, table)},
        }
    }


def choose_metrics(report: dict[str, Any]) -> dict[str, Any]:
    """Return what a person judges the model by, of the report of `measure_styles`."""
    styles = report["styles"]
    return {
        "styles": {
            "entropy_bits": round(styles["entropy_bits"], 3),
            "chi2_p_value": round(styles["large_sample"]["p_value"], 4),
        }
    }


def extremes(model: StyleModel, table: Table) -> dict[str, Any]:
    """Return the most and the least likely style with their probabilities; of equals, the first."""
    styles, flat = list(all_styles(model)), table.ravel()
    indices = {"most_likely": int(flat.argmax()), "least_likely": int(flat.argmin())}
    return {
        name: {"style": describe(model, styles[index]), "probability": float(flat[index])}
        for name, index in indices.items()
    }


def agreement(observed: NDArray[np.int64], table: Table) -> dict[str, float]:
    """Return how counts of styles, in the shape of the table, agree with it, by Pearson's test.

    Styles of which fewer than LEAST_EXPECTED are expected are counted as one. A style of
    probability 0 that was observed all the same gives a p-value of 0.
    """
    counts, expected = observed.ravel(), table.ravel() * observed.sum()
    if counts[expected == 0].any():
        return {"chi2": float("inf"), "degrees": 0, "p_value": 0.0}
    rare = expected < LEAST_EXPECTED
    counts = np.append(counts[~rare], counts[rare].sum())
    expected = np.append(expected[~rare], expected[rare].sum())
    kept = expected > 0
    chi2, p_value = chisquare(counts[kept], expected[kept])
    return {"chi2": float(chi2), "degrees": int(kept.sum()) - 1, "p_value": float(p_value)}
