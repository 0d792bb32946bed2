"""Tell spills from normal wells in photos: `python -m tools.classify PATH…`.

PATH is a photo, a folder, a zip, a pattern in quotes, or `-` for a list of paths on standard input.
Prints a row a photo: its name, its score, the score's margin over the threshold (from 0 on: a
spill), the label (spill or normal), and the view (clear, or obstructed where something strange lies
at the sides of the well, so that a person should look). A photo that can't be read has an error in
its row, and the exit status is then 1.

It needs what requirements-classify.txt names, and no PyTorch.
"""

import argparse
import csv
import io
import json
import math
import os
import sys
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import NamedTuple, TextIO

import numpy as np
from tqdm import tqdm

from stages.common import paths
from stages.common.errors import InputError, run
from stages.common.files import replacing
from stages.common.pictures import save_image
from stages.common.types import Images
from stages.wells.data.images import decode, resize
from stages.wells.inference.decision_picture import draw_decision, list_decisions
from stages.wells.inference.exported import Exported, load_exported, run_exported
from stages.wells.inference.metadata import Metadata
from stages.wells.inference.verdict import Verdict
from tools.photos import STANDARD_INPUT, Photo, find_photos

# Photos that are read, and then scored, at once; more take more memory and little less time.
BATCH = 64
# Batches that are scored at once.
SCORERS = 2
# Names of files need not be UTF-8.
KEEP_BYTES = "surrogateescape"


class Row(NamedTuple):
    """What is said of a photo; score, margin, label and view are None where there is an error."""

    name: str
    score: float | None = None
    margin: float | None = None
    label: str | None = None
    view: str | None = None
    error: str | None = None


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

    total = None
    if STANDARD_INPUT not in arguments.paths:
        total = sum(1 for _ in find_photos(arguments.paths))
    photos = tqdm(find_photos(arguments.paths), total=total, unit="photo", disable=None)
    rows = classify(photos, detector, arguments.heatmaps)
    output = arguments.output
    form = arguments.format or ("json" if output and output.suffix == ".json" else "csv")
    try:
        if output is None:
            counts = _write(rows, sys.stdout, form)
        else:
            with (
                replacing(output) as path,
                path.open("w", encoding="utf-8", errors=KEEP_BYTES, newline="") as file,
            ):
                counts = _write(rows, file, form)
    except BrokenPipeError:
        # Who reads has read enough; what Python would still flush must not fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return
    print(_summary(counts), file=sys.stderr)
    if failed := counts["error"]:
        raise InputError(f"{failed:,} of {counts.total():,} could not be read; their rows say why")


def classify(
    photos: Iterable[Photo], detector: Exported, heatmaps: Path | None = None
) -> Iterator[Row]:
    """Yield a row a photo, in their order; holds SCORERS + 1 times BATCH photos at a time.

    The threshold is that of the detector's metadata. Under `heatmaps` it draws, for each photo, how
    the detector decided.
    """
    photos = iter(photos)
    with ThreadPoolExecutor(SCORERS) as scorers:
        scored: deque[Future[list[Row]]] = deque()
        # A batch is read while those before are scored: arithmetic is on one thread each.
        while batch := [
            (photo.name, _decode(photo, detector.metadata)) for photo in islice(photos, BATCH)
        ]:
            scored.append(scorers.submit(_rows, batch, detector, heatmaps))
            if len(scored) > SCORERS:
                yield from scored.popleft().result()
        for rows in scored:
            yield from rows.result()


def _decode(photo: Photo, metadata: Metadata) -> Images | str:
    """Return a photo as `[3, height, width]`, or why there is none."""
    try:
        return resize(decode(photo.read()), metadata.height, metadata.width)
    except (InputError, ValueError) as error:
        return str(error)


def _rows(
    batch: Sequence[tuple[str, Images | str]], detector: Exported, heatmaps: Path | None
) -> list[Row]:
    """Return the row of each photo of a batch, and draw how it was decided where told.

    The batch: of each photo its name, and its image `[3, H, W]` or why there is none.
    """
    images = {name: image for name, image in batch if not isinstance(image, str)}
    found: dict[str, Row] = {}
    if images:
        stacked = np.stack(list(images.values()))
        verdict = run_exported(detector, stacked)
        found = _name_verdicts(images, verdict, detector.metadata)
        if heatmaps:
            _draw_decisions(list(images), stacked, verdict, detector.metadata, heatmaps)
    return [
        Row(name, error=image) if isinstance(image, str) else found[name] for name, image in batch
    ]


def _name_verdicts(names: Iterable[str], verdict: Verdict, metadata: Metadata) -> dict[str, Row]:
    """Return the row of each photo, by name."""
    rows = {}
    for name, score, view in zip(names, verdict.score.tolist(), verdict.view, strict=True):
        margin = score - metadata.threshold
        label = metadata.labels[margin >= 0]
        rows[name] = Row(name, score, margin, label, metadata.views[view])
    return rows


def _draw_decisions(
    names: Sequence[str], images: Images, verdict: Verdict, metadata: Metadata, folder: Path
) -> None:
    decisions = list_decisions(images, verdict, metadata.scores, metadata.threshold)
    for name, decision in zip(names, decisions, strict=True):
        # Below the folder whatever the photo's own folder is.
        path = Path(name)
        parts = [part.replace("..", "__") for part in path.relative_to(path.anchor).parts]
        picture = draw_decision(path.name, decision, metadata.marks())
        save_image(picture, folder.joinpath(*parts[:-1], f"{parts[-1]}.png"))


def _write(rows: Iterable[Row], to: TextIO, form: str) -> Counter[str]:
    """Write rows as they come, and return how many there are by label and view, or `error`.

    As `csv`, or as `json`: a list of objects, one a line, so that it need not be held.
    """
    counts: Counter[str] = Counter()
    writer, separator = csv.writer(to, lineterminator="\n"), "[\n"
    if form == "csv":
        writer.writerow(Row._fields)
    for row in rows:
        counts["error" if row.error else f"{row.label} {row.view}"] += 1
        if form == "csv":
            writer.writerow([f"{cell:.4f}" if isinstance(cell, float) else cell for cell in row])
        else:
            to.write(separator + json.dumps(row._asdict(), ensure_ascii=False))
            separator = ",\n"
    if form == "json":
        to.write("\n]\n" if separator != "[\n" else "[]\n")
    return counts


def _summary(counts: Counter[str]) -> str:
    """Return how many photos have which label, and how many of these an obstructed view."""
    told = [
        f"{counts[f'{label} clear'] + counts[f'{label} obstructed']:,} {label} "
        f"({counts[f'{label} obstructed']:,} obstructed)"
        for label in ("spill", "normal")
    ]
    return f"{counts.total():,} photos: {', '.join(told)}"


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
    arguments = parser.parse_args()
    if arguments.threshold is not None and not math.isfinite(arguments.threshold):
        parser.error("the threshold must be a finite number")
    return arguments


if __name__ == "__main__":
    run(main)
