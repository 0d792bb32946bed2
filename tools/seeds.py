"""Sum experiments over seeds up in metrics/seeds.json: `python -m tools.seeds SEED…`.

`make seeds` queues and runs the experiments, named `seed-N`, before.
"""

import argparse
import subprocess
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import reduce
from pathlib import Path
from typing import Any

import dvc.api
import numpy as np

from stages.common.errors import InputError, run
from stages.common.files import write_json
from stages.wells.networks import NETWORKS

PREFIX = "seed-"
UNFINISHED = {"Failed", "Queued", "Running"}
FIGURES = ("auroc", "tpr", "tnr")
SEEDS_FILE = Path("metrics/seeds.json")


def main() -> None:
    """Collect the experiments of the current commit and write their spread."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("seeds", nargs="+", type=int)
    seeds = parser.parse_args().seeds
    rows = finished(dvc.api.exp_show(), seeds)
    commit = subprocess.check_output(["git", "rev-parse", "HEAD"], text=True).strip()
    head = {
        "seeds": len(rows),
        "commit": commit,
        "date": datetime.now(UTC).date().isoformat(),
    }
    write_json(SEEDS_FILE, head | spread_of(rows))


def finished(rows: Iterable[Mapping[str, Any]], seeds: Sequence[int]) -> list[Mapping[str, Any]]:
    """Give the rows of the experiments of these seeds, in their order.

    Raises InputError where one is missing or didn't succeed, for DVC then shows the figures of the
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


def spread_of(rows: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Give MODEL.SCORE.FIGURE.{mean, std, min} of rows with such keys, and the same of best.FIGURE.

    std is the sample's (n - 1).
    """
    values: dict[str, list[float]] = defaultdict(list)
    for row in rows:
        for key, value in row.items():
            *path, figure = key.split(".")
            if figure in FIGURES and (path == ["best"] or (len(path) == 2 and path[0] in NETWORKS)):
                values[key].append(value)
    nested: dict[str, Any] = {}
    for key in sorted(values):
        *path, figure = key.split(".")
        found = np.array(values[key])
        place = reduce(lambda inner, word: inner.setdefault(word, {}), path, nested)
        place[figure] = {
            "mean": float(found.mean()),
            "std": float(found.std(ddof=1)),
            "min": float(found.min()),
        }
    return nested


if __name__ == "__main__":
    run(main)
