"""The same bytes on a CPU of another maker, for which an emulator stands."""

import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from stages.common import paths
from stages.common.files import write_arrays
from stages.wells.networks.registry import NETWORKS, WEIGHTS
from tests.small_wells import in_turn, noise
from tests.wells_files import ROOT, params_with

EMULATOR = shutil.which("qemu-x86_64")
# Under the emulator the start takes longer than the rest. Last digits that are a maker's own are
# rare: it takes many photos to meet one.
BUILD = """
import sys
from pathlib import Path
from stages import calibrate, train
for name in sys.argv[1:]:
    sys.argv = ["train", name]
    train.main()
Path("data/wells/many.npz").replace("data/wells/train.npz")
calibrate.main()
"""
FEW = {"images.height": 16, "images.width": 24, "train.batch_size": 8, "train.epochs": 1}

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        platform.machine() not in ("x86_64", "AMD64") or not EMULATOR,
        reason="not an x86 machine, or qemu-x86_64 is missing (Debian: qemu-user)",
    ),
]


def of_another_maker() -> list[str]:
    """Return the start of a command that then runs as on a CPU of another maker than this one's."""
    here = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    return [str(EMULATOR), "-cpu", "Haswell" if "AuthenticAMD" in here else "EPYC-Rome"]


def built(folder: Path, *machine: str) -> dict[str, bytes]:
    """Train networks on a few random images and fit all detectors, and return their files."""
    for name, count in (("train", 24), ("many", 300)):
        images, folds = noise(count, width=24), in_turn(count)
        write_arrays(folder / f"data/wells/{name}.npz", images=images, folds=folds)
    write_arrays(folder / "data/wells/spills.npz", images=noise(30, seed=1, width=24) // 2)
    (folder / "params.yaml").write_text(params_with(FEW), encoding="utf-8")
    environment = {k: v for k, v in os.environ.items() if not k.startswith("COVERAGE")}
    subprocess.run(
        [*machine, sys.executable, "-c", BUILD, *NETWORKS],
        cwd=folder,
        env=environment | {"PYTHONPATH": str(ROOT), "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        check=True,
    )
    files = [*(folder / paths.NETWORKS).rglob("*.*"), *(folder / paths.DETECTORS).iterdir()]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def test_training_and_fitting_give_the_same_bytes_on_a_cpu_of_another_maker(tmp_path: Path) -> None:
    here = built(tmp_path / "here")
    assert {Path(name).name for name in here} >= {WEIGHTS, "together.json"}
    there = built(tmp_path / "there", *of_another_maker())
    assert [name for name in here if there[name] != here[name]] == []
    assert there.keys() == here.keys()
