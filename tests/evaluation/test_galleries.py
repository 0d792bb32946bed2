"""Pictures of the test set show the photos that they say, and tell the numbers that there are."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from PIL import Image

from stages.common.pictures import NORMAL, Row, as_tiles
from stages.common.types import FloatArray, Marks
from stages.wells.detection.decision_map import mark_counted
from stages.wells.detection.detector import Detector
from stages.wells.detection.judge import judge_images
from stages.wells.evaluation import charts, galleries, pictures
from stages.wells.evaluation.report import Judged
from stages.wells.inference.decision_picture import Decision
from tests.evaluation.judged import (
    BLOCKS,
    DETECTOR,
    LABELS,
    MSE,
    STANDARD,
    WELLS,
    detector_of,
    judged,
)
from tests.small_wells import small_members

pytestmark = pytest.mark.slow

NETWORKS = {"autoencoder": small_members("autoencoder", width=24)}
NETWORKS["autoencoder"][0].fit_channels(torch.from_numpy(WELLS.images).float() / 255)
HELD_OUT, KNOWN = np.array([-1.0, 0, 1, 0.5]), np.array([4.0, 6])
CLEAR = np.zeros(7, dtype=np.bool_)


class Saved(NamedTuple):
    """What a picture is saved with."""

    title: str
    subtitle: str
    rows: list[Row]


@pytest.fixture
def saved(monkeypatch: pytest.MonkeyPatch) -> list[Saved]:
    """Return a list of what is saved as a picture from now on."""
    found: list[Saved] = []
    rows: list[Row] = []

    def draw_rows(given: Sequence[Row], columns: int) -> Image.Image:
        rows[:] = given
        return Image.new("RGB", (1, 1))

    def save_picture(path: Path, title: str, subtitle: str, *parts: Image.Image) -> None:
        found.append(Saved(title, subtitle, list(rows)))

    monkeypatch.setattr(galleries, "draw_rows", draw_rows)
    for module in (galleries, pictures):
        monkeypatch.setattr(module, "save_picture", save_picture)
    return found


def seen(standard: FloatArray = STANDARD, detector: Detector = DETECTOR) -> Judged:
    """Return what is judged where the view of all is clear."""
    return judged(detector, standard)._replace(obstructed=CLEAR)


def wells_of(row: Row) -> str:
    """Return the letters of the wells whose photos a row shows."""
    letters = ""
    for tile in row.tiles:
        same = (WELLS.images == np.asarray(tile).transpose(2, 0, 1)).all(axis=(1, 2, 3))
        letters += str(WELLS.names[same.argmax()])[0] if same.any() else "?"
    return letters


def draw_all(folder: Path, one: Judged) -> None:
    """Draw every picture of a detector."""
    both = {"detector": one, "other": judged(detector_of(BLOCKS, name="other"))}
    pictures.draw_histogram(folder / "histogram.png", one, HELD_OUT, KNOWN)
    pictures.draw_thresholds(folder / "thresholds.png", one, HELD_OUT, KNOWN)
    pictures.draw_roc(folder / "roc.png", both)
    pictures.draw_views(folder / "views.png", both)
    galleries.draw_overview(folder / "overview.png", one)
    galleries.draw_decided(folder / "decided.png", one, NETWORKS)
    galleries.draw_mistakes(folder / "mistakes.png", one, NETWORKS)
    galleries.draw_reconstructions(
        folder / "network.png", "the autoencoder", NETWORKS["autoencoder"][0], one
    )


@pytest.mark.parametrize(
    "standard",
    [STANDARD, np.where(LABELS, 9.0, -9), np.where(LABELS, -9.0, 9)],
    ids=["some right", "all right", "all wrong"],
)
def test_all_is_drawn_the_same_bytes_each_time(standard: FloatArray, tmp_path: Path) -> None:
    for name in ("one", "other"):
        draw_all(tmp_path / name, judged(standard=standard))
    one, other = (
        {path.name: path.read_bytes() for path in (tmp_path / name).iterdir()}
        for name in ("one", "other")
    )
    assert len(one) == 8
    assert one == other


def test_without_known_spills_all_is_drawn_all_the_same(tmp_path: Path) -> None:
    none = np.empty(0)
    pictures.draw_histogram(tmp_path / "histogram.png", seen(), HELD_OUT, none)
    pictures.draw_thresholds(tmp_path / "thresholds.png", seen(), HELD_OUT, none)
    assert len(list(tmp_path.iterdir())) == 2


def test_the_overview_shows_each_kind_by_its_scores_without_extremes_and_copies(
    saved: list[Saved], tmp_path: Path
) -> None:
    strange = np.array([1.0, 9, 5, 4, 0, 3, 2])
    kinds = np.array(["streak", "streak", "normal", "normal", "normal", "normal", "normal"])
    distinct = np.array([True, True, True, True, True, False, True])
    one = seen(strange)._replace(kinds=kinds, wells=WELLS._replace(distinct=distinct))
    galleries.draw_overview(tmp_path / "x.png", one)
    ((title, _, rows),) = saved
    assert title == "2 of 3 spills found, 2 false alarms among 4 normal wells"
    assert [wells_of(row) for row in rows] == ["gd"]
    assert set(rows[0].frames) == {NORMAL}


def test_the_overview_leaves_obstructed_views_out(saved: list[Saved], tmp_path: Path) -> None:
    kinds = np.array(["normal"] * 7)
    wells = WELLS._replace(distinct=np.ones(7, dtype=np.bool_))
    one = seen(np.arange(7.0))._replace(kinds=kinds, wells=wells)
    galleries.draw_overview(tmp_path / "x.png", one)
    hidden = np.array([False, False, True, True, False, False, False])
    galleries.draw_overview(tmp_path / "x.png", one._replace(obstructed=hidden))
    assert [wells_of(found.rows[0]) for found in saved] == ["bcdef", "bef"]


def test_where_no_view_is_clear_all_are_shown(tmp_path: Path, saved: list[Saved]) -> None:
    wells = WELLS._replace(distinct=np.ones(7, dtype=np.bool_))
    hidden = judged(standard=np.arange(7.0))._replace(obstructed=~CLEAR, wells=wells)
    galleries.draw_overview(tmp_path / "x.png", hidden)
    assert wells_of(saved[0].rows[0]) == "ef"
    draw_all(tmp_path, hidden)


def test_examples_are_called_rightly_and_one_is_covered(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    shown: dict[str, Decision] = {}

    def draw_decision(label: str, decision: Decision, counted: Marks) -> Image.Image:
        np.testing.assert_array_equal(counted, mark_counted(DETECTOR))
        shown[label] = decision
        return Image.new("RGB", (1, 1))

    monkeypatch.setattr(galleries, "draw_decision", draw_decision)
    monkeypatch.setattr(galleries, "strangest", lambda sides, _: -torch.arange(len(sides)))
    # A normal well that is called a spill, and two that are not.
    hidden = np.array([False, False, False, True, True, False, True])
    one = seen(np.array([5.0, 5, 1, 4, 0, 0, 0]))._replace(obstructed=hidden)
    galleries.draw_decided(tmp_path / "x.png", one, NETWORKS)
    wells = {label: wells_of(Row("", as_tiles(said.image[None]))) for label, said in shown.items()}
    assert wells == {"a normal well": "f", "a streak of metal": "b", galleries.COVERED: "e"}
    images = np.stack([said.image for said in shown.values()])
    scores = judge_images(DETECTOR, NETWORKS, images).score.tolist()
    assert [said.score for said in shown.values()] == pytest.approx(scores)
    assert all(said.scores == {MSE: said.score} for said in shown.values())


def test_mistakes_are_shown_by_view_the_worst_first_and_copies_once(
    saved: list[Saved], tmp_path: Path
) -> None:
    # Of the spills, b, c and a are missed, of which b is a copy; of the normals e, a copy, g and f
    # are false alarms, f behind a hand.
    standard = np.array([2.0, 0, 1, -1, 8, 4, 5])
    hidden = np.array([False, False, False, False, False, True, False])
    one = seen(standard)._replace(obstructed=hidden)
    galleries.draw_mistakes(tmp_path / "x.png", one, NETWORKS)
    ((title, _, rows),) = saved
    assert title == "3 false alarms, 1 of them with an obstructed view; 3 of 3 spills missed"
    shown = [(row.label, wells_of(row), list(row.captions)) for row in rows[::2]]
    assert shown == [
        ("missed, view clear: 3, 2 shown", "ca", ["1.00", "2.00"]),
        ("false alarms, view clear: 2, 1 shown", "g", ["5.00"]),
        ("false alarms, view obstructed: 1", "f", ["4.00"]),
    ]


def test_more_mistakes_than_fit_go_on_below(
    saved: list[Saved], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(galleries, "PHOTOS_A_ROW", 1)
    galleries.draw_mistakes(tmp_path / "x.png", seen(np.array([2.0, 0, 1, -1, 8, 4, 5])), NETWORKS)
    photos = saved[0].rows[::2]
    assert "".join(wells_of(row) for row in photos) == "cagf"
    assert [bool(row.label) for row in photos] == [True, False, True, False]


def test_reconstructions_stand_below_their_photo(saved: list[Saved], tmp_path: Path) -> None:
    network = NETWORKS["autoencoder"][0]
    galleries.draw_reconstructions(tmp_path / "x.png", "the net", network, seen())
    ((title, _, (photos, redrawn, errors)),) = saved
    assert title.startswith("The net, which has learned normal wells only, errs ")
    assert "times as much on a streak of metal and " in title
    assert len(photos.tiles) == len(redrawn.tiles) == len(errors.tiles)
    images = np.stack([np.asarray(tile).transpose(2, 0, 1) for tile in photos.tiles])
    with torch.inference_mode():
        expected = network(torch.from_numpy(images).float() / 255).clamp(0, 1) * 255
    found = np.stack([np.asarray(tile).transpose(2, 0, 1) for tile in redrawn.tiles])
    np.testing.assert_allclose(found, expected, atol=0.51)
    assert redrawn.label == "what the net makes of them"


@pytest.fixture
def charted(monkeypatch: pytest.MonkeyPatch, saved: list[Saved]) -> dict[str, tuple[Any, ...]]:
    """Return what charts are given, by their name."""
    given: dict[str, tuple[Any, ...]] = {}

    def note(name: str) -> Callable[..., Image.Image]:
        def chart(*arguments: Any) -> Image.Image:
            given[name] = arguments
            return Image.new("RGB", (1, 1))

        return chart

    for name in ("chart_scores", "chart_thresholds", "chart_roc", "chart_views"):
        monkeypatch.setattr(charts, name, note(name))
    return given


def test_a_histogram_shows_what_placed_the_threshold_and_the_test_set(
    charted: dict[str, tuple[Any, ...]], tmp_path: Path
) -> None:
    pictures.draw_histogram(tmp_path / "x.png", seen(), HELD_OUT, KNOWN)
    panels, threshold, notes, _ = charted["chart_scores"]
    placed, measured = panels.values()
    assert threshold == DETECTOR.threshold
    assert list(notes) == ["1 missed", "2 false alarms"]
    for found, expected in (
        (placed, {"normal wells, held out": HELD_OUT, "spills known beforehand": KNOWN}),
        (measured, {"normal wells": [4, 4, 0, 0], "streaks": [5, 5], "empty wells": [1]}),
    ):
        assert list(found) == list(expected)
        for name, scores in expected.items():
            np.testing.assert_allclose(found[name], scores, atol=1e-12)


def test_each_rule_is_told_by_what_it_finds(
    charted: dict[str, tuple[Any, ...]], saved: list[Saved], tmp_path: Path
) -> None:
    # The rules place it at 2.6 and at 3.2: below 4, above 1.
    pictures.draw_thresholds(tmp_path / "x.png", seen(), HELD_OUT, KNOWN)
    (one,) = saved
    told = "finds 2 of 3 spills at 2 false alarms"
    assert one.title == f"equal_error {told}; sigma {told}"
    rates, rules = charted["chart_thresholds"]
    assert {rate: list(sources) for rate, (_, sources) in rates.items()} == {
        "TNR": ["test set", "held-out wells"],
        "TPR": ["test set", "known spills"],
    }
    assert rules["sigma"] == pytest.approx(HELD_OUT.mean() + 3 * HELD_OUT.std())


@pytest.mark.parametrize(
    ("names", "alone"), [([MSE], []), ([MSE, BLOCKS], [f"{MSE} alone", f"{BLOCKS} alone"])]
)
def test_a_roc_shows_each_detector_and_the_scores_of_one_that_has_several(
    names: list[str], alone: list[str], charted: dict[str, tuple[Any, ...]], tmp_path: Path
) -> None:
    both = {"detector": judged(detector_of(*names)), "x": judged(detector_of(MSE, name="other"))}
    pictures.draw_roc(tmp_path / "x.png", both)
    labels, curves = charted["chart_roc"]
    np.testing.assert_array_equal(labels, LABELS)
    area = f"{10 / 12:.4f}  "
    wanted = {f"{area}{name}" for name in ("mine, in use", "other", *alone)}
    assert set(curves) == wanted
    for name, curve in curves.items():
        np.testing.assert_allclose(curve.scores, STANDARD, atol=1e-12)
        assert (curve.called is None) == name.endswith("alone")


def test_a_roc_shows_however_many_detectors_there_are(
    charted: dict[str, tuple[Any, ...]], tmp_path: Path
) -> None:
    many = {name: judged(detector_of(MSE, name=name)) for name in "abcdefg"}
    pictures.draw_roc(tmp_path / "x.png", many)
    _, curves = charted["chart_roc"]
    assert len(curves) == 7


def test_views_divide_what_could_be_mistaken(
    charted: dict[str, tuple[Any, ...]], saved: list[Saved], tmp_path: Path
) -> None:
    hidden = np.array([True, False, True, True, False, False, False])
    pictures.draw_views(tmp_path / "x.png", {"detector": seen()._replace(obstructed=hidden)})
    ((wrong,),) = charted.values()
    counts = {
        (mistake, view): (int(marks.sum()), len(marks))
        for mistake, detectors in wrong.items()
        for view, marks in detectors["mine"].items()
    }
    assert counts == {
        ("spills missed", "clear"): (0, 1),
        ("spills missed", "obstructed"): (1, 2),
        ("false alarms", "clear"): (1, 3),
        ("false alarms", "obstructed"): (1, 1),
    }
    assert saved[0].title.startswith("1 of the 2 false alarms of the detector in use come")
