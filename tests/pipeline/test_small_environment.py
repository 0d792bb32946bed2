"""What requirements-classify.txt names is enough to classify and to draw, and it is small."""

import csv
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from stages.wells.detection.calibration import fit_detectors
from stages.wells.detection.params import DetectorParams
from tests.clones import ROOT
from tests.exported_files import exported
from tests.small_wells import grainy_wells, in_turn

pytestmark = pytest.mark.slow

REQUIREMENTS = ROOT / "requirements-classify.txt"
# Of the environment as `python -m venv` and pip leave it, pip itself and byte code included.
LARGEST_MB = 220
OFFLINE = re.compile("NewConnectionError|name resolution|timed out|Network is unreachable")


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new environment with what the file names."""
    folder = tmp_path_factory.mktemp("small") / "venv"
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    python, words = folder / "bin/python", f"-m pip install --quiet --retries 1 -r {REQUIREMENTS}"
    done = subprocess.run([python, *words.split()], capture_output=True, text=True, check=False)
    if done.returncode and OFFLINE.search(done.stderr):
        pytest.skip("no package index can be reached")
    assert done.returncode == 0, done.stderr
    return folder


def test_the_environment_holds_what_is_pinned_and_no_more(environment: Path) -> None:
    installed = subprocess.run(
        [environment / "bin/python", "-m", "pip", "freeze"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    pinned = [line for line in REQUIREMENTS.read_text().splitlines() if "==" in line]
    assert installed.splitlines() == pinned


def test_the_environment_is_small(environment: Path) -> None:
    files = [path for path in environment.rglob("*") if path.is_file() and not path.is_symlink()]
    assert sum(path.stat().st_blocks for path in files) * 512 / 1e6 < LARGEST_MB


def test_it_classifies_photos_and_draws_how_they_were_decided(
    environment: Path, tmp_path: Path
) -> None:
    wells, spills = grainy_wells(40, seed=0), grainy_wells(10, seed=1, grain=60)
    wanted = {"grain": DetectorParams(scores=["appearance", "texture"], rule="equal_error")}
    detector = fit_detectors(wanted, {}, wells, in_turn(40), spills)["grain"]
    model = exported(detector, {}, tmp_path)
    for name, image in (("normal", wells[0]), ("spill", spills[0])):
        (tmp_path / "photos").mkdir(exist_ok=True)
        Image.fromarray(image.transpose(1, 2, 0)).save(tmp_path / f"photos/{name}.png")
    done = subprocess.run(
        [
            *(environment / "bin/python", "-m", "tools.classify", "photos"),
            *("--model", model, "--heatmaps", "heat"),
        ],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    rows = list(csv.DictReader(done.stdout.splitlines()))
    assert [row["label"] for row in rows] == ["normal", "spill"]
    drawn = {path.name for path in (tmp_path / "heat/photos").iterdir()}
    assert drawn == {"normal.png.png", "spill.png.png"}
