"""Detectors are compared on hard cases, of which each kind counts the same."""

import json
from itertools import pairwise

import numpy as np
import pytest
from PIL import Image

from stages.wells.detection.calibration import fit_detectors
from stages.wells.detection.detector import Detector, by_key, score_for
from stages.wells.detection.params import DetectorParams
from stages.wells.evaluation.hard_cases import HardCases
from stages.wells.evaluation.metrics import measure_by_kind
from stages.wells.evaluation.validation import (
    GALLERY_COLUMNS,
    declare,
    measure_detectors,
    show_cases,
)
from stages.wells.networks.base import Network
from tests.small_wells import grainy_wells, small_network

SIZE = {"height": 16, "width": 24}
PARTS = {
    "normal": grainy_wells(10, seed=2, **SIZE),
    "covered": grainy_wells(4, seed=3, grain=12, **SIZE),
    "spill": grainy_wells(5, seed=4, grain=40, **SIZE),
    "empty": grainy_wells(8, seed=5, grain=6, **SIZE),
}
NAMES = np.repeat(np.array(list(PARTS)), [len(part) for part in PARTS.values()])
CASES = HardCases(np.concatenate(list(PARTS.values())), NAMES, np.isin(NAMES, ["spill", "empty"]))


@pytest.fixture(scope="module")
def networks() -> dict[str, Network]:
    return {"autoencoder": small_network("autoencoder", **SIZE)}


@pytest.fixture(scope="module")
def detectors(networks: dict[str, Network]) -> dict[str, Detector]:
    wanted = {
        "surface": DetectorParams(scores=["appearance", "texture"], rule="equal_error"),
        "baseline": DetectorParams(scores=["autoencoder.mse"], rule="sigma"),
    }
    train, holdout = grainy_wells(40, seed=0, **SIZE), grainy_wells(30, seed=1, **SIZE)
    return fit_detectors(wanted, networks, train, holdout, PARTS["spill"])


def test_each_detector_is_measured_by_kind_together_and_score_by_score(
    detectors: dict[str, Detector], networks: dict[str, Network]
) -> None:
    found = measure_detectors(by_key(detectors, "surface"), networks, CASES)
    assert list(found) == ["detector", "baseline"]
    assert [one["name"] for one in found.values()] == ["surface", "baseline"]
    scores = score_for(detectors.values(), networks, CASES.images)
    for one in found.values():
        detector = detectors[one["name"]]
        expected = measure_by_kind(
            detector.combine(scores), CASES.labels, CASES.kinds, detector.threshold
        )
        assert {name: one[name] for name in expected} == expected
        assert one["right"].keys() == PARTS.keys()
        assert one["scores"].keys() == detector.scores.keys()
        for name, alone in one["scores"].items():
            assert alone == measure_by_kind(
                detector.standardise(scores)[name],
                CASES.labels,
                CASES.kinds,
                detector.scores[name].threshold,
            )


def test_the_network_of_no_detector_is_not_asked_for(detectors: dict[str, Detector]) -> None:
    assert measure_detectors({"a": detectors["surface"]}, {}, CASES).keys() == {"a"}
    with pytest.raises(KeyError, match="autoencoder"):
        measure_detectors(detectors, {}, CASES)


def test_what_is_measured_can_stand_in_json(
    detectors: dict[str, Detector], networks: dict[str, Network]
) -> None:
    found = measure_detectors(detectors, networks, CASES)
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


PAINTS = {"covered": (220, 20, 20), "empty": (20, 160, 40), "spill_covered": (30, 60, 200)}


def painted_cases(counts: dict[str, int]) -> HardCases:
    """Return cases of one colour each kind, and black those that aren't drawn."""
    kinds = np.repeat(np.array(list(counts)), list(counts.values()))
    images = np.zeros((len(kinds), 3, 16, 24), dtype=np.uint8)
    for kind, paint in PAINTS.items():
        images[kinds == kind] = np.reshape(paint, (3, 1, 1))
    return HardCases(images, kinds, np.zeros(len(kinds), dtype=np.bool_))


def rows_of(picture: Image.Image, paint: tuple[int, int, int]) -> tuple[int, int]:
    rows = np.flatnonzero((np.asarray(picture) == paint).all(axis=2).any(axis=1))
    return int(rows.min()), int(rows.max())


def test_a_gallery_shows_a_row_of_each_drawn_kind_and_none_of_the_others() -> None:
    counts = {"normal": 20, "covered": 20, "spill": 9, "empty": 8, "spill_covered": 9}
    picture = show_cases(painted_cases(counts))
    spans = [rows_of(picture, paint) for paint in PAINTS.values()]
    for (_, bottom), (top, _) in pairwise(spans):
        assert bottom < top
    pixels = np.asarray(picture)
    areas = {(pixels == paint).all(axis=2).sum() for paint in PAINTS.values()}
    assert areas == {GALLERY_COLUMNS * 9 * 16 * 24}
    assert not (pixels == 0).all(axis=2).any(), "a photo as it was is no drawn case"
