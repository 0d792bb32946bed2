"""Fail where a rate of one detection.json is off the same rate of another.

`python compare_rates.py COMMITTED MEASURED`
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


def rates(metrics: dict[str, Any], path: str = "") -> Iterator[tuple[str, float]]:
    """Give every rate of nested metrics with its dotted path."""
    for key, value in metrics.items():
        if isinstance(value, dict) and key != TOO_FEW:
            yield from rates(value, f"{path}{key}.")
        elif key in RATES:
            yield path + key, value


def main() -> None:
    """Compare, print every rate that moved, and exit with status 1 if one moved too far."""
    committed, measured = (
        dict(rates(json.loads(Path(name).read_text(encoding="utf-8")))) for name in sys.argv[1:]
    )
    if committed.keys() != measured.keys() or not committed:
        sys.exit(f"not the same rates: {sorted(committed.keys() ^ measured.keys()) or 'none'}")
    moved = {
        path: (value, measured[path])
        for path, value in committed.items()
        if abs(value - measured[path]) > TOLERANCE
    }
    for path, (before, after) in moved.items():
        print(f"{path}: {before:.4f} committed, {after:.4f} measured")
    if moved:
        sys.exit(f"{len(moved)} of {len(committed)} rates moved by more than {TOLERANCE}")
    print(f"all {len(committed)} rates agree within {TOLERANCE}")


if __name__ == "__main__":
    main()
