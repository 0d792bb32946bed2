"""How stages grow with the number of photos: `python -m tools.growth [N…]`, or `make growth`.

Makes an archive of N synthetic wells, all its parts in the same proportions, and runs stages on it,
each as a process of its own and as params.yaml says, but for one epoch. Writes docs/growth.csv:
seconds by the clock and of a processor, and the largest memory of the process. What `evaluate`
judges by, networks and detectors, comes from SMALL photos whatever N is. Up to MOST photos, the
second network, `calibrate` and `validate` are run too. The table is written anew after each stage:
of a run that fails it has what was measured before. The scratch folder, 6 kB a photo, lies where
TMPDIR says.
"""

import argparse
import json
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd
import yaml

from stages.common import paths
from stages.common.errors import InputError, run
from stages.common.files import write_text
from tools.processes import Took, run_measured

TABLE = Path("docs/growth.csv")
SIZES = (10_000, 100_000, 1_000_000)
# Fewer have too few known spills or folds.
FEWEST, SMALL, MOST = 200, 3_000, 100_000
NEEDED = ("preprocess", "train autoencoder", "train mnad", "calibrate", "export")
# `evaluate` before networks of N photos replace those of SMALL.
MEASURED = ("preprocess", "evaluate", "train autoencoder")
UP_TO_MOST = ("train mnad", "calibrate", "validate")
# The parts that a stage reads; all, where it isn't told here.
READS = {
    "train autoencoder": ("train",),
    "train mnad": ("train",),
    "calibrate": ("train", "spills"),
    "validate": ("train", "spills"),
}


def main() -> None:
    """Measure; tell each stage, and write the table with it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("sizes", nargs="*", type=int, default=SIZES, metavar="N")
    sizes = sorted(set(parser.parse_args().sizes))
    if sizes[0] < FEWEST:
        raise InputError(f"{sizes[0]} photos are too few to run the stages on: at least {FEWEST}")
    rows = []
    with TemporaryDirectory() as scratch:
        small = Path(scratch, "small")
        prepare(small, SMALL)
        for stage in NEEDED:
            run_stage(stage, small)
        for size in sizes:
            try:
                for row in grow(Path(scratch, "grown"), size, small):
                    print(", ".join(f"{name} {value}" for name, value in row.items()), flush=True)
                    rows.append(row)
                    write_text(TABLE, pd.DataFrame(rows).to_csv(index=False))
            except InputError as error:
                kept = f"\n{TABLE} has the {len(rows)} stages before" if rows else ""
                raise InputError(f"with {size} photos, {error}{kept}") from None


def grow(folder: Path, size: int, small: Path) -> Iterator[dict[str, str | float]]:
    """Run what is measured on so many photos in a folder, which is removed; yield a row a stage.

    small: where all stages that it needs were run.
    """
    prepare(folder, size)
    shutil.copytree(small / "models", folder / "models")
    for stage in MEASURED + (UP_TO_MOST if size <= MOST else ()):
        took = run_stage(stage, folder)
        photos = count_photos(folder, stage, size)
        told = {name: round(value, 1) for name, value in took._asdict().items()}
        yield {"stage": stage, "size": size, "photos": photos, **told}
    shutil.rmtree(folder)


def prepare(folder: Path, size: int) -> None:
    """Write the parameters, and an archive of so many photos, into a new folder."""
    params = yaml.safe_load(paths.PARAMS.read_text(encoding="utf-8"))
    params["train"]["epochs"] = 1
    write_text(folder / paths.PARAMS, yaml.safe_dump(params))
    run_module(folder, "tools.growth_archive", str(paths.ARCHIVE), str(size))


def run_stage(stage: str, folder: Path) -> Took:
    """Run a stage, told with its arguments, in a folder."""
    return run_module(folder, *f"stages.{stage}".split())


def run_module(folder: Path, *command: str) -> Took:
    """Run a module of this project, with arguments, in a folder; raises InputError if it fails."""
    environment = os.environ | {"PYTHONPATH": str(Path.cwd())}
    words = [sys.executable, "-m", *command]
    ended = run_measured(words, folder=folder, environment=environment)
    if ended.status:
        raise InputError(
            f"{' '.join(command)} ended with {ended.status}: above stands why; -9 is mostly "
            "that memory was short, so ask for fewer photos"
        )
    return ended.took


def count_photos(folder: Path, stage: str, size: int) -> int:
    """Return how many photos a stage reads: of the parts that READS names, else all."""
    report = folder / paths.REPORTS / "dataset.json"
    split = json.loads(report.read_text(encoding="utf-8"))["split"]
    return sum(split[part] for part in READS.get(stage, ())) or size


def read_table(folder: Path) -> pd.DataFrame:
    """Return the table that this tool wrote, with three columns more.

    photos_a_second: of a processor, for the clock's depend on what else runs; kb_more: kB of memory
    for each photo more than at the size before; slower: how many times as many processor's seconds
    a photo takes as at the size before. The last two are missing at the first size.
    """
    table = pd.read_csv(folder / TABLE)
    each = table["cpu_seconds"] / table["photos"]
    stages = table.groupby("stage", sort=False)
    return table.assign(
        photos_a_second=1 / each,
        kb_more=1000 * stages["peak_mb"].diff() / stages["photos"].diff(),
        slower=each / each.groupby(table["stage"]).shift(),
    )


if __name__ == "__main__":
    run(main)
