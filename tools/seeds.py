"""Sum experiments over seeds up in metrics/seeds.json: `python -m tools.seeds SEED…`.

`make seeds` queues and runs the experiments, named `seed-N`, before.
"""

import argparse
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import dvc.api
import pandas as pd

from stages.common import paths
from stages.common.errors import InputError, run
from stages.common.files import write_json

PREFIX = "seed-"
UNFINISHED = {"Failed", "Queued", "Running"}


def main() -> None:
    """Collect the experiments of the current commit and write their spread."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("seeds", nargs="+", type=int)
    seeds = parser.parse_args().seeds
    rows = pick_finished(dvc.api.exp_show(), seeds)
    commit = subprocess.check_output(["git", "rev-parse", "HEAD"], text=True).strip()
    today = datetime.now(UTC).date().isoformat()
    head = {"seeds": len(rows), "commit": commit, "date": today}
    write_json(paths.METRICS / "seeds.json", head | spread_of(rows, dvc.api.metrics_show()))


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


def spread_of(
    rows: Sequence[Mapping[str, Any]], declared: Mapping[str, Mapping[str, float]]
) -> dict[str, dict[str, dict[str, float]]]:
    """Return GROUP.METRIC.{mean, std, min} of each declared metric; std is the sample's (n - 1).

    rows: with keys `GROUP.METRIC`; declared: as DVC tells them, `FILE:` before a group that stands
    in several files.
    """
    table = pd.DataFrame(rows)
    spread: dict[str, dict[str, dict[str, float]]] = {}
    for key, metrics in declared.items():
        group = key.rpartition(":")[2]
        for metric in metrics:
            column = table[f"{group}.{metric}"]
            spread.setdefault(group, {})[metric] = column.agg(["mean", "std", "min"]).to_dict()
    return spread


if __name__ == "__main__":
    run(main)
