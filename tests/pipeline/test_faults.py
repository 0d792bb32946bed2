"""Faults survived: stages killed, interrupted, out of disk, run twice at once; files changed."""

import fcntl
import os
import pty
import re
import shutil
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image

from stages.common.errors import InputError
from stages.common.files import write_arrays, write_json, write_text
from stages.common.pictures import save_image
from stages.wells.data.archive import write_canonical
from stages.wells.networks import registry
from tests.clones import BIN, IDENTITY, ROOT, copy_project
from tests.processes import UNLIMITED, full_disk, limit_files, run_module
from tests.wells_files import LAYOUT, message_of, params_with

pytestmark = pytest.mark.slow

SMALL = {
    "avatars.generators": ["mle"],
    "avatars.holdout": 2,
    "avatars.train": 4,
    "dataset.source": "synthetic:40",
    "images.height": 16,
    "images.width": 24,
    "latent.clusters": 2,
    "networks.autoencoder.channels": 8,
    "networks.mnad.channels": 8,
    "train.batch_size": 8,
    "train.epochs": 1,
}
# Every stage by its name in dvc.lock, with what is run, in an order in which they can be.
STAGES = {
    "download": "download",
    "preprocess": "preprocess",
    "train@autoencoder": "train autoencoder",
    "train@mnad": "train mnad",
    "calibrate": "calibrate",
    "export": "export",
    "validate": "validate",
    "evaluate": "evaluate",
    "map_latent": "map_latent",
    "generate_styles": "generate_styles",
    "draw_avatars": "draw_avatars",
    "generate_avatars@mle": "generate_avatars mle",
    "measure_avatars": "measure_avatars",
    "infer_styles": "infer_styles",
}
LONGEST_END = 10.0  # Seconds; two on an idle machine.
OLD = b"what an earlier run left"
# As in a folder `sitecustomize.py`, which Python reads when it starts: a stage tells that it is
# about to move the file, or to import the module, that HALT names, and goes no further.
HALTING = """\
import os, sys, time
from pathlib import Path

def halt(event, arguments):
    place = {"import": 0, "os.rename": 1}.get(event)
    if place is not None and str(arguments[place]) == os.environ["HALT"]:
        Path(os.environ["HALTED"]).touch()
        while Path(os.environ["HALTED"]).exists():
            time.sleep(0.01)

if any(word.startswith("stages.") for word in sys.orig_argv):
    sys.addaudithook(halt)
"""


def environment_of(changes: Mapping[str, str]) -> dict[str, str]:
    """Return an environment without this machine's settings of Git and without a stand-in archive.

    Nothing but the stage writes: byte code and measures of coverage would be cut off too where a
    disk ends early.
    """
    foreign = ("COVERAGE", "WELLS_ARCHIVE")
    return {
        **{key: value for key, value in os.environ.items() if not key.startswith(foreign)},
        "PATH": f"{BIN}:{os.environ['PATH']}",
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_CONFIG_NOSYSTEM": "1",
        "DVC_NO_ANALYTICS": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        **changes,
    }


def heed_interrupts() -> None:
    """Let this process be interrupted, also where the tests run in the background and are not."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def started(folder: Path, *command: str, **changes: str) -> subprocess.Popen[str]:
    """Start a command in a folder, as the head of its own group of processes."""
    return subprocess.Popen(
        command,
        cwd=folder,
        env=environment_of(changes),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=heed_interrupts,
        start_new_session=True,
    )


def done(folder: Path, *command: str, status: int = 0) -> str:
    """Run a command in a folder to its end and give what it says."""
    process = started(folder, *command)
    said, _ = process.communicate()
    assert process.returncode == status, said
    return said


def wait_until(condition: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    """Wait until a process has come so far."""
    while not condition():
        assert process.poll() is None, "the process ended before"
        time.sleep(0.01)


@contextmanager
def halted(
    folder: Path, at: str, scratch: Path, *command: str, **changes: str
) -> Iterator[subprocess.Popen[str]]:
    """Start a command whose stage halts before it moves the file, or imports the module, `at`.

    It goes on, or ends, with the block.
    """
    scratch.mkdir()
    (scratch / "sitecustomize.py").write_text(HALTING, encoding="utf-8")
    mark = scratch / "halted"
    changes |= {"HALT": at, "HALTED": str(mark), "PYTHONPATH": str(scratch)}
    process = started(folder, *command, **changes)
    try:
        wait_until(mark.exists, process)
        yield process
    finally:
        mark.unlink(missing_ok=True)
        if process.poll() is None:
            process.communicate()


def files_in(folder: Path, *names: str) -> dict[str, bytes]:
    """Return every file at or below the named paths of a folder, by its path there."""
    found = [p for name in names for p in (folder / name, *(folder / name).rglob("*"))]
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in found if p.is_file()}


def results_in(folder: Path) -> dict[str, bytes]:
    return files_in(folder, "data", "models", "metrics", "plots", "dvc.lock")


def outputs_of(folder: Path, stage: str) -> dict[str, bytes]:
    """Return what a stage has written, by dvc.lock."""
    lock = yaml.safe_load((folder / "dvc.lock").read_text(encoding="utf-8"))
    return files_in(folder, *(out["path"] for out in lock["stages"][stage]["outs"]))


def run_stage(command: str, folder: Path, killed_beyond: int = UNLIMITED) -> int:
    """Run a stage, `NAME ARGUMENT…`, in a folder, and give its exit status."""
    name, *arguments = command.split()
    module = f"stages.{name}"
    return run_module(module, *arguments, folder=folder, killed_beyond=killed_beyond).returncode


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with everything built undisturbed, as small as it can be."""
    folder = tmp_path_factory.mktemp("faults") / "built"
    copy_project(folder, without=("data/generated", "metrics", "plots", "models", "dvc.lock"))
    (folder / "params.yaml").write_text(params_with(SMALL), encoding="utf-8")
    for command in STAGES.values():
        assert run_stage(command, folder) == 0
    done(folder, "git", "init", "--quiet")
    done(folder, "dvc", "commit", "--force")
    done(folder, "git", "add", ".")
    done(folder, "git", *IDENTITY, "commit", "--quiet", "-m", "small")
    return folder


@pytest.fixture
def repository(built: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(built, tmp_path / "repository", symlinks=True))


def test_every_stage_is_tried(built: Path) -> None:
    stages = yaml.safe_load((built / "dvc.lock").read_text(encoding="utf-8"))["stages"]
    commands = {name: stage["cmd"] for name, stage in stages.items()}
    assert commands == {name: f"python -m stages.{command}" for name, command in STAGES.items()}


@pytest.mark.parametrize("stage", [name for name in STAGES if not name.endswith("@mnad")])
def test_a_stage_killed_as_it_writes_leaves_whole_files_and_can_be_run_again(
    stage: str, built: Path, tmp_path: Path
) -> None:
    for part in ("data", "models", "params.yaml"):
        copy = shutil.copytree if (built / part).is_dir() else shutil.copy
        copy(built / part, tmp_path / part)
    new = outputs_of(built, stage)
    for name in new:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(OLD)
    before = set(files_in(tmp_path, "."))
    half = max(len(content) for content in new.values()) // 2

    assert run_stage(STAGES[stage], tmp_path, killed_beyond=half) == -signal.SIGXFSZ
    for name, content in new.items():
        assert (tmp_path / name).read_bytes() in (OLD, content), name
    (left,) = set(files_in(tmp_path, ".")) - before
    assert re.fullmatch(r"\..+\.part", Path(left).name)
    assert (tmp_path / left).stat().st_size == half

    assert run_stage(STAGES[stage], tmp_path) == 0
    assert {name: (tmp_path / name).read_bytes() for name in new} == new


@pytest.mark.parametrize(
    ("stage", "at"),
    [
        ("preprocess", "plots/dataset/spills.png"),
        ("train@autoencoder", "models/networks/autoencoder/history.csv"),
    ],
)
def test_a_killed_repro_is_made_good_by_the_next(
    stage: str, at: str, built: Path, repository: Path, tmp_path: Path
) -> None:
    # DVC would bring the results back from its cache and run nothing.
    shutil.rmtree(repository / ".dvc/cache")
    repro = ("dvc", "repro", "--single-item", stage)
    with halted(repository, at, tmp_path / "halt", *repro, "--force") as process:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    left = {path.relative_to(repository) for path in repository.rglob("*.part")}
    assert [path.parent for path in left] == [Path(at).parent]
    assert not (repository / at).exists()
    assert ".part" not in done(repository, "git", "status", "--porcelain", "--untracked-files=all")

    assert f"Running stage '{stage}'" in done(repository, *repro)
    results = {name: c for name, c in results_in(repository).items() if Path(name) not in left}
    assert results == results_in(built)


def test_a_half_written_file_in_a_folder_of_results_changes_nothing(repository: Path) -> None:
    (repository / "plots/dataset/.train.png.abc.part").write_bytes(b"half")
    assert "up to date" in done(repository, "dvc", "status")


def test_a_second_repro_says_that_the_first_is_at_work(
    built: Path, repository: Path, tmp_path: Path
) -> None:
    force = ("dvc", "repro", "--force", "--single-item", "generate_styles")
    with halted(repository, "metrics/styles.json", tmp_path / "halt", *force) as first:
        said = done(repository, "dvc", "repro", "generate_styles", status=255)
        assert "is busy, it is being blocked by" in said
        assert f"(PID {first.pid}): dvc repro" in said.replace(f"{BIN}/", "")
    assert first.returncode == 0
    assert results_in(repository) == results_in(built)


def test_a_repro_waits_while_another_reads_and_then_says_so(repository: Path) -> None:
    with (repository / ".dvc/tmp/lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        said = done(repository, "dvc", "repro", status=255)
    assert "Unable to acquire lock. Most likely another DVC process is running" in said


def test_results_changed_by_hand_are_noticed_and_restored(built: Path, repository: Path) -> None:
    changed = {
        "data/wells/spills.npz": "data/wells/spills.npz",
        "models/detector/detector.json": "models/detector",
    }
    for name in changed:
        with (repository / name).open("ab") as file:
            file.write(b" ")
    said = done(repository, "dvc", "status")
    assert all(re.search(rf"modified:\s+{out}\n", said) for out in changed.values())
    done(repository, "dvc", "repro")
    assert results_in(repository) == results_in(built)


def save_network(path: Path) -> None:
    settings = {
        "height": 16,
        "width": 24,
        **yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))["networks"]["mnad"],
    }
    registry.save([registry.build("mnad", settings, seed=0)], "mnad", settings, path)


def noise() -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(256, size=(99, 99, 3), dtype=np.uint8))


@pytest.mark.parametrize(
    "write",
    [
        lambda path: write_text(path, "word " * 9999),
        lambda path: write_json(path, {"list": list(range(9999))}),
        lambda path: write_arrays(path, numbers=np.arange(9999)),
        lambda path: save_image(noise(), path),
        save_network,
        lambda path: write_canonical(
            dict.fromkeys(LAYOUT, lambda: b"photo" * 999), path, "made up"
        ),
    ],
    ids=["text", "json", "arrays", "picture", "network", "archive"],
)
def test_a_full_disk_is_told_in_a_line_and_the_old_file_stays(
    write: Callable[[Path], Any], tmp_path: Path
) -> None:
    path = tmp_path / "file"
    path.write_bytes(OLD)
    with full_disk(4000), pytest.raises(InputError) as told:
        write(path)
    assert re.fullmatch(rf"{path} can't be written: .*[Ff]ile too large.*", str(told.value))
    assert files_in(tmp_path, ".") == {"file": OLD}
    write(path)
    assert path.stat().st_size > 4000


@pytest.mark.parametrize("stage", ["download", "generate_styles"])
def test_a_stage_on_a_full_disk_says_so_and_leaves_what_stood(
    stage: str, built: Path, repository: Path
) -> None:
    new = outputs_of(built, stage)
    half = max(len(content) for content in new.values()) // 2
    failed = subprocess.run(
        [sys.executable, "-m", *f"stages.{STAGES[stage]}".split()],
        cwd=repository,
        env=environment_of({}),
        preexec_fn=lambda: limit_files(half),
        capture_output=True,
        text=True,
        check=False,
    )
    assert re.fullmatch(r"\S+ can't be written: .*[Ff]ile too large.*\n", message_of(failed))
    assert results_in(repository) == results_in(built)


def test_an_interrupt_ends_work_at_once_and_in_a_line(repository: Path) -> None:
    (repository / "params.yaml").write_text(params_with(SMALL | {"train.epochs": 99999}))
    # A terminal, for elsewhere no progress is shown.
    terminal, standard_error = pty.openpty()
    termios.tcsetwinsize(terminal, (24, 80))
    process = subprocess.Popen(
        [sys.executable, "-m", "stages.train", "autoencoder"],
        cwd=repository,
        env=environment_of({}),
        stderr=standard_error,
        preexec_fn=heed_interrupts,
    )
    os.close(standard_error)
    said, since = b"", 0.0
    while more := read_terminal(terminal):
        said += more
        if not since and b"%|" in said:
            process.send_signal(signal.SIGINT)
            since = time.monotonic()
    assert process.wait() == 128 + signal.SIGINT
    assert time.monotonic() - since < LONGEST_END
    lines = [line.rsplit("\r", 1)[-1] for line in said.decode().replace("\r\n", "\n").split("\n")]
    assert [line for line in lines if line and "%|" not in line] == ["interrupted"]
    assert not list(repository.rglob("*.part"))


def read_terminal(terminal: int) -> bytes:
    """Read what was written to a terminal; nothing where no one is left to write."""
    try:
        return os.read(terminal, 4096)
    except OSError:
        return b""


@pytest.mark.parametrize("at", ["torch", "models/networks/autoencoder/network.safetensors"])
def test_an_interrupt_ends_a_stage_in_a_line_wherever_it_is(
    at: str, repository: Path, tmp_path: Path
) -> None:
    command = (sys.executable, "-m", "stages.train", "autoencoder")
    before = results_in(repository)
    with halted(repository, at, tmp_path / "halt", *command) as process:
        process.send_signal(signal.SIGINT)
        said, _ = process.communicate()
    assert said.split("\n") == ["", "interrupted", ""]
    assert process.returncode == 128 + signal.SIGINT
    assert results_in(repository) == before
