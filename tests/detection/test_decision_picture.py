"""A picture shows a photo, what of it counts, its scores against the threshold, and the verdict."""

from collections.abc import Mapping

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from stages.common.pictures import NORMAL, SPILL, WIDTH
from stages.common.types import FloatArray
from stages.wells.detection.calibration import fit_detectors
from stages.wells.detection.decision_picture import Decision, decide, draw_decision
from stages.wells.detection.detector import Detector, score_for
from stages.wells.detection.params import DetectorParams
from tests.pictures import BLUE, box_of
from tests.small_wells import grainy_wells, in_turn

NAMES = ["appearance", "texture"]
WELLS = grainy_wells(6, seed=2)


@pytest.fixture(scope="module")
def detector() -> Detector:
    wanted = {"surface": DetectorParams(scores=NAMES, rule="sigma")}
    detectors = fit_detectors(wanted, {}, grainy_wells(60, seed=0), in_turn(60), WELLS[:0])
    return detectors["surface"].model_copy(update={"threshold": 2.0})


def decision(
    score: float, obstructed: bool = False, scores: Mapping[str, float] | None = None
) -> Decision:
    image = np.empty((3, 32, 48), dtype=np.uint8)
    image[:] = np.reshape(BLUE, (3, 1, 1))
    by_name = dict.fromkeys(NAMES, score) if scores is None else dict(scores)
    return Decision(image, np.zeros((8, 12)), by_name, score, obstructed)


def pixels_of(picture: Image.Image, colour: str) -> NDArray[np.intp]:
    """Return the rows and columns of a colour's pixels."""
    paint = [int(colour[start : start + 2], 16) for start in (1, 3, 5)]
    return np.argwhere((np.asarray(picture) == paint).all(axis=2))


def right_half(picture: Image.Image, colour: str) -> int:
    """Return the width of what has that colour in the right half, below the verdict in words."""
    found = pixels_of(picture, colour)
    found = found[(found[:, 1] > WIDTH / 2) & (found[:, 0] > 60)]
    return int(np.ptp(found[:, 1])) if len(found) else 0


def test_a_decision_has_the_scores_that_the_detector_gives(detector: Detector) -> None:
    scores = score_for([detector], {}, WELLS)
    decisions = decide(detector, {}, WELLS, scores)
    combined: FloatArray = detector.combine(scores)
    assert [one.score for one in decisions] == pytest.approx(combined.tolist())
    standard = detector.standardise(scores)
    for index, one in enumerate(decisions):
        assert one.scores == pytest.approx({name: standard[name][index] for name in NAMES})
        assert one.blocks.shape == (8, 12)
        np.testing.assert_array_equal(one.image, WELLS[index])
    obstructed = detector.occlusion.find(WELLS).tolist()
    assert [one.obstructed for one in decisions] == obstructed


@pytest.mark.parametrize(("score", "colour"), [(1.99, NORMAL), (2.0, SPILL)])
def test_the_verdict_colours_frame_words_and_bar(
    detector: Detector, score: float, colour: str
) -> None:
    picture = draw_decision("name", decision(score), detector)
    other = NORMAL if colour == SPILL else SPILL
    assert picture.width == WIDTH
    assert len(pixels_of(picture, other)) == 0
    columns = pixels_of(picture, colour)[:, 1]
    assert columns.min() < WIDTH / 4
    assert columns.max() > WIDTH / 2


def test_the_photo_and_its_blocks_stand_side_by_side(detector: Detector) -> None:
    hot = decision(1)
    hot.blocks[4, 6] = 100
    picture = draw_decision("", hot, detector)
    left = picture.crop((0, 0, WIDTH // 4, picture.height))
    box_of(left, BLUE)
    changed = np.asarray(draw_decision("", decision(1), detector)) != np.asarray(picture)
    rows, columns, _ = np.nonzero(changed)
    assert WIDTH / 4 < columns.min() < columns.max() < WIDTH / 2
    assert np.ptp(rows) == pytest.approx(np.ptp(columns), abs=2)


def test_only_blocks_that_count_are_outlined(detector: Detector) -> None:
    picture = draw_decision("", decision(1), detector)
    white = pixels_of(picture.crop((0, 60, WIDTH // 2, 240)), "#FFFFFF")
    inside = white[(white[:, 1] > 330) & (white[:, 1] < 580)]
    # The middle's 6 x 4 blocks of 24 pixels.
    assert np.ptp(inside[:, 1]) == pytest.approx(6 * 24, abs=3)
    assert np.ptp(inside[:, 0]) == pytest.approx(4 * 24, abs=3)
    for axis, blocks in ((0, 6), (1, 4)):
        for edge in (inside[:, axis].min(), inside[:, axis].max()):
            assert (inside[:, axis] == edge).sum() >= blocks * 24


def test_a_bar_is_as_long_as_the_score_and_ends_at_the_edge(detector: Detector) -> None:
    widths = [
        right_half(draw_decision("", decision(score), detector), SPILL)
        for score in (2.0, 4.0, 6.0, 60.0)
    ]
    assert widths[1] == pytest.approx(2 * widths[0], rel=0.04)
    assert widths[2] == pytest.approx(3 * widths[0], rel=0.04)
    assert widths[3] == widths[2]


@pytest.mark.parametrize("threshold", [0.0, -3.0])
def test_any_threshold_can_be_drawn(detector: Detector, threshold: float) -> None:
    lower = detector.model_copy(update={"threshold": threshold})
    picture = draw_decision("", decision(1.0), lower)
    assert len(pixels_of(picture, SPILL))


def test_an_obstructed_view_is_told(detector: Detector) -> None:
    clear, obstructed = (
        np.asarray(draw_decision("", decision(1, obstructed=hidden), detector))
        for hidden in (False, True)
    )
    rows, columns, _ = np.nonzero(clear != obstructed)
    assert len(rows)
    assert columns.max() < WIDTH / 4
    assert rows.min() > 200


@pytest.mark.parametrize("name", ["x" * 500, "пролив " * 50, "a\udcffb.jpg"])
def test_any_name_leaves_the_verdict_legible(detector: Detector, name: str) -> None:
    short, long = (np.asarray(draw_decision(label, decision(1), detector)) for label in ("x", name))
    _, columns, _ = np.nonzero(short != long)
    assert columns.max() < WIDTH / 2
