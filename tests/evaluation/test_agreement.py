"""The exported file agrees with the pipeline where label, view and score do."""

import numpy as np
import pytest

from stages.wells.evaluation.agreement import TOLERANCE, declare, measure_agreement
from stages.wells.evaluation.report import Judged
from stages.wells.inference.verdict import Verdict
from tests.evaluation.judged import judged


def said_of(one: Judged) -> Verdict:
    """Return the same in the form of an exported file."""
    return Verdict(
        score=one.scores.copy(),
        margin=one.scores - one.detector.threshold,
        spill=one.called.copy(),
        view=one.obstructed.astype(np.uint8),
        scores=one.scores[:, None],
        blocks=np.zeros((len(one.scores), 4, 6)),
    )


def test_what_says_the_same_agrees_on_every_photo() -> None:
    one = judged()
    measured = measure_agreement(said_of(one), one)
    assert measured == {"agreement": 1, "labels": 1, "views": 1, "difference_below": 0}
    assert declare(measured) == {"agreement": 1}


def test_another_label_view_or_score_of_a_photo_is_no_agreement() -> None:
    one = judged()
    other = said_of(one)
    other.spill[0] = not other.spill[0]
    other.view[1] = 1 - other.view[1]
    other.score[2] += 2 * TOLERANCE
    other.score[3] += TOLERANCE / 2
    measured = measure_agreement(other, one)
    assert measured["labels"] == measured["views"] == pytest.approx(6 / 7)
    assert measured["agreement"] == pytest.approx(4 / 7)
    assert declare(measured) == {"agreement": 0.5714}


@pytest.mark.parametrize(
    ("difference", "below"), [(3e-6, 1e-5), (-0.02, 0.1), (1.5e-7, 1e-6), (0.0, 0.0)]
)
def test_the_largest_difference_is_told_by_the_power_of_ten_above_it(
    difference: float, below: float
) -> None:
    one = judged()
    other = said_of(one)
    other.score[6] += difference
    assert measure_agreement(other, one)["difference_below"] == pytest.approx(below, rel=1e-12)
