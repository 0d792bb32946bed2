"""Wrong detectors are refused by their key of params.yaml, with what would be valid."""

import re
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml

from stages.common.errors import InputError
from stages.common.params import load_params
from stages.wells.detection.params import DetectionParams
from stages.wells.detection.scores import SCORES
from stages.wells.detection.thresholds import Rule
from stages.wells.networks.registry import NETWORKS
from tests.wells_files import ROOT, params_with

GOOD = {"scores": ["texture"], "rule": "sigma"}


def load(changes: dict[str, Any], folder: Path) -> DetectionParams:
    path = folder / "params.yaml"
    path.write_text(params_with(changes), encoding="utf-8")
    return load_params(DetectionParams, path)


def refusal(changes: dict[str, Any], folder: Path) -> str:
    """Return what is said of the one thing that is wrong."""
    with pytest.raises(InputError) as refused:
        load(changes, folder)
    first, *problems = str(refused.value).split("\n  ")
    assert first.endswith("params.yaml: correct these values:")
    (problem,) = problems
    return problem


def test_the_committed_detectors_are_read_as_they_stand() -> None:
    params = load_params(DetectionParams, ROOT / "params.yaml")
    written = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    assert params.model_dump() == {key: written[key] for key in ("detectors", "detector")}
    assert list(params.detectors) == list(written["detectors"])
    assert params.detectors["baseline"].scores == ["autoencoder.mse"]


@pytest.mark.parametrize("name", ["a", "z9", "two_words", "detectors"])
def test_any_plain_name_any_scores_and_any_rule_make_a_detector(name: str, tmp_path: Path) -> None:
    for rule in get_args(Rule):
        one = {"scores": list(SCORES), "rule": rule}
        params = load({"detectors": {name: one}, "detector": name}, tmp_path)
        assert params.detectors[name].model_dump() == one


@pytest.mark.parametrize(
    ("scores", "message"),
    [
        ([], "a detector needs a score; there are autoencoder.mse, .*texture"),
        (None, "a detector needs a score; there are autoencoder.mse, .*texture"),
        (["roughness"], "roughness is no score; there are autoencoder.mse, .*texture"),
        (["texture", "mnad.mean"], "mnad.mean is no score; there are autoencoder.mse, .*texture"),
        (["mse"], "mse is no score; there are autoencoder.mse, .*texture"),
        ([""], " is no score; there are autoencoder.mse, .*texture"),
        (["vae.mse"], "vae.mse is a score of a network that isn't trained; autoencoder, mnad are"),
        (["a.b.mse"], "a.b.mse is a score of a network that isn't trained; autoencoder, mnad are"),
        (["texture", "appearance", "texture"], "texture stands in it twice; name each score once"),
        ("texture", "should be a valid list"),
    ],
    ids=str,
)
def test_wrong_scores_are_refused_with_the_scores_there_are(
    scores: object, message: str, tmp_path: Path
) -> None:
    told = refusal({"detectors.mnad.scores": scores}, tmp_path)
    assert re.match(rf"detectors\.mnad\.scores: .*{message}", told), told


def test_the_scores_that_are_told_are_all_there_are(tmp_path: Path) -> None:
    told = refusal({"detectors.together.scores": ["roughness"]}, tmp_path)
    listed = told.partition("there are ")[2].partition(" (it is")[0]
    assert listed.split(", ") == list(SCORES)
    told = refusal({"detectors.together.scores": ["vae.mse"]}, tmp_path)
    assert told.partition("; ")[2].startswith(f"{', '.join(NETWORKS)} are")


@pytest.mark.parametrize("scores", [[7], [None], [["texture"]]], ids=str)
def test_a_score_that_is_no_name_is_refused_by_its_place(scores: object, tmp_path: Path) -> None:
    told = refusal({"detectors.mnad.scores": scores}, tmp_path)
    assert told.startswith("detectors.mnad.scores.0: ")


@pytest.mark.parametrize("rule", ["", "median", "Sigma", 3, None, ["sigma"]], ids=str)
def test_an_unknown_rule_is_refused_with_the_known_ones(rule: object, tmp_path: Path) -> None:
    told = refusal({"detectors.baseline.rule": rule}, tmp_path)
    assert told.startswith("detectors.baseline.rule: ")
    assert "'equal_error' or 'sigma'" in told


@pytest.mark.parametrize("key", ["scores", "rule"])
def test_a_detector_that_lacks_a_key_is_refused_by_it(key: str, tmp_path: Path) -> None:
    lacking = {name: value for name, value in GOOD.items() if name != key}
    told = refusal({"detectors.mnad": lacking}, tmp_path)
    assert told.startswith(f"detectors.mnad.{key}: Field required")


def test_an_unknown_key_of_a_detector_is_refused(tmp_path: Path) -> None:
    told = refusal({"detectors.mnad.sigmas": 3}, tmp_path)
    assert told.startswith("detectors.mnad.sigmas: Extra")


@pytest.mark.parametrize("name", ["detector", "holdout_mse"])
def test_a_detector_may_not_be_called_what_metrics_call_something_else(
    name: str, tmp_path: Path
) -> None:
    told = refusal({f"detectors.{name}": GOOD}, tmp_path)
    assert told.startswith(f"detectors.{name}")
    assert "means something else in metrics; take another name" in told


@pytest.mark.parametrize(
    "name", ["Surface", "my-own", "9", "_a", "two words", "a/b", "..", "", "é", "a\n", "a\nb"]
)
def test_a_name_that_can_name_no_file_and_no_metric_is_refused(name: str, tmp_path: Path) -> None:
    values = yaml.safe_load(params_with({}))["detectors"]
    told = refusal({"detectors": {**values, name: GOOD}}, tmp_path)
    assert told.startswith("detectors.")
    assert "small letters, digits and _ only, and begins with a letter" in told
    assert told.endswith(f"(it is {name!r})")


@pytest.mark.parametrize("name", [7, None])
def test_a_name_that_is_no_text_is_refused(name: object, tmp_path: Path) -> None:
    told = refusal({"detectors": {name: GOOD}}, tmp_path)
    assert told.startswith(f"detectors.{name}")


@pytest.mark.parametrize("name", ["unheard_of", "", "Surface", "autoencoder.mse"])
def test_a_detector_in_use_that_is_not_there_is_refused_with_those_there_are(
    name: str, tmp_path: Path
) -> None:
    told = refusal({"detector": name}, tmp_path)
    assert told.startswith(
        "detector: there is no such detector; there are autoencoder, baseline, mnad, together "
    )


@pytest.mark.parametrize("value", [None, 3, ["surface"]], ids=str)
def test_a_detector_in_use_that_is_no_name_is_refused(value: object, tmp_path: Path) -> None:
    assert refusal({"detector": value}, tmp_path).startswith("detector: ")


@pytest.mark.parametrize("value", [{}, [], None, "surface"], ids=str)
def test_no_detectors_are_refused(value: object, tmp_path: Path) -> None:
    assert refusal({"detectors": value}, tmp_path).startswith("detectors: ")


def test_where_detectors_are_wrong_the_one_in_use_is_not_told_too(tmp_path: Path) -> None:
    told = refusal({"detectors.mnad.rule": "median", "detector": "mnad"}, tmp_path)
    assert told.startswith("detectors.mnad.rule: ")
