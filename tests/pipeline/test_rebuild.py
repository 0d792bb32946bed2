"""The pipeline as people run it: rebuilt in clones of the project, on drawn wells."""

import io
import json
import os
import random
import re
import shutil
import zipfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from PIL import Image, ImageOps

from stages.common.files import read_arrays
from stages.wells.detection.detector import load_detectors
from stages.wells.detection.occlusion import Occlusion
from tests.clones import IDENTITY, ROOT, commit, in_clone, replace_in, small_clone
from tests.wells_files import zip_of

pytestmark = pytest.mark.slow

# As in a folder `sitecustomize.py`, which Python reads when it starts: a stage tells what it opens
# in the folder in which it runs. (Not networks: safetensors opens them outside of Python.)
RECORDING = """\
import os, sys

def record(event, arguments):
    if event != "open" or not isinstance(arguments[0], (str, bytes, os.PathLike)):
        return
    path = os.path.relpath(os.path.abspath(os.fsdecode(arguments[0])))
    _, mode, flags = arguments
    written = set(mode or "") & set("wax+") or flags & (os.O_WRONLY | os.O_RDWR)
    how = "writes" if written else "reads"
    if not path.startswith(".."):
        os.write(log, f"{stage}\t{how}\t{path}\\n".encode())

if any(word.startswith("stages.") for word in sys.orig_argv):
    stage = " ".join(sys.orig_argv[1:])
    log = os.open(os.environ["OPENED"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    sys.addaudithook(record)
"""
MOST_CHANGES = 15
NETWORK_FILES = "network.safetensors", "history.csv"
# The detectors of params.yaml by their keys in metrics, and the scores of each.
DETECTORS = {
    "detector": {"autoencoder.excess", "appearance", "texture"},
    "autoencoder": {"autoencoder.blocks"},
    "mnad": {"mnad.blocks"},
    "baseline": {"autoencoder.mse"},
}


@pytest.fixture(scope="module")
def rebuilt(tmp_path_factory: pytest.TempPathFactory) -> Path:
    clone = small_clone(tmp_path_factory.mktemp("rebuilt"))
    (clone.parent / "sitecustomize.py").write_text(RECORDING, encoding="utf-8")
    told = f"PYTHONPATH={clone.parent}", f"OPENED={clone.parent / 'opened.tsv'}"
    in_clone(clone, "env", *told, "dvc", "repro")
    commit(clone)
    return clone


def read(clone: Path, name: str) -> Any:
    return json.loads((clone / name).read_text(encoding="utf-8"))


def test_a_rebuild_measures_every_detector_and_score_on_the_whole_test_set(rebuilt: Path) -> None:
    dataset = read(rebuilt, "metrics/reports/dataset.json")
    report = read(rebuilt, "metrics/reports/detection.json")
    assert dataset["files"]["train"] == 120
    assert not dataset["known_copy"]
    assert {key: set(found["scores"]) for key, found in report.items()} == DETECTORS
    assert report["detector"]["name"] == "together"
    for found in report.values():
        assert sum(kind["spills"] for kind in found["kinds"].values()) == found["spills"]
        assert found["spills"] == dataset["files"]["test_spill"]
    predictions = (rebuilt / "plots/detection/detector/predictions.csv").read_text().splitlines()
    assert len(predictions) - 1 == dataset["files"]["test"]


def test_a_rebuild_measures_every_detector_and_score_on_hard_cases_too(rebuilt: Path) -> None:
    report = read(rebuilt, "metrics/reports/validation.json")
    assert {key: set(found["scores"]) for key, found in report.items()} == DETECTORS
    normals = {"normal", "far", "covered", "contrast", "light", "haze"}
    spilled = {f"{kind}{how}" for kind in ("spill", "empty") for how in ("", "_covered", "_light")}
    assert all(set(found["right"]) == normals | spilled for found in report.values())


def test_metrics_are_what_the_reports_say_in_the_digits_that_mean_something(rebuilt: Path) -> None:
    measured = read(rebuilt, "metrics/reports/detection.json")
    declared = read(rebuilt, "metrics/detection.json")
    assert declared.pop("exported") == {"agreement": 1.0}
    errors = declared.pop("holdout_mse")
    assert set(errors) == {"autoencoder", "mnad"}
    for key, found in declared.items():
        assert found == {
            rate: pytest.approx(measured[key][rate], abs=5e-5) for rate in ("tpr", "tnr", "auroc")
        }
        assert found == {rate: round(value, 4) for rate, value in found.items()}
    drawn = read(rebuilt, "metrics/reports/validation.json")
    for key, found in read(rebuilt, "metrics/validation.json").items():
        lower = min(drawn[key]["tpr"], drawn[key]["tnr"])
        assert found == {"validation": pytest.approx(lower, abs=5e-5)}
    for name in ("detection", "validation"):
        assert next(iter(read(rebuilt, f"metrics/{name}.json"))) == "detector"


def test_training_wells_say_which_test_wells_are_in_clear_view(rebuilt: Path) -> None:
    (train,) = read_arrays(rebuilt / "data/wells/train.npz", "images")
    test, labels = read_arrays(rebuilt / "data/wells/test.npz", "images", "labels")
    occlusion = Occlusion.fit(train)
    for detector in load_detectors(rebuilt / "models/detectors").values():
        assert detector.occlusion == occlusion
    clear = ~occlusion.find(test)
    found = read(rebuilt, "metrics/reports/detection.json")["detector"]["clear_view"]
    assert found["spills"] == (clear & labels).sum()
    assert found["normals"] == (clear & ~labels).sum()


def test_a_stage_reads_what_it_declares_and_writes_what_it_declares(rebuilt: Path) -> None:
    lines = (rebuilt.parent / "opened.tsv").read_text(encoding="utf-8").splitlines()
    opened: dict[str, dict[str, set[str]]] = {}
    for command, how, path in (line.split("\t") for line in lines):
        # Byte code stands for its source, a file that is not yet in its place for the one to come.
        name = re.sub(r"__pycache__/(\w+)\.cpython.*", r"\1.py", path)
        name = re.sub(r"(^|/)\.([^/]+)\.\w+\.part$", r"\1\2", name)
        opened.setdefault(command, {"reads": set(), "writes": set()})[how].add(name)
    lock = yaml.safe_load((rebuilt / "dvc.lock").read_text(encoding="utf-8"))["stages"]
    assert opened.keys() == {stage["cmd"].removeprefix("python ") for stage in lock.values()}
    for stage in lock.values():
        reads, writes = opened[stage["cmd"].removeprefix("python ")].values()
        deps, outs = ({one["path"] for one in stage[kind]} for kind in ("deps", "outs"))
        written = {name for name in writes if not name.endswith(".py")}
        read = reads - written - {"params.yaml"} | {name for name in writes if name.endswith(".py")}
        sources = {name: [dep for dep in deps if Path(name).is_relative_to(dep)] for name in read}
        assert [name for name, source in sources.items() if not source] == [], stage["cmd"]
        # Networks are opened outside of Python, the list of packages is what is installed.
        unseen = {dep for dep in deps if dep.startswith("models/networks")} | {"requirements.txt"}
        assert deps - unseen <= {dep for source in sources.values() for dep in source}, stage["cmd"]
        homes = {name: [o for o in outs if Path(name).is_relative_to(o)] for name in written}
        assert [name for name, home in homes.items() if not home] == [], stage["cmd"]
        assert outs == {out for home in homes.values() for out in home}, stage["cmd"]


def test_nothing_runs_where_nothing_changed(rebuilt: Path) -> None:
    assert "Running stage" not in in_clone(rebuilt, "dvc", "repro")


def test_another_threshold_trains_nothing_and_changes_few_metrics(rebuilt: Path) -> None:
    params = rebuilt / "params.yaml"
    before = params.read_text(encoding="utf-8")
    detector = rebuilt / "models/detector/detector.json"
    fitted = detector.read_bytes()

    assert before.count("rule: equal_error") == len(DETECTORS)
    # The first is that of the one in use.
    changed = before.replace("rule: equal_error", "rule: sigma", 1)
    params.write_text(changed, encoding="utf-8")
    said = in_clone(rebuilt, "dvc", "repro", "validate", "evaluate")
    assert "Running stage 'calibrate'" in said
    assert "Running stage 'train" not in said
    assert detector.read_bytes() != fitted
    rows = in_clone(rebuilt, "dvc", "metrics", "diff").splitlines()[1:]
    assert 1 <= len(rows) <= MOST_CHANGES
    assert all(" detector." in row for row in rows)

    params.write_text(before, encoding="utf-8")
    back = in_clone(rebuilt, "dvc", "repro", "calibrate")
    assert "Stage 'calibrate' is cached" in back
    assert detector.read_bytes() == fitted
    in_clone(rebuilt, "git", "restore", ".")
    assert "Running stage" not in in_clone(rebuilt, "dvc", "repro")


def test_other_training_comes_back_from_the_run_cache(rebuilt: Path) -> None:
    params = rebuilt / "params.yaml"
    before = params.read_text(encoding="utf-8")
    params.write_text(before.replace("epochs: 2", "epochs: 1"), encoding="utf-8")
    assert "Running stage 'train@autoencoder'" in in_clone(rebuilt, "dvc", "repro", "train")
    params.write_text(before, encoding="utf-8")
    assert "Stage 'train@autoencoder' is cached" in in_clone(rebuilt, "dvc", "repro", "train")


def wells_of(clone: Path) -> dict[str, bytes]:
    """Return the files of a clone's archive of wells, by name."""
    with zipfile.ZipFile(clone / "data/raw/wells.zip") as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def with_another_test_set(files: dict[str, bytes]) -> dict[str, bytes]:
    """Return an archive's files with other test photos under the old names, and other labels."""
    names = sorted(name for name in files if name.startswith("test/imgs/"))
    mirrored = []
    for name in reversed(names):
        buffer = io.BytesIO()
        with Image.open(io.BytesIO(files[name])) as photo:
            ImageOps.mirror(photo).save(buffer, "PNG")
        mirrored.append(buffer.getvalue())
    # What also stands among the training photos and known spills must change nothing there either.
    leaked = [files[next(n for n in files if n.startswith(part))] for part in ("train/", "proliv/")]
    files = files | dict(zip(names, leaked + mirrored[2:], strict=True))
    lines = files["test/test_annotation.txt"].decode().splitlines()
    labels = [line.split()[1] for line in lines]
    random.Random(0).shuffle(labels)
    pairs = zip((line.split()[0] for line in lines), labels, strict=True)
    annotation = "".join(f"{name} {label}\n" for name, label in pairs)
    return files | {"test/test_annotation.txt": annotation.encode()}


def with_fewer_spills(files: dict[str, bytes]) -> dict[str, bytes]:
    """Return an archive's files without half of the known spills, none that is among train."""
    train = {data for name, data in files.items() if name.startswith("train/")}
    spills = [name for name in files if name.startswith("proliv/") and files[name] not in train]
    return {name: data for name, data in files.items() if name not in spills[::2]}


def repeat(rebuilt: Path, folder: Path, *command: str, wells: dict[str, bytes]) -> Path:
    """Run a command in a copy of a clone, with other wells."""
    other = Path(shutil.copytree(rebuilt, folder / "other", symlinks=True))
    (folder / "other.zip").write_bytes(zip_of(wells.items()))
    source = {"source: synthetic:120": f"source: {folder / 'other.zip'}"}
    replace_in(other / "params.yaml", source)
    in_clone(other, *command)
    return other


def files_below(clone: Path, *folders: str) -> dict[str, bytes]:
    """Return what lies below folders of a clone, by path."""
    found = (path for folder in folders for path in (clone / folder).rglob("*") if path.is_file())
    return {path.relative_to(clone).as_posix(): path.read_bytes() for path in found}


def test_what_trains_and_calibrates_never_sees_the_test_set(rebuilt: Path, tmp_path: Path) -> None:
    wells = with_another_test_set(wells_of(rebuilt))
    # By force, for a stage that reads what it doesn't name would otherwise not even run.
    repro = ("dvc", "repro", "--force", "validate", "evaluate")
    other = repeat(rebuilt, tmp_path, *repro, wells=wells)

    models = files_below(rebuilt, "models")
    networks = {f"{name}/{file}" for name in ("autoencoder", "mnad") for file in NETWORK_FILES}
    detectors = {f"{name}.json" for name in (*(DETECTORS.keys() - {"detector"}), "together")}
    assert models.keys() == {
        *(f"models/networks/{name}" for name in networks),
        *(f"models/detectors/{name}" for name in detectors),
        "models/detector/autoencoder.safetensors",
        "models/detector/detector.json",
        "models/exported/README.md",
        "models/exported/detector.onnx",
    }
    assert files_below(other, "models") == models
    for name in (
        "metrics/validation.json",
        "metrics/reports/validation.json",
        "plots/hard_cases/hard_cases.png",
    ):
        assert (other / name).read_bytes() == (rebuilt / name).read_bytes(), name
    before, after = (read(clone, "metrics/reports/dataset.json") for clone in (rebuilt, other))
    assert after["files"] == before["files"]
    assert after["leaks"]["test_in_train"] > before["leaks"]["test_in_train"]
    detection = "metrics/detection.json"
    assert (other / detection).read_bytes() != (rebuilt / detection).read_bytes()


def test_other_known_spills_move_thresholds_and_train_nothing_else(
    rebuilt: Path, tmp_path: Path
) -> None:
    wells = with_fewer_spills(wells_of(rebuilt))
    other = repeat(rebuilt, tmp_path, "dvc", "repro", "--force", "calibrate", wells=wells)
    networks = files_below(rebuilt, "models/networks")
    assert networks
    assert files_below(other, "models/networks") == networks
    before, after = (load_detectors(clone / "models/detectors") for clone in (rebuilt, other))
    assert len(after) == len(DETECTORS)
    for name, detector in after.items():
        assert detector.threshold != before[name].threshold, name


@pytest.mark.skipif(not shutil.which("taskset"), reason="taskset is missing (Debian: util-linux)")
def test_the_demo_elsewhere_on_one_core_gives_the_same_bytes_and_can_be_undone(
    rebuilt: Path, tmp_path: Path
) -> None:
    clone = small_clone(tmp_path)
    shutil.copy(ROOT / "dvc.lock", clone)
    commit(clone)
    (clone / ".venv").mkdir()
    (clone / ".venv/ready").touch()
    assert "user.name" not in in_clone(clone, "git", "config", "--list")
    one_core = ("taskset", "--cpu-list", str(min(os.sched_getaffinity(0))))
    shown = in_clone(clone, *one_core, "make", "demo", "DEMO_SOURCE=synthetic:120")
    assert "detector.auroc" in shown
    assert "demo" in in_clone(clone, "dvc", "exp", "list", "--name-only")

    for folder in ("metrics", "plots", "models", "data"):
        names = {path.relative_to(rebuilt) for path in (rebuilt / folder).rglob("*")}
        assert names == {path.relative_to(clone) for path in (clone / folder).rglob("*")}
        for name in names:
            if (rebuilt / name).is_file():
                assert (rebuilt / name).read_bytes() == (clone / name).read_bytes(), name
    # The order of stages is that in which they ran first.
    lock, other = (yaml.safe_load((c / "dvc.lock").read_text()) for c in (rebuilt, clone))
    assert lock == other

    in_clone(clone, "make", "restore")
    assert not in_clone(clone, "git", "status", "--porcelain")


def test_a_grid_is_compared_in_a_narrow_table_and_trains_each_network_once(rebuilt: Path) -> None:
    (rebuilt / ".venv").mkdir()
    (rebuilt / ".venv/ready").touch()
    shown = in_clone(rebuilt, "make", "compare", "LATENTS=2,3", "CHANNELS=8")
    table = [line for line in shown.splitlines() if line.startswith("|")]
    assert max(map(len, table)) <= 120
    assert {"latent", "channels", "detector", "mnad"} <= set(table[0].replace("|", " ").split())
    found = {tuple(re.findall(r"(?<=\|)\s+(\d+)\s+(?=\|)", line)) for line in table[2:]}
    assert {("2", "8"), ("3", "8"), ("1", "12")} <= found
    logs = [path.read_text() for path in rebuilt.glob(".dvc/tmp/exps/run/*/*.out")]
    assert len(logs) == 2
    assert sum(log.count("Running stage 'train@mnad'") for log in logs) == 1
    in_clone(rebuilt, "make", "restore")


def test_the_artifact_is_fetched_by_its_name_and_classifies_on_its_own(
    rebuilt: Path, tmp_path: Path
) -> None:
    in_clone(rebuilt, "git", *IDENTITY, "tag", "-a", "detector@v1.0.0", "-m", "first")
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    in_clone(folder, "dvc", "artifacts", "get", str(rebuilt), "detector", "--out", "model")
    assert {path.name for path in (folder / "model").iterdir()} == {"README.md", "detector.onnx"}
    photos, model = str(rebuilt / "data/raw/wells.zip"), "model/detector.onnx"
    command = ("python", "-m", "tools.classify", photos, "--model", model, "--output", "rows.csv")
    in_clone(folder, "env", f"PYTHONPATH={ROOT}", *command)
    dataset = read(rebuilt, "metrics/reports/dataset.json")
    rows = (folder / "rows.csv").read_text().splitlines()
    assert len(rows) - 1 == sum(dataset["files"][part] for part in ("train", "proliv", "test"))
    assert not any(row.endswith("image") for row in rows)
