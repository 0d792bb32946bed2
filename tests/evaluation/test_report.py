"""A report counts what it says it counts, and shows each photo for what it is."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from stages.common.errors import InputError
from stages.common.pictures import TITLE_HEIGHT
from stages.common.types import FloatArray, Images, Marks
from stages.wells.detection.decision_map import lay_over
from stages.wells.detection.detector import Detector
from stages.wells.detection.normality import Scores
from stages.wells.detection.occlusion import Occlusion
from stages.wells.evaluation import plots, report
from stages.wells.evaluation.metrics import measure
from stages.wells.evaluation.report import (
    LabelledWells,
    Scored,
    draw_reconstructions,
    last_holdout_error,
    measure_detector,
    report_detector,
    tell_kinds,
    write_losses,
    write_roc,
)
from tests.small_wells import fit_to_scores, grainy_wells, noise, small_members

pytestmark = pytest.mark.slow

MSE, BLOCKS = "autoencoder.mse", "autoencoder.blocks"
# Spills score 5 (twice) and 1, normals 4 (twice) and 0 (two of them); copies are not distinct.
STANDARD = np.array([5.0, 5, 1, 4, 4, 0, 0])
LABELS = np.array([True, True, True, False, False, False, False])
DISTINCT = np.array([True, False, True, True, False, True, True])
KINDS = np.array(["streak", "streak", "empty"])
WELLS = LabelledWells(
    noise(7, width=24), np.array([f"{letter}.jpg" for letter in "abcdefg"]), LABELS, DISTINCT
)
THRESHOLD = 3.0
NETWORKS = {"autoencoder": small_members("autoencoder", width=24)}


def as_scores(standard: FloatArray, other: FloatArray | None = None) -> Scores:
    """Return scores that are these once standardised by the detectors below."""
    return {MSE: np.exp(standard), BLOCKS: np.exp(standard if other is None else other)}


def detector_of(*names: str, name: str = "mine", threshold: float = THRESHOLD) -> Detector:
    """Return a detector whose standardised scores are the logs of its scores."""
    made = as_scores(np.array([-1.0, 1]))
    fitted = fit_to_scores(names, made, as_scores(np.array([4.0, 6])))
    scores = {
        key: one.model_copy(update={"mean": 0.0, "std": 1.0, "threshold": threshold})
        for key, one in fitted.scores.items()
    }
    return fitted.model_copy(update={"name": name, "threshold": threshold, "scores": scores})


DETECTOR = detector_of(MSE)


def measured(wells: LabelledWells = WELLS, detector: Detector = DETECTOR) -> dict[str, Any]:
    return measure_detector(detector, wells, as_scores(STANDARD), KINDS)


def test_a_detector_is_measured_on_all_photos_by_its_threshold() -> None:
    found = measured()
    assert found["name"] == "mine"
    assert (found["rule"], found["threshold"]) == ("equal_error", THRESHOLD)
    assert (found["tpr"], found["tnr"]) == pytest.approx((2 / 3, 2 / 4))
    assert found["auroc"] == pytest.approx((4 + 4 + 2) / 12)
    expected = measure(STANDARD, LABELS, THRESHOLD)
    assert {name: found[name] for name in expected} == expected


def test_distinct_counts_only_the_marked_images() -> None:
    # A found spill and a wrongly called normal stand there twice.
    found = measured()["distinct"]
    assert (found["spills"], found["normals"]) == (2, 3)
    assert (found["tpr"], found["tnr"]) == pytest.approx((1 / 2, 2 / 3))
    assert found["auroc"] == pytest.approx((3 + 2) / 6)


def test_clear_view_counts_only_photos_whose_view_is_not_occluded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hidden = np.array([False, False, True, True, True, False, False])

    def find(occlusion: Occlusion, images: Images) -> Marks:
        assert occlusion is DETECTOR.occlusion
        assert images is WELLS.images
        return hidden

    monkeypatch.setattr(Occlusion, "find", find)
    found = measured()["clear_view"]
    assert (found["spills"], found["tpr"]) == (2, 1)
    assert (found["normals"], found["tnr"]) == (2, 1)


def test_a_clear_view_of_one_kind_alone_is_counted_without_the_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Occlusion, "find", lambda *_: LABELS)
    found = measured()["clear_view"]
    assert found.keys() == {"spills", "normals", "tnr", "tnr_interval"}
    assert (found["spills"], found["normals"], found["tnr"]) == (0, 4, 2 / 4)


def test_each_kind_of_spill_has_its_own_share() -> None:
    found = measured()["kinds"]
    assert found.keys() == {"streak", "empty"}
    assert (found["streak"]["spills"], found["streak"]["tpr"]) == (2, 1)
    assert (found["empty"]["spills"], found["empty"]["tpr"]) == (1, 0)


def test_kinds_belong_to_the_spills_wherever_they_stand() -> None:
    order = np.array([3, 2, 5, 0, 4, 6, 1])
    wells = LabelledWells(*(part[order] for part in WELLS))
    found = measure_detector(
        DETECTOR, wells, as_scores(STANDARD[order]), np.array(["empty", "streak", "streak"])
    )
    assert found["kinds"] == measured()["kinds"]


def test_only_the_kinds_that_are_there_are_named() -> None:
    found = measure_detector(DETECTOR, WELLS, as_scores(STANDARD), np.array(["streak"] * 3))
    assert found["kinds"].keys() == {"streak"}


def test_each_score_is_measured_alone_by_its_own_threshold() -> None:
    detector = detector_of(MSE, BLOCKS)
    alone = {MSE: 4.5, BLOCKS: -9.0}
    scores = {
        name: one.model_copy(update={"threshold": alone[name]})
        for name, one in detector.scores.items()
    }
    detector = detector.model_copy(update={"scores": scores})
    found = measure_detector(detector, WELLS, as_scores(STANDARD, -STANDARD), KINDS)["scores"]
    assert {name: one["threshold"] for name, one in found.items()} == alone
    assert (found[MSE]["tpr"], found[MSE]["tnr"]) == pytest.approx((2 / 3, 1))
    assert (found[BLOCKS]["tpr"], found[BLOCKS]["tnr"]) == pytest.approx((1, 0))
    assert found[MSE]["auroc"] == pytest.approx(1 - found[BLOCKS]["auroc"])


def test_all_that_is_measured_is_finite_and_can_stand_in_json() -> None:
    found = measured()
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    pending = [found]
    while pending:
        for name, value in pending.pop().items():
            if isinstance(value, dict):
                pending.append(value)
            else:
                assert isinstance(value, str) or math.isfinite(value), name


@pytest.mark.parametrize(
    ("label", "counts"), [(True, "7 spills and 0 normal"), (False, "0 spills and 7 normal")]
)
def test_a_test_set_of_one_kind_is_refused_with_what_to_do(label: bool, counts: str) -> None:
    wells = WELLS._replace(labels=np.full(7, label))
    with pytest.raises(InputError, match=rf"{counts} .*both kinds are needed: add"):
        measured(wells)


def test_spills_that_are_all_copies_are_refused() -> None:
    with pytest.raises(InputError, match="0 spills and 4 normal"):
        measured(WELLS._replace(distinct=~LABELS))


NORMALS = grainy_wells(40, seed=0)


def test_a_spill_rougher_than_normals_is_a_streak_and_a_smoother_one_an_empty_well() -> None:
    spills = np.concatenate([grainy_wells(3, 2, grain=30), grainy_wells(4, 3, grain=3)])
    assert tell_kinds(spills, NORMALS).tolist() == ["streak"] * 3 + ["empty"] * 4


@pytest.mark.parametrize(("grain", "kind"), [(30.0, "streak"), (3.0, "empty")])
def test_a_spills_kind_is_told_by_most_of_its_middle(grain: float, kind: str) -> None:
    spills = grainy_wells(5, 2, grain)
    other = grainy_wells(5, 3, grain=3 if kind == "streak" else 30)
    # All around the middle, and over two of its six columns of blocks.
    changed = other.copy()
    changed[..., 12:28, 20:36] = spills[..., 12:28, 20:36]
    assert tell_kinds(changed, NORMALS).tolist() == [kind] * 5


@pytest.mark.parametrize(("usual", "kind"), [(5.0, "streak"), (20.0, "empty")])
def test_a_spills_kind_is_told_by_what_normals_are(usual: float, kind: str) -> None:
    normals = grainy_wells(40, seed=0, grain=usual)
    assert tell_kinds(grainy_wells(3, seed=2), normals).tolist() == [kind] * 3


def test_no_spills_have_no_kinds() -> None:
    assert tell_kinds(NORMALS[:0], NORMALS).shape == (0,)


SCORED = Scored(
    as_scores(STANDARD), as_scores(np.array([-1.0, 0, 2])), as_scores(np.array([4.0, 6]))
)


def test_predictions_name_each_photo_what_it_is_and_what_it_is_called(tmp_path: Path) -> None:
    report_detector(tmp_path, DETECTOR, NETWORKS, WELLS, SCORED)
    table = pd.read_csv(tmp_path / "predictions.csv")
    assert list(table) == ["name", "actual", "predicted", "score"]
    assert table["name"].tolist() == WELLS.names.tolist()
    assert table["actual"].tolist() == ["spill"] * 3 + ["normal"] * 4
    predicted = ["spill", "spill", "normal", "spill", "spill", "normal", "normal"]
    assert table["predicted"].tolist() == predicted
    assert table["score"].tolist() == pytest.approx(STANDARD, abs=1e-5)


def test_a_photo_at_the_threshold_is_called_a_spill(tmp_path: Path) -> None:
    at = DETECTOR.model_copy(update={"threshold": float(DETECTOR.combine(SCORED.test)[3])})
    report_detector(tmp_path, at, NETWORKS, WELLS, SCORED)
    assert pd.read_csv(tmp_path / "predictions.csv")["predicted"][3] == "spill"


def test_a_report_is_a_table_and_four_pictures_the_same_bytes_each_time(tmp_path: Path) -> None:
    for name in ("one", "other"):
        report_detector(tmp_path / name, DETECTOR, NETWORKS, WELLS, SCORED)
    one, other = (
        {path.name: path.read_bytes() for path in (tmp_path / name).iterdir()}
        for name in ("one", "other")
    )
    pictures = {"roc.png", "histogram.png", "misses.png", "false_alarms.png"}
    assert one.keys() == {"predictions.csv", *pictures}
    assert one == other


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Return what plots and galleries are given, by the name of the file."""
    given: dict[str, Any] = {}

    def save_roc(scored: object, title: str, path: Path) -> None:
        given[path.name] = scored

    def save_histogram(groups: object, threshold: float, title: str, path: Path) -> None:
        given[path.name] = groups, threshold

    def rows_of_panels(*arguments: object) -> Image.Image:
        given["last"] = arguments
        return Image.new("RGB", (1, 1))

    def save_picture(picture: Image.Image, path: Path) -> None:
        given[path.name] = given.pop("last")

    monkeypatch.setattr(plots, "save_roc", save_roc)
    monkeypatch.setattr(plots, "save_histogram", save_histogram)
    monkeypatch.setattr(plots, "rows_of_panels", rows_of_panels)
    monkeypatch.setattr(report, "save_picture", save_picture)
    monkeypatch.setattr(report, "map_decision", lambda _, __, images: blocks_of(images))
    return given


@pytest.mark.parametrize(
    ("names", "curves"), [([MSE], [MSE]), ([MSE, BLOCKS], [MSE, BLOCKS, "together"])]
)
def test_a_roc_plot_shows_each_score_and_more_than_one_together(
    names: list[str], curves: list[str], shown: dict[str, Any], tmp_path: Path
) -> None:
    detector = detector_of(*names)
    report_detector(tmp_path, detector, NETWORKS, WELLS, SCORED)
    scored = shown["roc.png"]
    assert list(scored) == curves
    for labels, scores, threshold in scored.values():
        np.testing.assert_array_equal(labels, LABELS)
        np.testing.assert_allclose(scores, STANDARD)
        assert threshold == THRESHOLD


def test_a_histogram_shows_what_placed_the_threshold_and_the_test_set(
    shown: dict[str, Any], tmp_path: Path
) -> None:
    report_detector(tmp_path, DETECTOR, NETWORKS, WELLS, SCORED)
    groups, threshold = shown["histogram.png"]
    assert threshold == THRESHOLD
    for name, expected in (
        ("held-out normal", [-1, 0, 2]),
        ("known spill", [4, 6]),
        ("test normal", STANDARD[~LABELS]),
        ("test spill", STANDARD[LABELS]),
    ):
        np.testing.assert_allclose(groups[name], expected, err_msg=name, atol=1e-12)


def test_mistakes_are_shown_over_what_decided_the_worst_first_and_each_content_once(
    shown: dict[str, Any], tmp_path: Path
) -> None:
    # Of the spills, b, c and a are missed, of which b is a copy; of the normals e, a copy, g and f
    # are false alarms.
    standard = np.array([2.0, 0, 1, -1, 8, 4, 5])
    report_detector(tmp_path, DETECTOR, NETWORKS, WELLS, SCORED._replace(test=as_scores(standard)))
    for name, wrong, told in (
        ("misses", [2, 0], ["c.jpg  1.00", "a.jpg  2.00"]),
        ("false_alarms", [6, 5], ["g.jpg  5.00", "f.jpg  4.00"]),
    ):
        (images, maps), (captions, below), title, columns = shown[f"{name}.png"]
        np.testing.assert_array_equal(images, WELLS.images[wrong])
        np.testing.assert_array_equal(maps, maps_of(wrong))
        assert captions == told
        assert below == ["", ""]
        assert title.startswith(f"mine: {name.replace('_', ' ')} (3), ")
        assert columns == report.COLUMNS


def maps_of(chosen: list[int]) -> Images:
    """Return some of the wells under what decided of each."""
    images = WELLS.images[chosen]
    return lay_over(images, blocks_of(images), THRESHOLD)


def blocks_of(images: Images) -> FloatArray:
    """Return what stands for how strange each block is: how bright its first pixel."""
    strange: FloatArray = images[:, 0, ::4, ::4] / 40
    return strange


def test_a_detector_without_mistakes_has_pictures_without_tiles(tmp_path: Path) -> None:
    right = SCORED._replace(test=as_scores(np.where(LABELS, 9.0, -9)))
    report_detector(tmp_path, DETECTOR, NETWORKS, WELLS, right)
    for name in ("misses", "false_alarms"):
        with Image.open(tmp_path / f"{name}.png") as picture:
            below_title = np.asarray(picture)[TITLE_HEIGHT:]
        assert (below_title == 255).all()


def test_without_known_spills_a_report_is_drawn_all_the_same(tmp_path: Path) -> None:
    report_detector(
        tmp_path, DETECTOR, NETWORKS, WELLS, SCORED._replace(spills=as_scores(np.empty(0)))
    )
    assert (tmp_path / "histogram.png").exists()


def test_roc_curves_stand_in_one_table_by_the_detectors_names(tmp_path: Path) -> None:
    detectors = [detector_of(MSE, name="one"), detector_of(BLOCKS, name="other")]
    write_roc(tmp_path / "roc.csv", detectors, WELLS, as_scores(STANDARD, -STANDARD))
    table = pd.read_csv(tmp_path / "roc.csv")
    assert list(table) == ["series", "fpr", "tpr"]
    assert list(dict.fromkeys(table["series"])) == ["one", "other"]
    for name, area in (("one", 10 / 12), ("other", 2 / 12)):
        curve = table[table["series"] == name]
        assert curve[["fpr", "tpr"]].iloc[[0, -1]].to_numpy().tolist() == [[0, 0], [1, 1]]
        assert np.trapezoid(curve["tpr"], curve["fpr"]) == pytest.approx(area, abs=1e-5)


def history_of(*members: tuple[list[float], list[float]]) -> pd.DataFrame:
    """Return a network's history, of each member's errors of train and of holdout by epoch."""
    return pd.concat(
        [
            pd.DataFrame({"fold": fold, "epoch": [1, 2], "train": train, "holdout": holdout})
            for fold, (train, holdout) in enumerate(members)
        ],
        ignore_index=True,
    )


def test_losses_are_means_of_members_in_one_table_by_network_and_part(tmp_path: Path) -> None:
    histories = {
        "autoencoder": history_of(([1, 0.1], [2, 0.2]), ([3, 0.2], [6, 0.6])),
        "mnad": history_of(([3, 0.1], [6, 0.2])),
    }
    write_losses(tmp_path / "loss.csv", histories)
    table = pd.read_csv(tmp_path / "loss.csv")
    assert list(table) == ["series", "epoch", "mse"]
    found = {name: part["mse"].tolist() for name, part in table.groupby("series")}
    assert found == {
        "autoencoder train": pytest.approx([2, 0.15]),
        "autoencoder holdout": pytest.approx([4, 0.4]),
        "mnad train": [3, 0.1],
        "mnad holdout": [6, 0.2],
    }
    assert table["epoch"].tolist() == [1, 2] * 4


def test_the_last_holdout_error_is_the_mean_of_what_members_end_with() -> None:
    history = history_of(([1, 0.1], [2, 0.2]), ([3, 0.2], [6, 0.6]))
    assert last_holdout_error(history) == pytest.approx((0.2 + 0.6) / 2)


def test_reconstructions_are_of_photos_of_each_kind_from_the_least_to_the_most_strange(
    shown: dict[str, Any], tmp_path: Path
) -> None:
    members = small_members("autoencoder", width=24)
    members[0].fit_channels(torch.from_numpy(WELLS.images).float() / 255)
    networks = {"autoencoder": members}
    path = tmp_path / "panels.png"
    draw_reconstructions(path, "autoencoder", DETECTOR, networks, WELLS, STANDARD)
    (images, reconstructions, maps), (verdicts, *below), title, columns = shown[path.name]
    assert verdicts == [
        "normal 0.0",
        "normal 0.0",
        "normal 4.0: false alarm",
        "normal 4.0: false alarm",
        "spill 1.0: missed",
        "spill 5.0",
        "spill 5.0",
    ]
    assert below == [["reconstruction"] * 7, ["what decided"] * 7]
    assert title.startswith("autoencoder: ")
    assert columns == 7
    np.testing.assert_array_equal(images[4], WELLS.images[2])
    with torch.inference_mode():
        redrawn = members[0](torch.from_numpy(images).float() / 255).clamp(0, 1) * 255
    np.testing.assert_allclose(reconstructions, redrawn, atol=0.51)
    np.testing.assert_array_equal(maps, lay_over(images, blocks_of(images), THRESHOLD))
