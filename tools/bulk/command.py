"""Shards classified into a folder: what is there already is left, and a manifest lists all."""

import fcntl
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from tqdm import tqdm

from stages.common.errors import InputError
from stages.common.files import sha256_of
from tools.bulk.engines import Engine
from tools.bulk.results import (
    MANIFEST,
    UNREADABLE,
    Job,
    Record,
    claim,
    discard,
    find_done,
    find_written,
    write_manifest,
)
from tools.bulk.shards import Shard, find_shards
from tools.bulk.storage import is_url
from tools.rows import sum_up

LOCK = ".lock"
# Said of a shard that was classified, but whose record is not here.
ELSEWHERE = "its rows did not come here: all machines must see the folder under the same path"


def classify_shards(
    given: Sequence[str],
    into: str,
    model: Path,
    threshold: float,
    engine: Engine,
    workers: int | None,
) -> None:
    """Classify all shards of paths and URLs into a folder; tell in the end what could not be.

    Raises InputError where a shard failed or a photo could not be read, after all others are done.
    """
    if is_url(into):
        raise InputError(f"{into} is a URL: --into takes a folder, which all machines share")
    job = Job(model.absolute(), sha256_of(model), threshold, Path(into).absolute())
    shards = find_shards(given)
    with _alone_in(job.into):
        claim(job)
        done = find_done(job, shards)
        waiting = [shard for shard in shards if shard not in done]
        for shard in waiting:
            discard(job, shard)
        # It is there where a run has come to its end.
        (job.into / MANIFEST).unlink(missing_ok=True)
        ended = done | _classify(job, waiting, engine, workers, len(shards))
        counts = write_manifest(job, ended)
    print(f"{sum_up(counts)}, in {len(shards):,} shards", file=sys.stderr)
    if done:
        print(f"{len(done):,} of the shards had been classified before", file=sys.stderr)
    failed = sum(isinstance(record, str) for record in ended.values())
    told = [f"{failed:,} of {len(shards):,} shards failed"] if failed else []
    if lost := counts[UNREADABLE]:
        told.append(f"{lost:,} photos could not be read, as their rows say")
    if told:
        raise InputError(f"{', and '.join(told)}: see {Path(into, MANIFEST)}")


def _classify(
    job: Job, waiting: Sequence[Shard], engine: Engine, workers: int | None, all_shards: int
) -> dict[Shard, Record | str]:
    """Return the records of shards, or why they failed, which is told at once too."""
    ended: dict[Shard, Record | str] = {}
    with (
        closing(engine(job, waiting, workers)) as endings,
        tqdm(
            total=all_shards, initial=all_shards - len(waiting), unit="shard", disable=None
        ) as progress,
    ):
        for shard, record in endings:
            progress.update()
            ended[shard] = record
            if isinstance(record, str):
                progress.write(f"{shard.name}: {record}", file=sys.stderr)
    written = find_written(job)
    for shard, record in ended.items():
        if isinstance(record, Record) and f"{shard.name}.json" not in written:
            ended[shard] = ELSEWHERE
            print(f"{shard.name}: {ELSEWHERE}", file=sys.stderr)
    return ended


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Make a folder in which no other run writes; raises InputError where that can't be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # Better told now than hours later.
        tempfile.TemporaryFile(dir=folder).close()
        # A network folder's server locks files that are written, and no folders.
        lock = (folder / LOCK).open("a", encoding="utf-8")
    except OSError as error:
        raise InputError(f"{folder} can't be written: {error.strerror}") from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(f"another run writes into {folder}: wait for it, or end it") from None
        except OSError as error:
            print(
                f"{folder} can't be locked ({error.strerror}): see to it that no other run "
                "writes there",
                file=sys.stderr,
            )
        yield
