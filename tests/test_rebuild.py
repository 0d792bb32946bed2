"""The pipeline as people run it: rebuilt in clones of the project, on drawn wells."""

import io
import json
import os
import random
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from PIL import Image, ImageOps

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
BIN = Path(sys.executable).parent
SMALL = {
    "source: https://drive.google.com/file/d/1DHuQ3DBsgab6NtZIZfAKUHS2rW3-vmtb/view": (
        "source: synthetic:120"
    ),
    "epochs: 12": "epochs: 2",
    "batch_size: 64": "batch_size: 16",
    "train: 50": "train: 8",
    "holdout: 50": "holdout: 4",
}
SCORES = {"mse", "centre_mse", "coarse_mse", "appearance", "texture", "detector"}


def in_clone(clone: Path, *command: str) -> str:
    """Run a command in a clone, without a home, a user name or the outer project's settings."""
    environment = {
        "PATH": f"{BIN}:{os.environ['PATH']}",
        "HOME": str(clone.parent),
        "GIT_CONFIG_NOSYSTEM": "1",
        "DVC_NO_ANALYTICS": "1",
    }
    done = subprocess.run(
        command, cwd=clone, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def small_clone(folder: Path) -> Path:
    """Copy the project's files into a Git repository of its own, set to a small made-up archive."""
    clone = folder / "clone"
    listed = subprocess.check_output(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT, text=True
    )
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (clone / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, clone / name)
    params = (clone / "params.yaml").read_text(encoding="utf-8")
    for before, after in SMALL.items():
        assert before in params
        params = params.replace(before, after)
    (clone / "params.yaml").write_text(params, encoding="utf-8")
    (clone / "dvc.lock").unlink(missing_ok=True)
    in_clone(clone, "git", "init", "--quiet")
    return clone


@pytest.fixture(scope="module")
def rebuilt(tmp_path_factory: pytest.TempPathFactory) -> Path:
    clone = small_clone(tmp_path_factory.mktemp("rebuilt"))
    in_clone(clone, "dvc", "repro")
    in_clone(clone, "git", "add", ".")
    identity = ("-c", "user.name=test", "-c", "user.email=test@localhost")
    in_clone(clone, "git", *identity, "commit", "--quiet", "-m", "small")
    return clone


def test_a_rebuild_measures_every_score_on_the_whole_test_set(rebuilt: Path) -> None:
    dataset = json.loads((rebuilt / "metrics/dataset.json").read_text())
    detection = json.loads((rebuilt / "metrics/detection.json").read_text())
    assert dataset["files"]["train"] == 120
    assert not dataset["known_copy"]
    assert set(detection["autoencoder"]) == SCORES | {"holdout_mse"}
    assert set(detection["mnad"]) == SCORES | {"holdout_mse", "memory"}
    assert detection["best"]["model"] == "autoencoder"
    for score in SCORES:
        kinds = detection["autoencoder"][score]["kinds"]
        counts = [figures["count"] for figures in kinds.values()]
        assert sum(counts) == dataset["files"]["test_spill"]
    tested = (rebuilt / "plots/detection/autoencoder/predictions.csv").read_text().splitlines()
    assert len(tested) - 1 == dataset["files"]["test"]


def test_a_rebuild_measures_every_score_on_hard_cases_too(rebuilt: Path) -> None:
    validation = json.loads((rebuilt / "metrics/validation.json").read_text())["validation"]
    assert set(validation["autoencoder"]) == SCORES
    assert set(validation["mnad"]) == SCORES | {"memory"}
    assert validation["best"] == validation["autoencoder"]["detector"]
    kinds = {"normal", "covered", "contrast", "spill", "spill_covered", "empty", "empty_covered"}
    assert all(set(figures["right"]) == kinds for figures in validation["mnad"].values())


def test_nothing_runs_where_nothing_changed(rebuilt: Path) -> None:
    assert "Running stage" not in in_clone(rebuilt, "dvc", "repro")


def test_another_threshold_trains_nothing_and_going_back_runs_nothing_long(rebuilt: Path) -> None:
    params = rebuilt / "params.yaml"
    before = params.read_text(encoding="utf-8")
    detector = rebuilt / "models/autoencoder/detector.json"
    fitted = detector.read_bytes()

    assert "rule: equal_error" in before
    params.write_text(before.replace("rule: equal_error", "rule: sigma"), encoding="utf-8")
    changed = in_clone(rebuilt, "dvc", "repro")
    assert "Running stage 'calibrate@autoencoder'" in changed
    assert "Running stage 'train" not in changed
    assert detector.read_bytes() != fitted

    params.write_text(before, encoding="utf-8")
    back = in_clone(rebuilt, "dvc", "repro")
    assert "Stage 'calibrate@autoencoder' is cached" in back
    assert detector.read_bytes() == fitted


def test_other_training_comes_back_from_the_run_cache(rebuilt: Path) -> None:
    params = rebuilt / "params.yaml"
    before = params.read_text(encoding="utf-8")
    params.write_text(before.replace("epochs: 2", "epochs: 1"), encoding="utf-8")
    assert "Running stage 'train@autoencoder'" in in_clone(rebuilt, "dvc", "repro", "train")
    params.write_text(before, encoding="utf-8")
    assert "Stage 'train@autoencoder' is cached" in in_clone(rebuilt, "dvc", "repro", "train")


def with_another_test_set(archive: Path, target: Path) -> None:
    """Copy an archive of wells with other test photos under the old names, and other labels."""
    with zipfile.ZipFile(archive) as opened:
        files = {name: opened.read(name) for name in opened.namelist()}
    names = sorted(name for name in files if name.startswith("test/imgs/"))
    mirrored = []
    for name in reversed(names):
        buffer = io.BytesIO()
        with Image.open(io.BytesIO(files[name])) as photo:
            ImageOps.mirror(photo).save(buffer, "PNG")
        mirrored.append(buffer.getvalue())
    # What also stands among the training photos and known spills must change nothing there either.
    leaked = [files[next(n for n in files if n.startswith(part))] for part in ("train/", "proliv/")]
    files |= dict(zip(names, leaked + mirrored[2:], strict=True))
    lines = files["test/test_annotation.txt"].decode().splitlines()
    labels = [line.split()[1] for line in lines]
    random.Random(0).shuffle(labels)
    pairs = zip((line.split()[0] for line in lines), labels, strict=True)
    files["test/test_annotation.txt"] = "".join(f"{n} {label}\n" for n, label in pairs).encode()
    with zipfile.ZipFile(target, "w") as written:
        for name, data in files.items():
            written.writestr(name, data)


def test_what_trains_and_calibrates_never_sees_the_test_set(rebuilt: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(rebuilt, other, symlinks=True)
    with_another_test_set(rebuilt / "data/raw/wells.zip", tmp_path / "other.zip")
    params = (other / "params.yaml").read_text(encoding="utf-8")
    assert "source: synthetic:120" in params
    params = params.replace("source: synthetic:120", f"source: {tmp_path / 'other.zip'}")
    (other / "params.yaml").write_text(params, encoding="utf-8")
    # By force, for a stage that reads what it doesn't name would otherwise not even run.
    in_clone(other, "dvc", "repro", "--force", "validate", "evaluate")

    kept = {path.relative_to(rebuilt) for path in (rebuilt / "models").rglob("*") if path.is_file()}
    assert {path.name for path in kept} == {"network.safetensors", "history.csv", "detector.json"}
    assert len(kept) == 6
    validation = Path("metrics/validation.json"), Path("plots/validation/hard_cases.png")
    for name in (*sorted(kept), *validation):
        assert (other / name).read_bytes() == (rebuilt / name).read_bytes(), name
    before, after = (json.loads((c / "metrics/dataset.json").read_text()) for c in (rebuilt, other))
    assert after["files"] == before["files"]
    assert after["leaks"]["test_in_train"] > before["leaks"]["test_in_train"]
    detection = "metrics/detection.json"
    assert (other / detection).read_bytes() != (rebuilt / detection).read_bytes()


def test_a_rebuild_from_nothing_elsewhere_gives_the_same_bytes(
    rebuilt: Path, tmp_path: Path
) -> None:
    other = small_clone(tmp_path)
    in_clone(other, "dvc", "repro")
    for folder in ("metrics", "plots", "models", "data"):
        names = {path.relative_to(rebuilt) for path in (rebuilt / folder).rglob("*")}
        assert names == {path.relative_to(other) for path in (other / folder).rglob("*")}
        for name in names:
            if (rebuilt / name).is_file():
                assert (rebuilt / name).read_bytes() == (other / name).read_bytes(), name
    assert (rebuilt / "dvc.lock").read_bytes() == (other / "dvc.lock").read_bytes()


def test_the_demo_runs_where_git_knows_no_user_and_can_be_undone(rebuilt: Path) -> None:
    environment = rebuilt / ".venv"
    environment.mkdir()
    (environment / "ready").touch()
    assert "user.name" not in in_clone(rebuilt, "git", "config", "--list")
    (rebuilt / "params.yaml").write_text(
        (rebuilt / "params.yaml").read_text(encoding="utf-8") + "# changed\n", encoding="utf-8"
    )
    shown = in_clone(rebuilt, "make", "demo", "DEMO_SOURCE=synthetic:60")
    assert "best.auroc" in shown
    assert "demo" in in_clone(rebuilt, "dvc", "exp", "list", "--name-only")
    assert json.loads((rebuilt / "metrics/dataset.json").read_text())["files"]["train"] == 60
    in_clone(rebuilt, "make", "restore")
    assert not in_clone(rebuilt, "git", "status", "--porcelain")


def test_a_grid_is_compared_in_a_narrow_table_and_trains_each_model_once(rebuilt: Path) -> None:
    (rebuilt / ".venv").mkdir(exist_ok=True)
    (rebuilt / ".venv/ready").touch()
    shown = in_clone(rebuilt, "make", "compare", "LATENTS=16,24", "CHANNELS=8")
    table = [line for line in shown.splitlines() if line.startswith("|")]
    assert max(map(len, table)) < 240
    found = {tuple(re.findall(r"\|\s+(\d+)\s+(?=\|)", line)) for line in table}
    assert {("16", "8"), ("24", "8"), ("24", "16")} <= found
    assert shown.count("Running stage 'train@mnad'") == 1
    in_clone(rebuilt, "make", "restore")


def test_the_artifact_is_fetched_by_its_name_and_classifies_on_its_own(
    rebuilt: Path, tmp_path: Path
) -> None:
    identity = ("-c", "user.name=test", "-c", "user.email=test@localhost")
    in_clone(rebuilt, "git", *identity, "tag", "-a", "detector@v1.0.0", "-m", "first")
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    in_clone(folder, "dvc", "artifacts", "get", str(rebuilt), "detector", "--out", "model")
    photos = str(rebuilt / "data/raw/wells.zip")
    command = ("python", "-m", "tools.classify", photos, "--model", "model", "--output", "rows.csv")
    in_clone(folder, "env", f"PYTHONPATH={ROOT}", *command)
    dataset = json.loads((rebuilt / "metrics/dataset.json").read_text())
    rows = (folder / "rows.csv").read_text().splitlines()
    assert len(rows) - 1 == sum(dataset["files"][part] for part in ("train", "proliv", "test"))
    assert not any(row.endswith("image") for row in rows)
