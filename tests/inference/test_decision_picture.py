"""A picture shows a photo, what of it counts, its scores against the threshold, and the verdict."""

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from stages.common.pictures import NORMAL, SPILL, WIDTH
from stages.wells.detection.calibration import fit_detectors
from stages.wells.detection.detector import score_for
from stages.wells.detection.judge import judge_images
from stages.wells.detection.params import DetectorParams
from stages.wells.inference.decision_picture import Decision, draw_decision, list_decisions
from tests.pictures import BLUE, box_of
from tests.small_wells import grainy_wells, in_turn, with_thing

NAMES = ["appearance", "texture"]
WELLS = grainy_wells(6, seed=2)
THRESHOLD = 2.0
# The middle of these frames, in blocks.
COUNTED = np.zeros((8, 12), dtype=np.bool_)
COUNTED[3:7, 3:9] = True


def decision(score: float, view: str = "clear", threshold: float = THRESHOLD) -> Decision:
    image = np.empty((3, 32, 48), dtype=np.uint8)
    image[:] = np.reshape(BLUE, (3, 1, 1))
    by_name = dict.fromkeys(NAMES, score)
    return Decision(image, np.zeros((8, 12)), by_name, score, threshold, view)


def draw(one: Decision, label: str = "") -> Image.Image:
    return draw_decision(label, one, COUNTED)


def pixels_of(picture: Image.Image, colour: str) -> NDArray[np.intp]:
    """Return the rows and columns of a colour's pixels."""
    paint = [int(colour[start : start + 2], 16) for start in (1, 3, 5)]
    return np.argwhere((np.asarray(picture) == paint).all(axis=2))


def right_half(picture: Image.Image, colour: str) -> int:
    """Return the width of what has that colour in the right half, below the verdict in words."""
    found = pixels_of(picture, colour)
    found = found[(found[:, 1] > WIDTH / 2) & (found[:, 0] > 60)]
    return int(np.ptp(found[:, 1])) if len(found) else 0


def test_a_decision_has_the_scores_that_the_detector_gives() -> None:
    wanted = {"surface": DetectorParams(scores=NAMES, rule="sigma")}
    train = grainy_wells(60, seed=0)
    detector = fit_detectors(wanted, {}, train, in_turn(60), WELLS[:0])["surface"]
    images = np.concatenate([WELLS, with_thing(WELLS[:2], slice(0, 32), slice(0, 12))])
    verdict = judge_images(detector, {}, images)
    decisions = list_decisions(images, verdict, list(detector.scores), detector.threshold)
    scores = score_for([detector], {}, images)
    assert [one.score for one in decisions] == pytest.approx(detector.combine(scores).tolist())
    standard = detector.standardise(scores)
    for index, one in enumerate(decisions):
        assert one.scores == pytest.approx({name: standard[name][index] for name in NAMES})
        assert one.threshold == detector.threshold
        np.testing.assert_array_equal(one.blocks, verdict.blocks[index])
        np.testing.assert_array_equal(one.image, images[index])
    obstructed = detector.occlusion.find(images)
    assert set(obstructed.tolist()) == {False, True}
    views = np.where(obstructed, "obstructed", "clear")
    assert [one.view for one in decisions] == views.tolist()


@pytest.mark.parametrize(("score", "colour"), [(1.99, NORMAL), (2.0, SPILL)])
def test_the_verdict_colours_frame_words_and_bar(score: float, colour: str) -> None:
    picture = draw(decision(score), "name")
    other = NORMAL if colour == SPILL else SPILL
    assert picture.width == WIDTH
    assert len(pixels_of(picture, other)) == 0
    columns = pixels_of(picture, colour)[:, 1]
    assert columns.min() < WIDTH / 4
    assert columns.max() > WIDTH / 2


def test_the_photo_and_its_blocks_stand_side_by_side() -> None:
    hot = decision(1)
    hot.blocks[4, 6] = 100
    picture = draw(hot)
    left = picture.crop((0, 0, WIDTH // 4, picture.height))
    box_of(left, BLUE)
    changed = np.asarray(draw(decision(1))) != np.asarray(picture)
    rows, columns, _ = np.nonzero(changed)
    assert WIDTH / 4 < columns.min() < columns.max() < WIDTH / 2
    assert np.ptp(rows) == pytest.approx(np.ptp(columns), abs=2)


def test_only_blocks_that_count_are_outlined() -> None:
    picture = draw(decision(1))
    white = pixels_of(picture.crop((0, 60, WIDTH // 2, 240)), "#FFFFFF")
    inside = white[(white[:, 1] > 330) & (white[:, 1] < 580)]
    # The middle's 6 x 4 blocks of 24 pixels.
    assert np.ptp(inside[:, 1]) == pytest.approx(6 * 24, abs=3)
    assert np.ptp(inside[:, 0]) == pytest.approx(4 * 24, abs=3)
    for axis, blocks in ((0, 6), (1, 4)):
        for edge in (inside[:, axis].min(), inside[:, axis].max()):
            assert (inside[:, axis] == edge).sum() >= blocks * 24


@pytest.mark.parametrize(("row", "column"), [(0, 0), (4, 6), (7, 11)])
def test_a_block_that_counts_is_outlined_where_it_is(row: int, column: int) -> None:
    hot, counted = decision(1), np.zeros((8, 12), dtype=np.bool_)
    nothing = counted.copy()
    hot.blocks[row, column], counted[row, column] = 100, True
    cold, heated, outlined = (
        np.asarray(draw_decision("", one, marks)).astype(int)
        for one, marks in ((decision(1), nothing), (hot, nothing), (hot, counted))
    )
    heat, line = (np.argwhere(change.any(axis=2)) for change in (heated - cold, outlined - heated))
    for found, expected in ((line.min(0), heat.min(0)), (line.max(0), heat.max(0))):
        np.testing.assert_allclose(found, expected, atol=2)


def test_a_bar_is_as_long_as_the_score_and_ends_at_the_edge() -> None:
    widths = [right_half(draw(decision(score)), SPILL) for score in (2.0, 4.0, 6.0, 60.0)]
    assert widths[1] == pytest.approx(2 * widths[0], rel=0.04)
    assert widths[2] == pytest.approx(3 * widths[0], rel=0.04)
    assert widths[3] == widths[2]


@pytest.mark.parametrize("threshold", [0.0, -3.0])
def test_any_threshold_can_be_drawn(threshold: float) -> None:
    assert len(pixels_of(draw(decision(1.0, threshold=threshold)), SPILL))


def test_an_obstructed_view_is_told() -> None:
    clear, obstructed = (
        np.asarray(draw(decision(1, view=view))) for view in ("clear", "obstructed")
    )
    rows, columns, _ = np.nonzero(clear != obstructed)
    assert len(rows)
    assert columns.max() < WIDTH / 4
    assert rows.min() > 200


@pytest.mark.parametrize("name", ["x" * 500, "пролив " * 50, "a\udcffb.jpg"])
def test_any_name_leaves_the_verdict_legible(name: str) -> None:
    short, long = (np.asarray(draw(decision(1), label)) for label in ("x", name))
    _, columns, _ = np.nonzero(short != long)
    assert columns.max() < WIDTH / 2
