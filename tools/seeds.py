"""Sum experiments over seeds up in metrics/seeds.json: `python -m tools.seeds SEED…`.

`make seeds` queues and runs the experiments, named `seed-N`, before.
"""

import argparse
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dvc.api
import numpy as np

from stages.common.errors import InputError, run
from stages.common.files import write_json
from stages.wells.evaluation.metrics import DECLARED

PREFIX = "seed-"
UNFINISHED = {"Failed", "Queued", "Running"}
SEEDS_FILE = Path("metrics/seeds.json")


def main() -> None:
    """Collect the experiments of the current commit and write their spread."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("seeds", nargs="+", type=int)
    seeds = parser.parse_args().seeds
    rows = pick_finished(dvc.api.exp_show(), seeds)
    commit = subprocess.check_output(["git", "rev-parse", "HEAD"], text=True).strip()
    head = {
        "seeds": len(rows),
        "commit": commit,
        "date": datetime.now(UTC).date().isoformat(),
    }
    write_json(SEEDS_FILE, head | spread_of(rows))


def pick_finished(
    rows: Iterable[Mapping[str, Any]], seeds: Sequence[int]
) -> list[Mapping[str, Any]]:
    """Return the rows of the experiments of these seeds, in their order.

    Raises InputError where one is missing or didn't succeed, for DVC then shows the metrics of the
    commit that it started from.
    """
    by_name = {str(row.get("Experiment")): row for row in rows}
    found = []
    for seed in seeds:
        row = by_name.get(f"{PREFIX}{seed}", {})
        if row.get("State") in UNFINISHED or row.get("seed") != seed:
            raise InputError(
                f"the experiment {PREFIX}{seed} is missing or didn't succeed: see `dvc queue logs "
                f"{PREFIX}{seed}`, then run `make seeds` again"
            )
        found.append(row)
    return found


def spread_of(rows: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, dict[str, float]]]:
    """Return DETECTOR.RATE.{mean, std, min} of rows with keys `DETECTOR.RATE`.

    std is the sample's (n - 1).
    """
    spread: dict[str, dict[str, dict[str, float]]] = {}
    for key in rows[0]:
        detector, dot, rate = key.partition(".")
        if dot and rate in DECLARED:
            found = np.array([row[key] for row in rows])
            spread.setdefault(detector, {})[rate] = {
                "mean": float(found.mean()),
                "std": float(found.std(ddof=1)),
                "min": float(found.min()),
            }
    return spread


if __name__ == "__main__":
    run(main)
