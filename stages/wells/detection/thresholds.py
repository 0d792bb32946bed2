"""Rules that place a threshold between held-out normals and known spills.

Each takes standardised scores (`[N]`, log scale, larger = stranger) and gives the threshold: an
image is called a spill where its score is at or above it. No rule sees the test set.
"""

from typing import Literal, assert_never

import numpy as np

from stages.common.types import FloatArray

Rule = Literal["equal_error", "sigma"]
# The one that needs no known spill.
WITHOUT_SPILLS: Rule = "sigma"
SIGMAS = 3
# Differences smaller than this are rounding.
TOLERANCE = 1e-12


def equal_error(normals: FloatArray, spills: FloatArray) -> float:
    """Return the score at which as many normals as spills would be taken for the other kind.

    Both are taken for normally distributed (the binormal model, Green and Swets 1966), so that the
    threshold lies as many of their standard deviations above the normals' mean as of theirs below
    the spills'. It rests on all scores, not on the few that lie closest together, and so moves
    little with what happens to be held out. Where one kind doesn't vary, as a single known spill,
    it lies half-way between the means; where spills aren't stranger on average, just above the
    highest score.
    """
    if not spills.mean() - normals.mean() > TOLERANCE:
        return float(np.nextafter(max(normals.max(), spills.max()), np.inf))
    deviations = np.array([normals.std(), spills.std()])
    share = deviations[0] / deviations.sum() if deviations.all() else 0.5
    return float(normals.mean() + share * (spills.mean() - normals.mean()))


def sigma(normals: FloatArray) -> float:
    """Return the normals' mean plus SIGMAS standard deviations; no spill is needed."""
    return float(normals.mean() + SIGMAS * normals.std())


def place(rule: Rule, normals: FloatArray, spills: FloatArray) -> float:
    """Return the threshold of the rule of that name."""
    match rule:
        case "equal_error":
            return equal_error(normals, spills)
        case "sigma":
            return sigma(normals)
        case _:
            assert_never(rule)
