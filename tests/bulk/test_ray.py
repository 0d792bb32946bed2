"""Ray gives the local engine's results, on this machine or on two of which one is lost."""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.bulk.shard_files import (
    classify,
    command,
    files_in,
    hooked,
    labels_in,
    manifest_of,
    surroundings,
)
from tests.wells_files import zip_of

pytestmark = pytest.mark.slow
pytest.importorskip("ray", reason="ray is missing: requirements-bulk.txt")
RAY = Path(sys.executable).parent / "ray"


def run(model: Path, into: Path, given: Path, **how: object) -> subprocess.CompletedProcess[str]:
    words = ("--model", model, "--into", into, "--engine", "ray", given)
    return classify(*words, **how)  # type: ignore[arg-type]


def test_its_results_are_those_of_the_local_engine(
    shards: Path, undisturbed: Path, model: Path, tmp_path: Path
) -> None:
    done = run(model, tmp_path / "out", shards, changes={"HOME": str(tmp_path / "home")})
    assert done.returncode == 0, done.stderr
    assert files_in(tmp_path / "out") == files_in(undisturbed)
    # Ray would keep a token and settings there.
    assert not (tmp_path / "home").exists()


def test_a_shard_that_kills_its_workers_is_named_and_all_others_are_done(
    shards: Path, undisturbed: Path, model: Path, tmp_path: Path
) -> None:
    shutil.copytree(shards, tmp_path / "in")
    shutil.copy(shards / "00.zip", tmp_path / "in/00_deadly.zip")
    shutil.copy(shards / "00.zip", tmp_path / "in/00_unlucky.zip")
    (tmp_path / "in/00.zip").unlink()
    (tmp_path / "in/broken.zip").write_bytes(zip_of([])[:-5])
    done = run(model, tmp_path / "out", tmp_path / "in", changes=hooked(tmp_path))
    assert done.returncode == 1
    assert "error: 2 of 8 shards failed" in done.stderr
    lines = manifest_of(tmp_path / "out")
    failed = {name: line["error"] for name, line in lines.items() if line["error"]}
    assert failed.keys() == {"00_deadly.zip", "broken.zip"}
    assert "its worker was lost 3 times" in failed["00_deadly.zip"]
    assert "it can't be read" in failed["broken.zip"]
    assert labels_in(tmp_path / "out") == labels_in(undisturbed)


def test_a_cluster_that_is_not_there_is_told(shards: Path, model: Path, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        done = run(model, tmp_path / "out", shards, changes={"RAY_ADDRESS": address})
    assert done.returncode == 1
    assert f"error: RAY_ADDRESS: no cluster at {address}" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("address", ["nonsense", "ray://127.0.0.1:1"])
def test_what_is_no_address_is_told(
    address: str, shards: Path, model: Path, tmp_path: Path
) -> None:
    done = run(model, tmp_path / "out", shards, changes={"RAY_ADDRESS": address})
    assert done.returncode == 1
    assert f"error: RAY_ADDRESS: no cluster at {address}" in done.stderr
    assert "Traceback" not in done.stderr


class Cluster:
    """Machines of a Ray cluster, all of them this one, each with a core."""

    def __init__(self, changes: Mapping[str, str]) -> None:
        # Sockets in it have a path, which may not be long.
        self.folder = Path(tempfile.mkdtemp(prefix="ray"))
        self.started: list[subprocess.Popen[bytes]] = []
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.address = f"127.0.0.1:{free.getsockname()[1]}"
        token = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
        self.known = {**token, "RAY_USAGE_STATS_ENABLED": "0"}
        port = self.address.rpartition(":")[2]
        self.add(changes, "--head", "--port", port, "--temp-dir", str(self.folder),
                 "--include-dashboard=false")  # fmt: skip

    def join(self, changes: Mapping[str, str]) -> None:
        self.add(changes, f"--address={self.address}")

    def add(self, changes: Mapping[str, str], *words: str) -> None:
        count = len(self.started)
        with (self.folder / f"{count}.log").open("wb") as log:
            self.started.append(
                subprocess.Popen(
                    [RAY, "start", "--num-cpus=1", "--block", *words],
                    env=surroundings(**self.known, **changes),
                    cwd="/",
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
            )
        self._until(lambda: self.nodes() == count + 1)

    def nodes(self) -> int:
        done = subprocess.run(
            [RAY, "status", f"--address={self.address}"],
            env=surroundings(**self.known),
            capture_output=True,
            text=True,
            check=False,
        )
        active = done.stdout.partition("Active:")[2].partition("Pending:")[0]
        return active.count(" node_")

    def _until(self, there: Callable[[], bool]) -> None:
        until = time.monotonic() + 100
        while not there():
            assert self.started[-1].poll() is None, "it has ended"
            assert time.monotonic() < until, "it does not come"
            time.sleep(0.2)

    def kill(self, number: int) -> None:
        """Kill all processes of a machine, at once."""
        if self.started[number].poll() is None:
            os.killpg(self.started[number].pid, signal.SIGKILL)
            self.started[number].wait()

    def end(self) -> None:
        for number in reversed(range(len(self.started))):
            self.kill(number)
        shutil.rmtree(self.folder, ignore_errors=True)


@contextmanager
def started(changes: Mapping[str, str]) -> Iterator[Cluster]:
    """Yield a cluster of one machine."""
    cluster = Cluster(changes)
    try:
        yield cluster
    finally:
        cluster.end()


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    """A cluster whose first machine begins with shards when another has begun."""
    with started(hooked(tmp_path, HOOK_WAIT="yes")) as cluster:
        yield cluster


def test_a_machine_without_the_project_and_another_token_are_told(
    shards: Path, model: Path, tmp_path: Path
) -> None:
    with started(hooked(tmp_path, HOOK_STRANGE="yes")) as cluster:
        known = {**cluster.known, "RAY_ADDRESS": cluster.address}
        done = run(model, tmp_path / "out", shards / "00.zip", changes=known)
        assert done.returncode == 1
        assert "00.zip: a machine of the cluster can't run it" in done.stderr
        assert "is the same project there" in manifest_of(tmp_path / "out")["00.zip"]["error"]
        other = {**known, "RAY_AUTH_TOKEN": secrets.token_hex(32)}
        done = run(model, tmp_path / "out", shards / "00.zip", changes=other)
        assert done.returncode == 1
        assert "with the same RAY_AUTH_TOKEN as here" in done.stderr
        assert "Traceback" not in done.stderr


def test_a_machine_that_is_lost_in_the_middle_costs_nothing(
    cluster: Cluster, shards: Path, undisturbed: Path, model: Path, tmp_path: Path
) -> None:
    """The second machine, which never ends a shard, is killed while it has one."""
    for name, content in files_in(shards).items():
        path = tmp_path / "in" / Path(name).with_stem(f"{Path(name).stem}_sleepy")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    cluster.join(hooked(tmp_path, HOOK_HANG="yes"))
    running = subprocess.Popen(
        command("--model", model, "--engine", "ray", "--into", tmp_path / "out", tmp_path / "in"),
        env=surroundings(**cluster.known, RAY_ADDRESS=cluster.address),
        stderr=subprocess.PIPE,
        text=True,
    )
    while not (tmp_path / "told").exists():
        assert running.poll() is None, running.communicate()
        time.sleep(0.01)
    cluster.kill(1)
    _, error = running.communicate(timeout=200)
    assert running.returncode == 0, error
    assert "Traceback" not in error
    assert labels_in(tmp_path / "out") == labels_in(undisturbed)
    for name, content in files_in(undisturbed).items():
        if name.endswith(".zip.csv"):
            sleepy = name.replace(".zip", "_sleepy.zip")
            assert (tmp_path / "out" / sleepy).read_bytes() == content
