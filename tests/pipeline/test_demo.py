"""The demo, as somebody runs it who has just cloned the project."""

import json
import shutil
from pathlib import Path

import pytest

from tests.clones import ROOT, commit, in_clone, replace_in, small_clone

pytestmark = pytest.mark.slow


def test_the_demo_runs_where_git_knows_no_user_and_can_be_undone(tmp_path: Path) -> None:
    clone = small_clone(tmp_path)
    shutil.copy(ROOT / "dvc.lock", clone)
    commit(clone)
    (clone / ".venv").mkdir()
    (clone / ".venv/ready").touch()
    assert "user.name" not in in_clone(clone, "git", "config", "--list")
    replace_in(clone / "params.yaml", {"epochs: 2": "epochs: 1"})
    shown = in_clone(clone, "make", "demo", "DEMO_SOURCE=synthetic:60")
    assert "detector.auroc" in shown
    assert "demo" in in_clone(clone, "dvc", "exp", "list", "--name-only")
    assert json.loads((clone / "metrics/reports/dataset.json").read_text())["files"]["train"] == 60
    in_clone(clone, "make", "restore")
    assert not in_clone(clone, "git", "status", "--porcelain")
