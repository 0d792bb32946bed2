"""The stages that draw, generate and measure avatars and infer styles, and the command."""

import csv
import json
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image

from stages.bayes.avatars import load_avatars
from stages.bayes.drawing import HEIGHT, WIDTH, draw_avatar
from tests.avatar_files import paint_rows
from tests.processes import run_module
from tests.wells_files import ROOT, encoded, message_of, params_with, run_stage, unpack

pytestmark = pytest.mark.slow

FEW = {"avatars.train": 6, "avatars.holdout": 3}


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("drawn")
    (folder / "data").mkdir()
    counts = (ROOT / "data/styles.yaml").read_text(encoding="utf-8")
    (folder / "data/styles.yaml").write_text(counts, encoding="utf-8")
    done = run_stage("draw_avatars", folder, FEW)
    assert done.returncode == 0, done.stderr
    return folder


def avatar_tool(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    (folder / "params.yaml").write_text(params_with(FEW), encoding="utf-8")
    return run_module("tools.avatar", *arguments, folder=folder)


def table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_drawn_avatars_are_those_of_their_styles(drawn: Path) -> None:
    for part, number in (("train", 6), ("holdout", 3)):
        found = load_avatars(drawn / f"data/avatars/{part}.npz")
        assert found.avatars.shape == (number, HEIGHT, WIDTH, 4)
        for avatar, style in zip(found.avatars, found.styles, strict=True):
            assert (draw_avatar(dict(zip(found.attributes, style, strict=True))) == avatar).all()


@pytest.mark.parametrize("generator", ["mle", "poly", "pixel", "tree", "style"])
def test_the_command_draws_the_avatars_of_its_seeds(
    drawn: Path, tmp_path: Path, generator: str
) -> None:
    for name, arguments in (("a", ("-n", "2", "--seed", "4")), ("b", ("-n", "1", "--seed", "5"))):
        out = tmp_path / name
        done = avatar_tool(drawn, "--generator", generator, "--out", str(out), *arguments)
        assert done.returncode == 0, done.stderr
    first, second = table(tmp_path / "a/avatars.csv")
    assert [first["seed"], second["seed"]] == ["4", "5"]
    assert table(tmp_path / "b/avatars.csv") == [second]
    both = [(tmp_path / folder / second["file"]).read_bytes() for folder in "ab"]
    assert both[0] == both[1]
    assert first["file"] != second["file"]
    bits = -float(first["log_probability"]) / np.log(2) / (HEIGHT * WIDTH * 4)
    assert float(first["bits_per_dimension"]) == pytest.approx(bits)
    if first["probability"]:
        assert np.log(float(first["probability"])) == pytest.approx(float(first["log_probability"]))
    assert ("style" in first) == (generator == "style")


def test_a_style_that_is_asked_for_is_drawn(drawn: Path, tmp_path: Path) -> None:
    given = ["--style", "одежда=худи", "--style", "прическа=нет волос"]
    done = avatar_tool(drawn, "--generator", "style", "-n", "3", "--out", str(tmp_path), *given)
    assert done.returncode == 0, done.stderr
    styles = [row["style"] for row in table(tmp_path / "avatars.csv")]
    assert len(styles) == 3
    assert all("одежда: худи" in style and "прическа: нет волос" in style for style in styles)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--generator", "style", "--style", "одежда=худ"), "did you mean худи"),
        (("--generator", "style", "--style", "одежд=худи"), "did you mean одежда"),
        (("--generator", "style", "--style", "худи"), "isn't ATTRIBUTE=VALUE"),
        (("--generator", "tree", "--style", "одежда=худи"), "tree knows no styles"),
    ],
)
def test_wrong_wishes_are_refused(
    drawn: Path, tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    done = avatar_tool(drawn, "--out", str(tmp_path / "out"), *arguments)
    assert message in message_of(done)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("arguments", [("-n", "0"), ("--seed", "-1"), ("--generator", "vae")])
def test_wrong_options_are_refused(drawn: Path, tmp_path: Path, arguments: tuple[str, ...]) -> None:
    done = avatar_tool(drawn, "--out", str(tmp_path / "out"), *arguments)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_without_avatars_the_command_says_how_to_get_them(drawn: Path, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data/styles.yaml").write_bytes((drawn / "data/styles.yaml").read_bytes())
    assert "dvc repro" in message_of(avatar_tool(tmp_path, "--out", "out"))


def test_styles_are_drawn_published_and_measured(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data/styles.yaml").write_bytes((ROOT / "data/styles.yaml").read_bytes())
    done = run_stage("generate_styles", tmp_path, {"styles.count": 3})
    assert done.returncode == 0, done.stderr
    assert len(table(tmp_path / "data/generated/styles/styles.csv")) == 3
    report = json.loads((tmp_path / "metrics/reports/styles.json").read_text())["styles"]
    declared = json.loads((tmp_path / "metrics/styles.json").read_text())["styles"]
    assert declared == {
        "entropy_bits": round(report["entropy_bits"], 3),
        "chi2_p_value": round(report["large_sample"]["p_value"], 4),
    }
    assert (report["number"], report["large_sample"]["size"]) == (4032, 1_000_000)
    assert (tmp_path / "plots/random_styles/frequencies.png").is_file()


def test_a_generator_publishes_five_avatars_by_the_seed_of_params_and_the_next(drawn: Path) -> None:
    (drawn / "params.yaml").write_text(params_with({**FEW, "seed": 3}), encoding="utf-8")
    done = run_module("stages.generate_avatars", "tree", folder=drawn)
    assert done.returncode == 0, done.stderr
    rows = table(drawn / "data/generated/avatars/tree/avatars.csv")
    assert [row["seed"] for row in rows] == ["3", "4", "5", "6", "7"]
    for row in rows:
        with Image.open(drawn / "data/generated/avatars/tree" / row["file"]) as image:
            assert image.size == (WIDTH, HEIGHT)
    assert (drawn / "plots/random_avatars/tree.png").is_file()


def test_the_styles_of_held_out_avatars_are_inferred_and_shown(drawn: Path) -> None:
    done = run_stage("infer_styles", drawn, FEW)
    assert done.returncode == 0, done.stderr
    report = json.loads((drawn / "metrics/reports/inference.json").read_text())
    assert list(report) == ["weight_of_evidence", "joined", "weighed", "unweighed"]
    assert list(report["joined"]["attributes"]) == list(report["unweighed"]["attributes"])
    declared = json.loads((drawn / "metrics/inference.json").read_text())
    told = {name: round(report["joined"][name], 4) for name in ("accuracy", "calibration_error")}
    assert declared == {"inference": told}
    pictures = {path.name for path in (drawn / "plots/style_inference").iterdir()}
    assert pictures == {"calibration.png", "inferred.png"}


@pytest.mark.slow
def test_measures_are_of_every_generator(drawn: Path) -> None:
    done = run_stage("measure_avatars", drawn, FEW)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads((drawn / "metrics/reports/avatars.json").read_text())
    assert list(found) == ["source", "mle", "poly", "pixel", "tree", "style"]
    for name, metrics in found.items():
        if name != "source":
            assert {
                "log_probability",
                "bits_per_dimension",
                "held_out_bits_per_dimension",
                "held_out_bits_per_dimension_error",
                "unseen_share",
                "copy_rate",
                "nearest_distance",
                "diversity",
                "unseen_colours",
            } == metrics.keys() - {"style_fidelity", "style_fidelity_overall"}
    assert 0.5 < found["style"]["style_fidelity"] <= 1
    declared = json.loads((drawn / "metrics/avatars.json").read_text())
    assert {name: set(metrics) for name, metrics in declared.items()} == {
        **{name: {"held_out_bits"} for name in ("mle", "poly", "pixel", "tree")},
        "style": {"held_out_bits", "fidelity"},
    }
    assert (drawn / "plots/random_avatars/compared.png").is_file()


def test_avatars_without_styles_are_learnt_from_by_all_but_style(tmp_path: Path) -> None:
    rows = paint_rows("rgb", "rgw", "bgw")
    pictures = [(f"{i}.png", encoded(Image.fromarray(row))) for i, row in enumerate(rows)]
    unpack(pictures, tmp_path / "given")
    (tmp_path / "data").mkdir()
    counts = (ROOT / "data/styles.yaml").read_text(encoding="utf-8")
    (tmp_path / "data/styles.yaml").write_text(counts, encoding="utf-8")
    changes = {"avatars.source": "given", "avatars.generators": ["mle", "tree"]}
    for stage in ("draw_avatars", "measure_avatars"):
        done = run_stage(stage, tmp_path, changes)
        assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "metrics/reports/avatars.json").read_text())
    assert list(found) == ["source", "mle", "tree"]
    assert "held_out_bits_per_dimension" not in found["tree"]
    assert found["source"]["holdout"] == 0
    declared = json.loads((tmp_path / "metrics/avatars.json").read_text())
    assert declared == {"mle": {}, "tree": {}}
    assert (tmp_path / "plots/random_avatars/compared.png").is_file()
    assert "have no styles" in message_of(run_stage("infer_styles", tmp_path, changes))


def test_committed_avatars_are_those_of_their_table() -> None:
    wanted = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))["avatars"]
    for name in wanted["generators"]:
        rows = pd.read_csv(ROOT / f"data/generated/avatars/{name}/avatars.csv")
        assert len(rows) == 5
        for file in rows["file"]:
            with Image.open(ROOT / f"data/generated/avatars/{name}" / file) as image:
                assert (image.mode, image.size) == ("RGBA", (WIDTH, HEIGHT))
