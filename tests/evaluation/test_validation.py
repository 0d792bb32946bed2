"""Detectors are compared on hard cases, of which each kind counts the same."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stages.common.pictures import NORMAL, PHOTOS_A_ROW, SPILL, Row
from stages.common.types import FloatArray, Indices
from stages.wells.detection.calibration import fit_detectors
from stages.wells.detection.detector import Detector, by_key, score_for
from stages.wells.detection.normality import Scores
from stages.wells.detection.params import DetectorParams
from stages.wells.detection.thresholds import Rule
from stages.wells.evaluation import validation
from stages.wells.evaluation.hard_cases import NO_FOLD, HardCases, draw_hard_cases
from stages.wells.evaluation.metrics import measure_by_kind
from stages.wells.evaluation.validation import (
    declare,
    draw_cases,
    draw_validation,
    measure_detectors,
)
from stages.wells.networks.base import Network
from tests.small_wells import (
    fit_to_scores,
    grainy_wells,
    in_turn,
    noise,
    small_members,
    small_network,
)

SIZE = {"height": 16, "width": 24}
TRAIN, FOLDS = grainy_wells(60, seed=0, **SIZE), in_turn(60)
PARTS = {
    "normal": grainy_wells(10, seed=2, **SIZE),
    "far": grainy_wells(3, seed=6, grain=11, **SIZE),
    "covered": grainy_wells(4, seed=3, grain=12, **SIZE),
    "spill": grainy_wells(5, seed=4, grain=40, **SIZE),
    "empty": grainy_wells(8, seed=5, grain=6, **SIZE),
}
NAMES = np.repeat(np.array(list(PARTS)), [len(part) for part in PARTS.values()])
CASES = HardCases(
    np.concatenate(list(PARTS.values())),
    NAMES,
    np.isin(NAMES, ["spill", "empty"]),
    np.where(NAMES == "spill", NO_FOLD, in_turn(len(NAMES))),
)
ONE_GROUP = np.zeros(5, dtype=np.intp)


@pytest.fixture(scope="module")
def networks() -> dict[str, list[Network]]:
    return {"autoencoder": small_members("autoencoder", **SIZE)}


@pytest.fixture(scope="module")
def detectors(networks: dict[str, list[Network]]) -> dict[str, Detector]:
    wanted = {
        "surface": DetectorParams(scores=["appearance", "texture"], rule="equal_error"),
        "baseline": DetectorParams(scores=["autoencoder.mse"], rule="sigma"),
    }
    return fit_detectors(wanted, networks, TRAIN, FOLDS, PARTS["spill"])


@pytest.fixture(scope="module")
def normals(detectors: dict[str, Detector], networks: dict[str, list[Network]]) -> Scores:
    return score_for(detectors.values(), networks, TRAIN, FOLDS)


def everywhere(threshold: float) -> FloatArray:
    return np.full(len(NAMES), threshold)


def test_each_detector_is_measured_by_kind_together_and_score_by_score(
    detectors: dict[str, Detector], networks: dict[str, list[Network]], normals: Scores
) -> None:
    found = measure_detectors(by_key(detectors, "surface"), networks, CASES, normals, ONE_GROUP)
    assert list(found) == ["detector", "baseline"]
    assert [one["name"] for one in found.values()] == ["surface", "baseline"]
    scores = score_for(detectors.values(), networks, CASES.images, CASES.folds)
    for one in found.values():
        detector = detectors[one["name"]]
        expected = measure_by_kind(
            detector.combine(scores), CASES.labels, CASES.kinds, everywhere(detector.threshold)
        )
        assert {name: one[name] for name in expected} == expected
        assert one["right"].keys() == PARTS.keys()
        assert one["scores"].keys() == detector.scores.keys()
        for name, alone in one["scores"].items():
            assert alone == measure_by_kind(
                detector.standardise(scores)[name],
                CASES.labels,
                CASES.kinds,
                everywhere(detector.scores[name].threshold),
            )


def test_a_case_is_measured_by_the_member_that_has_not_seen_its_photo(
    detectors: dict[str, Detector], networks: dict[str, list[Network]], normals: Scores
) -> None:
    baseline = {"baseline": detectors["baseline"]}
    # So the second member's errors of the empty wells are large, and the first one's are not.
    first, second = networks["autoencoder"][0], small_network("autoencoder", **SIZE)
    second.channel_mean += 9
    members = {"autoencoder": [first, second]}
    for fold, share in ((0, 0), (1, 1), (NO_FOLD, 1)):
        folds = np.where(NAMES == "empty", fold, 0)
        cases = CASES._replace(folds=folds)
        found = measure_detectors(baseline, members, cases, normals, ONE_GROUP)["baseline"]
        assert found["right"]["empty"] == share, fold


MADE_UP = np.array([-1.0, 1])
# Of the known spills, those of the first group alone are but little stranger than normals.
SPILLS, GROUPS = np.array([2, 2.4, 9, 10, 11, 12]), np.array([0, 0, 1, 1, 2, 2])
KINDS = np.array(["normal"] * 2 + ["spill"] * 6 + ["empty"] * 2)
STANDARD = np.r_[MADE_UP, SPILLS, 2, 2.4]
SCORE = "autoencoder.mse"


def right_calls(
    groups: Indices, monkeypatch: pytest.MonkeyPatch, rule: Rule = "equal_error"
) -> list[dict[str, float]]:
    """Return the shares called rightly by kind, by the detector and by its only score."""
    normals = {SCORE: np.exp(MADE_UP)}
    detector = fit_to_scores([SCORE], normals, {SCORE: np.exp(SPILLS)}, rule)
    monkeypatch.setattr(validation, "score_for", lambda *_: {SCORE: np.exp(STANDARD)})
    folds = np.full(len(KINDS), NO_FOLD)
    cases = HardCases(noise(len(KINDS)), KINDS, KINDS != "normal", folds)
    (found,) = measure_detectors({"one": detector}, {}, cases, normals, groups).values()
    return [found["right"], found["scores"][SCORE]["right"]]


def test_known_spills_are_measured_with_the_threshold_of_the_other_groups(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # All six place it at 1.5, those from 9 on at 5; no case but known spills is called by that.
    expected = {"normal": 1, "spill": 4 / 6, "empty": 1}
    for found in right_calls(GROUPS, monkeypatch):
        assert found == pytest.approx(expected)


def test_known_spills_of_one_group_are_measured_with_the_threshold_of_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for found in right_calls(np.zeros_like(GROUPS), monkeypatch):
        assert found == {"normal": 1, "spill": 1, "empty": 1}


def test_a_rule_that_needs_no_spills_has_one_threshold_whatever_the_groups(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Three deviations: the two weak spills and the wells emptied are below.
    for found in right_calls(GROUPS, monkeypatch, "sigma"):
        assert found == pytest.approx({"normal": 1, "spill": 4 / 6, "empty": 0})


def test_the_network_of_no_detector_is_not_asked_for(
    detectors: dict[str, Detector], normals: Scores
) -> None:
    surface = {"a": detectors["surface"]}
    assert measure_detectors(surface, {}, CASES, normals, ONE_GROUP).keys() == {"a"}
    with pytest.raises(KeyError, match="autoencoder"):
        measure_detectors(detectors, {}, CASES, normals, ONE_GROUP)


def test_what_is_measured_can_stand_in_json(
    detectors: dict[str, Detector], networks: dict[str, list[Network]], normals: Scores
) -> None:
    found = measure_detectors(detectors, networks, CASES, normals, ONE_GROUP)
    assert json.loads(json.dumps(found, allow_nan=False)) == found


@pytest.mark.parametrize(("tpr", "tnr", "lower"), [(0.98765, 0.5, 0.5), (1 / 3, 1, 0.3333)])
def test_the_lower_of_two_rates_is_declared_in_four_digits(
    tpr: float, tnr: float, lower: float
) -> None:
    measured = {
        "detector": {"tpr": tpr, "tnr": tnr, "auroc": 0.1},
        "baseline": {"tpr": 1, "tnr": 1},
    }
    assert declare(measured) == {"detector": {"validation": lower}, "baseline": {"validation": 1}}
    assert list(declare(measured)) == ["detector", "baseline"]


PAINTS = {
    "far": (250, 220, 30),
    "covered": (220, 20, 20),
    "empty": (20, 160, 40),
    "spill_covered": (30, 60, 200),
}


def painted_cases(counts: dict[str, int]) -> HardCases:
    """Return cases of one colour each kind, and black those that aren't drawn."""
    kinds = np.repeat(np.array(list(counts)), list(counts.values()))
    images = np.zeros((len(kinds), 3, 16, 24), dtype=np.uint8)
    for kind, paint in PAINTS.items():
        images[kinds == kind] = np.reshape(paint, (3, 1, 1))
    spilled = np.isin(kinds, ["spill", "empty", "spill_covered"])
    return HardCases(images, kinds, spilled, np.zeros(len(kinds), dtype=np.intp))


def rights(**shares: float) -> dict[str, Any]:
    """Return what is measured of two detectors, the first with two scores."""
    right = dict.fromkeys(PARTS, 1.0) | {"spill_covered": 1.0} | shares
    alone = {name: {"right": right} for name in ("appearance", "texture")}
    return {
        "detector": {"name": "both", "tpr": 0.9, "tnr": 0.8, "right": right, "scores": alone},
        "other": {
            **{"name": "other", "tpr": 0.6, "tnr": 0.7, "scores": {"mse": {}}},
            "right": {**right, "far": 0.25},
        },
    }


@pytest.fixture
def saved(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """Return a list of what is saved as a picture from now on."""
    found: list[tuple[Any, ...]] = []
    monkeypatch.setattr(validation, "save_picture", lambda *given: found.append(given))
    return found


def test_a_gallery_shows_a_row_of_each_drawn_kind_and_none_of_the_others(
    saved: list[tuple[Any, ...]],
) -> None:
    counts = {"normal": 20, "far": 8, "covered": 20, "spill": 9, "empty": 8, "spill_covered": 9}
    draw_cases(Path("x.png"), painted_cases(counts), rights())
    pixels = np.asarray(saved[0][3])
    tops = []
    for kind, paint in PAINTS.items():
        found = (pixels == paint).all(axis=2)
        columns = np.flatnonzero(found.any(axis=0))
        assert (np.diff(columns) > 1).sum() == PHOTOS_A_ROW - 1, kind
        tops.append(np.flatnonzero(found.any(axis=1))[0])
    order = [kind for kind in validation.KINDS if kind in PAINTS]
    assert [list(PAINTS)[i] for i in np.argsort(tops)] == order
    assert not (pixels == 0).all(axis=2).any(), "a photo as it was is no drawn case"


def test_a_rows_label_tells_how_many_the_detector_in_use_calls_rightly(
    saved: list[tuple[Any, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    rows: list[Row] = []
    monkeypatch.setattr(validation, "draw_rows", lambda given, _: rows.extend(given))
    counts = {"normal": 2, "far": 2, "covered": 2, "spill": 2, "empty": 1, "spill_covered": 2}
    draw_cases(Path("x.png"), painted_cases(counts), rights(empty=0.984, covered=0.7))
    assert {row.label: row.frames[0] for row in rows} == {
        "unlike any learned: 100.0 % called rightly": NORMAL,
        "covered: 70.0 % called rightly": NORMAL,
        "empty wells: 98.4 % called rightly": SPILL,
        "spills, covered: 100.0 % called rightly": SPILL,
    }
    assert saved[0][1] == "The detector in use is right on 70.0 % or more of each kind of hard case"


def test_a_table_has_a_row_for_each_detector_and_each_of_several_scores(
    saved: list[tuple[Any, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    tables: list[tuple[Any, ...]] = []
    monkeypatch.setattr(validation, "chart_table", lambda *given: tables.append(given))
    draw_validation(Path("x.png"), rights(empty=0.5))
    ((shares, rows, columns),) = tables
    assert rows == ["both", "  appearance", "  texture", "other"]
    kinds = [kind for kind in validation.KINDS if kind in {*PARTS, "spill_covered"}]
    assert columns == [validation.KINDS[kind] for kind in kinds]
    assert shares[:, kinds.index("empty")].tolist() == [0.5] * 4
    assert shares[:, kinds.index("far")].tolist() == [1, 1, 1, 0.25]
    assert saved[0][1].endswith("to choose by: both 0.8000, other 0.6000")


def test_every_kind_of_case_has_a_name_for_people() -> None:
    cases = draw_hard_cases(TRAIN, FOLDS, FOLDS == 0, PARTS["spill"], seed=0)
    assert set(validation.KINDS) == set(cases.kinds)
