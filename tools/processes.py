"""Programs run as processes of their own, and what each of them took."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from time import perf_counter
from typing import NamedTuple


class Took(NamedTuple):
    """What a process took: seconds by the clock and of a processor, and the peak of memory in MB.

    What it started counts as far as it waited for it. The peak is never below that of whoever
    started the process: Linux counts from before the program begins.
    """

    seconds: float
    cpu_seconds: float
    peak_mb: float


class Ended(NamedTuple):
    """How a process ended: its exit status, negative where a signal killed it; its error output."""

    status: int
    errors: str
    took: Took


def run_measured(
    words: Sequence[str],
    *,
    folder: Path | None = None,
    environment: Mapping[str, str] | None = None,
    catch_errors: bool = False,
) -> Ended:
    """Run a program to its end, whatever its status, in this folder and environment if not told.

    catch_errors: whether what it writes to standard error is returned, and not shown.
    """
    caught = subprocess.PIPE if catch_errors else None
    start = perf_counter()
    with subprocess.Popen(words, cwd=folder, env=environment, stderr=caught) as process:
        errors = process.stderr.read().decode(errors="replace") if process.stderr else ""
        # Tells what this one process took, as the module `resource` doesn't.
        _, status, usage = os.wait4(process.pid, 0)
        seconds = perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
    took = Took(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024 / 1e6)
    return Ended(process.returncode, errors, took)
