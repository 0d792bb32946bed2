"""docs/sharing.md as people follow it: its commands, one after another, in two clones."""

import json
import re
import shlex
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.clones import ROOT, commit, in_clone, tiny_clone
from tests.pages import fenced_commands

pytestmark = pytest.mark.slow

PAGE = (ROOT / "docs/sharing.md").read_text(encoding="utf-8")
STAGES = ["download", "preprocess", "train", "calibrate", "export", "evaluate"]
DETECTORS = "autoencoder", "baseline", "mnad", "together"
EXPORTED = "models/exported/README.md", "models/exported/detector.onnx"
NETWORK_FILES = "network.safetensors", "history.csv"
UP_TO_DATE = "Data and pipelines are up to date."
Files = dict[str, bytes]


@dataclass
class Walk:
    """What was typed, what it answered, and what lay in a clone at some moments."""

    folder: Path
    typed: list[tuple[str, str]] = field(default_factory=list)
    files: dict[str, Files] = field(default_factory=dict)

    def type(self, clone: str, command: str) -> None:
        """Run a command of the page in a clone, its capitals replaced."""
        names = {"FOLDER": str(self.folder / "storage"), "REPOSITORY": str(self.folder / "hub.git")}
        words = [names.get(word, word) for word in shlex.split(command)]
        self.typed.append((command, in_clone(self.folder / clone, *words)))

    def keep(self, moment: str, clone: str) -> None:
        """Remember the models and the metrics of a clone."""
        paths = [
            p for kind in ("models", "metrics") for p in (self.folder / clone / kind).rglob("*.*")
        ]
        self.files[moment] = {
            path.relative_to(self.folder / clone).as_posix(): path.read_bytes() for path in paths
        }

    def answers(self, command: str) -> list[str]:
        return [answer for typed, answer in self.typed if typed == command]


@pytest.fixture(scope="module")
def walk(tmp_path_factory: pytest.TempPathFactory) -> Walk:
    folder = tmp_path_factory.mktemp("sharing")
    clone = tiny_clone(folder, STAGES)
    in_clone(clone, "dvc", "repro")
    commit(clone)
    in_clone(clone, "git", "init", "--quiet", "--bare", "../hub.git")
    in_clone(clone, "git", "remote", "add", "origin", "../hub.git")
    walk = Walk(folder)
    walk.keep("pushed", "clone")

    walk.type("clone", "dvc remote add --default storage FOLDER")
    walk.type("clone", 'git commit -m "Name the storage" .dvc/config')
    walk.type("clone", "dvc push")
    walk.type("clone", "git push origin HEAD")

    walk.type(".", "git clone REPOSITORY wells")
    walk.keep("cloned", "wells")
    # The clones here share one environment.
    walk.typed += [(line, "") for line in ("cd wells", "make setup", "source .venv/bin/activate")]
    walk.type("wells", "dvc pull")
    walk.keep("pulled", "wells")
    walk.type("wells", "dvc metrics show")
    walk.type("wells", "dvc repro")

    walk.type("clone", "dvc exp run -S detectors.together.rule=sigma --name sigma")
    walk.keep("tried", "clone")
    walk.type("clone", "dvc exp push origin sigma")

    walk.type("wells", "dvc exp list origin")
    walk.type("wells", "dvc exp pull origin sigma")
    walk.type("wells", "dvc exp apply sigma")
    walk.keep("applied", "wells")
    walk.type("wells", "dvc repro")
    walk.type("wells", "dvc exp branch sigma lower-threshold")

    walk.type("clone", "dvc exp remove --git-remote origin sigma")
    return walk


def test_the_commands_of_the_page_are_those_run_here_in_the_same_order(walk: Walk) -> None:
    assert fenced_commands(PAGE) == [command for command, _ in walk.typed]


def test_a_clone_holds_the_metrics_and_a_pull_brings_the_models(walk: Walk) -> None:
    models = {name for name in walk.files["pushed"] if name.startswith("models/")}
    networks = {f"models/networks/{name}" for name in ("autoencoder", "mnad")}
    assert models == {
        "models/detector/autoencoder.safetensors",
        "models/detector/detector.json",
        *EXPORTED,
        *(f"models/detectors/{name}.json" for name in DETECTORS),
        *(f"{network}/{file}" for network in networks for file in NETWORK_FILES),
    }
    assert walk.files["cloned"].keys() == walk.files["pushed"].keys() - models
    assert walk.files["pulled"] == walk.files["pushed"]


def test_the_clone_shows_the_metrics(walk: Walk) -> None:
    (shown,) = walk.answers("dvc metrics show")
    metrics = json.loads(walk.files["pushed"]["metrics/detection.json"])
    assert "detector.auroc" in shown
    assert str(metrics["detector"]["auroc"]) in shown


def test_nothing_runs_in_a_fresh_clone_nor_after_an_experiment_was_applied(walk: Walk) -> None:
    for answer in walk.answers("dvc repro"):
        assert "Running stage" not in answer
        assert UP_TO_DATE in answer
    assert UP_TO_DATE in in_clone(walk.folder / "wells", "dvc", "status")


def test_another_threshold_trains_nothing(walk: Walk) -> None:
    (shown,) = walk.answers("dvc exp run -S detectors.together.rule=sigma --name sigma")
    assert "Running stage 'calibrate'" in shown
    assert "Running stage 'train" not in shown


def test_an_experiment_arrives_with_its_metrics_and_models(walk: Walk) -> None:
    assert "sigma" in walk.answers("dvc exp list origin")[0]
    changed = {n for n, data in walk.files["tried"].items() if data != walk.files["pushed"][n]}
    assert changed == {
        "models/detector/detector.json",
        "models/detectors/together.json",
        *EXPORTED,
        "metrics/detection.json",
        "metrics/reports/detection.json",
    }
    assert walk.files["applied"] == walk.files["tried"]


def test_an_experiment_becomes_a_branch_with_its_parameters(walk: Walk) -> None:
    wells = walk.folder / "wells"
    diff = in_clone(wells, "git", "diff", "-U0", "HEAD", "lower-threshold", "--", "params.yaml")
    changed = [line for line in diff.splitlines() if re.match(r"[-+] ", line)]
    assert changed == ["-    rule: equal_error", "+    rule: sigma"], "comments and lists stay"


def test_an_experiment_can_be_taken_back_and_its_files_stay(walk: Walk) -> None:
    wells = walk.folder / "wells"
    assert not in_clone(wells, "dvc", "exp", "list", "origin")
    shown = in_clone(wells, "dvc", "status", "--cloud")
    assert "in sync" in shown


def test_the_detector_is_fetched_alone(walk: Walk) -> None:
    in_clone(walk.folder, "dvc", "get", "hub.git", "models/exported")
    fetched = {path.name: path.read_bytes() for path in (walk.folder / "exported").iterdir()}
    assert fetched == {Path(name).name: walk.files["pushed"][name] for name in EXPORTED}
