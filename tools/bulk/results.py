"""What a shard becomes: its rows as a CSV, and then a record of what they were made from.

A folder of results has those of one detector and one threshold, which stand in a file of their own.
"""

import csv
import io
import json
import os
import traceback
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import suppress
from functools import cache
from glob import escape
from pathlib import Path
from typing import NamedTuple

from stages.common.errors import InputError
from stages.common.files import replacing, sha256_of, write_text
from stages.wells.inference.exported import Exported, load_exported
from stages.wells.inference.verdict import LABELS, VIEWS
from tools.bulk.contents import photos_of
from tools.bulk.shards import LIST, Shard
from tools.rows import KEEP_BYTES, read_batches, score_batch, write_rows

MANIFEST, DETECTOR, UNREADABLE = "manifest.csv", "detector.json", "error"
COUNTED = [f"{label} {view}" for label in LABELS for view in VIEWS]


class Job(NamedTuple):
    """What is the same for all shards: the detector's file, its SHA-256, the threshold, and where.

    Paths are absolute.
    """

    model: Path
    sha256: str
    threshold: float
    into: Path


class Record(NamedTuple):
    """What a shard's rows were made from, how many there are of each kind, and their SHA-256.

    place, version: the shard's.
    """

    place: str
    version: str
    counts: dict[str, int]
    sha256: str


def classify_shard(job: Job, shard: Shard) -> Record | str:
    """Write a shard's rows, and then its record, each whole or not at all; return it, or why not.

    It takes one core, and holds a batch of photos at a time. What a killed run has left of this
    shard, half written, is removed.
    """
    try:
        detector = _detector(job.model, job.sha256, job.threshold)
        rows, record = _rows_path(job, shard), _record_path(job, shard)
        for path in rows, record:
            sweep(path)
        batches = read_batches(photos_of(shard), detector.metadata)
        scored = (row for batch in batches for row in score_batch(batch, detector))
        with replacing(rows) as path:
            with path.open("w", encoding="utf-8", errors=KEEP_BYTES, newline="") as file:
                counts = write_rows(scored, file, "csv")
            # Of what was written here, whatever another run does.
            made = Record(shard.place, shard.version, dict(counts), sha256_of(path))
        write_text(record, json.dumps(made._asdict(), indent=2, sort_keys=True) + "\n")
    except InputError as error:
        return " ".join(str(error).split())
    except Exception as error:
        # A fault of the program in one shard must not cost the others.
        traceback.print_exc()
        return f"{type(error).__name__}: {error}"
    return made


@cache
def _detector(model: Path, sha256: str, threshold: float) -> Exported:
    """Return the detector, read once a process."""
    if sha256_of(model) != sha256:
        raise InputError(f"{model} on this machine is another detector: copy the same file there")
    detector = load_exported(model)
    return detector._replace(metadata=detector.metadata._replace(threshold=threshold))


def claim(job: Job) -> None:
    """Note in the folder which detector and threshold its results are of.

    Raises InputError where it has those of others.
    """
    path = job.into / DETECTOR
    mine = {"sha256": job.sha256, "threshold": job.threshold}
    try:
        noted = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        noted = None
    if noted is None:
        write_text(path, json.dumps(mine, indent=2) + "\n")
    elif noted != mine:
        raise InputError(
            f"{job.into} holds rows of another detector or threshold ({path}): name another folder"
        )


def find_done(job: Job, shards: Iterable[Shard]) -> dict[Shard, Record]:
    """Return the records of the shards whose rows are there, made from them as they are now.

    A list with photos that could not be read is to be done again: they may have come since. Raises
    InputError where rows under a shard's name were made from another one.
    """
    written, done = find_written(job), {}
    for shard in shards:
        record = _read(_record_path(job, shard)) if f"{shard.name}.json" in written else None
        if record is None:
            continue
        same = shard.version and record.version == shard.version
        if not same and record.place != shard.place:
            raise InputError(
                f"{job.into} holds rows of {record.place}, another shard than {shard.place} of the "
                "same name: name another folder of results"
            )
        again = shard.name.lower().endswith(LIST) and record.counts.get(UNREADABLE)
        rows = _rows_path(job, shard)
        if same and not again and rows.is_file() and sha256_of(rows) == record.sha256:
            done[shard] = record
    return done


def find_written(job: Job) -> set[str]:
    """Return the paths of all files below the folder of results, relative to it.

    A network folder may say for a while that there is no such file as another machine has just
    written; it lists all.
    """
    return {
        Path(parent, name).relative_to(job.into).as_posix()
        for parent, _, names in os.walk(job.into)
        for name in names
    }


def discard(job: Job, shard: Shard) -> None:
    """Remove what a shard, or one before it under its name, has become."""
    for path in _record_path(job, shard), _rows_path(job, shard):
        with suppress(OSError):
            path.unlink()


def write_manifest(job: Job, ended: Mapping[Shard, Record | str]) -> Counter[str]:
    """Write a line a shard: how many photos of which kind, or why it failed; return all counts.

    The same results give the same bytes.
    """
    total: Counter[str] = Counter()
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["shard", "photos", *COUNTED, "unreadable", "sha256", "error"])
    for shard in sorted(ended):
        record = ended[shard]
        if isinstance(record, str):
            writer.writerow([shard.name, *[None] * (len(COUNTED) + 3), record])
        else:
            counts = Counter(record.counts)
            kinds = [counts[kind] for kind in (*COUNTED, UNREADABLE)]
            writer.writerow([shard.name, counts.total(), *kinds, record.sha256, None])
            total += counts
    path = job.into / MANIFEST
    sweep(path)
    with replacing(path) as temporary:
        temporary.write_text(text.getvalue(), encoding="utf-8", errors=KEEP_BYTES, newline="")
    return total


def sweep(path: Path) -> None:
    """Remove what killed runs have left beside a file that they were about to write."""
    # With mkstemp's eight letters: another shard's name may go on where this one's ends.
    for left in path.parent.glob(f".{escape(path.name)}.????????.part"):
        left.unlink(missing_ok=True)


def _read(path: Path) -> Record | None:
    try:
        return Record(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def _rows_path(job: Job, shard: Shard) -> Path:
    return job.into / f"{shard.name}.csv"


def _record_path(job: Job, shard: Shard) -> Path:
    return job.into / f"{shard.name}.json"
