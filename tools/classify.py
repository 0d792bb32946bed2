"""Tell spills from normal wells in photos: `python -m tools.classify PATH…`.

PATH is a photo, a folder, a zip, a pattern in quotes, or `-` for a list of paths on standard input.
Prints a row a photo: its name, its score, the score's margin over the threshold (from 0 on: a
spill), the label (spill or normal), and the view (clear, or obstructed where something strange lies
at the sides of the well, so that a person should look). A photo that can't be read has an error in
its row, and the exit status is then 1.

With `--into DIR`, in bulk: PATH is a shard (a zip, a tar, or a .txt of paths, a line each), or a
folder or URL below which all shards are taken. Each shard's rows come into DIR as a file of their
own, and DIR/manifest.csv lists all; started again, it goes on where it was (docs/bulk.md).

It needs what requirements-classify.txt names, and no PyTorch.
"""

import argparse
import io
import math
import os
import sys
from contextlib import nullcontext
from pathlib import Path

from tqdm import tqdm

from stages.common import paths
from stages.common.errors import InputError, run
from stages.common.files import replacing
from stages.wells.inference.exported import load_exported
from tools.bulk.command import classify_shards
from tools.bulk.engines import ENGINES
from tools.photos import STANDARD_INPUT, find_photos
from tools.rows import KEEP_BYTES, classify, sum_up, write_rows


def main() -> None:
    """Classify what the command line names."""
    arguments = _arguments()
    for stream in (sys.stdin, sys.stdout):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=KEEP_BYTES)
    detector = load_exported(arguments.model)
    if arguments.threshold is not None:
        metadata = detector.metadata._replace(threshold=arguments.threshold)
        detector = detector._replace(metadata=metadata)
    if arguments.into is not None:
        how = ENGINES[arguments.engine or "local"], arguments.workers
        threshold = detector.metadata.threshold
        classify_shards(arguments.paths, arguments.into, arguments.model, threshold, *how)
        return

    total = None
    if STANDARD_INPUT not in arguments.paths:
        total = sum(1 for _ in find_photos(arguments.paths))
    photos = tqdm(find_photos(arguments.paths), total=total, unit="photo", disable=None)
    rows = classify(photos, detector, arguments.heatmaps)
    output = arguments.output
    form = arguments.format or ("json" if output and output.suffix == ".json" else "csv")
    try:
        if output is None:
            counts = write_rows(rows, sys.stdout, form)
        else:
            # Root could replace a device, as /dev/null, for everybody.
            special = os.path.exists(output) and not (  # noqa: PTH110
                os.path.isfile(output) or os.path.isdir(output)  # noqa: PTH112, PTH113
            )
            with (
                nullcontext(output) if special else replacing(output) as path,
                path.open("w", encoding="utf-8", errors=KEEP_BYTES, newline="") as file,
            ):
                counts = write_rows(rows, file, form)
    except BrokenPipeError:
        # Who reads has read enough; what Python would still flush must not fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return
    print(sum_up(counts), file=sys.stderr)
    if failed := counts["error"]:
        raise InputError(f"{failed:,} of {counts.total():,} could not be read; their rows say why")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("paths", nargs="+", metavar="PATH")
    parser.add_argument("--output", type=Path, metavar="FILE", help="default: standard output")
    parser.add_argument("--format", choices=("csv", "json"), help="default: by FILE's ending")
    parser.add_argument(
        "--heatmaps", type=Path, metavar="DIR", help="draw how each photo was decided"
    )
    parser.add_argument(
        "--model",
        type=Path,
        default=paths.EXPORTED,
        metavar="FILE",
        help=f"default: {paths.EXPORTED}",
    )
    parser.add_argument("--threshold", type=float, metavar="T", help="default: the detector's own")
    parser.add_argument("--into", metavar="DIR", help="classify shards, in bulk")
    bulk = parser.add_argument_group("with --into")
    bulk.add_argument("--engine", choices=ENGINES, help="default: local, this machine's processes")
    bulk.add_argument("--workers", type=int, metavar="N", help="default: one a core")
    arguments = parser.parse_args()
    _refuse_mixtures(parser, arguments)
    if arguments.threshold is not None and not math.isfinite(arguments.threshold):
        parser.error("the threshold must be a finite number")
    return arguments


def _refuse_mixtures(parser: argparse.ArgumentParser, arguments: argparse.Namespace) -> None:
    """End with a usage error where options don't go together."""
    alone, bulk = ("output", "format", "heatmaps"), ("engine", "workers")
    refused = bulk if arguments.into is None else alone
    if given := [f"--{name}" for name in refused if getattr(arguments, name) is not None]:
        parser.error(f"{given[0]} goes {'only' if refused is bulk else 'not'} with --into")
    if arguments.workers is not None and arguments.workers < 1:
        parser.error("--workers must be 1 or more")


if __name__ == "__main__":
    run(main)
