"""A sweep brings every queued experiment back, whatever becomes of DVC's workers, or names it."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

from tests.clones import CONFIG, ROOT, commit, environment, in_clone
from tools import sweep as sweep_tool

pytestmark = pytest.mark.slow

# Notes each of its runs. Beside that note, a file tells it to fail, or to wait for another file.
WORK = """\
import json, pathlib, sys, time, yaml

value = yaml.safe_load(open("params.yaml"))["value"]
beside = pathlib.Path(sys.argv[1])
with (beside / f"{value}.ran").open("a") as file:
    file.write("x")
if (beside / f"{value}.fails").exists():
    sys.exit("told to fail")
awaited = beside / f"{value}.waits"
while awaited.exists() and not (beside / awaited.read_text()).exists():
    time.sleep(0.05)
json.dump({"twice": 2 * value}, open("twice.json", "w"))
"""
STAGE = {
    "deps": ["work.py"],
    "params": ["value"],
    "metrics": [{"twice.json": {"cache": False}}],
}
# Seconds after which what a test waits for will not come; mostly it takes ten.
PATIENCE = 200
SWEEP = ("env", f"PYTHONPATH={ROOT}", "python", "-m", "tools.sweep")


class Project:
    """A tiny project with a stage, and what its stage is told."""

    def __init__(self, folder: Path) -> None:
        self.clone, self.told, self.said = (folder / name for name in ("clone", "told", "said"))
        self.started: list[subprocess.Popen[bytes]] = []
        for path in (self.clone, self.told):
            path.mkdir()
        (folder / ".gitconfig").write_text(CONFIG, encoding="utf-8")
        (self.clone / "work.py").write_text(WORK, encoding="utf-8")
        (self.clone / "params.yaml").write_text("value: 0\n", encoding="utf-8")
        stage = STAGE | {"cmd": f"python work.py {self.told}"}
        (self.clone / "dvc.yaml").write_text(yaml.safe_dump({"stages": {"work": stage}}))
        in_clone(self.clone, "git", "init", "--quiet")
        in_clone(self.clone, "dvc", "init", "--quiet")
        commit(self.clone)

    def queue(self, name: str, value: int) -> None:
        command = ("dvc", "exp", "run", "--queue", "--force", "--name", name)
        in_clone(self.clone, *command, "--set-param", f"value={value}")

    def start(self, *options: str) -> subprocess.Popen[bytes]:
        """Start a sweep, which says what it does in a file."""
        with self.said.open("wb") as file:
            sweep = subprocess.Popen(
                [*SWEEP, *options],
                cwd=self.clone,
                env=environment(self.clone),
                stdout=file,
                stderr=subprocess.STDOUT,
            )
        self.started.append(sweep)
        return sweep

    def wait(self, sweep: subprocess.Popen[bytes], there: Callable[[], bool]) -> None:
        """Wait until something is there; fails where it is not when the sweep ends, or too late."""
        until = time.monotonic() + PATIENCE
        while not there():
            ended = sweep.poll() is not None
            if (ended and not there()) or time.monotonic() > until:
                how = "ended too early" if ended else f"still runs after {PATIENCE} s"
                pytest.fail(f"the sweep {how}; it said:\n{self.said.read_text()}")
            time.sleep(0.05)

    def wait_for_run(self, sweep: subprocess.Popen[bytes], value: int) -> None:
        self.wait(sweep, lambda: (self.told / f"{value}.ran").exists())

    def end(self, sweep: subprocess.Popen[bytes]) -> tuple[int, str]:
        """Wait until a sweep ends, and return its exit status and what it said."""
        self.wait(sweep, lambda: sweep.poll() is not None)
        assert not self.workers()
        return sweep.returncode, self.said.read_text()

    def sweep(self, *options: str) -> tuple[int, str]:
        """Run a sweep, and return its exit status and what it said."""
        return self.end(self.start(*options))

    def workers(self) -> list[psutil.Process]:
        """The processes of DVC's workers that live."""
        found = []
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                if "queue-worker" in process.cmdline() and process.cwd() == str(self.clone):
                    found.append(process)
        return found

    def notes(self) -> Iterator[Path]:
        """The files in which DVC notes the last process of each worker."""
        return (self.clone / ".dvc/tmp/exps/celery").glob("dvc-exp-worker-*.json")

    def reference(self, name: str) -> str:
        head = in_clone(self.clone, "git", "rev-parse", "HEAD").strip()
        return f"refs/exps/{head[:2]}/{head[2:]}/{name}"

    def result(self, name: str) -> int:
        """What an experiment computed, by the commit that it left."""
        left = in_clone(self.clone, "git", "show", f"{self.reference(name)}:twice.json")
        return int(json.loads(left)["twice"])

    def runs(self, value: int) -> int:
        return len((self.told / f"{value}.ran").read_text())

    def count_runs(self) -> int:
        """How many values have been run, once or more."""
        return len(list(self.told.glob("*.ran")))


def lives(process: psutil.Process) -> bool:
    """Whether a process runs: a dead one that nobody asked for is still there, as a zombie."""
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    project = Project(tmp_path)
    yield project
    for sweep in project.started:
        sweep.kill()
        sweep.wait()
    for worker in project.workers():
        for process in (worker, *worker.children(recursive=True)):
            process.kill()


def test_two_run_at_once_and_all_come_back_with_their_results(project: Project) -> None:
    # Each of two waits for the other: one after another they would wait for ever.
    (project.told / "1.waits").write_text("2.ran")
    (project.told / "2.waits").write_text("1.ran")
    for value in (1, 2, 3):
        project.queue(f"value-{value}", value)
    status, said = project.sweep("--jobs", "2")
    assert (status, said.splitlines()[-1]) == (0, "All came back: 3 of 3.")
    assert [project.result(f"value-{value}") for value in (1, 2, 3)] == [2, 4, 6]


def test_what_fails_by_itself_runs_once_and_is_named_and_all_else_comes_back(
    project: Project,
) -> None:
    (project.told / "1.fails").touch()
    project.queue("bad", 1)
    project.queue("good", 2)
    status, said = project.sweep()
    assert status == 1
    assert "1 of 2 did not come back" in said
    assert "bad failed: `dvc queue logs bad`" in said
    assert "told to fail" in in_clone(project.clone, "dvc", "queue", "logs", "bad")
    assert project.runs(1) == 1
    assert project.result("good") == 4


def test_what_is_queued_anew_replaces_what_waits_or_failed_under_its_name(
    project: Project,
) -> None:
    (project.told / "1.fails").touch()
    project.queue("same", 1)
    assert project.sweep()[0] == 1
    for value in (2, 3):
        project.queue("same", value)
    status, said = project.sweep()
    assert (status, said.splitlines()[-1]) == (0, "All came back: 1 of 1.")
    assert project.result("same") == 6
    assert not (project.told / "2.ran").exists()
    listed = in_clone(project.clone, "dvc", "queue", "status")
    assert listed.count("same") == listed.count("Success") == 1


def test_what_a_killed_worker_ran_or_left_waiting_is_started_again(project: Project) -> None:
    (project.told / "1.waits").write_text("go")
    project.queue("first", 1)
    project.queue("second", 2)
    sweep = project.start()
    project.wait_for_run(sweep, 1)
    (worker,) = project.workers()
    orphans = worker.children(recursive=True)
    assert orphans
    worker.kill()
    lost = "first was lost by DVC, and waits again"
    project.wait(sweep, lambda: lost in project.said.read_text())
    assert not any(lives(orphan) for orphan in orphans)
    (project.told / "go").touch()
    status, said = project.end(sweep)
    assert (status, said.splitlines()[-1]) == (0, "All came back: 2 of 2.")
    assert project.runs(1) == 2
    assert [project.result(name) for name in ("first", "second")] == [2, 4]
    assert "Running" not in in_clone(project.clone, "dvc", "queue", "status")


def test_where_one_of_two_workers_dies_two_run_again_and_no_more(project: Project) -> None:
    for value in (1, 2, 3, 4):
        (project.told / f"{value}.waits").write_text("go")
        project.queue(f"value-{value}", value)
    sweep = project.start("--jobs", "2")
    project.wait(sweep, lambda: project.count_runs() == 2)
    dies, lives_on = project.workers()
    # A busy worker answers no question of DVC after some seconds; a stopped one, none at once.
    lives_on.suspend()
    dies.kill()
    project.wait(sweep, lambda: project.count_runs() == 3)
    # A second worker of its number would have written over its note.
    notes = [json.loads(note.read_text())["pid"] for note in project.notes()]
    assert (lives_on.pid in notes, len(project.workers())) == (True, 2)
    lives_on.resume()
    (project.told / "go").touch()
    status, said = project.end(sweep)
    assert (status, said.splitlines()[-1]) == (0, "All came back: 4 of 4.")


def test_what_another_sweep_s_worker_brings_back_meanwhile_is_not_run_again(
    project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    project.queue("one", 1)
    monkeypatch.chdir(project.clone)
    for name, value in environment(project.clone).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "argv", ["sweep"])
    find = sweep_tool.find_unfinished

    def find_before_it_ends(*given: Any) -> dict[str, Any]:
        found = find(*given)
        in_clone(project.clone, "git", "update-ref", project.reference("one"), "HEAD")
        return found

    monkeypatch.setattr(sweep_tool, "find_unfinished", find_before_it_ends)
    sweep_tool.main()
    assert capsys.readouterr().out.splitlines()[1:] == ["one came back", "All came back: 1 of 1."]
    assert not (project.told / "1.ran").exists()


def test_what_dvc_calls_a_success_without_a_commit_is_lost_and_waits_in_the_end(
    project: Project,
) -> None:
    # Where a reference is a folder, the experiment's can't be written, which DVC passes over.
    blocker = f"{project.reference('one')}/in-the-way"
    in_clone(project.clone, "git", "update-ref", blocker, "HEAD")
    project.queue("one", 1)
    status, said = project.sweep()
    assert status == 1
    assert "one was lost by DVC" in said.splitlines()[-1]
    assert project.runs(1) > 1
    in_clone(project.clone, "git", "update-ref", "-d", blocker)
    status, said = project.sweep()
    assert (status, said.splitlines()[-1]) == (0, "All came back: 1 of 1.")
    assert project.result("one") == 2


def test_an_interrupted_sweep_stops_its_workers_and_keeps_what_waits_and_what_ran(
    project: Project,
) -> None:
    (project.told / "1.waits").write_text("go")
    project.queue("first", 1)
    project.queue("second", 2)
    sweep = project.start()
    project.wait_for_run(sweep, 1)
    sweep.send_signal(signal.SIGINT)
    status, said = project.end(sweep)
    assert status == 130
    assert "2 wait: `python -m tools.sweep` runs them" in said
    assert not list((project.clone / ".dvc/tmp/exps").glob("tmp*"))
    listed = in_clone(project.clone, "dvc", "queue", "status")
    assert listed.count("Queued") == 2
    (project.told / "go").touch()
    status, said = project.sweep()
    assert (status, said.splitlines()[-1]) == (0, "All came back: 2 of 2.")


def test_where_nothing_is_queued_that_is_said(project: Project) -> None:
    assert project.sweep() == (0, "No experiment is queued.\n")
