"""Show this commit's experiments in a narrow table: `python -m tools.show`, or `make show`.

Parameters that differ between them, and each detector's validation, by which alone is chosen: the
lower of TPR and TNR on the hard cases. `dvc exp show` has everything.
"""

import argparse
from collections.abc import Sequence
from typing import Any

import dvc.api
import pandas as pd

from stages.common import paths
from stages.common.errors import run
from stages.common.yaml_files import read_yaml
from tools.dvc_state import stale_stages

VALIDATION = ".validation"


def main() -> None:
    """Print the table."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    rows = dvc.api.exp_show()
    params = list(pd.json_normalize(read_yaml(paths.PARAMS), sep=".").columns)
    if stale := stale_stages():
        print(f"The workspace's row is not run: {', '.join(stale)}. Run `dvc repro` first.")
    print("The lower of TPR and TNR on the hard cases, of each detector; choose by it:")
    print(narrow_table(rows, params).to_markdown(index=False))


def narrow_table(rows: Sequence[dict[str, Any]], params: Sequence[str]) -> pd.DataFrame:
    """Return a row an experiment: its name, the parameters that differ, each detector's validation.

    Names are as short as they can be without being ambiguous.
    """
    table = pd.DataFrame(rows)
    names = table["Experiment"].fillna(table["rev"])
    differing = [name for name in params if name in table and table[name].astype(str).nunique() > 1]
    shown = table[differing].rename(columns=shorten(differing))
    validation = table.filter(regex=rf"\{VALIDATION}$").rename(
        columns=lambda name: name.removesuffix(VALIDATION)
    )
    narrow = pd.concat([names.rename("experiment"), shown, validation], axis=1)
    return narrow.astype(object).fillna("")


def shorten(names: Sequence[str]) -> dict[str, str]:
    """Return for each dotted name the shortest ending that no other one has."""
    return {name: _shortest_ending(name, names) for name in names}


def _shortest_ending(name: str, names: Sequence[str]) -> str:
    words = name.split(".")
    endings = [".".join(words[start:]) for start in range(len(words))]
    for ending in reversed(endings):
        if sum(other == ending or other.endswith(f".{ending}") for other in names) == 1:
            return ending
    return name


if __name__ == "__main__":
    run(main)
