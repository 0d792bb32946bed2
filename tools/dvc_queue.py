"""DVC's queue of experiments from inside: its workers' processes, and the tasks that they lost.

DVC's commands tell neither. Its version is pinned, and tests/tools/test_sweep.py runs all this
against it. `python -m tools.dvc_queue NUMBER…` starts workers of these numbers.
"""

import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Collection, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
from dvc.repo import Repo
from dvc.repo.experiments.executor.base import ExecutorInfo
from dvc.repo.experiments.queue.tasks import run_exp

from stages.common.errors import InputError

# So an experiment's log tells that a stage failed, and not DVC.
STAGE_FAILED = re.compile(r"^ERROR: failed to reproduce '", re.MULTILINE)
# Seconds within which a new worker must have noted its process, and a dismissed one be gone.
PATIENCE = 60
# Seconds to wait for killed processes: where nobody fetches them, they stay as zombies.
SOON = 5
BRIEFLY = 0.1


def main() -> None:
    """Start workers; each has a process beside it that waits until it ends."""
    with Repo() as repo:
        for number in sys.argv[1:]:
            repo.experiments.celery_queue._spawn_worker(int(number))


class Workers:
    """The workers of a queue, known by the notes that DVC keeps of their processes.

    DVC's commands ask them instead, and take a busy one for dead.
    """

    def __init__(self, queue: Any) -> None:
        self._queue = queue
        self._known: dict[int, psutil.Process] = {}
        self._dismissed: set[int] = set()

    def living(self) -> list[psutil.Process]:
        """Return the workers that live, whoever started them."""
        for pid in self._noted().values():
            with suppress(psutil.NoSuchProcess):
                self._known.setdefault(pid, psutil.Process(pid))
        return [process for process in self._known.values() if self._owns(process)]

    def start(self, count: int) -> None:
        """Start workers until there are so many; return when each has its note.

        `dvc queue start` would start another one under the number of each that is busy. Raises
        InputError where after PATIENCE there is none.
        """
        before, living = self._noted(), {process.pid for process in self.living()}
        free = [number for number in range(1, count + 1) if before.get(number) not in living]
        numbers = free[: count - len(living)]
        command = [sys.executable, "-m", __name__, *map(str, numbers)]
        # Workers inherit the streams, and would keep a pipe open.
        done = subprocess.run(command, stdout=subprocess.DEVNULL, check=False)
        until = time.monotonic() + PATIENCE
        while not done.returncode and time.monotonic() < until:
            noted = self._noted()
            if all(noted.get(number) != before.get(number) for number in numbers):
                return
            time.sleep(BRIEFLY)
        if not self.living():
            raise InputError(f"DVC starts no worker; {self.logs()} may tell why")

    def dismiss(self) -> None:
        """Tell all to end with what they run now.

        Some would not end by themselves: the thread that watches the queue for them has died.
        """
        for process in self.living():
            if process.pid not in self._dismissed:
                self._dismissed.add(process.pid)
                with suppress(psutil.NoSuchProcess):
                    process.terminate()

    def kill(self) -> None:
        """Kill what they run; they note that it failed, remove its folder and end.

        One can still take another experiment before it ends.
        """
        self.dismiss()
        until = time.monotonic() + PATIENCE
        while living := self.living():
            for process in living:
                _kill(_children(process))
                if time.monotonic() > until:
                    _kill([process])
            time.sleep(BRIEFLY)

    def logs(self) -> str:
        """Return the pattern of the files into which they write."""
        return f"{self._queue.wdir}/dvc-exp-worker-*.out"

    def _owns(self, process: psutil.Process) -> bool:
        """Return whether a process lives and is a worker here: numbers of dead ones are reused."""
        try:
            root = Path(self._queue.repo.root_dir).resolve()
            return Path(process.cwd()).is_relative_to(root) and "queue-worker" in process.cmdline()
        except psutil.Error:
            return False

    def _noted(self) -> dict[int, int]:
        """Return the last process of each worker by the worker's number, alive or not."""
        notes = Path(self._queue.wdir).glob("dvc-exp-worker-*.json")
        return {
            int(note.stem.rpartition("-")[2]): json.loads(note.read_text(encoding="utf-8"))["pid"]
            for note in notes
        }


def stage_failed(queue: Any, entry: Any) -> bool:
    """Return whether an experiment's log says that one of its stages failed."""
    log = Path(queue.pid_dir, entry.stash_rev, f"{entry.stash_rev}.out")
    return log.is_file() and bool(STAGE_FAILED.search(log.read_text(errors="replace")))


def drop_older(queue: Any) -> None:
    """Take out of the queue what waits or failed under the name of one that was queued later.

    It would run for nothing; and a failed one would stay in DVC's tables beside its namesake.
    """
    newest: dict[tuple[str, str], str] = {}
    for rev, stashed in queue.stash.stash_revs.items():  # the last that was queued comes first
        newest.setdefault((stashed.baseline_rev, stashed.name), rev)
    entries = [*queue.iter_queued(), *(done.entry for done in queue.iter_failed())]
    revs = [entry.stash_rev for entry in entries]
    keys = [(entry.baseline_rev, entry.name) for entry in entries]
    if older := [rev for rev, key in zip(revs, keys, strict=True) if newest.get(key, rev) != rev]:
        queue.remove(older)


def put_back(queue: Any, revs: Collection[str]) -> list[str]:
    """Queue experiments again that a worker took and didn't bring back, and return their names.

    No worker may live. What is left of them, a process or a folder, goes. One is only taken out
    where another of its name waits.
    """
    waiting = {(entry.baseline_rev, entry.name) for entry in queue.iter_queued()}
    names = []
    for message, entry in list(queue._iter_processed()):
        if entry.stash_rev not in revs:
            continue
        _remove_remains(queue.get_infofile_path(entry.stash_rev))
        # First the new task: whoever is interrupted in between finds both, and not neither.
        if (entry.baseline_rev, entry.name) not in waiting:
            _queue_again(queue, message, entry)
            names.append(entry.name)
        result = queue.celery.AsyncResult(message.headers["id"])
        if result.ready():
            result.forget()
        queue.celery.purge(message.delivery_tag)
    return names


def _queue_again(queue: Any, message: Any, entry: Any) -> None:
    failed = queue.failed_stash
    failed.remove_revs([e for rev, e in failed.stash_revs.items() if rev == entry.stash_rev])
    if entry.stash_rev not in queue.stash.stash_revs:
        note = queue.stash.format_message(
            entry.head_rev, entry.baseline_rev, name=entry.name, branch=entry.branch
        )
        queue.scm.set_ref(queue.stash.ref, entry.stash_rev, message=f"commit: {note}")
    arguments, keywords, _ = message.decode()
    queue.celery.signature(run_exp.s(*arguments, **keywords)).delay()


def _remove_remains(note: str) -> None:
    """Kill what still runs an experiment without a worker, and remove its folders.

    The note is DVC's file that tells where it runs.
    """
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if note in process.cmdline():
                remains = [process, *_children(process)]
                _kill(remains)
                psutil.wait_procs(remains, timeout=SOON)
    with suppress(FileNotFoundError):
        shutil.rmtree(ExecutorInfo.load_json(note).root_dir, ignore_errors=True)
    shutil.rmtree(Path(note).parent, ignore_errors=True)


def _children(process: psutil.Process) -> list[psutil.Process]:
    """Return what a process runs, parents first: killed in this order, none sees another fail."""
    with suppress(psutil.NoSuchProcess):
        return list(process.children(recursive=True))
    return []


def _kill(processes: Iterable[psutil.Process]) -> None:
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.kill()


if __name__ == "__main__":
    main()
