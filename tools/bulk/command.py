"""Shards classified into a folder: what is there already is left, and a manifest lists all."""

import fcntl
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from tqdm import tqdm

from stages.common.errors import InputError
from stages.common.files import sha256_of
from tools.bulk.engines import Engine
from tools.bulk.results import MANIFEST, UNREADABLE, Job, find_record, is_done, write_manifest
from tools.bulk.shards import find_shards
from tools.bulk.storage import is_url
from tools.rows import sum_up

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
        waiting = [shard for shard in shards if not is_done(job, shard)]
        done = len(shards) - len(waiting)
        failed: dict[str, str] = {}
        with (
            closing(engine(job, waiting, workers)) as ended,
            tqdm(total=len(shards), initial=done, unit="shard", disable=None) as progress,
        ):
            for shard, error in ended:
                progress.update()
                if error is None and find_record(job, shard) is None:
                    error = ELSEWHERE
                if error is not None:
                    failed[shard.name] = error
                    progress.write(f"{shard.name}: {error}", file=sys.stderr)
        counts = write_manifest(job, shards, failed)
    print(f"{sum_up(counts)}, in {len(shards):,} shards", file=sys.stderr)
    if done:
        print(f"{done:,} of the shards had been classified before", file=sys.stderr)
    if failed or counts[UNREADABLE]:
        raise InputError(
            f"{len(failed):,} of {len(shards):,} shards failed, and {counts[UNREADABLE]:,} photos "
            f"of the others could not be read: {Path(into, MANIFEST)} and their rows say why"
        )


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Make a folder in which no other run writes; raises InputError where that can't be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # Better told now than hours later.
        tempfile.TemporaryFile(dir=folder).close()
        handle = os.open(folder, os.O_RDONLY)
    except OSError as error:
        raise InputError(f"{folder} can't be written: {error.strerror}") from None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        raise InputError(f"another run writes into {folder}: wait for it, or end it") from None
    except OSError:
        # This file system has no locks, so nobody can be kept out.
        pass
    try:
        yield
    finally:
        os.close(handle)
