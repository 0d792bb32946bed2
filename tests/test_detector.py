"""A detector standardises, combines and compares scores, and survives its file bit by bit."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from stages.common.errors import InputError
from stages.wells.descriptions import Box
from stages.wells.detector import COMBINED, Detector, fit_detector, load_detector, standardised
from stages.wells.scores import Ellipse, Scores, appearance, fit_reference, obstruction, texture

IMAGES = np.random.default_rng(3).integers(0, 256, (12, 3, 16, 24), dtype=np.uint8)
REFERENCE = fit_reference(IMAGES, Ellipse(0.625, 0.5, 0.28, 0.19), Box(0.375, 0.875, 0.25, 0.75))
OBSTRUCTIONS = np.random.default_rng(4).lognormal(size=50)
RULES = ["equal_error", "youden", "margin", "sigma"]


def draw(count: int, strangeness: float, seed: int) -> Scores:
    normal = np.random.default_rng(seed).normal(strangeness, 1, (2, count))
    return {"mse": 1e-3 * np.exp(0.3 * normal[0]), "centre_mse": 1e-4 * np.exp(normal[1])}


NORMALS, SPILLS, OTHERS = draw(50, 0, seed=0), draw(12, 2, seed=1), draw(200, 1, seed=2)


def fit(
    combination: list[str],
    normals: Scores = NORMALS,
    spills: Scores = SPILLS,
    rule: str = "margin",
    obstructions: NDArray[np.float64] = OBSTRUCTIONS,
) -> Detector:
    return fit_detector(
        normals,
        spills,
        combination=combination,
        rule=rule,
        sigmas=3,
        reference=REFERENCE,
        obstructions=obstructions,
    )


def written(detector: Detector) -> dict[str, Any]:
    values: dict[str, Any] = json.loads(detector.model_dump_json())
    return values


@pytest.mark.parametrize("name", ["mse", "centre_mse"])
def test_standardised_held_out_normals_have_mean_0_and_deviation_1(name: str) -> None:
    scores = standardised(fit([name]), NORMALS)
    for key in (name, COMBINED):
        assert scores[key].mean() == pytest.approx(0, abs=1e-9)
        assert scores[key].std() == pytest.approx(1)


def test_scores_are_standardised_on_the_log_scale() -> None:
    # Normals 1, e and e^2 have logs 0, 1 and 2: mean 1, deviation sqrt(2/3). e^4 lies 3 above.
    normals = {"mse": np.exp([0.0, 1, 2])}
    spills = {"mse": np.exp([4.0])}
    detector = fit(["mse"], normals, spills)
    assert standardised(detector, spills)["mse"] == pytest.approx([3 / math.sqrt(2 / 3)])
    # The margin's threshold is half-way between the logs 2 and 4.
    assert detector.threshold == pytest.approx(2 / math.sqrt(2 / 3))


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("unit", [1e-3, 7, 255**2])
def test_the_scores_unit_changes_no_decision(rule: str, unit: float) -> None:
    combination = ["mse", "centre_mse"]
    detector = fit(combination, rule=rule)
    normals, spills, others = (
        {name: unit * scores for name, scores in part.items()} for part in (NORMALS, SPILLS, OTHERS)
    )
    scaled = fit(combination, normals, spills, rule)
    expected = standardised(detector, OTHERS)[COMBINED] >= detector.threshold
    assert expected.any()
    assert not expected.all()
    found = standardised(scaled, others)[COMBINED] >= scaled.threshold
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("name", ["mse", "centre_mse"])
def test_the_combination_of_one_score_is_that_score(name: str) -> None:
    detector = fit([name])
    scores = standardised(detector, OTHERS)
    np.testing.assert_array_equal(scores[COMBINED], scores[name])
    assert detector.threshold == detector.scores[name].threshold


def test_the_combination_of_two_scores_lies_half_way_between_them() -> None:
    scores = standardised(fit(["mse", "centre_mse"]), OTHERS)
    np.testing.assert_allclose(
        scores[COMBINED] - scores["mse"], scores["centre_mse"] - scores[COMBINED]
    )


def test_thresholds_tell_normals_from_spills_that_separate() -> None:
    spills = {name: 1000 * scores for name, scores in SPILLS.items()}
    detector = fit(["mse", "centre_mse"], spills=spills)
    for part, is_spill in ((NORMALS, False), (spills, True)):
        scores = standardised(detector, part)
        for name, threshold in detector.thresholds().items():
            assert ((scores[name] >= threshold) == is_spill).all(), name


@pytest.mark.parametrize("rule", RULES)
def test_a_detector_says_what_it_was_made_with(rule: str) -> None:
    detector = fit(["mse"], rule=rule)
    assert (detector.rule, detector.combination) == (rule, ["mse"])
    assert detector.reference == REFERENCE


def test_thresholds_name_every_score_and_the_combination() -> None:
    assert set(fit(["mse"]).thresholds()) == {"mse", "centre_mse", COMBINED}


@pytest.mark.parametrize("rule", RULES)
def test_json_gives_the_detector_back_bit_by_bit(tmp_path: Path, rule: str) -> None:
    detector = fit(["mse", "centre_mse"], rule=rule)
    path = tmp_path / "detector.json"
    path.write_text(detector.model_dump_json(indent=2), encoding="utf-8")
    loaded = load_detector(path)
    assert loaded == detector
    assert loaded.thresholds() == detector.thresholds()
    assert loaded.obstruction_threshold == detector.obstruction_threshold
    expected = standardised(detector, OTHERS)
    for name, scores in standardised(loaded, OTHERS).items():
        np.testing.assert_array_equal(scores, expected[name])
    for score in (appearance, texture, obstruction):
        np.testing.assert_array_equal(score(IMAGES, loaded.reference), score(IMAGES, REFERENCE))


@pytest.mark.parametrize(
    ("count", "expected"),
    # Between the 99th and the 100th of 100 values 1 to 100, one part in a hundred up.
    [(100, 99.01), (101, 100), (1001, 991), (1, 1)],
)
def test_a_view_is_obstructed_above_the_99th_percentile_of_held_out_normals(
    count: int, expected: float
) -> None:
    values = np.random.default_rng(0).permutation(np.arange(1.0, count + 1))
    assert fit(["mse"], obstructions=values).obstruction_threshold == pytest.approx(expected)


def test_one_in_a_hundred_held_out_normals_is_called_obstructed() -> None:
    values = np.random.default_rng(0).lognormal(size=1000)
    assert (values > fit(["mse"], obstructions=values).obstruction_threshold).sum() == 10


def test_the_obstruction_threshold_changes_no_decision() -> None:
    detector = fit(["mse"])
    other = fit(["mse"], obstructions=100 * OBSTRUCTIONS)
    assert other.obstruction_threshold > detector.obstruction_threshold
    assert other.thresholds() == detector.thresholds()


def test_scores_that_are_not_given_are_left_out() -> None:
    found = standardised(fit(["mse"]), {"mse": OTHERS["mse"]})
    assert found.keys() == {"mse", COMBINED}
    np.testing.assert_array_equal(found[COMBINED], standardised(fit(["mse"]), OTHERS)[COMBINED])


@pytest.mark.parametrize("constant", [0.0, 0.01, 0.1, 0.3, 1.0])
@pytest.mark.parametrize("count", [1, 7, 10])
def test_scores_that_do_not_vary_are_refused_by_name(constant: float, count: int) -> None:
    normals = NORMALS | {"mse": np.full(count, constant)}
    with pytest.raises(InputError, match="score mse is the same"):
        fit(["centre_mse"], normals)


def test_scores_of_a_network_that_diverged_are_refused() -> None:
    with pytest.raises(InputError, match="mse"):
        fit(["mse"], NORMALS | {"mse": np.full(5, np.nan)})


def test_a_score_of_zero_is_finite_and_the_least_strange() -> None:
    zeros = {"mse": np.zeros(1), "centre_mse": np.zeros(1)}
    detector = fit(["mse", "centre_mse"])
    for name, scores in standardised(detector, zeros).items():
        assert np.isfinite(scores).all()
        assert scores[0] < standardised(detector, NORMALS)[name].min()


def test_an_unknown_rule_is_refused() -> None:
    with pytest.raises(InputError, match=r"detector\.rule"):
        fit(["mse"], rule="median")


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "{}", "words", "\ufeff"])
def test_what_is_no_detector_is_refused_with_its_path(tmp_path: Path, text: str) -> None:
    path = tmp_path / "detector.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=r"detector\.json can't be read"):
        load_detector(path)


@pytest.mark.parametrize(
    "change",
    [
        {"unknown": 1},
        {"threshold": None},
        {"threshold": "high"},
        {"threshold": math.nan},
        {"combination": []},
        {"combination": ["mse", "memory"]},
        {"scores": {"mse": {"mean": 0, "std": 0, "threshold": 1}}},
        {"scores": {"mse": {"mean": 0, "std": 1, "threshold": 1, "unknown": 2}}},
        {"scores": {"mse": {"mean": 0, "std": 1}}},
        {"centre": [0.5, 0.5, 0.3, 0.2]},
        {"obstruction_threshold": math.inf},
        {"reference": None},
        {"reference": {}},
    ],
    ids=str,
)
def test_a_detector_with_a_wrong_value_is_refused(tmp_path: Path, change: dict[str, Any]) -> None:
    path = tmp_path / "detector.json"
    path.write_text(json.dumps(written(fit(["mse"])) | change), encoding="utf-8")
    with pytest.raises(InputError, match="can't be read"):
        load_detector(path)


@pytest.mark.parametrize(
    "key", ["rule", "scores", "combination", "threshold", "obstruction_threshold", "reference"]
)
def test_a_detector_that_lacks_a_key_is_refused_with_its_name(tmp_path: Path, key: str) -> None:
    values = written(fit(["mse"]))
    del values[key]
    path = tmp_path / "detector.json"
    path.write_text(json.dumps(values), encoding="utf-8")
    with pytest.raises(InputError, match=key):
        load_detector(path)


@pytest.mark.parametrize(
    "change",
    [
        {"unknown": 1},
        {"centre": [0.5, 0.5]},
        {"centre": [0.5, 0.5, 0.3, math.nan]},
        {"box": [0.5, 0.5, 0.3]},
        {"box": "all of it"},
        {"texture": None},
        {"texture": {"means": [[0, 1]], "precisions": [[[1, 0]]]}},
        {"texture": {"means": [[0, math.nan]], "precisions": [[[1, 0], [0, 1]]]}},
        {"sides": {"means": [[0, 1]]}},
        {"appearance": {"means": [[0, 1], [2]], "precisions": [[[1, 0], [0, 1]]]}},
    ],
    ids=str,
)
def test_a_detector_with_a_broken_reference_is_refused(
    tmp_path: Path, change: dict[str, Any]
) -> None:
    values = written(fit(["mse"]))
    values["reference"] |= change
    path = tmp_path / "detector.json"
    path.write_text(json.dumps(values), encoding="utf-8")
    with pytest.raises(InputError, match=r"detector\.json can't be read"):
        load_detector(path)


@pytest.mark.parametrize("key", ["centre", "box", "appearance", "texture", "sides"])
def test_a_reference_that_lacks_a_part_is_refused_with_its_name(tmp_path: Path, key: str) -> None:
    values = written(fit(["mse"]))
    del values["reference"][key]
    path = tmp_path / "detector.json"
    path.write_text(json.dumps(values), encoding="utf-8")
    with pytest.raises(InputError, match=rf"reference\.{key}"):
        load_detector(path)


def test_a_missing_file_is_refused_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere\.json.*dvc repro"):
        load_detector(tmp_path / "nowhere.json")


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    (tmp_path / "detector.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="can't be read"):
        load_detector(tmp_path / "detector.json")
