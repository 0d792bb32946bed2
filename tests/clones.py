"""Clones of the project on few drawn wells, in which DVC and Git run as people run them."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]
BIN = Path(sys.executable).parent
IDENTITY = ("-c", "user.name=test", "-c", "user.email=test@localhost")
CONFIG = "[user]\n\tname = test\n\temail = test@localhost\n[init]\n\tdefaultBranch = main\n"
SMALL = {
    "source: https://drive.google.com/file/d/1DHuQ3DBsgab6NtZIZfAKUHS2rW3-vmtb/view": (
        "source: synthetic:120"
    ),
    "epochs: 8": "epochs: 2",
    "batch_size: 64": "batch_size: 16",
    "train: 50": "train: 8",
    "holdout: 300": "holdout: 4",
}


def environment(clone: Path) -> dict[str, str]:
    """Return an environment without a home, a user name or the outer project's settings."""
    return {
        "PATH": f"{BIN}:{os.environ['PATH']}",
        "HOME": str(clone.parent),
        "GIT_CONFIG_NOSYSTEM": "1",
        "DVC_NO_ANALYTICS": "1",
    }


def in_clone(clone: Path, *command: str) -> str:
    """Run a command in a clone, in an environment of its own, and return what it prints."""
    done = subprocess.run(
        command, cwd=clone, env=environment(clone), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def copy_project(folder: Path, without: tuple[str, ...] = ()) -> None:
    """Copy the project's files, but not those whose paths begin so."""
    listed = subprocess.check_output(["git", "ls-files", "-zco", "--exclude-standard"], cwd=ROOT)
    for name in filter(None, listed.decode().split("\0")):
        if (ROOT / name).is_file() and not name.startswith(without):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)


def replace_in(path: Path, changes: dict[str, str]) -> None:
    """Replace pieces of a text, each of which must be there."""
    text = path.read_text(encoding="utf-8")
    for before, after in changes.items():
        assert before in text
        text = text.replace(before, after)
    path.write_text(text, encoding="utf-8")


def small_clone(folder: Path) -> Path:
    """Make an unbuilt clone in a Git repository of its own, set to a small made-up archive."""
    clone = folder / "clone"
    copy_project(clone, without=("dvc.lock",))
    replace_in(clone / "params.yaml", SMALL)
    in_clone(clone, "git", "init", "--quiet")
    return clone


def tiny_clone(folder: Path, stages: list[str], source: str = "synthetic:60") -> Path:
    """Make an unbuilt clone with some of the stages, committed; Git knows a user in it."""
    (folder / ".gitconfig").write_text(CONFIG, encoding="utf-8")
    clone = small_clone(folder)
    changes = {"source: synthetic:120": f"source: {source}", "epochs: 2": "epochs: 1"}
    replace_in(clone / "params.yaml", changes)
    whole = yaml.safe_load((clone / "dvc.yaml").read_text(encoding="utf-8"))
    kept = {name: whole["stages"][name] for name in stages}
    (clone / "dvc.yaml").write_text(yaml.safe_dump({"stages": kept}), encoding="utf-8")
    commit(clone)
    return clone


def commit(clone: Path) -> None:
    """Commit what is in a clone, whatever user its Git knows."""
    in_clone(clone, "git", "add", ".")
    in_clone(clone, "git", *IDENTITY, "commit", "--quiet", "-m", "state")
