"""Tell spills from normal wells in photos: `python -m tools.classify PATH…`.

PATH is a photo, a folder, a zip, a pattern in quotes, or `-` for a list of paths on standard input.
Prints a row a photo: its name, its score, the score's margin over the threshold (from 0 on: a
spill), the label (spill or normal), and the view (clear, or obstructed where something strange lies
at the sides of the well, so that a person should look). A photo that can't be read has an error in
its row, and the exit status is then 1.
"""

import argparse
import csv
import io
import json
import math
import os
import sys
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import NamedTuple, TextIO

import numpy as np
from PIL import Image
from tqdm import tqdm

from stages.common import paths
from stages.common.errors import InputError, run
from stages.common.files import replacing
from stages.common.types import Images
from stages.wells.data.images import decode, resize
from stages.wells.detection.detector import Detector, load_artifact, score_for
from stages.wells.networks.registry import Members
from tools.photos import STANDARD_INPUT, Photo, find_photos

# Photos that are read, and then scored, at once; more take more memory and little less time.
BATCH = 64
# Batches that are scored at once.
SCORERS = 2
# Of a photo, in its heat map.
MAGNIFICATION = 8


class Read(NamedTuple):
    """A photo's name, and its image `[3, H, W]` or why there is none."""

    name: str
    image: Images | str


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
            stream.reconfigure(errors="surrogateescape")
    detector, networks = load_artifact(arguments.model)
    if arguments.threshold is not None:
        detector = detector.model_copy(update={"threshold": arguments.threshold})

    total = None
    if STANDARD_INPUT not in arguments.paths:
        total = sum(1 for _ in find_photos(arguments.paths))
    photos = tqdm(find_photos(arguments.paths), total=total, unit="photo", disable=None)
    rows = classify(photos, detector, networks, arguments.heatmaps)
    try:
        failed = _write(rows, arguments.output, arguments.format)
    except BrokenPipeError:
        # Who reads has read enough; what Python would still flush must not fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return
    if failed:
        raise InputError(f"photos that could not be read: {failed}; their rows say why")


def classify(
    photos: Iterable[Photo],
    detector: Detector,
    networks: Mapping[str, Members],
    heatmaps: Path | None = None,
) -> Iterator[Row]:
    """Yield a row a photo, in their order; holds SCORERS + 2 times BATCH photos at a time.

    Under `heatmaps` it writes, for each photo, where the detector finds it strange.
    """
    photos = iter(photos)

    def read() -> list[Read]:
        return [
            Read(photo.name, _decode(photo, detector.height, detector.width))
            for photo in islice(photos, BATCH)
        ]

    # A batch is read and decoded while those before are scored: arithmetic is on one thread each.
    with ThreadPoolExecutor(1) as reader, ThreadPoolExecutor(SCORERS) as scorers:
        scored: deque[Future[list[Row]]] = deque()
        coming = reader.submit(read)
        while batch := coming.result():
            coming = reader.submit(read)
            scored.append(scorers.submit(_rows, batch, detector, networks, heatmaps))
            if len(scored) > SCORERS:
                yield from scored.popleft().result()
        for rows in scored:
            yield from rows.result()


def _decode(photo: Photo, height: int, width: int) -> Images | str:
    """Return a photo as `[3, height, width]`, or why there is none."""
    try:
        return resize(decode(photo.read()), height, width)
    except (InputError, ValueError) as error:
        return str(error)


def _rows(
    batch: Sequence[Read],
    detector: Detector,
    networks: Mapping[str, Members],
    heatmaps: Path | None,
) -> list[Row]:
    """Return the row of each photo of a batch, and write its heat map where told."""
    images = {name: image for name, image in batch if not isinstance(image, str)}
    found = _score(images, detector, networks)
    if heatmaps:
        _write_heatmaps(images, detector, networks, heatmaps)
    return [
        Row(name, error=image) if isinstance(image, str) else found[name] for name, image in batch
    ]


def _score(
    images: Mapping[str, Images], detector: Detector, networks: Mapping[str, Members]
) -> dict[str, Row]:
    """Return the row of each image `[3, H, W]`, by name."""
    if not images:
        return {}
    stacked = np.stack(list(images.values()))
    scores = detector.combine(score_for([detector], networks, stacked))
    rows = {}
    for name, score, hidden in zip(images, scores, detector.occlusion.find(stacked), strict=True):
        margin = float(score) - detector.threshold
        label, view = "spill" if margin >= 0 else "normal", "obstructed" if hidden else "clear"
        rows[name] = Row(name, float(score), margin, label, view)
    return rows


def _write_heatmaps(
    images: Mapping[str, Images], detector: Detector, networks: Mapping[str, Members], folder: Path
) -> None:
    if not images:
        return
    # Imported here, for who wants no pictures should not wait for what draws them.
    from stages.common.pictures import save_picture
    from stages.wells.detection.decision_map import lay_over, map_decision

    stacked = np.stack(list(images.values()))
    maps = lay_over(stacked, map_decision(detector, networks, stacked), detector.threshold)
    size = MAGNIFICATION * detector.width, MAGNIFICATION * detector.height
    for name, shown in zip(images, maps, strict=True):
        # Below the folder whatever the photo's own folder is.
        path = Path(name)
        parts = [part.replace("..", "__") for part in path.relative_to(path.anchor).parts]
        path = folder.joinpath(*parts[:-1], f"{parts[-1]}.png")
        picture = Image.fromarray(shown.transpose(1, 2, 0))
        save_picture(picture.resize(size, Image.Resampling.NEAREST), path)


def _write(rows: Iterable[Row], output: Path | None, form: str | None) -> int:
    """Write rows as they come, and return the number of those with an error."""
    failed = 0

    def counted() -> Iterator[Row]:
        nonlocal failed
        for row in rows:
            failed += row.error is not None
            yield row

    as_json = (form or ("json" if output and output.suffix == ".json" else "csv")) == "json"
    write = _write_json if as_json else _write_csv
    if output is None:
        write(counted(), sys.stdout)
    else:
        with replacing(output) as path, _open(path) as file:
            write(counted(), file)
    return failed


def _open(path: Path) -> TextIO:
    # Names of files need not be UTF-8; their bytes are kept.
    return path.open("w", encoding="utf-8", errors="surrogateescape", newline="")


def _write_csv(rows: Iterable[Row], to: TextIO) -> None:
    writer = csv.writer(to, lineterminator="\n")
    writer.writerow(Row._fields)
    for row in rows:
        writer.writerow([f"{cell:.4f}" if isinstance(cell, float) else cell for cell in row])


def _write_json(rows: Iterable[Row], to: TextIO) -> None:
    """Write a list of objects, one a line, so that it need not be held."""
    separator = "[\n"
    for row in rows:
        to.write(separator + json.dumps(row._asdict(), ensure_ascii=False))
        separator = ",\n"
    to.write("\n]\n" if separator != "[\n" else "[]\n")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("paths", nargs="+", metavar="PATH")
    parser.add_argument("--output", type=Path, metavar="FILE", help="else standard output")
    parser.add_argument("--format", choices=("csv", "json"), help="else by FILE's ending")
    parser.add_argument(
        "--heatmaps", type=Path, metavar="DIR", help="write overlays of where a photo is strange"
    )
    parser.add_argument(
        "--model", type=Path, default=paths.DETECTOR, metavar="DIR", help=f"else {paths.DETECTOR}"
    )
    parser.add_argument("--threshold", type=float, help="else the detector's own")
    arguments = parser.parse_args()
    if arguments.threshold is not None and not math.isfinite(arguments.threshold):
        parser.error("the threshold must be a finite number")
    return arguments


if __name__ == "__main__":
    run(main)
