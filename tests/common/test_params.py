"""params.yaml is read as it is meant, or refused with the names of all that is wrong in it."""

import re
from pathlib import Path
from typing import Any, get_type_hints

import pytest
import yaml

from stages.common.errors import InputError
from stages.common.params import SECTIONS, Section, Seed, load_params
from stages.wells.detection.scores import SCORES
from tests.all_params import AllParams
from tests.wells_files import ROOT, message_of, params_with, run_stage

FIELDS = get_type_hints(AllParams, include_extras=True)
COMMITTED = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))


class SeedOnly(Section):
    seed: Seed


def load(text: str, folder: Path) -> AllParams:
    path = folder / "params.yaml"
    path.write_text(text, encoding="utf-8")
    return load_params(AllParams, path)


def numbers_in(values: Any) -> Any:
    """Return values as they are meant: YAML 1.1 takes `2e-3` for text."""
    if isinstance(values, dict):
        return {key: numbers_in(value) for key, value in values.items()}
    return 0.002 if values == "2e-3" else values


def test_the_committed_params_are_read_as_they_stand() -> None:
    params = load_params(AllParams, ROOT / "params.yaml")
    read = params.model_dump()
    assert read == numbers_in(COMMITTED)
    assert params.train.learning_rate == 0.002
    assert read["networks"]["mnad"]["kmeans"] is True


def test_every_section_is_known_and_stands_in_the_committed_params() -> None:
    assert set(COMMITTED) == SECTIONS == set(AllParams.model_fields)


@pytest.mark.parametrize("name", AllParams.model_fields)
def test_each_section_is_read_alone_whatever_stands_in_the_others(
    name: str, tmp_path: Path
) -> None:
    kind = type("One", (Section,), {"__annotations__": {name: FIELDS[name]}})
    others = {key: "unheard-of" for key in COMMITTED if key != name}
    path = tmp_path / "params.yaml"
    path.write_text(params_with(others), encoding="utf-8")
    assert load_params(kind, path).model_dump() == {name: numbers_in(COMMITTED[name])}
    path.write_text(params_with(others | {name: [None]}), encoding="utf-8")
    with pytest.raises(InputError, match=rf"\n  {name}: ") as refused:
        load_params(kind, path)
    assert str(refused.value).count("\n  ") == 1, "only this section is read"


def test_a_section_that_is_not_read_may_be_missing(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text("seed: 7\n", encoding="utf-8")
    assert load_params(SeedOnly, path).seed == 7


@pytest.mark.parametrize("written", ["1e-3", "1.0e-3", "0.001", "1E-3"])
def test_a_number_may_be_written_with_an_exponent(written: str, tmp_path: Path) -> None:
    text = params_with({"train.learning_rate": 5})
    text = text.replace("learning_rate: 5\n", f"learning_rate: {written}\n")
    assert written in text
    assert load(text, tmp_path).train.learning_rate == 0.001


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("seed", -1),
        ("seed", 2**32),
        ("seed", 1.5),
        ("seed", True),
        ("dataset.source", ""),
        ("dataset.source", 7),
        ("images", 32),
        ("images.height", 36),
        ("images.height", 8),
        ("images.width", 512),
        ("split.folds", 1),
        ("split.folds", 2.5),
        ("split.folds", 11),
        ("split.folds", True),
        ("train", None),
        ("train.epochs", 0),
        ("train.epochs", True),
        ("train.epochs", "12"),
        ("train.epochs", 1.5),
        ("train.batch_size", 0),
        ("train.learning_rate", 0),
        ("train.learning_rate", "-1e-3"),
        ("train.learning_rate", True),
        ("train.learning_rate", "fast"),
        ("train.learning_rate", [0.001]),
        ("train.learning_rate", "nan"),
        ("train.learning_rate", "inf"),
        ("train.learning_rate", float("nan")),
        ("train.learning_rate", float("inf")),
        ("networks.autoencoder", None),
        ("networks.autoencoder.latent", 0),
        ("networks.mnad.query_size", 1),
        ("networks.mnad.items", 1),
        ("networks.mnad.items", -1),
        ("networks.mnad.temperature", "-inf"),
        ("networks.mnad.compactness", -0.1),
        ("networks.mnad.kmeans", 1),
        ("detector", "unheard-of"),
        ("detector", ["surface"]),
        ("detectors", ["surface"]),
        ("detectors.baseline", None),
        ("detectors.baseline.scores", []),
        ("detectors.baseline.scores", "mse"),
        ("detectors.baseline.scores", ["mse"]),
        ("detectors.baseline.scores", ["unheard-of.mse"]),
        ("detectors.baseline.scores", ["autoencoder.unheard-of"]),
        ("detectors.baseline.scores", ["texture", "texture"]),
        ("detectors.baseline.rule", "best"),
        ("latent.clusters", 1),
        ("styles.smoothing", -1),
        ("styles.count", 0),
        ("avatars.source", ""),
        ("avatars.varied", "yes"),
        ("avatars.train", 1),
        ("avatars.smoothing", 0),
        ("avatars.generators", []),
        ("avatars.generators", "mle"),
        ("avatars.generators", ["mle", "unheard-of"]),
    ],
)
def test_a_wrong_value_is_refused_by_its_key(key: str, value: object, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=rf"\n  {re.escape(key)}(\.\d+)?: ") as refused:
        load(params_with({key: value}), tmp_path)
    assert str(refused.value).count("\n  ") == 1, "only this key is wrong"


@pytest.mark.parametrize(
    "key",
    [
        "images.heigth",
        "dataset.sha256",
        "train.device",
        "networks.autoencoder.depth",
        "networks.vae",
        "detectors.baseline.sigmas",
    ],
)
def test_an_unknown_key_is_refused_by_its_name(key: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"\n  {key}: Extra"):
        load(params_with({key: 1}), tmp_path)


@pytest.mark.parametrize("key", ["epoch", "models", "scores"])
def test_an_unknown_section_is_refused_by_its_name_whatever_is_read(
    key: str, tmp_path: Path
) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(params_with({key: {"a": 1}}), encoding="utf-8")
    with pytest.raises(InputError, match=rf"there is no section {key}; there are avatars, .*train"):
        load_params(SeedOnly, path)


@pytest.mark.parametrize(
    "key", ["seed", "latent", "images.height", "networks.mnad.items", "networks.mnad"]
)
def test_a_missing_key_is_refused_by_its_name(key: str, tmp_path: Path) -> None:
    values = yaml.safe_load(params_with({}))
    *sections, name = key.split(".")
    section = values
    for above in sections:
        section = section[above]
    del section[name]
    with pytest.raises(InputError, match=f"\n  {key}: Field required"):
        load(yaml.safe_dump(values), tmp_path)


@pytest.mark.parametrize("score", SCORES)
def test_every_score_may_be_a_detectors(score: str, tmp_path: Path) -> None:
    read = load(params_with({"detectors.baseline.scores": [score]}), tmp_path)
    assert read.detectors["baseline"].scores == [score]


@pytest.mark.parametrize("rule", ["equal_error", "sigma"])
def test_every_rule_may_place_a_threshold(rule: str, tmp_path: Path) -> None:
    assert load(params_with({"detectors.mnad.rule": rule}), tmp_path).detectors["mnad"].rule == rule


def test_all_mistakes_are_named_at_once(tmp_path: Path) -> None:
    wrong = {"seed": -1, "images.width": 50, "train.epoch": 3, "latent.clusters": "eight"}
    with pytest.raises(InputError) as refused:
        load(params_with(wrong), tmp_path)
    assert all(f"\n  {key}: " in str(refused.value) for key in wrong)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"seed: [1", "YAML"),
        (b"seed:\t1\n  - :", "YAML"),
        (b"\xff\xfe\xfa", "YAML"),
        (b"", "must hold sections: avatars, .*train"),
        (b"- seed\n", "must hold sections: avatars, .*train"),
    ],
)
def test_a_file_that_holds_no_params_is_refused(
    content: bytes, message: str, tmp_path: Path
) -> None:
    path = tmp_path / "params.yaml"
    path.write_bytes(content)
    with pytest.raises(InputError, match=rf"params\.yaml[\s\S]*{message}"):
        load_params(AllParams, path)


def test_a_missing_file_is_refused_with_the_place_to_run_from(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"params\.yaml is missing: .*top folder"):
        load_params(AllParams, tmp_path / "params.yaml")


def test_a_stage_ends_with_one_message_where_params_are_wrong(tmp_path: Path) -> None:
    message = message_of(run_stage("preprocess", tmp_path, {"seed": -1, "images.height": 30}))
    assert "params.yaml" in message
    assert "  seed: " in message
    assert "  images.height: " in message


def test_a_key_that_stands_twice_is_refused_with_its_line(tmp_path: Path) -> None:
    # As a conflict of Git's, solved by keeping both sides, leaves it.
    text = params_with({}).replace("seed: 0\n", "seed: 0\nseed: 1\n")
    with pytest.raises(InputError, match=r"params\.yaml .*line \d+: the key 'seed' stands in line"):
        load(text, tmp_path)
