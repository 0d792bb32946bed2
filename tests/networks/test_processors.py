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
# Under the emulator the start takes longer than the training.
TRAIN = """
import sys
from stages import train
for name in sys.argv[1:]:
    sys.argv = ["train", name]
    train.main()
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


def trained(folder: Path, *machine: str) -> dict[str, bytes]:
    """Train every network on a few random images, in one process, and return their files."""
    images, folds = noise(24, width=24), in_turn(24)
    write_arrays(folder / "data/wells/train.npz", images=images, folds=folds)
    (folder / "params.yaml").write_text(params_with(FEW), encoding="utf-8")
    environment = {k: v for k, v in os.environ.items() if not k.startswith("COVERAGE")}
    subprocess.run(
        [*machine, sys.executable, "-c", TRAIN, *NETWORKS],
        cwd=folder,
        env=environment | {"PYTHONPATH": str(ROOT), "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        check=True,
    )
    return {name: (folder / paths.NETWORKS / name / WEIGHTS).read_bytes() for name in NETWORKS}


def test_training_gives_the_same_bytes_on_a_cpu_of_another_maker(tmp_path: Path) -> None:
    here = trained(tmp_path / "here")
    assert trained(tmp_path / "there", *of_another_maker()) == here
