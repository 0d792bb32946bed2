"""A report counts what it says it counts, and shows each photo for what it is."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from stages.common.errors import InputError
from stages.common.types import Images, Marks
from stages.wells.detection.detector import Detector
from stages.wells.detection.occlusion import Occlusion
from stages.wells.evaluation.metrics import measure
from stages.wells.evaluation.report import (
    LabelledWells,
    judge,
    last_holdout_error,
    measure_detector,
    tell_kinds,
    write_losses,
    write_predictions,
    write_roc,
)
from tests.evaluation.judged import (
    BLOCKS,
    DETECTOR,
    KINDS,
    LABELS,
    MSE,
    STANDARD,
    THRESHOLD,
    WELLS,
    as_scores,
    detector_of,
    judged,
)
from tests.small_wells import grainy_wells

pytestmark = pytest.mark.slow


def measured(wells: LabelledWells = WELLS, detector: Detector = DETECTOR) -> dict[str, Any]:
    return measure_detector(judge(detector, wells, as_scores(STANDARD), KINDS))


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
    found = measure_detector(judge(DETECTOR, wells, as_scores(STANDARD[order]), KINDS[order]))
    assert found["kinds"] == measured()["kinds"]


def test_only_the_kinds_that_are_there_are_named() -> None:
    kinds = np.where(LABELS, "streak", "normal")
    found = measure_detector(judge(DETECTOR, WELLS, as_scores(STANDARD), kinds))
    assert found["kinds"].keys() == {"streak"}


def test_each_score_is_measured_alone_by_its_own_threshold() -> None:
    detector = detector_of(MSE, BLOCKS)
    alone = {MSE: 4.5, BLOCKS: -9.0}
    scores = {
        name: one.model_copy(update={"threshold": alone[name]})
        for name, one in detector.scores.items()
    }
    detector = detector.model_copy(update={"scores": scores})
    found = measure_detector(judge(detector, WELLS, as_scores(STANDARD, -STANDARD), KINDS))[
        "scores"
    ]
    assert {name: one["threshold"] for name, one in found.items()} == alone
    assert (found[MSE]["tpr"], found[MSE]["tnr"]) == pytest.approx((2 / 3, 1))
    assert (found[BLOCKS]["tpr"], found[BLOCKS]["tnr"]) == pytest.approx((1, 0))
    assert found[MSE]["auroc"] == pytest.approx(1 - found[BLOCKS]["auroc"])


def test_each_score_tells_how_it_looks() -> None:
    found = measured()["scores"]
    assert found.keys() == DETECTOR.scores.keys()
    for name, fitted in DETECTOR.scores.items():
        looks = found[name]["view"], found[name]["share"]
        assert looks == (fitted.normality.view, fitted.normality.share)


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


def kinds_of(spills: Images, normals: Images) -> list[str]:
    kinds: list[str] = tell_kinds(spills, np.ones(len(spills), dtype=np.bool_), normals).tolist()
    return kinds


def test_a_spill_rougher_than_normals_is_a_streak_and_a_smoother_one_an_empty_well() -> None:
    spills = np.concatenate([grainy_wells(3, 2, grain=30), grainy_wells(4, 3, grain=3)])
    assert kinds_of(spills, NORMALS) == ["streak"] * 3 + ["empty"] * 4


@pytest.mark.parametrize(("grain", "kind"), [(30.0, "streak"), (3.0, "empty")])
def test_a_spills_kind_is_told_by_most_of_its_middle(grain: float, kind: str) -> None:
    spills = grainy_wells(5, 2, grain)
    other = grainy_wells(5, 3, grain=3 if kind == "streak" else 30)
    # All around the middle, and over two of its six columns of blocks.
    changed = other.copy()
    changed[..., 12:28, 20:36] = spills[..., 12:28, 20:36]
    assert kinds_of(changed, NORMALS) == [kind] * 5


@pytest.mark.parametrize(("usual", "kind"), [(5.0, "streak"), (20.0, "empty")])
def test_a_spills_kind_is_told_by_what_normals_are(usual: float, kind: str) -> None:
    normals = grainy_wells(40, seed=0, grain=usual)
    assert kinds_of(grainy_wells(3, seed=2), normals) == [kind] * 3


def test_a_normal_well_is_one_whatever_it_looks_like() -> None:
    rough = grainy_wells(3, 2, grain=30)
    labels = np.array([True, False, True])
    assert tell_kinds(rough, labels, NORMALS).tolist() == ["streak", "normal", "streak"]


def test_predictions_name_each_photo_what_it_is_and_what_it_is_called(tmp_path: Path) -> None:
    write_predictions(tmp_path / "predictions.csv", judged())
    table = pd.read_csv(tmp_path / "predictions.csv")
    assert list(table) == ["name", "actual", "predicted", "score"]
    assert table["name"].tolist() == WELLS.names.tolist()
    assert table["actual"].tolist() == ["spill"] * 3 + ["normal"] * 4
    predicted = ["spill", "spill", "normal", "spill", "spill", "normal", "normal"]
    assert table["predicted"].tolist() == predicted
    assert table["score"].tolist() == pytest.approx(STANDARD, abs=1e-5)


def test_a_photo_at_the_threshold_is_called_a_spill(tmp_path: Path) -> None:
    combined = DETECTOR.combine(as_scores(STANDARD))
    at = DETECTOR.model_copy(update={"threshold": float(combined[3])})
    write_predictions(tmp_path / "predictions.csv", judged(at))
    assert pd.read_csv(tmp_path / "predictions.csv")["predicted"][3] == "spill"


def test_roc_curves_stand_in_one_table_by_the_detectors_names(tmp_path: Path) -> None:
    scores = as_scores(STANDARD, -STANDARD)
    detectors = [detector_of(MSE, name="one"), detector_of(BLOCKS, name="other")]
    write_roc(tmp_path / "roc.csv", [judge(one, WELLS, scores, KINDS) for one in detectors])
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
