"""Measure how fast shards are classified: `python -m tools.bulk.bench`.

Copies the real wells under new names until there are so many photos, packs them, and runs
`python -m tools.classify --into` on the shards, from the disk and from moto, a server that stands
in for S3: with one worker, with one a core, and by Ray. Seconds are those of the whole command,
start and end included; the middle one of several turns counts, each of which runs all cases once.
All must give the same rows. Moto is a process of its own, whose processor seconds are told beside:
with one worker another core is free for it. Writes docs/bulk.csv. Needs requirements-bulk-dev.txt;
scratch lies in a temporary folder.
"""

import argparse
import importlib.util
import os
import socket
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import cycle, islice
from pathlib import Path
from time import monotonic, sleep
from typing import NamedTuple
from urllib.request import urlopen

import pandas as pd
from tqdm import tqdm

from stages.common import paths
from stages.common.errors import InputError, run
from stages.common.files import write_text
from stages.wells.data.archive import open_zip
from tools.bench import describe_processor
from tools.bulk.pack import pack
from tools.photos import is_photo
from tools.processes import run_measured

TABLE = Path("docs/bulk.csv")
BUCKET = "s3://bench"
NEEDED = ("ray", "s3fs", "moto")


class Case(NamedTuple):
    """One way to classify the shards."""

    engine: str
    source: str
    workers: int


class Measured(NamedTuple):
    """What a run took: seconds, and processor seconds of its processes and of the server.

    Ray's processes are not among its own.
    """

    seconds: float
    processor: float
    server: float


def main() -> None:
    """Measure, write the table, and print it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--photos", type=int, default=100_000, metavar="N")
    parser.add_argument("--turns", type=int, default=3, metavar="N")
    parser.add_argument("--output", type=Path, default=TABLE, metavar="FILE")
    arguments = parser.parse_args()
    if min(arguments.photos, arguments.turns) < 1:
        parser.error("--photos and --turns must be 1 or more")
    if missing := [name for name in NEEDED if importlib.util.find_spec(name) is None]:
        raise InputError(f"{', '.join(missing)} missing: pip install -r requirements-bulk-dev.txt")
    if missing := [str(path) for path in (paths.ARCHIVE, paths.EXPORTED) if not path.is_file()]:
        raise InputError(f"{', '.join(missing)} missing: run `dvc repro` first")
    with tempfile.TemporaryDirectory() as scratch:
        table = measure(Path(scratch), arguments.photos, arguments.turns)
    write_text(arguments.output, table.to_csv(index=False))
    print(table.to_markdown(index=False))
    print(f"\nMachine: {describe_processor()}.")


def measure(scratch: Path, photos: int, turns: int) -> pd.DataFrame:
    """Return a row a case, docs/bulk.md knows their order, and one of packing.

    rate: photos a second; scratch: an empty folder.
    """
    cores = len(os.sched_getaffinity(0))
    cases = [
        Case("local", "disk", 1),
        Case("local", "S3", 1),
        Case("local", "disk", cores),
        Case("ray", "disk", cores),
        Case("local", "S3", cores),
    ]
    _copy_wells(scratch / "photos", photos)
    begun = monotonic()
    pack(scratch / "photos", str(scratch / "disk"), 2000)
    packing = monotonic() - begun
    found: dict[Case, list[Measured]] = {case: [] for case in cases}
    with _storage() as (server, known):
        os.environ |= known
        _fill(scratch / "disk")
        places = {"disk": str(scratch / "disk"), "S3": BUCKET}
        for turn in range(turns):
            for case in tqdm(cases, desc=f"turn {turn + 1} of {turns}"):
                into = scratch / f"{turn}-{'-'.join(map(str, case))}"
                found[case].append(_run(case, places[case.source], into, server))
    if len({path.read_bytes() for path in scratch.glob("*/manifest.csv")}) != 1:
        raise InputError("the cases gave other rows: see the manifests")
    rows = [
        {**case._asdict(), **_middle(measured), "turns": turns} for case, measured in found.items()
    ]
    rows.append(
        {"engine": "pack", "source": "disk", "workers": 1, "seconds": round(max(packing, 0.01), 2)}
    )
    table = pd.DataFrame(rows)
    table.insert(3, "photos", photos)
    table.insert(5, "rate", (photos / table["seconds"]).round().astype(int))
    return table.assign(machine=describe_processor())


def _middle(measured: list[Measured]) -> dict[str, float]:
    """Return the medians of several turns."""
    columns = zip(*measured, strict=True)
    return {
        name: round(statistics.median(values), 2)
        for name, values in zip(Measured._fields, columns, strict=True)
    }


def _copy_wells(folder: Path, count: int) -> None:
    """Write so many photos, the real ones over and over, a thousand a folder."""
    with open_zip(paths.ARCHIVE) as archive:
        names = sorted(name for name in archive.namelist() if is_photo(name))
        contents = [archive.read(name) for name in names]
    for number, content in enumerate(islice(cycle(contents), count)):
        path = folder / f"{number // 1000:05}/{number:08}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def _run(case: Case, given: str, into: Path, server: int) -> Measured:
    """Classify what is given into a folder; raises InputError with what the command said."""
    words = [sys.executable, "-m", "tools.classify", "--into", str(into), given]
    before = _processor_seconds(server)
    ended = run_measured(
        [*words, "--engine", case.engine, "--workers", str(case.workers)], catch_errors=True
    )
    if ended.status:
        raise InputError(f"{case} failed: {ended.errors}")
    took, server_used = ended.took, _processor_seconds(server) - before
    return Measured(took.seconds, took.cpu_seconds, server_used)


def _processor_seconds(process: int) -> float:
    """Return what a process has used of the processor, as Linux counts it."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def _storage() -> Iterator[tuple[int, Mapping[str, str]]]:
    """Yield the process of a server that stands in for S3, and the environment that tells of it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    words = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", port]
    server = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{port}"
    try:
        until = monotonic() + 60
        while True:
            try:
                urlopen(address).close()
                break
            except OSError as error:
                if server.poll() is not None or monotonic() > until:
                    raise InputError(f"moto's server does not start at {address}") from error
                sleep(0.1)
        yield (
            server.pid,
            {
                "AWS_ENDPOINT_URL": address,
                "AWS_ACCESS_KEY_ID": "nobody",
                "AWS_SECRET_ACCESS_KEY": "nothing",
                "AWS_DEFAULT_REGION": "us-east-1",
            },
        )
    finally:
        server.kill()
        server.wait()


def _fill(folder: Path) -> None:
    """Put shards into the bucket."""
    import fsspec

    client = fsspec.filesystem("s3")
    client.mkdir(BUCKET)
    for path in folder.iterdir():
        client.pipe_file(f"{BUCKET}/{path.name}", path.read_bytes())


if __name__ == "__main__":
    run(main)
