"""Stages run by a server that has imported them all already, on a disk that may end early."""

import importlib
import multiprocessing
import os
import resource
import signal
import sys
from multiprocessing.process import BaseProcess
from pathlib import Path

from stages.common.errors import run

PRELOADED = ("stages", "stages.evaluate", "stages.map_latent", "stages.measure_avatars")
UNLIMITED = resource.RLIM_INFINITY


def run_forked(command: str, folder: Path, killed_beyond: int = UNLIMITED) -> int:
    """Run a stage, `NAME ARGUMENT…`, in a folder, and give its exit status.

    The kernel kills it at the first byte that it writes beyond so many into one file: no code of
    the stage runs after that, as with `kill -9`.
    """
    server = multiprocessing.get_context("forkserver")
    # PyTorch imports torch._dynamo at the first step of training, which takes as long as torch.
    server.set_forkserver_preload([*PRELOADED, "torch._dynamo", __name__])
    process: BaseProcess = server.Process(target=_run, args=(command, folder, killed_beyond))
    process.start()
    process.join()
    assert process.exitcode is not None
    return process.exitcode


def limit_files(size: int) -> None:
    """Let this process write files of at most so many bytes: beyond, its disk is full."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))


def _run(command: str, folder: Path, killed_beyond: int) -> None:
    name, *arguments = command.split()
    stage = importlib.import_module(f"stages.{name}")
    os.chdir(folder)
    sys.argv = [name, *arguments]
    # Python ignores this signal, so that a write beyond the limit fails as on a full disk.
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    limit_files(killed_beyond)
    run(stage.main)
