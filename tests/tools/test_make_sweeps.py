"""`make seeds` and `make compare` run what they queued wherever the project lies.

Programs that only note what they are told stand in for DVC and Python.
"""

import os
import shutil
from pathlib import Path

import pytest

from tests.clones import ROOT, in_clone

NOTES = """\
#!/bin/sh
printf '%s\\n' "$(basename "$0") $*" >> told
printf '%s\\n' "$WELLS_ARCHIVE" >> archives
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with a quote in its path, whose environment only notes what is run."""
    folder = tmp_path / "the foundry's"
    programs = folder / ".venv/bin"
    programs.mkdir(parents=True)
    shutil.copy(ROOT / "Makefile", folder)
    for name in ("dvc", "python"):
        (programs / name).write_text(NOTES, encoding="utf-8")
        (programs / name).chmod(0o755)
    for name in ("", "-dev", "-watch"):
        (folder / f"requirements{name}.txt").touch()
        os.utime(folder / f"requirements{name}.txt", (0, 0))
    (folder / ".venv/ready").touch()
    return folder


@pytest.mark.parametrize("target", ["seeds", "compare"])
def test_a_quote_in_the_project_s_path_breaks_nothing(project: Path, target: str) -> None:
    in_clone(project, "make", target, "JOBS=2")
    told, archives = (
        (project / name).read_text(encoding="utf-8").splitlines() for name in ("told", "archives")
    )
    assert told[0] == "dvc repro"
    assert told[-2] == "python -m tools.sweep --jobs 2"
    # Only experiments read the archive from here, for they run elsewhere.
    archive = str(project / "data/raw/wells.zip")
    assert archives == [*[""] * (len(told) - 2), archive, ""]
