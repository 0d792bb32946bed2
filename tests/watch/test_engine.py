"""The engine judges every photo once, raises alarms, and goes on whatever happens."""

import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from threading import Event, Thread
from typing import Any
from unittest.mock import patch

import pytest
import watchfiles
from PIL import Image
from watchfiles import Change

from stages.common.errors import InputError
from tests.watch.stand_in import HAND, RULE, SPILL, Watch, exported, photo, until
from tools.watch import intake
from tools.watch.engine import Engine
from tools.watch.store import FILE, Store

# Judges the photos of a folder until killed, by the stand-in.
CHILD = """
import sys
from pathlib import Path
from threading import Event
from tests.watch.stand_in import RULE, exported
from tools.watch.engine import Engine
from tools.watch.store import Store
folder, state = map(Path, sys.argv[1:])
Engine(folder, Store.open(state), exported(), RULE).run(Event())
"""


@pytest.fixture
def watch(tmp_path: Path) -> Watch:
    return Watch(tmp_path)


def spill(watch: Watch, well: str = "1") -> int:
    """Let a spill come that raises the alarm, and return the photo that raised it."""
    for number in range(RULE.k):
        watch.put(f"{well}/spill{number}.png", photo(SPILL))
        watch.turns()
    return int(watch.engine.alarms()[0]["photo"])


def test_a_photo_is_judged_once_and_shown(watch: Watch) -> None:
    watch.put("table/1/a.png")
    watch.turns(seconds=30)
    shown = watch.shown("table/1")
    wall = shown.pop("wall")
    assert watch.logged() == ["table/1/a.png"]
    assert shown == {
        **{"well": "table/1", "photo": 1, "score": 5.0, "spill": False, "obstructed": False},
        **{"state": "clear", "history": [(wall, 5.0)], "normal_mean": 5.0, "drift": 0.0},
    }
    assert watch.time.wall - 30 < wall < watch.time.wall


def test_a_snapshot_is_json_and_has_all_that_was_agreed(watch: Watch) -> None:
    spill(watch)
    snapshot = json.loads(json.dumps(watch.engine.snapshot(), allow_nan=False))
    assert snapshot.keys() == {"version", "wall", "threshold", "rule", "wells", "alarms", "health"}
    assert (snapshot["threshold"], snapshot["rule"]["k"]) == (10.0, RULE.k)
    (alarm,) = snapshot["alarms"]
    assert (alarm["well"], alarm["kind"], alarm["score"]) == ("1", "spill", 15.0)
    assert watch.shown("1")["state"] == "spill"
    health = snapshot["health"]
    assert (health["photos"], health["waiting"], health["problems"]) == (2, 0, [])
    assert 0 < health["p95"] < 3


def test_it_gives_a_sign_of_life_each_second(watch: Watch) -> None:
    before = watch.engine.version
    watch.turns(seconds=10)
    assert watch.engine.version - before == 10


def test_rate_is_of_the_last_photos_and_none_are_told_after_a_while(watch: Watch) -> None:
    for number in range(40):
        watch.put(f"1/{number}.png")
        watch.turns(seconds=0.5)
    assert watch.engine.snapshot()["health"]["rate"] == pytest.approx(2, abs=0.3)
    watch.turns(seconds=60)
    health = watch.engine.snapshot()["health"]
    assert (health["rate"], health["p95"], health["photos"]) == (0.0, None, 40)


def test_a_photo_half_written_is_judged_when_it_is_whole(watch: Watch) -> None:
    whole = photo(SPILL)
    watch.put("1/a.png", whole[:-40])
    watch.turns(seconds=5)
    assert watch.logged() == []
    watch.put("1/a.png", whole)
    watch.turns()
    assert watch.logged() == ["1/a.png"]
    assert watch.shown("1")["score"] == 15.0
    assert watch.problems() == ""


def test_a_png_is_whole_only_with_its_last_byte(watch: Watch) -> None:
    whole = photo()
    for less in range(1, 21):
        watch.put("1/a.png", whole[:-less])
        watch.turns(seconds=1)
    assert watch.logged() == []
    watch.put("1/a.png", whole)
    watch.turns(seconds=1)
    assert watch.logged() == ["1/a.png"]


def test_a_broken_photo_is_told_once_and_harms_no_other(watch: Watch) -> None:
    watch.put("1/a.png", b"no image")
    watch.put("1/b.png")
    watch.turns(seconds=3)
    assert watch.logged() == ["1/b.png"]
    assert watch.problems() == ""
    watch.turns(seconds=20)
    assert watch.problems() == "photos that can't be read: 1, last 1/a.png: not an image"
    assert watch.engine.snapshot()["health"]["waiting"] == 0
    watch.turns(seconds=700)
    watch.again()
    watch.turns(seconds=20)
    assert watch.problems() == ""


def test_a_broken_photo_that_is_written_anew_is_judged(watch: Watch) -> None:
    watch.put("1/a.png", b"no image")
    watch.turns(seconds=20)
    watch.put("1/a.png")
    watch.turns()
    assert watch.logged() == ["1/a.png"]


def test_a_photo_overwritten_by_the_next_is_two_photos(watch: Watch) -> None:
    watch.put("1/latest.png")
    watch.turns()
    watch.put("1/latest.png", photo(SPILL))
    watch.turns()
    assert watch.logged() == ["1/latest.png"] * 2


def test_files_removed_under_it_are_left_out(watch: Watch) -> None:
    gone = watch.put("1/a.png")
    watch.put("1/b.png")
    watch.engine.turn()
    gone.unlink()
    watch.turns()
    assert watch.logged() == ["1/b.png"]
    with patch.object(intake.File, "read", side_effect=FileNotFoundError("gone")):
        lost = watch.put("1/c.png")
        watch.turns(seconds=1)
        lost.unlink()
    watch.turns(seconds=20)
    assert watch.logged() == ["1/b.png"]
    assert watch.problems() == ""


def test_many_files_at_once_are_all_judged(watch: Watch) -> None:
    for number in range(600):
        watch.put(f"{number % 7}/{number}.png")
    watch.turns(seconds=10)
    assert Counter(watch.logged()) == Counter(f"{n % 7}/{n}.png" for n in range(600))
    assert watch.engine.snapshot()["health"]["photos"] == 600


def test_a_layout_cuts_frames_into_wells(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos/wells.yaml").write_text("table: {1: [0, 0, 12, 16], 2: [12, 0, 12, 16]}")
    watch = Watch(tmp_path)
    assert [well["well"] for well in watch.engine.snapshot()["wells"]] == ["table/1", "table/2"]
    frame = Image.new("RGB", (24, 16), (50, 50, 50))
    frame.paste((SPILL,) * 3, (12, 0, 24, 16))
    frame.save(watch.put("table/a.png"))
    watch.turns()
    assert watch.logged() == ["table/a.png"] * 2
    assert [watch.shown(f"table/{well}")["score"] for well in (1, 2)] == [5.0, 15.0]
    watch.put("table/small.png", photo(size=(12, 16)))
    watch.turns(seconds=20)
    assert "table/2 of wells.yaml leaves it: 12 x 16 pixels" in watch.problems()


def test_an_alarm_is_raised_acknowledged_and_gone(watch: Watch) -> None:
    raised = spill(watch)
    assert watch.engine.alarms(0)[0]["ended"] is None
    watch.engine.acknowledge("1", "spill")
    (alarm,) = watch.engine.alarms(0)
    assert alarm["acknowledged"] == watch.time.wall
    for number in range(4):
        watch.put(f"1/calm{number}.png")
        watch.turns()
    assert watch.engine.alarms(0) == []
    assert watch.shown("1")["state"] == "clear"
    (alarm,) = watch.engine.alarms()
    assert (alarm["photo"], alarm["ended"] > alarm["began"]) == (raised, True)


def test_an_obstructed_photo_raises_no_spill_but_its_own_alarm(watch: Watch) -> None:
    for number in range(3):
        watch.put(f"1/{number}.png", photo(HAND))
        watch.turns(seconds=1)
    assert watch.engine.alarms() == []
    assert watch.shown("1")["state"] == "obstructed"
    watch.turns(seconds=RULE.obstructed_after)
    (alarm,) = watch.engine.alarms()
    assert (alarm["kind"], alarm["photo"]) == ("obstructed", 1)
    assert watch.engine.store.picture(1)


def test_a_camera_that_stops_is_told_since_it_was_due(watch: Watch) -> None:
    os.utime(watch.put("1/a.png"), (watch.time.wall,) * 2)
    watch.turns()
    watch.time.go(500)
    watch.engine.turn()
    (alarm,) = watch.engine.alarms()
    assert (alarm["kind"], alarm["photo"]) == ("silent", None)
    assert alarm["began"] == pytest.approx(watch.time.wall - 503 + RULE.silent_after, abs=1)
    assert watch.shown("1")["state"] == "silent"


def test_what_is_about_nothing_is_refused(watch: Watch) -> None:
    raised = spill(watch)
    for well, kind in (("1", "silent"), ("2", "spill")):
        with pytest.raises(KeyError, match=kind):
            watch.engine.acknowledge(well, kind)
    for number, verdict in ((raised + 9, "spill"), (raised, "maybe")):
        with pytest.raises(KeyError, match=verdict):
            watch.engine.judge(number, verdict)
    assert watch.engine.alarms()[0]["verdict"] is None


def test_a_second_click_changes_nothing(watch: Watch) -> None:
    spill(watch)
    watch.engine.acknowledge("1", "spill")
    first = watch.engine.alarms()
    watch.time.go(5)
    watch.engine.acknowledge("1", "spill")
    assert watch.engine.alarms() == first


def test_a_verdict_can_be_corrected(watch: Watch) -> None:
    raised = spill(watch)
    watch.engine.judge(raised, "spill")
    watch.time.go(60)
    before = watch.engine.version
    watch.engine.judge(raised, "false alarm")
    (alarm,) = watch.engine.alarms()
    assert (alarm["verdict"], alarm["judged"]) == ("false alarm", watch.time.wall)
    assert watch.engine.version > before


def size_of(png: bytes | None, folder: Path) -> tuple[int, int] | None:
    if png is None:
        return None
    (folder / "shown.png").write_bytes(png)
    with Image.open(folder / "shown.png") as image:
        return image.size


def test_pictures_are_of_the_file_and_stay_where_an_alarm_or_verdict_is(
    watch: Watch, tmp_path: Path
) -> None:
    raised = spill(watch)
    watch.put("1/judged.png")
    watch.turns()
    watch.put("1/other.png")
    watch.turns()
    judged, other = raised + 1, raised + 2
    watch.engine.judge(judged, "unsure")
    for number in (raised, judged, other):
        assert size_of(watch.engine.pictures.find(number), tmp_path) == (24, 16)
        assert size_of(watch.engine.pictures.find_heat(number), tmp_path) == (72, 48)
    shutil.rmtree(watch.folder / "1")
    watch.again()
    sizes = [size_of(watch.engine.pictures.find(n), tmp_path) for n in (raised, judged, other, 99)]
    assert sizes == [(24, 16), (24, 16), None, None]
    assert watch.engine.pictures.find_heat(other) is None


def test_the_last_photo_is_shown_as_it_was_judged_where_its_file_does_not_stay(
    watch: Watch, tmp_path: Path
) -> None:
    for grey in (50, 60):
        watch.put("1/latest.png", photo(grey))
        watch.turns()
    (watch.folder / "1/latest.png").unlink()
    assert size_of(watch.engine.pictures.find(2), tmp_path) == (12, 8)
    assert watch.engine.pictures.find(1) is None


def test_it_goes_on_where_it_was(watch: Watch) -> None:
    raised = spill(watch)
    before = watch.shown("1")
    watch.again()
    assert watch.shown("1") | {"history": []} == before | {"history": []}
    assert [tuple(point) for point in watch.shown("1")["history"]] == before["history"]
    watch.put("1/again.png", photo(SPILL))
    watch.turns()
    (alarm,) = watch.engine.alarms()
    assert (alarm["photo"], alarm["ended"]) == (raised, None)
    assert len(watch.logged()) == 3


def test_photos_before_and_after_a_restart_raise_an_alarm_together(watch: Watch) -> None:
    watch.put("1/a.png", photo(SPILL))
    watch.turns()
    watch.again()
    watch.put("1/b.png", photo(SPILL))
    watch.turns()
    assert [alarm["kind"] for alarm in watch.engine.alarms()] == ["spill"]


def test_an_obstructed_photo_counts_for_no_spill_after_a_restart_either(watch: Watch) -> None:
    watch.put("1/a.png", photo((250, 200, 200)))
    watch.turns()
    assert watch.shown("1")["spill"]
    watch.again()
    watch.put("1/b.png", photo(SPILL))
    watch.turns()
    assert watch.engine.alarms() == []


def test_a_camera_that_is_cut_from_now_on_is_no_well_itself(watch: Watch) -> None:
    watch.put("table/a.png")
    watch.turns()
    (watch.folder / "wells.yaml").write_text("table: {1: [0, 0, 9, 9]}")
    watch.again()
    assert [well["well"] for well in watch.engine.snapshot()["wells"]] == ["table/1"]


def test_an_acknowledged_alarm_stays_so_after_a_restart(watch: Watch) -> None:
    spill(watch)
    watch.engine.acknowledge("1", "spill")
    watch.again()
    for number in range(4):
        watch.put(f"1/calm{number}.png")
        watch.turns()
    assert watch.engine.alarms(0) == []


def test_a_well_that_is_no_more_is_not_waited_for_but_its_alarm_stays(watch: Watch) -> None:
    spill(watch)
    shutil.rmtree(watch.folder / "1")
    watch.again()
    watch.turns(seconds=2 * RULE.silent_after)
    assert watch.engine.snapshot()["wells"] == []
    (alarm,) = watch.engine.alarms(0)
    assert (alarm["kind"], alarm["ended"] is None) == ("spill", False)
    watch.again()
    assert watch.engine.alarms(0) == [alarm]
    watch.engine.acknowledge("1", "spill")
    assert watch.engine.alarms(0) == []


@pytest.mark.parametrize("jump", [-3600.0, 3600.0])
def test_a_clock_that_jumps_is_told_and_changes_nothing_else(watch: Watch, jump: float) -> None:
    watch.put("1/a.png", photo(SPILL))
    watch.turns()
    watch.time.wall += jump
    watch.turns()
    assert f"the clock jumped by {jump:+,.0f} s" in watch.problems()
    assert watch.engine.alarms() == []
    watch.put("1/b.png", photo(SPILL))
    watch.turns()
    assert [alarm["kind"] for alarm in watch.engine.alarms()] == ["spill"]
    assert 0 <= watch.engine.snapshot()["health"]["p95"] < 5
    assert len(watch.logged()) == 2


def test_a_clock_that_runs_a_little_faster_is_no_jump(watch: Watch) -> None:
    for _ in range(100):
        watch.time.wall += 0.1
        watch.turns(seconds=1)
    assert watch.problems() == ""


def test_a_folder_that_is_gone_is_told_and_its_photos_are_found_when_it_is_back(
    watch: Watch,
) -> None:
    watch.put("1/a.png")
    watch.turns()
    watch.folder.rename(watch.folder.with_name("away"))
    watch.turns()
    assert f"No such file or directory: '{watch.folder}'" in watch.problems()
    watch.folder.with_name("away").rename(watch.folder)
    watch.put("1/b.png")
    watch.turns(seconds=6)
    assert watch.problems() == ""
    assert watch.logged() == ["1/a.png", "1/b.png"]


def test_a_folder_that_cannot_be_listed_is_told_until_it_can_and_harms_no_other(
    watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    for well in "12":
        (watch.folder / well).mkdir()
        (watch.folder / well / "a.png").write_bytes(photo())
    closed, scandir = watch.folder / "1", os.scandir

    def refuse(path: Path) -> Any:
        if path == closed:
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    with monkeypatch.context() as patch:
        patch.setattr(os, "scandir", refuse)
        watch.turns(seconds=6)
        assert f"can't be read: [Errno 13] Permission denied: '{closed}'" in watch.problems()
        assert watch.logged() == ["2/a.png"]
    watch.turns(seconds=6)
    assert watch.problems() == ""
    assert watch.logged() == ["2/a.png", "1/a.png"]


def test_a_folder_that_could_not_be_listed_and_is_gone_is_told_no_longer(watch: Watch) -> None:
    watch.engine.intake.closed[watch.folder / "gone"] = "[Errno 13] Permission denied"
    watch.turns(seconds=8)
    assert watch.problems() == ""


def test_a_full_disk_is_told_and_nothing_is_lost(watch: Watch) -> None:
    pages = watch.store.db.execute("PRAGMA page_count").fetchone()[0]
    watch.store.db.execute(f"PRAGMA max_page_count = {pages}")
    for number in range(300):
        watch.put(f"1/{number}.png", photo(SPILL))
    watch.turns(seconds=20)
    assert "the log can't be written (database or disk is full): photos wait" in watch.problems()
    waiting = watch.engine.snapshot()["health"]["waiting"]
    assert waiting > 0
    assert len(watch.logged()) == 300 - waiting
    watch.store.db.execute("PRAGMA max_page_count = 1000000")
    watch.turns(seconds=20)
    assert watch.problems() == ""
    assert Counter(watch.logged()) == Counter(f"1/{number}.png" for number in range(300))
    assert [alarm["kind"] for alarm in watch.engine.alarms()] == ["spill"]


def test_after_a_failure_the_disk_is_left_alone_for_a_while(watch: Watch) -> None:
    watch.put("1/a.png")
    watch.store.db.execute("PRAGMA query_only = 1")
    with patch.object(watch.store, "add", wraps=watch.store.add) as add:
        watch.turns(seconds=10, step=0.1)
    assert 5 <= add.call_count <= 10


def test_no_camera_is_called_silent_while_its_photos_wait_for_the_disk(watch: Watch) -> None:
    watch.put("1/first.png")
    watch.turns()
    watch.store.db.execute("PRAGMA query_only = 1")
    for number in range(0, round(2 * RULE.silent_after), 5):
        for well in range(10):
            path = watch.put(f"{well}/{number}.png")
            os.utime(path, (watch.time.wall,) * 2)
            watch.engine.turn([(Change.added, str(path))])
        watch.turns(seconds=5)
    assert len(watch.logged()) == 1
    watch.store.db.execute("PRAGMA query_only = 0")
    watch.turns()
    assert len(watch.logged()) == 241
    assert watch.engine.alarms() == []


def test_what_people_say_is_refused_while_it_cannot_be_written(watch: Watch) -> None:
    raised = spill(watch)
    before = watch.engine.alarms()
    watch.store.db.execute("PRAGMA query_only = 1")
    with pytest.raises(OSError, match="the log can't be written"):
        watch.engine.acknowledge("1", "spill")
    with pytest.raises(OSError, match="the log can't be written"):
        watch.engine.judge(raised, "spill")
    watch.store.db.execute("PRAGMA query_only = 0")
    assert watch.engine.alarms() == before
    watch.engine.acknowledge("1", "spill")
    assert watch.engine.alarms()[0]["acknowledged"]


def test_two_watches_on_one_state_folder_are_refused(watch: Watch) -> None:
    with pytest.raises(InputError, match="is in use by another watch"):
        Store.open(watch.state)


def running(engine: Engine, do: Callable[[], Any]) -> None:
    """Do something while the engine runs in a thread."""
    stop = Event()
    thread = Thread(target=engine.run, args=(stop,))
    thread.start()
    try:
        do()
    finally:
        stop.set()
        thread.join(30)
    assert not thread.is_alive()


def live(watch: Watch) -> Engine:
    """Return an engine by real clocks."""
    return Engine(watch.folder, watch.store, exported(), RULE)


def test_it_sees_photos_as_they_come_also_in_new_folders(watch: Watch) -> None:
    def play() -> None:
        for number in range(20):
            watch.put(f"deep/{number % 3}/{number}.png")
        until(lambda: len(watch.logged()) == 20)
        shutil.rmtree(watch.folder)
        until(lambda: "No such file" in str(engine.snapshot()["health"]["problems"]))
        watch.put("new/1.png")
        until(lambda: len(watch.logged()) == 21)

    engine = live(watch)
    running(engine, play)


def test_a_folder_put_in_place_of_another_is_watched(watch: Watch) -> None:
    def play() -> None:
        until(lambda: watching.call_count == 1)
        watch.folder.rename(watch.folder.with_name("away"))
        watch.folder.mkdir()
        until(lambda: watching.call_count > 1)

    with patch("tools.watch.engine.watch", wraps=watchfiles.watch) as watching:
        running(live(watch), play)


def test_without_notices_photos_are_found_all_the_same(watch: Watch) -> None:
    with patch("tools.watch.engine.watch", side_effect=OSError("no more watches")):
        watch.put("1/a.png")
        running(live(watch), lambda: until(lambda: watch.logged() == ["1/a.png"]))


def test_a_fault_is_told_and_does_not_end_the_watch(
    watch: Watch, capsys: pytest.CaptureFixture[str]
) -> None:
    def play() -> None:
        with patch.object(engine, "_log", side_effect=ZeroDivisionError):
            watch.put("1/a.png")
            until(lambda: "ZeroDivisionError" in str(engine.snapshot()["health"]["problems"]))
        until(lambda: watch.logged() == ["1/a.png"])

    engine = live(watch)
    running(engine, play)
    assert "ZeroDivisionError" in capsys.readouterr().err


def test_people_may_ask_while_photos_come(watch: Watch) -> None:
    def ask() -> None:
        while len(watch.logged()) < 200:
            engine.snapshot()
            for alarm in engine.alarms(0):
                engine.acknowledge(alarm["well"], alarm["kind"])
                engine.judge(alarm["photo"], "spill")
                assert engine.pictures.find_heat(alarm["photo"])

    def play() -> None:
        asking = [Thread(target=ask) for _ in range(3)]
        for thread in asking:
            thread.start()
        for number in range(200):
            watch.put(f"{number % 5}/{number}.png", photo(SPILL))
        until(lambda: len(watch.logged()) == 200)
        for thread in asking:
            thread.join(30)

    engine = live(watch)
    running(engine, play)
    assert len(engine.alarms()) == 5
    assert all(alarm["verdict"] == "spill" for alarm in engine.alarms() if alarm["acknowledged"])


def test_killed_at_any_moment_it_logs_every_photo_once(watch: Watch) -> None:
    watch.store.close()
    command = [sys.executable, "-c", CHILD, str(watch.folder), str(watch.state)]
    rng, written = random.Random(1), 0
    count, kills = 400, 4

    def logged() -> list[str]:
        with closing(sqlite3.connect(watch.state / FILE)) as db:
            return [path for (path,) in db.execute("SELECT path FROM photos")]

    def write(more: int) -> None:
        nonlocal written
        for number in range(written, written + more):
            watch.put(f"{number % 3}/{number}.png", photo(SPILL if number % 50 < 5 else 50))
        written += more

    for _ in range(kills):
        child = subprocess.Popen(command)
        try:
            before, wanted = len(logged()), rng.randint(1, 60)
            write(count // kills)
            until(lambda: len(logged()) >= before + wanted)  # noqa: B023
        finally:
            child.send_signal(signal.SIGKILL)
            child.wait()
    child = subprocess.Popen(command)
    try:
        until(lambda: len(logged()) >= count)
    finally:
        child.kill()
        child.wait()
    assert Counter(logged()) == Counter(f"{number % 3}/{number}.png" for number in range(count))
    store = Store.open(watch.state)
    assert sum(photos for photos, *_ in store.wells().values()) == count
    assert {alarm["well"] for alarm in store.alarms(-1)} == {"0", "1", "2"}
