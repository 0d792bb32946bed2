"""Rows: what a detector says of each photo, or why it can't be read, and how that is written."""

import csv
import json
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import NamedTuple, TextIO

import numpy as np

from stages.common.errors import InputError
from stages.common.pictures import save_image
from stages.common.types import Images
from stages.wells.data.images import decode, resize
from stages.wells.inference.decision_picture import draw_decision, list_decisions
from stages.wells.inference.exported import Exported, run_exported
from stages.wells.inference.metadata import Metadata
from stages.wells.inference.verdict import Verdict
from tools.photos import Photo

# Photos that are read, and then scored, at once; more take more memory and little less time.
BATCH = 64
# Batches that are scored at once.
SCORERS = 2
# Names of files need not be UTF-8.
KEEP_BYTES = "surrogateescape"


# Of each photo its name, and its image `[3, H, W]` or why there is none.
Batch = Sequence[tuple[str, Images | str]]


class Row(NamedTuple):
    """What is said of a photo; score, margin, label and view are None where there is an error."""

    name: str
    score: float | None = None
    margin: float | None = None
    label: str | None = None
    view: str | None = None
    error: str | None = None


def classify(
    photos: Iterable[Photo], detector: Exported, heatmaps: Path | None = None
) -> Iterator[Row]:
    """Yield a row a photo, in their order; holds SCORERS + 1 times BATCH photos at a time.

    The threshold is that of the detector's metadata. Under `heatmaps` it draws, for each photo, how
    the detector decided.
    """
    with ThreadPoolExecutor(SCORERS) as scorers:
        scored: deque[Future[list[Row]]] = deque()
        # A batch is read while those before are scored: arithmetic is on one thread each.
        for batch in read_batches(photos, detector.metadata):
            scored.append(scorers.submit(score_batch, batch, detector, heatmaps))
            if len(scored) > SCORERS:
                yield from scored.popleft().result()
        for rows in scored:
            yield from rows.result()


def read_batches(photos: Iterable[Photo], metadata: Metadata) -> Iterator[Batch]:
    """Yield photos, decoded, BATCH at a time."""
    photos = iter(photos)
    while batch := [(photo.name, _decode(photo, metadata)) for photo in islice(photos, BATCH)]:
        yield batch


def _decode(photo: Photo, metadata: Metadata) -> Images | str:
    """Return a photo as `[3, height, width]`, or why there is none."""
    try:
        return resize(decode(photo.read()), metadata.height, metadata.width)
    except (InputError, ValueError) as error:
        return str(error)


def score_batch(batch: Batch, detector: Exported, heatmaps: Path | None = None) -> list[Row]:
    """Return the row of each photo of a batch, and draw how it was decided where told."""
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


def write_rows(rows: Iterable[Row], to: TextIO, form: str) -> Counter[str]:
    """Write rows as they come, and return how many there are by label and view, or `error`.

    As `csv`, or as `json`: a list of objects, one a line, so that it need not be held.
    """
    counts: Counter[str] = Counter()
    writer, separator = csv.writer(to, lineterminator="\n"), "[\n"
    # A carriage return in a name would end the row for whoever reads it, and Python 3.11 quotes
    # none by itself.
    quoting = csv.writer(to, lineterminator="\n", quoting=csv.QUOTE_ALL)
    if form == "csv":
        writer.writerow(Row._fields)
    for row in rows:
        counts["error" if row.error else f"{row.label} {row.view}"] += 1
        if form == "csv":
            cells = [f"{cell:.4f}" if isinstance(cell, float) else cell for cell in row]
            (quoting if "\r" in row.name else writer).writerow(cells)
        else:
            to.write(separator + json.dumps(row._asdict(), ensure_ascii=False))
            separator = ",\n"
    if form == "json":
        to.write("\n]\n" if separator != "[\n" else "[]\n")
    return counts


def sum_up(counts: Counter[str]) -> str:
    """Return how many photos have which label, and how many of these an obstructed view."""
    told = [
        f"{counts[f'{label} clear'] + counts[f'{label} obstructed']:,} {label} "
        f"({counts[f'{label} obstructed']:,} obstructed)"
        for label in ("spill", "normal")
    ]
    return f"{counts.total():,} photos: {', '.join(told)}"
