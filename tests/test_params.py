"""params.yaml is read as it is meant, or refused with the names of all that is wrong in it."""

import re
from pathlib import Path

import pytest
import yaml

from stages.common.errors import InputError
from stages.common.params import Params, load_params
from tests.wells_files import ROOT, message_of, params_with, run_stage


def load(text: str, folder: Path) -> Params:
    path = folder / "params.yaml"
    path.write_text(text, encoding="utf-8")
    return load_params(path)


def test_the_committed_params_are_read_as_they_stand() -> None:
    params = load_params(ROOT / "params.yaml")
    values = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    assert params.dataset.source == values["dataset"]["source"]
    assert params.images.height == values["images"]["height"]
    assert params.train.learning_rate == float(values["train"]["learning_rate"])
    assert params.scores.centre.half_width == values["scores"]["centre"]["half_width"]
    assert params.scores.box.model_dump() == values["scores"]["box"]
    assert params.detector.scores.mnad == values["detector"]["scores"]["mnad"]
    assert params.detector.rule == values["detector"]["rule"] == "equal_error"


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
        ("dataset.sha256", "abc"),
        ("dataset.sha256", "G" * 64),
        ("images", 32),
        ("images.height", 36),
        ("images.height", 8),
        ("images.width", 512),
        ("split.holdout", 0),
        ("split.holdout", 1),
        ("split.holdout", False),
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
        ("train.device", "tpu"),
        ("models.autoencoder.latent", 0),
        ("scores.centre.row", 1.5),
        ("detector.model", "unheard-of"),
        ("scores.box", [0.2, 0.8, 0.2, 0.8]),
        ("scores.box.top", -0.1),
        ("scores.box.bottom", 1.1),
        ("scores.box.left", "nan"),
        ("scores.box.right", None),
        ("detector.scores", ["texture"]),
        ("detector.scores.autoencoder", []),
        ("detector.scores.autoencoder", ["mse", "unheard-of"]),
        ("detector.scores.autoencoder", ["texture", "memory"]),
        ("detector.scores.autoencoder", "mse"),
        ("detector.scores.mnad", []),
        ("detector.rule", "best"),
        ("detector.sigmas", "-inf"),
    ],
)
def test_a_wrong_value_is_refused_by_its_key(key: str, value: object, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=rf"\n  {re.escape(key)}(\.\d+)?: ") as refused:
        load(params_with({key: value}), tmp_path)
    assert str(refused.value).count("\n  ") == 1, "only this key is wrong"


@pytest.mark.parametrize(
    "key", ["epoch", "images.heigth", "models.autoencoder.depth", "scores.box.depth"]
)
def test_an_unknown_key_is_refused_by_its_name(key: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"\n  {key}: Extra"):
        load(params_with({key: 1}), tmp_path)


@pytest.mark.parametrize("key", ["seed", "images.height", "scores.centre.row", "scores.box.top"])
def test_a_missing_key_is_refused_by_its_name(key: str, tmp_path: Path) -> None:
    name = key.split(".")[-1]
    text = re.sub(rf"(?m)^ *{name}: .*\n", "", params_with({}))
    with pytest.raises(InputError, match=f"\n  {key}: Field required"):
        load(text, tmp_path)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("scores.box.top", 0.875),
        ("scores.box.top", 0.9),
        ("scores.box.bottom", 0.375),
        ("scores.box.left", 0.8),
        ("scores.box.right", 0),
    ],
)
def test_a_box_without_area_is_refused_with_what_must_be(
    key: str, value: float, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=r"\n  scores\.box: .*top must be less than bottom"):
        load(params_with({key: value}), tmp_path)


def test_a_box_may_be_the_whole_frame(tmp_path: Path) -> None:
    whole = {"top": 0, "bottom": 1, "left": 0, "right": 1}
    assert load(params_with({"scores.box": whole}), tmp_path).scores.box.model_dump() == whole


@pytest.mark.parametrize("score", ["mse", "centre_mse", "coarse_mse", "appearance", "texture"])
def test_every_score_of_both_models_may_be_combined_by_either(score: str, tmp_path: Path) -> None:
    chosen = {"autoencoder": [score], "mnad": ["memory", score]}
    read = load(params_with({"detector.scores": chosen}), tmp_path).detector.scores
    assert read.model_dump() == chosen


@pytest.mark.parametrize("rule", ["equal_error", "margin", "youden", "sigma"])
def test_every_rule_may_place_the_threshold(rule: str, tmp_path: Path) -> None:
    assert load(params_with({"detector.rule": rule}), tmp_path).detector.rule == rule


def test_all_mistakes_are_named_at_once(tmp_path: Path) -> None:
    wrong = {"seed": -1, "images.width": 50, "train.epoch": 3, "train.device": "tpu"}
    with pytest.raises(InputError) as refused:
        load(params_with(wrong), tmp_path)
    assert all(f"\n  {key}: " in str(refused.value) for key in wrong)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"seed: [1", "YAML"),
        (b"seed:\t1\n  - :", "YAML"),
        (b"\xff\xfe\xfa", "YAML"),
        (b"", "the whole file"),
        (b"- seed\n", "the whole file"),
    ],
)
def test_a_file_that_holds_no_params_is_refused(
    content: bytes, message: str, tmp_path: Path
) -> None:
    path = tmp_path / "params.yaml"
    path.write_bytes(content)
    with pytest.raises(InputError, match=rf"params\.yaml[\s\S]*{message}"):
        load_params(path)


def test_a_missing_file_is_refused_with_the_place_to_run_from(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"params\.yaml is missing: .*top folder"):
        load_params(tmp_path / "params.yaml")


def test_a_stage_ends_with_one_message_where_params_are_wrong(tmp_path: Path) -> None:
    message = message_of(run_stage("download", tmp_path, {"seed": -1, "images.height": 30}))
    assert "params.yaml" in message
    assert "  seed: " in message
    assert "  images.height: " in message
