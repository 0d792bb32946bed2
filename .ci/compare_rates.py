"""Fail where a rate of one detection.json is off the same rate of another.

`python compare_rates.py COMMITTED MEASURED SEEDS`: SEEDS is metrics/seeds.json. Another machine may
train another network, as another seed would, so that a rate may be off by as much as seeds move it.
"""

import json
import sys
from pathlib import Path
from typing import Any

RATES = {"tpr", "tnr"}
TOLERANCE = 0.01
DEVIATIONS = 3


def rates(metrics: dict[str, dict[str, float]]) -> dict[tuple[str, str], float]:
    """Return every rate of every detector."""
    return {
        (detector, rate): value
        for detector, measured in metrics.items()
        for rate, value in measured.items()
        if rate in RATES
    }


def tolerance(detector: str, rate: str, seeds: dict[str, Any]) -> float:
    """Return how far a rate may be off: DEVIATIONS standard deviations over seeds, or TOLERANCE."""
    return max(TOLERANCE, DEVIATIONS * float(seeds[detector][rate]["std"]))


def main() -> None:
    """Compare, print every rate that moved too far, and exit with status 1 if one did."""
    read = [json.loads(Path(name).read_text(encoding="utf-8")) for name in sys.argv[1:]]
    committed, measured = rates(read[0]), rates(read[1])
    if committed.keys() != measured.keys() or not committed:
        sys.exit(f"not the same rates: {sorted(committed.keys() ^ measured.keys()) or 'none'}")
    moved = 0
    for (detector, rate), before in committed.items():
        now, allowed = measured[detector, rate], tolerance(detector, rate, read[2])
        if abs(before - now) > allowed:
            moved += 1
            print(
                f"{detector}.{rate}: {before:.4f} committed, {now:.4f} measured (± {allowed:.4f})"
            )
    if moved:
        sys.exit(f"{moved} of {len(committed)} rates moved too far")
    equal = sum(committed[which] == measured[which] for which in committed)
    print(f"all {len(committed)} rates agree, {equal} to the last digit")


if __name__ == "__main__":
    main()
