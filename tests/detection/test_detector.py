"""A detector standardises and combines scores, and survives its file bit by bit."""

import json
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import torch

from stages.common.errors import InputError
from stages.wells.detection.calibration import fit_detectors
from stages.wells.detection.detector import (
    IN_USE,
    Detector,
    by_key,
    combine,
    load_artifact,
    load_detector,
    load_detectors,
    save_artifact,
    save_detectors,
    score_for,
    standardise,
)
from stages.wells.detection.normality import Normality, Scores, score_images
from stages.wells.detection.params import DetectorParams
from stages.wells.detection.thresholds import Rule
from stages.wells.networks import registry
from stages.wells.networks.registry import Members
from tests import small_wells
from tests.small_wells import fit_to_scores, grainy_wells, in_turn, noise, small_members

MSE, BLOCKS = "autoencoder.mse", "autoencoder.blocks"
RULES: list[Rule] = list(get_args(Rule))
IMAGES = noise(7, seed=9)


def draw(count: int, strangeness: float, seed: int) -> Scores:
    normal = np.random.default_rng(seed).normal(strangeness, 1, (2, count))
    return {MSE: 1e-3 * np.exp(0.3 * normal[0]), BLOCKS: 1e-4 * np.exp(normal[1])}


NORMALS, SPILLS, OTHERS = draw(50, 0, seed=0), draw(12, 2, seed=1), draw(200, 1, seed=2)


def fit(names: Iterable[str], rule: Rule = "equal_error") -> Detector:
    return fit_to_scores(names, NORMALS, SPILLS, rule)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a folder of each network, as the pipeline keeps them."""
    folder = tmp_path_factory.mktemp("networks")
    for name in registry.NETWORKS:
        path = folder / name / registry.WEIGHTS
        registry.save(small_members(name), name, small_wells.SETTINGS[name], path)
    return folder


@pytest.fixture(scope="module")
def networks(folder: Path) -> dict[str, Members]:
    return registry.load_all(registry.NETWORKS, folder)


@pytest.fixture(scope="module")
def detectors(networks: dict[str, Members]) -> dict[str, Detector]:
    """Return detectors of no network, of one and of both."""
    scores = {
        "surface": ["appearance", "texture"],
        "one": ["autoencoder.mse", "texture"],
        "both": ["mnad.blocks", "autoencoder.excess"],
    }
    wanted = {
        name: DetectorParams(scores=mine, rule="equal_error") for name, mine in scores.items()
    }
    train = grainy_wells(40, seed=0, height=16, width=16)
    return fit_detectors(wanted, networks, train, in_turn(40), noise(9))


def written(detector: Detector) -> dict[str, Any]:
    values: dict[str, Any] = json.loads(detector.model_dump_json())
    return values


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "detector.json"


@pytest.mark.parametrize("name", [MSE, BLOCKS])
def test_the_combination_of_one_score_is_that_score(name: str) -> None:
    detector = fit([name])
    np.testing.assert_array_equal(detector.combine(OTHERS), detector.standardise(OTHERS)[name])
    assert detector.threshold == detector.scores[name].threshold


def test_the_combination_of_two_scores_lies_half_way_between_them() -> None:
    detector = fit([MSE, BLOCKS])
    one, other = detector.standardise(OTHERS).values()
    np.testing.assert_allclose(detector.combine(OTHERS) - one, other - detector.combine(OTHERS))
    np.testing.assert_array_equal(combine(detector.standardise(OTHERS)), detector.combine(OTHERS))


def test_a_detector_has_its_scores_and_no_others() -> None:
    detector = fit([MSE])
    assert detector.scores.keys() == {MSE}
    assert detector.normality() == {
        MSE: Normality(view="whole", members=[], where=None, share="all")
    }
    assert detector.standardise(OTHERS).keys() == {MSE}
    np.testing.assert_array_equal(detector.combine(OTHERS), detector.combine({MSE: OTHERS[MSE]}))
    with pytest.raises(KeyError, match=MSE):
        detector.combine({BLOCKS: OTHERS[BLOCKS]})


def test_a_score_of_zero_is_finite_and_the_least_strange() -> None:
    zeros = {MSE: np.zeros(1), BLOCKS: np.zeros(1)}
    detector = fit([MSE, BLOCKS])
    for name, scores in detector.standardise(zeros).items():
        assert np.isfinite(scores).all()
        assert scores[0] < detector.standardise(NORMALS)[name].min()
    assert standardise(torch.zeros(2, 3, 4, dtype=torch.float64), 0, 1).isfinite().all()
    assert detector.combine(zeros) < detector.combine(NORMALS).min()


def test_a_detector_names_the_networks_that_its_scores_need(
    detectors: dict[str, Detector],
) -> None:
    assert {name: one.networks() for name, one in detectors.items()} == {
        "surface": set(),
        "one": {"autoencoder"},
        "both": {"autoencoder", "mnad"},
    }


def test_detectors_that_were_fitted_together_are_scored_together(
    detectors: dict[str, Detector], networks: dict[str, Members]
) -> None:
    found = score_for(detectors.values(), networks, IMAGES)
    assert found.keys() == {name for one in detectors.values() for name in one.scores}
    for one in detectors.values():
        alone = score_images(IMAGES, one.normality(), networks)
        np.testing.assert_array_equal(one.combine(found), one.combine(alone))


def test_images_with_folds_are_scored_as_held_out(
    detectors: dict[str, Detector], networks: dict[str, Members]
) -> None:
    found = score_for([detectors["both"]], networks, IMAGES, in_turn(7))
    held_out = score_images(IMAGES, detectors["both"].normality(), networks, in_turn(7))
    new = score_for([detectors["both"]], networks, IMAGES)
    for name, values in found.items():
        np.testing.assert_array_equal(values, held_out[name])
        assert not np.isclose(values, new[name]).any()


def test_a_network_that_no_detector_needs_is_not_asked_for(
    detectors: dict[str, Detector],
) -> None:
    assert score_for([detectors["surface"]], {}, IMAGES).keys() == {"appearance", "texture"}
    with pytest.raises(KeyError, match="autoencoder"):
        score_for([detectors["surface"], detectors["one"]], {}, IMAGES)


@pytest.mark.parametrize("in_use", ["surface", "one", "both"])
def test_the_detector_in_use_comes_first_by_its_own_key_and_the_others_as_they_stood(
    in_use: str, detectors: dict[str, Detector]
) -> None:
    keyed = by_key(detectors, in_use)
    others = [name for name in detectors if name != in_use]
    assert list(keyed) == [IN_USE, *others]
    assert keyed[IN_USE] is detectors[in_use]
    assert all(keyed[name] is detectors[name] for name in others)


@pytest.mark.parametrize("in_use", ["unheard_of", "", IN_USE])
def test_a_detector_in_use_that_was_not_fitted_is_refused_with_those_that_were(
    in_use: str, detectors: dict[str, Detector]
) -> None:
    with pytest.raises(
        InputError, match=rf"detector is {in_use}, .*\(surface, one, both\).*dvc repro calibrate"
    ):
        by_key(detectors, in_use)


@pytest.mark.parametrize("rule", RULES)
def test_json_gives_the_detector_back_bit_by_bit(path: Path, rule: Rule) -> None:
    detector = fit([MSE, BLOCKS], rule=rule)
    path.write_text(detector.model_dump_json(indent=2), encoding="utf-8")
    loaded = load_detector(path)
    assert loaded == detector
    assert loaded.threshold == detector.threshold
    np.testing.assert_array_equal(loaded.combine(OTHERS), detector.combine(OTHERS))
    np.testing.assert_array_equal(
        loaded.occlusion.find(noise(9, width=24)), detector.occlusion.find(noise(9, width=24))
    )


def test_saving_twice_writes_the_same_bytes(
    detectors: dict[str, Detector], folder: Path, tmp_path: Path
) -> None:
    for target in (tmp_path / "one", tmp_path / "other"):
        save_detectors(detectors, target / "detectors")
        save_artifact(detectors["both"], folder, target / "detector")
    one, other = (
        {path.name: path.read_bytes() for path in (tmp_path / name).glob("*/*")}
        for name in ("one", "other")
    )
    assert len(one) == 3 + 3
    assert one == other


def test_detectors_are_kept_each_in_a_file_of_its_name(
    detectors: dict[str, Detector], tmp_path: Path
) -> None:
    save_detectors(detectors, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {f"{name}.json" for name in detectors}
    loaded = load_detectors(tmp_path)
    assert loaded == detectors
    assert list(loaded) == sorted(detectors)


def test_a_detector_that_is_no_longer_wanted_leaves_no_file(
    detectors: dict[str, Detector], tmp_path: Path
) -> None:
    save_detectors(detectors, tmp_path)
    (tmp_path / "notes.txt").write_text("left by hand", encoding="utf-8")
    (tmp_path / ".one.json.x1.part").write_text("{", encoding="utf-8")
    save_detectors({"one": detectors["one"]}, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["one.json"]
    assert load_detectors(tmp_path) == {"one": detectors["one"]}


def test_a_folder_without_detectors_is_refused_with_what_to_do(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(InputError, match=rf"{folder} holds no detector: `dvc repro`"):
            load_detectors(folder)


def test_a_detector_and_weights_of_different_runs_are_refused(
    detectors: dict[str, Detector], folder: Path, tmp_path: Path
) -> None:
    save_artifact(detectors["both"], folder, tmp_path)
    for network in detectors["both"].networks():
        path = tmp_path / f"{network}.safetensors"
        registry.save(registry.load(path)[:1], network, small_wells.SETTINGS[network], path)
    with pytest.raises(InputError, match=r"different runs \(2 and 1 members\): `dvc checkout`"):
        load_artifact(tmp_path)


def test_a_folder_with_a_broken_detector_is_refused_with_its_file(
    detectors: dict[str, Detector], tmp_path: Path
) -> None:
    save_detectors(detectors, tmp_path)
    (tmp_path / "one.json").write_text("{", encoding="utf-8")
    with pytest.raises(InputError, match=r"one\.json can't be read"):
        load_detectors(tmp_path)


@pytest.mark.parametrize("name", ["surface", "one", "both"])
def test_the_artifact_holds_a_detector_and_the_weights_that_it_needs_and_nothing_else(
    name: str, detectors: dict[str, Detector], folder: Path, tmp_path: Path
) -> None:
    detector, target = detectors[name], tmp_path / "detector"
    save_artifact(detectors["both"], folder, target)
    (target / "history.csv").write_text("left by hand", encoding="utf-8")
    save_artifact(detector, folder, target)
    weights = {f"{network}.safetensors" for network in detector.networks()}
    assert {path.name for path in target.iterdir()} == {"detector.json", *weights}
    for network in detector.networks():
        copied = (target / f"{network}.safetensors").read_bytes()
        assert copied == (folder / network / registry.WEIGHTS).read_bytes()


@pytest.mark.parametrize("name", ["surface", "one", "both"])
def test_a_loaded_artifact_scores_bit_identically_and_needs_nothing_beside_its_folder(
    name: str,
    detectors: dict[str, Detector],
    networks: dict[str, Members],
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    save_artifact(detectors[name], folder, tmp_path / "detector")
    monkeypatch.chdir(tmp_path)
    detector, loaded = load_artifact(Path("detector"))
    assert detector == detectors[name]
    assert loaded.keys() == detector.networks()
    before = detectors[name].combine(score_for([detectors[name]], networks, IMAGES))
    after = detector.combine(score_for([detector], loaded, IMAGES))
    np.testing.assert_array_equal(after, before)


@pytest.mark.parametrize("missing", ["detector.json", "mnad.safetensors"])
def test_an_artifact_that_lacks_a_part_is_refused_by_it(
    missing: str, detectors: dict[str, Detector], folder: Path, tmp_path: Path
) -> None:
    save_artifact(detectors["both"], folder, tmp_path)
    (tmp_path / missing).unlink()
    with pytest.raises(InputError, match=rf"{missing} can't be read"):
        load_artifact(tmp_path)


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"null", b"{}", b"words", b"\xef\xbb\xbf", b"\xff\xfe\x00"]
)
def test_what_is_no_detector_is_refused_with_its_path(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"detector\.json can't be read"):
        load_detector(path)


NOTHING: dict[str, Any] = {"view": "whole", "members": [], "where": None, "share": "all"}
SCORE = {"mean": 0, "std": 1, "threshold": 1, "rare": 2, "normality": NOTHING}
MODEL = {"means": [[0]], "precisions": [[[1]]]}
COMPARING = NOTHING | {"view": "place", "members": [MODEL, MODEL]}
LOOKING = COMPARING | {"members": [{"means": [[0], [0]], "precisions": [[[1]], [[1]]]}]}
# A block twice, blocks out of order, one beyond the frame, one before it.
AMISS = [[1, 1], [2, 1], [0, 10_000], [-1, 0]]


@pytest.mark.parametrize(
    "change",
    [
        {"unknown": 1},
        {"name": None},
        {"rule": "median"},
        {"height": 0},
        {"width": -1},
        {"width": 1.5},
        {"threshold": None},
        {"threshold": "high"},
        {"threshold": math.nan},
        {"scores": {}},
        {"scores": [MSE]},
        {"scores": {"mse": SCORE}},
        {"scores": {"vae.mse": SCORE}},
        {"scores": {MSE: SCORE | {"std": 0}}},
        {"scores": {MSE: SCORE | {"unknown": 2}}},
        {"scores": {MSE: {"mean": 0, "std": 1, "rare": 2, "normality": NOTHING}}},
        {"scores": {MSE: SCORE | {"rare": -1}}},
        {"scores": {MSE: SCORE | {"normality": None}}},
        {"scores": {MSE: SCORE | {"normality": COMPARING}}},
        {"scores": {BLOCKS: SCORE}},
        {"scores": {"texture": SCORE}},
        {"scores": {"texture": SCORE | {"normality": COMPARING | {"where": [1, 2]}}}},
        {"scores": {"texture": SCORE | {"normality": COMPARING | {"share": "most"}}}},
        {"scores": {"texture": SCORE | {"normality": COMPARING | {"view": "whole"}}}},
        *(
            {"scores": {BLOCKS: SCORE | {"normality": LOOKING | {"where": where}}}}
            for where in AMISS
        ),
        {"occlusion": None},
        {"occlusion": {}},
    ],
    ids=str,
)
def test_a_detector_with_a_wrong_value_is_refused(path: Path, change: dict[str, Any]) -> None:
    path.write_text(json.dumps(written(fit([MSE])) | change), encoding="utf-8")
    with pytest.raises(InputError, match="can't be read"):
        load_detector(path)


def test_a_detector_whose_values_are_right_is_read(path: Path) -> None:
    # So that each change above is refused for what it changes.
    for scores in ({MSE: SCORE}, {"texture": SCORE | {"normality": COMPARING}}):
        values = written(fit([MSE])) | {"scores": scores}
        path.write_text(json.dumps(values), encoding="utf-8")
        assert load_detector(path).scores.keys() == scores.keys()


@pytest.mark.parametrize(
    "key", ["name", "rule", "height", "width", "threshold", "scores", "occlusion"]
)
def test_a_detector_that_lacks_a_key_is_refused_with_its_name(path: Path, key: str) -> None:
    values = written(fit([MSE]))
    del values[key]
    path.write_text(json.dumps(values), encoding="utf-8")
    with pytest.raises(InputError, match=key):
        load_detector(path)


@pytest.mark.parametrize(
    "change",
    [
        {"unknown": 1},
        {"threshold": math.inf},
        {"normality": None},
        {"normality": {"means": [[0, 1]], "precisions": [[[1, 0]]]}},
        {"normality": {"means": [[0, math.nan]], "precisions": [[[1, 0], [0, 1]]]}},
        {"normality": {"means": [[0, 1]]}},
        {"normality": {"means": [[0, 1], [2]], "precisions": [[[1, 0], [0, 1]]]}},
    ],
    ids=str,
)
def test_a_detector_with_a_broken_part_is_refused(path: Path, change: dict[str, Any]) -> None:
    values = written(fit([MSE]))
    values["occlusion"] |= change
    path.write_text(json.dumps(values), encoding="utf-8")
    with pytest.raises(InputError, match=r"detector\.json can't be read"):
        load_detector(path)


@pytest.mark.parametrize("key", ["normality", "threshold"])
@pytest.mark.parametrize("part", ["occlusion", MSE])
def test_a_part_that_lacks_a_key_is_refused_with_its_name(path: Path, key: str, part: str) -> None:
    values = written(fit([MSE]))
    above = values if part == "occlusion" else values["scores"]
    del above[part][key]
    path.write_text(json.dumps(values), encoding="utf-8")
    with pytest.raises(InputError, match=rf"{part}`?\.{key}"):
        load_detector(path)


def test_a_missing_file_is_refused_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere\.json.*dvc repro"):
        load_detector(tmp_path / "nowhere.json")
