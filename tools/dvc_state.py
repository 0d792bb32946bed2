"""What DVC says of the workspace: differences, and which stages it would run."""

import json
import subprocess
import sys
from typing import Any

from stages.common.errors import InputError

# What a fresh clone lacks changed nothing.
ABSENT = "deleted"


def ask_dvc(*command: str) -> dict[str, Any]:
    """Return what a command of DVC says as JSON; raises InputError with its message if it fails."""
    line = [sys.executable, "-m", "dvc", *command, "--json"]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    if done.returncode:
        raise InputError(f"dvc {' '.join(command)} failed: {done.stderr.strip()}")
    return dict(json.loads(done.stdout or "{}"))


def stale_stages() -> list[str]:
    """Return the stages whose code, parameters or inputs are others than those they last ran with.

    Data and models that are only absent, as in a fresh clone, don't count. Raises InputError where
    DVC can't tell.
    """
    return [name for name, changes in ask_dvc("status").items() if _has_changed(changes)]


def _has_changed(changes: list[Any]) -> bool:
    """Return whether any of a stage's changes is one of its command or of what it reads.

    Each is a word, as `changed command`, or states by path, those of parameters by their names.
    """
    if any(isinstance(change, str) for change in changes):
        return True
    read = [state for one in changes for state in one.get("changed deps", {}).values()]
    return any(isinstance(state, dict) or state != ABSENT for state in read)
