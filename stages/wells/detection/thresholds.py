"""Rules that place a threshold between held-out normals and known spills.

Each takes standardised scores (`[N]`, log scale, larger = stranger) and gives the threshold: an
image is called a spill where its score is at or above it. No rule sees the test set.
"""

from typing import Literal, assert_never

import numpy as np

from stages.common.types import FloatArray

Rule = Literal["equal_error", "margin", "youden", "sigma"]
# The one that needs no known spill.
WITHOUT_SPILLS: Rule = "sigma"
SIGMAS = 3
# Differences of rates smaller than this are rounding.
TOLERANCE = 1e-12


def youden(normals: FloatArray, spills: FloatArray) -> float:
    """Return the score that maximises TPR - FPR (Youden 1950, Cancer 3:32-35).

    That is the score of a known spill; of equal maxima, the one with the widest gap below. Where
    no threshold is better than calling every image normal, it lies just above the highest score.
    """
    return _best_gap(normals, spills)[1]


def margin(normals: FloatArray, spills: FloatArray) -> float:
    """Return the middle of the gap below Youden's threshold.

    Where normals and spills separate, every threshold between the largest normal and the smallest
    spill is optimal; the middle is as far as can be from both.
    """
    below, above = _best_gap(normals, spills)
    # Rounding must not bring the middle down to the score below the gap.
    return max((below + above) / 2, float(np.nextafter(below, np.inf)))


def equal_error(normals: FloatArray, spills: FloatArray) -> float:
    """Return the score at which as many normals as spills would be taken for the other kind.

    Both are taken for normally distributed (the binormal model, Green and Swets 1966), so that the
    threshold lies as many of their standard deviations above the normals' mean as of theirs below
    the spills'. It rests on all scores, where `margin` rests on the two that lie closest together.
    Where one kind doesn't vary, as a single known spill, it lies half-way between the means; where
    spills aren't stranger on average, just above the highest score.
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
        case "youden":
            return youden(normals, spills)
        case "margin":
            return margin(normals, spills)
        case "sigma":
            return sigma(normals)
        case _:
            assert_never(rule)


def _best_gap(normals: FloatArray, spills: FloatArray) -> tuple[float, float]:
    """Return the gap of scores, (largest below, smallest at or above), that separates best."""
    # Imported here, for using what is fitted should not wait a second for scikit-learn.
    from sklearn.metrics import roc_curve

    labels = np.r_[np.zeros(len(normals)), np.ones(len(spills))]
    scores = np.r_[normals, spills]
    fpr, tpr, thresholds = roc_curve(labels, scores, drop_intermediate=False)
    best = (tpr - fpr).max()
    if not best > TOLERANCE:
        # Nothing separates better than calling every image normal.
        highest = float(scores.max())
        return highest, float(np.nextafter(highest, np.inf))
    candidates = thresholds[tpr - fpr > best - TOLERANCE]
    gaps = [(float(scores[scores < above].max()), float(above)) for above in candidates]
    return max(gaps, key=lambda gap: gap[1] - gap[0])
