"""Stages and tools run as `python -m` runs them, by a server that has imported the libraries.

A command of its own imports for seconds what it then uses for a moment.
"""

import multiprocessing
import os
import resource
import runpy
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from multiprocessing.process import BaseProcess
from pathlib import Path

# First of all `stages`, which sets how libraries compute. None that is itself run may be here.
# PyTorch imports torch._dynamo at the first step of training, which takes as long as torch.
PRELOADED = [
    "stages",
    "gdown",
    "matplotlib.backends.backend_agg",
    "matplotlib.figure",
    "pydantic",
    "resvg_py",
    "scipy.stats",
    "sklearn.cluster",
    "sklearn.manifold",
    "torch._dynamo",
    __name__,
]
UNLIMITED = resource.RLIM_INFINITY
NOBODY = 65534


def run_module(
    name: str,
    *arguments: str,
    folder: Path,
    given: bytes = b"",
    changes: Mapping[str, str] | None = None,
    killed_beyond: int = UNLIMITED,
) -> subprocess.CompletedProcess[str]:
    """Run a module in a folder, with changes of the environment, as `python -m` would.

    The kernel kills it at the first byte that it writes beyond so many into one file: no code of
    the module runs after that, as with `kill -9`.
    """
    with tempfile.TemporaryDirectory() as scratch:
        streams = [Path(scratch) / stream for stream in ("stdin", "stdout", "stderr")]
        for path in streams:
            path.write_bytes(given if path.name == "stdin" else b"")
        server = multiprocessing.get_context("forkserver")
        server.set_forkserver_preload(PRELOADED)
        process: BaseProcess = server.Process(
            target=_run, args=([name, *arguments], folder, changes or {}, killed_beyond, streams)
        )
        process.start()
        process.join()
        assert process.exitcode is not None
        said = [os.fsdecode(path.read_bytes()) for path in streams[1:]]
    return subprocess.CompletedProcess([name, *arguments], process.exitcode, *said)


def limit_files(size: int) -> None:
    """Let this process write files of at most so many bytes: beyond, its disk is full."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))


@contextmanager
def full_disk(size: int) -> Iterator[None]:
    """Let this process write no file beyond so many bytes for a while."""
    before, _ = resource.getrlimit(resource.RLIMIT_FSIZE)
    limit_files(size)
    try:
        yield
    finally:
        limit_files(before)


def _run(
    words: list[str],
    folder: Path,
    changes: Mapping[str, str],
    killed_beyond: int,
    streams: list[Path],
) -> None:
    for number, path in enumerate(streams):
        os.dup2(os.open(path, os.O_RDWR | os.O_APPEND), number)
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", encoding="utf-8", closefd=False, buffering=1)  # noqa: SIM115
    os.chdir(folder)
    os.environ.pop("WELLS_ARCHIVE", None)
    os.environ.update(changes)
    sys.argv = words
    # Python ignores this signal, so that a write beyond the limit fails as on a full disk.
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    limit_files(killed_beyond)
    runpy.run_module(words[0], run_name="__main__", alter_sys=True)


@contextmanager
def public_folder() -> Iterator[Path]:
    """Yield an empty folder which every user may enter, unlike pytest's."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        for parent, folders, _ in os.walk(folder):
            for name in folders:
                Path(parent, name).chmod(0o700)
        shutil.rmtree(folder)


def run_as_nobody(check: Callable[[], None]) -> None:
    """Run a check as a user without rights, for root may read and write all."""

    def run() -> None:
        if os.getuid() == 0:
            os.setuid(NOBODY)
        check()

    process = multiprocessing.get_context("fork").Process(target=run)
    process.start()
    process.join()
    assert process.exitcode == 0
