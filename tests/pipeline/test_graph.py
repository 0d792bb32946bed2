"""The graph of stages: complete, honest and fresh."""

import ast
import importlib
import json
import platform
import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from dvc.repo import Repo

from stages.common.params import Section
from stages.wells.data.archive import KNOWN_SHA256
from stages.wells.networks.params import NetworksParams
from stages.wells.networks.registry import NETWORKS
from tests.clones import ROOT
from tests.pipeline.test_house import own_files, room_of

DVC = Path(sys.executable).with_name("dvc")
STAGES: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
NAMES = sorted(STAGES)


def run_dvc(*arguments: str) -> str:
    """What a DVC command prints; a failure shows its error."""
    done = subprocess.run([DVC, *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("name", NAMES)
def test_code_dependencies_of_a_stage_are_exactly_its_script_and_the_rooms_it_uses(
    name: str,
) -> None:
    declared = {dep for dep in STAGES[name]["deps"] if dep.startswith("stages/")}
    assert declared == {room_of(path) for path in own_files(ROOT / "stages" / f"{name}.py")}


@pytest.mark.parametrize("name", NAMES)
def test_a_stage_runs_the_script_of_its_name_and_says_what_it_is_for(name: str) -> None:
    assert STAGES[name]["cmd"].startswith(f"python -m stages.{name}")
    assert STAGES[name]["desc"]


class ParameterChains(ast.NodeVisitor):
    """Collects what a script loads, and what follows `params.` or `load_params(…).` in it."""

    def __init__(self) -> None:
        self.loaded: set[str] = set()
        self.found: set[str] = set()

    def visit_Call(self, node: ast.Call) -> None:
        if ast.unparse(node.func) == "load_params":
            self.loaded.add(ast.unparse(node.args[0]))
        self.generic_visit(node)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        pattern = r"(?:params|load_params\(\w+\))\.([\w.]+)"
        if match := re.fullmatch(pattern, ast.unparse(node)):
            self.found.add(match[1])
        self.generic_visit(node)


def leaves(root: type[Section], chain: str) -> set[str]:
    """The parameters that a chain of keys below a model names: one, or a whole section."""
    section = root
    path: list[str] = []
    for word in chain.split("."):
        if word not in section.model_fields:
            break
        path.append(word)
        annotation = section.model_fields[word].annotation
        if not (isinstance(annotation, type) and issubclass(annotation, Section)):
            return {".".join(path)}
        section = annotation
    # Which network's part is read is an argument of the stage.
    below = ["*"] if section is NetworksParams else section.model_fields
    return {".".join([*path, name]) for name in below}


def parameters_read(name: str) -> tuple[type[Section], set[str]]:
    """The model of the parameters that a stage loads, and those that it reads."""
    chains = ParameterChains()
    chains.visit(ast.parse((ROOT / "stages" / f"{name}.py").read_text(encoding="utf-8")))
    (loaded,) = chains.loaded
    root: type[Section] = getattr(importlib.import_module(f"stages.{name}"), loaded)
    longest = {c for c in chains.found if not any(o.startswith(f"{c}.") for o in chains.found)}
    return root, {leaf for chain in longest for leaf in leaves(root, chain)}


def test_only_the_export_reads_no_parameter_so_that_it_depends_on_the_detector_alone() -> None:
    assert [name for name in NAMES if "params" not in STAGES[name]] == ["export"]
    script = (ROOT / "stages/export.py").read_text(encoding="utf-8")
    assert "load_params" not in script
    data = {dep for dep in STAGES["export"]["deps"] if not dep.startswith("stages/")}
    assert data == {"models/detector", "requirements.txt"}


@pytest.mark.parametrize("name", [name for name in NAMES if "params" in STAGES[name]])
def test_parameters_of_a_stage_are_exactly_those_its_script_reads(name: str) -> None:
    root, read = parameters_read(name)
    declared = [key.replace("${item.network}", "*") for key in STAGES[name]["params"]]
    # A section stands for all its parameters.
    assert {leaf for key in declared for leaf in leaves(root, key) if "*" not in key} | {
        key for key in declared if "*" in key
    } == read
    assert root.model_fields.keys() == {key.split(".")[0] for key in declared}


@cache
def graph() -> dict[str, tuple[list[str], list[str]]]:
    """Return what every stage depends on and what it writes, by DVC's own reading of dvc.yaml."""
    return {
        stage.addressing: ([str(dep) for dep in stage.deps], [str(out) for out in stage.outs])
        for stage in Repo(str(ROOT)).index.stages
    }


def overlap(one: str, other: str) -> bool:
    """Tell whether two paths are the same, or one lies in the other."""
    return Path(one).is_relative_to(other) or Path(other).is_relative_to(one)


def reached_from(*files: str) -> set[str]:
    """Return the stages that depend on the files, or on what such a stage writes, and so on."""
    waiting, found = list(files), set()
    while waiting:
        file = waiting.pop()
        for name, (deps, outs) in graph().items():
            if name not in found and any(overlap(dep, file) for dep in deps):
                found.add(name)
                waiting += outs
    return found


def test_only_evaluation_and_the_map_can_reach_the_test_set() -> None:
    archive = "data/raw/wells.zip"
    (opening,) = (
        name for name, (deps, _) in graph().items() if any(overlap(d, archive) for d in deps)
    )
    assert opening == "preprocess"
    training = {f"data/wells/{part}.npz" for part in ("train", "spills")}
    # What else comes from the archive may tell of the test set.
    telling = set(graph()["preprocess"][1]) - training
    assert "data/wells/test.npz" in telling
    assert reached_from(*telling) == {"evaluate", "map_latent"}


def test_whoever_would_read_the_test_set_in_a_roundabout_way_is_found() -> None:
    assert reached_from("data/styles.yaml") >= {"draw_avatars", "infer_styles"}
    trained = {name for name in graph() if name.startswith(("train", "calibrate"))}
    assert reached_from("data/wells") == trained | {"export", "validate", "evaluate", "map_latent"}


def test_training_is_cached_whole_and_so_comes_back_from_the_run_cache() -> None:
    for name in ("download", "train", "calibrate"):
        assert all(isinstance(out, str) for out in STAGES[name]["outs"])
        assert "metrics" not in STAGES[name]


def test_every_network_goes_through_every_stage() -> None:
    assert STAGES["train"]["matrix"]["network"] == list(NETWORKS)
    assert NetworksParams.model_fields.keys() == NETWORKS.keys()
    for name in ("calibrate", "validate", "evaluate", "map_latent"):
        assert "models/networks" in STAGES[name]["deps"]


def test_training_depends_on_the_pinned_packages() -> None:
    assert "requirements.txt" in STAGES["train"]["deps"]


def test_lock_is_fresh() -> None:
    status = json.loads(run_dvc("status", "--json"))
    stale = [
        (stage, kind, what)
        for stage, changes in status.items()
        for change in changes
        for kind, items in (change.items() if isinstance(change, dict) else [(change, {"": ""})])
        for what in items.items()
        if what[1] not in ("deleted", "not in cache")
    ]
    assert not stale, "run the pipeline and commit dvc.lock, metrics and plots"


def test_the_committed_state_is_of_the_known_wells() -> None:
    report = json.loads((ROOT / "metrics/reports/dataset.json").read_text(encoding="utf-8"))
    assert report["sha256"] == KNOWN_SHA256
    assert report["known_copy"]


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="not an x86 machine")
@pytest.mark.slow
def test_stages_compute_alike_on_every_machine_and_report_to_nobody() -> None:
    code = (
        "import stages.train, os, torch; "
        "print(torch.backends.cpu.get_cpu_capability(), torch.get_num_threads(), "
        "os.environ['MKL_CBWR'], os.environ['ONEDNN_MAX_CPU_ISA'], "
        "os.environ['ORT_DISABLE_TELEMETRY'])"
    )
    environment = {"PATH": "", "PYTHONPATH": str(ROOT)}
    printed = subprocess.check_output([sys.executable, "-c", code], env=environment, text=True)
    assert printed.split() == ["AVX2", "1", "COMPATIBLE", "AVX2", "1"]
