"""Shards become results, each whole or not at all, whatever happens; a second start goes on."""

import csv
import errno
import fcntl
import json
import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from stages.common.errors import InputError
from stages.common.files import sha256_of
from tests.bulk.shard_files import (
    COLUMNS,
    classify,
    command,
    files_in,
    hooked,
    labels_in,
    manifest_of,
    photos,
    surroundings,
    tar_of,
    zips,
)
from tests.hostile import written
from tests.processes import limit_files, public_folder, run_as_nobody
from tests.wells_files import unpack, zip_of
from tools.bulk.command import classify_shards
from tools.bulk.engines import Endings, run_local
from tools.bulk.results import Job, classify_shard, sweep
from tools.bulk.shards import Shard

pytestmark = pytest.mark.slow


def run(model: Path, into: Path, *given: object, **how: object) -> subprocess.CompletedProcess[str]:
    """Classify shards by two processes."""
    words = ("--model", model, "--into", into, "--workers", 2, *given)
    return classify(*words, **how)  # type: ignore[arg-type]


@contextmanager
def hanging(model: Path, into: Path, given: Path, hook: Path) -> Iterator[None]:
    """Do what is done while a run waits in the middle of a shard whose name says `sleepy`."""
    words = command("--model", model, "--into", into, "--workers", 1, given)
    changes = hooked(hook, HOOK_HANG="yes")
    started = subprocess.Popen(words, env=surroundings(**changes), stderr=subprocess.PIPE)
    try:
        while not (hook / "told").exists():
            assert started.poll() is None, started.communicate()
            time.sleep(0.01)
        yield
    finally:
        started.kill()
        started.communicate()


def said(done: subprocess.CompletedProcess[str]) -> str:
    """Return what a run that failed in an orderly way has said in the end."""
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    return done.stderr.partition("error: ")[2]


def test_each_shard_has_its_rows_and_the_manifest_lists_all(undisturbed: Path) -> None:
    names = [*(f"{number:02}.zip" for number in range(5)), "last/05.zip"]
    results = {f"{name}{ending}" for name in names for ending in (".csv", ".json")}
    assert files_in(undisturbed).keys() == results | {"manifest.csv", "detector.json", ".lock"}
    expected = {name: "spill" if n % 3 == 2 else "normal" for s in range(6)
                for n, name in enumerate(photos(3, s))}  # fmt: skip
    assert labels_in(undisturbed) == expected
    assert (undisturbed / "00.zip.csv").read_text().startswith(COLUMNS)
    lines = manifest_of(undisturbed)
    assert list(lines) == names
    for line in lines.values():
        kinds = [int(line[key]) for key in line if key.startswith(("normal", "spill"))]
        assert (int(line["photos"]), sum(kinds), line["unreadable"]) == (3, 3, "0")
        assert line["error"] == ""


def test_rows_are_those_of_the_photos_classified_one_by_one(
    undisturbed: Path, model: Path, tmp_path: Path
) -> None:
    folder = unpack(photos(3, 2).items(), tmp_path / "photos")
    done = classify("--model", model, "in", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert done.stdout == (undisturbed / "02.zip.csv").read_text()


def test_a_shards_rows_are_the_same_whatever_it_is_packed_as_and_with_any_workers(
    undisturbed: Path, model: Path, tmp_path: Path
) -> None:
    files = photos(3, 0)
    written(tmp_path / "in/a.tar", tar_of(files))
    written(tmp_path / "in/a.tar.gz", tar_of(files, "w:gz"))
    unpack(files.items(), tmp_path / "in")
    written(tmp_path / "in/a.txt", "\n".join(files).encode())
    done = classify("--model", model, "--into", tmp_path / "out", tmp_path / "in")
    assert done.returncode == 0, done.stderr
    rows = {(tmp_path / f"out/a.{ending}.csv").read_bytes() for ending in ("tar", "tar.gz", "txt")}
    assert rows == {(undisturbed / "00.zip.csv").read_bytes()}


def test_what_is_done_is_left_and_what_has_changed_is_done_again(
    shards: Path, undisturbed: Path, model: Path, tmp_path: Path
) -> None:
    given, into = tmp_path / "in", tmp_path / "out"
    shutil.copytree(shards, given)
    assert run(model, into, given).returncode == 0
    times = {path: path.stat().st_mtime_ns for path in into.rglob("*.csv")}
    # A changed shard, rows that are cut off, rows that are gone, a record that is cut off.
    (given / "00.zip").write_bytes(zip_of(photos(3, 9).items()))
    (into / "01.zip.csv").write_text(COLUMNS)
    (into / "02.zip.csv").unlink()
    (into / "03.zip.json").write_text("{")
    # What a run that was killed has left half written.
    for left in (".00.zip.csv.{}.part", ".03.zip.json.{}.part", ".manifest.csv.{}.part"):
        (into / left.format("ab12_xyz")).touch()
    done = run(model, into, given)
    assert done.returncode == 0, done.stderr
    assert "2 of the shards had been classified before" in done.stderr
    assert not [name for name in files_in(into) if name.endswith(".part")]
    kept = [path.name for path, at in times.items() if path.stat().st_mtime_ns == at]
    assert sorted(kept) == ["04.zip.csv", "05.zip.csv"]
    assert (into / "00.zip.csv").read_bytes() != (undisturbed / "00.zip.csv").read_bytes()
    for number in range(1, 5):
        name = f"{number:02}.zip.csv"
        assert (into / name).read_bytes() == (undisturbed / name).read_bytes()


@pytest.mark.parametrize("other", [("--threshold", "1.5"), ("--model", "other.onnx")])
def test_results_of_another_detector_or_threshold_are_refused_and_kept(
    other: tuple[str, str], shards: Path, undisturbed: Path, model: Path, tmp_path: Path
) -> None:
    into = tmp_path / "out"
    shutil.copytree(undisturbed, into)
    before = files_in(into)
    # The same to onnxruntime, another to whoever compares.
    (tmp_path / "other.onnx").write_bytes(model.read_bytes() + b"\x7a\x00")
    new = written(tmp_path / "new.zip", zip_of(photos(3, 9).items()))
    for given in (shards, new):
        done = run(model, into, given, *other, cwd=tmp_path)
        assert "holds rows of another detector or threshold" in said(done)
        assert files_in(into) == before


def test_rows_of_another_shard_of_the_same_name_are_refused_and_kept(
    shards: Path, undisturbed: Path, model: Path, tmp_path: Path
) -> None:
    into = tmp_path / "out"
    shutil.copytree(undisturbed, into)
    before = files_in(into)
    written(tmp_path / "tuesday/00.zip", zip_of(photos(4, 9).items()))
    told = said(run(model, into, tmp_path / "tuesday"))
    assert (
        f"holds rows of {shards / '00.zip'}, another shard than {tmp_path}/tuesday/00.zip" in told
    )
    assert files_in(into) == before
    # Moved, a shard is the same.
    shutil.copytree(shards, tmp_path / "moved")
    done = run(model, into, tmp_path / "moved")
    assert "6 of the shards had been classified before" in done.stderr


def test_what_a_shard_was_before_it_broke_is_no_result_any_more(
    shards: Path, undisturbed: Path, model: Path, tmp_path: Path
) -> None:
    given, into = tmp_path / "in", tmp_path / "out"
    shutil.copytree(shards, given)
    assert run(model, into, given).returncode == 0
    (given / "00.zip").write_bytes(b"broken")
    assert "1 of 6 shards failed" in said(run(model, into, given))
    kept = {name for name in files_in(undisturbed) if not name.startswith("00.zip")}
    assert files_in(into).keys() == kept


def test_there_is_no_manifest_before_a_run_has_ended(
    shards: Path, undisturbed: Path, model: Path, tmp_path: Path
) -> None:
    given, into = tmp_path / "in", tmp_path / "out"
    shutil.copytree(shards, given)
    assert run(model, into, given).returncode == 0
    shutil.copy(shards / "00.zip", given / "06_sleepy.zip")
    with hanging(model, into, given, hook=tmp_path):
        assert not (into / "manifest.csv").exists()
    (tmp_path / "told").unlink()
    assert run(model, into, given).returncode == 0
    assert len(manifest_of(into)) == 7


def test_what_fails_is_said_by_name_and_costs_no_other_shard(
    shards: Path, undisturbed: Path, model: Path, tmp_path: Path
) -> None:
    given, into = tmp_path / "in", tmp_path / "out"
    shutil.copytree(shards, given)
    written(given / "broken.zip", zip_of(photos(3).items())[:-30])
    written(given / "broken.tar", tar_of(photos(3))[:1000])
    written(given / "empty.zip", zip_of([("notes.md", b"no photo")]))
    written(given / "one_bad.zip", zip_of([*photos(3, 7).items(), ("in/x.png", b"no image")]))
    written(into / "sub", b"something in the way")
    written(given / "sub/taken.zip", zip_of(photos(3, 8).items()))
    done = run(model, into, given)
    assert said(done) == (
        "4 of 11 shards failed, and 1 photos could not be read, as their rows say: "
        f"see {into}/manifest.csv\n"
    )
    lines = manifest_of(into)
    failed = {name: line["error"] for name, line in lines.items() if line["error"]}
    assert failed.keys() == {"broken.zip", "broken.tar", "empty.zip", "sub/taken.zip"}
    assert failed["empty.zip"] == "there is no photo in it"
    assert "it can't be read" in failed["broken.zip"]
    assert "can't be written" in failed["sub/taken.zip"]
    for name, error in failed.items():
        assert f"{name}: {error}\n" in done.stderr
        assert (lines[name]["photos"], lines[name]["sha256"]) == ("", "")
        assert not (into / f"{name}.json").exists()
    assert (lines["one_bad.zip"]["photos"], lines["one_bad.zip"]["unreadable"]) == ("4", "1")
    assert "in/x.png,,,,,not an image\n" in (into / "one_bad.zip.csv").read_text()
    found = files_in(into)
    for name, content in files_in(undisturbed).items():
        if name.endswith(".csv") and name != "manifest.csv":
            assert found[name] == content
    assert not [name for name in found if name.endswith(".part")]
    # Nothing is forgotten the next time, and nothing done twice.
    again = run(model, into, given)
    assert said(again) == said(done)
    assert "7 of the shards had been classified before" in again.stderr
    assert files_in(into) == found


def test_a_lists_photo_that_has_come_is_classified_the_next_time(
    model: Path, tmp_path: Path
) -> None:
    files = photos(2)
    written(tmp_path / "all.txt", "\n".join(files).encode())
    early, late = files
    written(tmp_path / early, files[early])
    done = run(model, tmp_path / "out", tmp_path / "all.txt")
    assert said(done).startswith("1 photos could not be read")
    written(tmp_path / late, files[late])
    done = run(model, tmp_path / "out", tmp_path / "all.txt")
    assert done.returncode == 0, done.stderr
    assert labels_in(tmp_path / "out").keys() == files.keys()


def test_a_full_disk_fails_the_shards_that_it_can_not_take(
    shards: Path,
    undisturbed: Path,
    model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Where coverage is measured, what that writes has no room either.
    monkeypatch.delenv("COVERAGE_PROCESS_CONFIG", raising=False)
    given, into = tmp_path / "in", tmp_path / "out"
    shutil.copytree(shards, given)
    written(given / "large.zip", zip_of(photos(60, 9).items()))
    done = run(model, into, given, preexec_fn=lambda: limit_files(2000))
    assert "1 of 7 shards failed" in said(done)
    assert f"large.zip: {into}/large.zip.csv can't be written: [Errno 27]" in done.stderr
    expected, found = files_in(undisturbed), files_in(into)
    assert expected.keys() == found.keys()
    assert all(found[name] == expected[name] for name in found if name.endswith(".zip.csv"))
    assert not [name for name in found if "large" in name]
    # With room again, the rest is done.
    assert run(model, into, given).returncode == 0
    assert len(labels_in(into)) == 18 + 60


def test_a_folder_that_is_a_file_is_refused_before_any_work(
    shards: Path, model: Path, tmp_path: Path
) -> None:
    (tmp_path / "out").write_text("something in the way")
    assert said(run(model, tmp_path / "out", shards)).startswith(f"{tmp_path}/out can't be written")
    assert (tmp_path / "out").read_text() == "something in the way"


@pytest.mark.parametrize("left", [[], [".lock", "manifest.csv"]])
def test_a_folder_that_one_may_not_write_is_refused_before_any_work(left: list[str]) -> None:
    """Also one of former results, whose lock may still be opened."""
    with public_folder() as folder:
        for name in left:
            written(folder / "out" / name, b"").chmod(0o666)
        (folder / "out").mkdir(exist_ok=True)
        (folder / "out").chmod(0o555)
        written(folder / "in/a.zip", b"")
        written(folder / "detector.onnx", b"")

        def write() -> None:
            given = [str(folder / "in")]
            model, into = folder / "detector.onnx", str(folder / "out")
            with pytest.raises(InputError, match="out can't be written: Permission denied"):
                classify_shards(given, into, model, 0.0, run_local, 1)

        run_as_nobody(write)


def test_rows_that_were_written_where_nobody_sees_them_are_told(
    shards: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def elsewhere(job: Job, waiting: Sequence[Shard], workers: int | None) -> Endings:
        for shard in waiting:
            there = job._replace(into=tmp_path / "elsewhere")
            yield shard, classify_shard(there, shard)

    given, into = [str(shards / "00.zip")], tmp_path / "out"
    with pytest.raises(InputError, match="1 of 1 shards failed"):
        classify_shards(given, str(into), model, 0.0, elsewhere, 1)
    assert "00.zip: its rows did not come here" in capsys.readouterr().err
    assert manifest_of(into)["00.zip"]["error"].startswith("its rows did not come here")


def test_what_a_killed_run_left_is_removed_and_what_another_shard_is_written_to_stays(
    tmp_path: Path,
) -> None:
    mine, others = (
        tmp_path / f".{name}.ab12_xyz.part" for name in ("a.zip.csv", "a.zip.csv.b.zip.csv")
    )
    mine.touch()
    others.touch()
    sweep(tmp_path / "a.zip.csv")
    assert list(tmp_path.iterdir()) == [others]


def test_two_runs_do_not_write_into_one_folder(shards: Path, model: Path, tmp_path: Path) -> None:
    given, into = tmp_path / "in", tmp_path / "out"
    written(given / "sleepy.zip", zip_of(photos(3).items()))
    with hanging(model, into, given, hook=tmp_path):
        before = files_in(into)
        assert "another run writes into" in said(run(model, into, shards))
        assert files_in(into) == before


def test_a_folder_without_locks_is_told(
    shards: Path,
    model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def refuse(file: object, how: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", refuse)
    classify_shards([str(shards / "00.zip")], str(tmp_path), model, 0.0, run_local, 1)
    assert f"{tmp_path} can't be locked (No locks available)" in capsys.readouterr().err
    assert manifest_of(tmp_path)["00.zip"]["photos"] == "3"


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["--into", "out", "--output", "a.csv"], "--output goes not with --into"),
        (["--into", "out", "--heatmaps", "heat"], "--heatmaps goes not with --into"),
        (["--into", "out", "--format", "csv"], "--format goes not with --into"),
        (["--engine", "ray"], "--engine goes only with --into"),
        (["--workers", "2"], "--workers goes only with --into"),
        (["--into", "out", "--workers", "0"], "--workers must be 1 or more"),
        (["--into", "s3://bucket/out"], "--into takes a folder"),
    ],
)
def test_options_that_do_not_go_together_are_refused(
    words: list[str], problem: str, shards: Path, model: Path, tmp_path: Path
) -> None:
    done = classify("--model", model, shards, *words, cwd=tmp_path)
    assert done.returncode in (1, 2)
    assert problem in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("missing", ["s3fs", "fsspec"])
def test_a_client_that_is_not_installed_is_told_with_what_to_do(
    missing: str, model: Path, tmp_path: Path
) -> None:
    written(tmp_path / f"none/{missing}.py", b"raise ModuleNotFoundError('not installed')\n")
    changes = {"PYTHONPATH": f"{tmp_path / 'none'}:{surroundings()['PYTHONPATH']}"}
    done = run(model, tmp_path / "out", "s3://bucket/a.zip", changes=changes, cwd=tmp_path)
    assert "s3://bucket/a.zip needs a package that isn't installed" in said(done)
    assert "pip install -r requirements-bulk.txt" in done.stderr


def test_ray_that_is_not_installed_is_told(shards: Path, model: Path, tmp_path: Path) -> None:
    written(tmp_path / "none/ray.py", b"raise ModuleNotFoundError('no ray')\n")
    changes = {"PYTHONPATH": f"{tmp_path / 'none'}:{surroundings()['PYTHONPATH']}"}
    words = (shards, "--engine", "ray")
    done = run(model, tmp_path / "out", *words, changes=changes, cwd=tmp_path)
    assert "pip install -r requirements-bulk.txt`, or --engine local" in said(done)


def test_a_worker_that_is_lost_once_costs_nothing(
    shards: Path, undisturbed: Path, model: Path, tmp_path: Path
) -> None:
    given, into = tmp_path / "in", tmp_path / "out"
    shutil.copytree(shards, given)
    (given / "02.zip").rename(given / "02_unlucky.zip")
    done = run(model, into, given, changes=hooked(tmp_path))
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "told").read_text() == "killed\n"
    assert labels_in(into) == labels_in(undisturbed)


def test_a_shard_that_kills_its_workers_is_named_and_all_others_are_done(
    shards: Path, undisturbed: Path, model: Path, tmp_path: Path
) -> None:
    given, into = tmp_path / "in", tmp_path / "out"
    shutil.copytree(shards, given)
    for name in ("00_deadly.zip", "03_deadly.zip"):
        shutil.copy(shards / "00.zip", given / name)
    done = run(model, into, given, changes=hooked(tmp_path))
    assert "2 of 8 shards failed" in said(done)
    lines = manifest_of(into)
    failed = {name: line["error"] for name, line in lines.items() if line["error"]}
    assert failed.keys() == {"00_deadly.zip", "03_deadly.zip"}
    assert all("its worker was lost" in error for error in failed.values())
    assert labels_in(into) == labels_in(undisturbed)


def test_killed_ten_times_every_photo_stands_there_once_as_if_undisturbed(
    model: Path, tmp_path: Path
) -> None:
    given = zips(tmp_path / "in", 60, each=60)
    assert run(model, tmp_path / "undisturbed", given).returncode == 0
    into, rng = tmp_path / "out", random.Random(0)
    words = command("--model", model, "--into", into, "--workers", 2, given)
    killed = 0
    for _ in range(10):
        done_before = len(list(into.rglob("*.json")))
        started = subprocess.Popen(words, env=surroundings(), stderr=subprocess.DEVNULL)
        # Not before something more is done, and then at any moment.
        while started.poll() is None and len(list(into.rglob("*.json"))) == done_before:
            time.sleep(0.002)
        time.sleep(rng.uniform(0, 0.03))
        started.send_signal(signal.SIGKILL)
        killed += started.wait() == -signal.SIGKILL
    assert killed
    done = run(model, into, given)
    assert done.returncode == 0, done.stderr
    assert files_in(into) == files_in(tmp_path / "undisturbed")
    assert len(labels_in(into)) == 60 * 60


def children_of(process: int) -> list[int]:
    """Return the processes that a process has started, and those that these have."""
    told = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(process)], capture_output=True, text=True, check=False
    )
    direct = [int(word) for word in told.stdout.split()]
    return direct + [below for child in direct for below in children_of(child)]


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_workers_end_with_whoever_started_them(
    how: signal.Signals, shards: Path, model: Path, tmp_path: Path
) -> None:
    changes = hooked(tmp_path, HOOK_HANG="yes")
    for name in ("1_sleepy.zip", "2_sleepy.zip"):
        (tmp_path / "in").mkdir(exist_ok=True)
        shutil.copy(shards / "00.zip", tmp_path / "in" / name)
    words = command("--model", model, "--into", tmp_path / "out", "--workers", 2, tmp_path / "in")
    started = subprocess.Popen(
        words, env=surroundings(**changes), stderr=subprocess.PIPE, text=True
    )
    told = tmp_path / "told"
    while not told.exists() or told.read_text().count("hangs") < 2:
        assert started.poll() is None, started.communicate()
        time.sleep(0.01)
    workers = children_of(started.pid)
    assert len(workers) >= 2
    started.send_signal(how)
    _, error = started.communicate(timeout=60)
    if how == signal.SIGINT:
        assert started.returncode == 130
        assert error.endswith("\ninterrupted\n")
        assert "Traceback" not in error
    until = time.monotonic() + 60
    while any(Path(f"/proc/{worker}").exists() for worker in workers):
        assert time.monotonic() < until, "a worker lives on"
        time.sleep(0.01)


def test_the_record_says_what_the_rows_were_made_from(undisturbed: Path, model: Path) -> None:
    record = json.loads((undisturbed / "00.zip.json").read_text())
    assert json.loads((undisturbed / "detector.json").read_text())["sha256"] == sha256_of(model)
    assert record["sha256"] == sha256_of(undisturbed / "00.zip.csv")
    with (undisturbed / "manifest.csv").open(newline="") as file:
        first = next(csv.DictReader(file))
    assert first["sha256"] == record["sha256"]
