"""Fail where a rate of one detection.json is off the same rate of another.

`python compare_rates.py COMMITTED MEASURED SEEDS`: SEEDS is metrics/seeds.json. Another machine may
train another network, as another seed would, so that a rate may be off by as much as seeds move it.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

RATES = {"tpr", "tnr"}
# Some kinds of spill are so few that one photo moves their rate by more than the tolerance.
TOO_FEW = "kinds"
TOLERANCE = 0.01
DEVIATIONS = 3


def rates(metrics: dict[str, Any], path: str = "") -> Iterator[tuple[str, float]]:
    """Give every rate of nested metrics with its dotted path."""
    for key, value in metrics.items():
        if isinstance(value, dict) and key != TOO_FEW:
            yield from rates(value, f"{path}{key}.")
        elif key in RATES:
            yield path + key, value


def tolerance(path: str, seeds: dict[str, Any]) -> float:
    """Give how far a rate may be off: DEVIATIONS standard deviations over seeds, or TOLERANCE."""
    names = path.split(".")
    spread: Any = seeds
    for name in names:
        # The rates of a part of the test set spread as those of all do.
        spread = spread.get(name, spread)
    return max(TOLERANCE, DEVIATIONS * float(spread["std"]))


def main() -> None:
    """Compare, print every rate that moved too far, and exit with status 1 if one did."""
    read = [json.loads(Path(name).read_text(encoding="utf-8")) for name in sys.argv[1:]]
    committed, measured = (dict(rates(metrics)) for metrics in read[:2])
    if committed.keys() != measured.keys() or not committed:
        sys.exit(f"not the same rates: {sorted(committed.keys() ^ measured.keys()) or 'none'}")
    equal = sum(committed[path] == measured[path] for path in committed)
    moved = 0
    for path, before in committed.items():
        allowed = tolerance(path, read[2])
        if abs(before - measured[path]) > allowed:
            moved += 1
            print(
                f"{path}: {before:.4f} committed, {measured[path]:.4f} measured (± {allowed:.4f})"
            )
    if moved:
        sys.exit(f"{moved} of {len(committed)} rates moved too far")
    print(f"all {len(committed)} rates agree, {equal} to the last digit")


if __name__ == "__main__":
    main()
