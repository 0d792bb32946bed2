"""What a shard becomes: its rows as a CSV, and then a record of what they were made from."""

import csv
import io
import json
import traceback
from collections import Counter
from collections.abc import Mapping, Sequence
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

MANIFEST, UNREADABLE = "manifest.csv", "error"
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

    shard: its version; detector: the SHA-256 of its file; threshold: as Python writes it.
    """

    shard: str
    detector: str
    threshold: str
    counts: dict[str, int]
    sha256: str


def classify_shard(job: Job, shard: Shard) -> str | None:
    """Write a shard's rows, and then its record, each whole or not at all; return why it failed.

    It takes one core, and holds a batch of photos at a time. What a killed run has left of this
    shard, half written, is removed.
    """
    try:
        detector = _detector(job.model, job.sha256, job.threshold)
        rows, record = _rows_path(job, shard), _record_path(job, shard)
        for path in rows, record:
            sweep(path)
        batches = read_batches(photos_of(shard), detector.metadata)
        with (
            replacing(rows) as path,
            path.open("w", encoding="utf-8", errors=KEEP_BYTES, newline="") as file,
        ):
            scored = (row for batch in batches for row in score_batch(batch, detector))
            counts = write_rows(scored, file, "csv")
        made = Record(shard.version, job.sha256, repr(job.threshold), dict(counts), sha256_of(rows))
        write_text(record, json.dumps(made._asdict(), indent=2, sort_keys=True) + "\n")
    except InputError as error:
        return " ".join(str(error).split())
    except Exception as error:
        # A fault of the program in one shard must not cost the others.
        traceback.print_exc()
        return f"{type(error).__name__}: {error}"
    return None


@cache
def _detector(model: Path, sha256: str, threshold: float) -> Exported:
    """Return the detector, read once a process."""
    if sha256_of(model) != sha256:
        raise InputError(f"{model} on this machine is another detector: copy the same file there")
    detector = load_exported(model)
    return detector._replace(metadata=detector.metadata._replace(threshold=threshold))


def is_done(job: Job, shard: Shard) -> bool:
    """Tell whether a shard's rows are there, made from it as it is now.

    A list with photos that could not be read is done again: they may have come since. Raises
    InputError where another detector or threshold made the rows.
    """
    record = _read(_record_path(job, shard))
    if record and (record.detector, record.threshold) != (job.sha256, repr(job.threshold)):
        raise InputError(
            f"{job.into} holds rows of another detector or threshold ({_record_path(job, shard)}): "
            "name another folder"
        )
    if record is None or record.shard != shard.version:
        return False
    if shard.name.lower().endswith(LIST) and record.counts.get(UNREADABLE):
        return False
    rows = _rows_path(job, shard)
    return rows.is_file() and sha256_of(rows) == record.sha256


def find_record(job: Job, shard: Shard) -> Record | None:
    """Return the record of a shard as it is now, or None where it has none."""
    record = _read(_record_path(job, shard))
    return record if record and record.shard == shard.version else None


def write_manifest(job: Job, shards: Sequence[Shard], failed: Mapping[str, str]) -> Counter[str]:
    """Write a line a shard: how many photos of which kind, or why it failed; return all counts.

    failed: why, by the shard's name. The same results give the same bytes.
    """
    total: Counter[str] = Counter()
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["shard", "photos", *COUNTED, "unreadable", "sha256", "error"])
    for shard in shards:
        record = find_record(job, shard)
        if shard.name in failed:
            writer.writerow([shard.name, *[None] * (len(COUNTED) + 3), failed[shard.name]])
        elif record:
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
    for left in path.parent.glob(f".{escape(path.name)}.*.part"):
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
