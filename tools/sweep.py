"""Run every experiment that is queued, and see that all come back: `python -m tools.sweep`.

With `--jobs N`, N of them at once, each by a worker of DVC. A worker can die, lose what it ran, or
never end; DVC then shows an experiment as `Running`, `Queued` or `Failed` for ever. So one has come
back when Git has a new commit of it, whatever the queue says. What was lost is started again; what
failed by itself is named, and the exit status is then 1.

Interrupted, it stops the workers, and what has not come back stays queued.
"""

import argparse
import shutil
import subprocess
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

from dvc.repo import Repo
from dvc.repo.experiments.refs import EXPS_NAMESPACE, ExpRefInfo

from stages.common.errors import InputError, run
from tools.dvc_queue import Workers, drop_older, put_back, stage_failed

# How often in a row workers are started, while nothing comes back, before it is given up.
STARTS = 3
# Seconds between two looks at the queue.
INTERVAL = 1


class Outcome(NamedTuple):
    """Names of experiments by what became of them; DVC brought back none of those that are lost."""

    back: list[str]
    failed: list[str]
    lost: list[str]


def main() -> None:
    """Run what is queued, and tell what became of it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="default: 1")
    jobs = parser.parse_args().jobs
    if jobs < 1:
        parser.error("--jobs must be 1 or more")
    if not shutil.which("dvc"):
        raise InputError("the command dvc is not found: run `source .venv/bin/activate` first")
    with Repo() as repo:
        queue = repo.experiments.celery_queue
        workers = Workers(queue)
        # First of all: another sweep's worker may bring one back while the queue is read.
        before = find_commits()
        entries = find_unfinished(queue, workers)
        if not entries:
            print("No experiment is queued.")
            return
        print(f"Experiments: {len(entries)}, {jobs} at once. Their logs: `dvc queue logs NAME`.")
        outcome = run_all(queue, workers, entries, before, jobs)
        tell(outcome, workers.logs())


def find_unfinished(queue: Any, workers: Workers) -> dict[str, Any]:
    """Return DVC's entries of all experiments that wait or run, by revision.

    What ran when its worker died waits again. Of several of one name the last counts.
    """
    drop_older(queue)
    if not workers.living():
        put_back(queue, {entry.stash_rev for entry in queue.iter_active()})
    # In this order one that another sweep's worker takes meanwhile is seen twice, and not never.
    return {entry.stash_rev: entry for entry in [*queue.iter_queued(), *queue.iter_active()]}


def run_all(
    queue: Any, workers: Workers, entries: Mapping[str, Any], before: Mapping[str, str], jobs: int
) -> Outcome:
    """Run experiments, and return when each came back, failed, or was lost STARTS times in a row.

    before: the commits of all experiments, by reference, from before they were looked up. No worker
    is left at the end. Interrupted, it leaves none either, and what hasn't come back waits.
    """
    unfinished, outcome = dict(entries), Outcome([], [], [])
    starts = 0
    try:
        while unfinished or workers.living():
            living = len(workers.living())
            if _settle(queue, unfinished, before, outcome):
                starts = 0
            if not living:
                for name in put_back(queue, unfinished):
                    print(f"{name} was lost by DVC, and waits again", flush=True)
            wanted = min(jobs, len(unfinished)) if any(queue.iter_queued()) else 0
            if not wanted:
                workers.dismiss()
            if living < wanted and starts < STARTS:
                starts += 1
                workers.start(wanted)
            elif not living:
                break
            time.sleep(INTERVAL)
    except KeyboardInterrupt:
        workers.kill()
        _settle(queue, unfinished, before, outcome)
        put_back(queue, unfinished)
        print(f"\n{len(unfinished)} wait: `python -m tools.sweep` runs them, ", end="")
        print("`dvc queue remove --queued` drops them.", flush=True)
        raise
    return outcome._replace(lost=[entry.name for entry in unfinished.values()])


def find_commits() -> dict[str, str]:
    """Return the commit of each experiment that Git has, by reference."""
    command = ["git", "for-each-ref", "--format=%(refname) %(objectname)", EXPS_NAMESPACE]
    told = subprocess.check_output(command, text=True)
    return dict(line.split() for line in told.splitlines())


def tell(outcome: Outcome, logs: str) -> None:
    """Say that all came back; raises InputError with those that did not, and their logs."""
    total = sum(map(len, outcome))
    missing = [f"{name} failed: `dvc queue logs {name}` tells why" for name in outcome.failed]
    missing += [f"{name} was lost by DVC: {logs} may tell why" for name in outcome.lost]
    if missing:
        raise InputError("\n  ".join([f"{len(missing)} of {total} did not come back:", *missing]))
    print(f"All came back: {total} of {total}.")


def _settle(
    queue: Any, unfinished: dict[str, Any], before: Mapping[str, str], outcome: Outcome
) -> bool:
    """Move what came back or failed from `unfinished` to the outcome; return whether any did."""
    failures = [done.entry for done in queue.iter_failed() if stage_failed(queue, done.entry)]
    failed, now = {entry.stash_rev for entry in failures}, find_commits()
    total = len(unfinished)
    for rev, entry in list(unfinished.items()):
        reference = str(ExpRefInfo(entry.baseline_rev, entry.name))
        if now.get(reference) not in (None, before.get(reference)):
            outcome.back.append(entry.name)
            print(f"{entry.name} came back", flush=True)
        elif rev in failed:
            outcome.failed.append(entry.name)
            print(f"{entry.name} failed", flush=True)
        else:
            continue
        del unfinished[rev]
    return len(unfinished) < total


if __name__ == "__main__":
    run(main)
