"""A watch's log has every photo once, all of a batch or none, and belongs to one watch."""

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from stages.common.errors import InputError
from tools.watch.store import FILE, MANY, Photo, Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(tmp_path / "state")


def row(number: int, well: str = "1", score: float = 1.0, **changes: object) -> Photo:
    spill = score >= 2
    photo = Photo(0, well, f"{number}.jpg", number, 10, 100.0, 0.2, score, score - 2, spill, False)
    return photo._replace(**changes)  # type: ignore[arg-type]


def add(store: Store, *photos: Photo) -> list[Photo]:
    with store.db:
        return store.add(photos)


def test_a_photo_is_logged_once_however_often_it_comes(store: Store) -> None:
    (first,) = add(store, row(1))
    assert add(store, row(1), row(2)) == [row(2)._replace(id=first.id + 1)]
    assert [photo.path for photo in store.history("1", 9)] == ["1.jpg", "2.jpg"]
    assert store.wells()["1"][0] == 2


def test_a_file_written_again_is_another_photo(store: Store) -> None:
    assert len(add(store, row(1), row(1, stamp=2), row(1, size=11), row(1, well="2"))) == 4


def test_files_judged_or_given_up_are_known(store: Store) -> None:
    add(store, row(1))
    with store.db:
        store.add_broken("b.jpg", 5, 6, "why")
    assert store.known("1.jpg", 1, 10)
    assert store.known("b.jpg", 5, 6)
    assert not store.known("1.jpg", 1, 11)
    assert not store.known("b.jpg", 4, 6)


def test_all_of_a_batch_is_kept_or_none(store: Store) -> None:
    def write_and_fail() -> None:
        with store.db:
            store.add([row(1)])
            store.change("raised", "1", "spill", 5.0, 1)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_and_fail()
    assert (store.history("1", 9), store.wells(), store.alarms(-1)) == ([], {}, [])


def test_what_is_logged_is_read_back_as_it_was(store: Store) -> None:
    (photo,) = add(store, row(1, score=2.5, obstructed=True))
    assert store.photo(photo.id) == photo
    assert store.history("1", 1)[0].spill is True
    assert store.photo(99) is None


def test_history_ends_with_the_last_photo(store: Store) -> None:
    add(store, *(row(number, well=str(number % 2)) for number in range(10)))
    assert [photo.stamp for photo in store.history("0", 3)] == [4, 6, 8]


def test_mean_scores_are_of_normals_alone(store: Store) -> None:
    add(store, row(1, score=9.0), row(2, obstructed=True), row(3, score=0.5), row(4, score=1.5))
    assert store.wells() == {"1": (4, 2, 1.0, 1.0)}


def test_the_first_mean_stays_and_the_last_one_follows(store: Store) -> None:
    add(store, *(row(number, score=0.5) for number in range(MANY)))
    add(store, *(row(MANY + number, score=1.5) for number in range(4 * MANY)))
    _, normals, first, recent = store.wells()["1"]
    assert normals == 5 * MANY
    assert first == pytest.approx(0.5)
    assert 1.45 < recent < 1.5


def test_an_alarm_is_open_until_it_ended_and_was_acknowledged(store: Store) -> None:
    (photo,) = add(store, row(1, score=3.0))
    with store.db:
        store.change("raised", "1", "spill", 5.0, photo.id)
        store.change("cleared", "1", "spill", 6.0)
    (alarm,) = store.alarms(0)
    assert alarm == {
        **{"id": 1, "well": "1", "kind": "spill", "began": 5.0, "ended": 6.0},
        **{"acknowledged": None, "photo": photo.id, "score": 3.0, "verdict": None, "judged": None},
    }
    with store.db:
        assert store.change("acknowledged", "1", "spill", 7.0)
        assert not store.change("acknowledged", "1", "spill", 8.0)
    assert store.alarms(0) == []
    assert store.alarms(-1)[0]["acknowledged"] == 7.0


def test_an_alarm_that_comes_again_while_open_is_the_same(store: Store) -> None:
    with store.db:
        store.change("raised", "1", "silent", 5.0)
        store.change("cleared", "1", "silent", 6.0)
        store.change("raised", "1", "silent", 7.0)
    (alarm,) = store.alarms(-1)
    assert (alarm["began"], alarm["ended"]) == (5.0, None)


def test_alarms_are_newest_first_and_open_ones_are_always_told(store: Store) -> None:
    with store.db:
        for well in range(5):
            store.change("raised", str(well), "silent", float(well))
            if well:
                store.change("cleared", str(well), "silent", 9.0)
                store.change("acknowledged", str(well), "silent", 9.0)
    assert [alarm["well"] for alarm in store.alarms(2)] == ["4", "3", "0"]


def test_the_last_verdict_counts_and_those_before_stay(store: Store) -> None:
    (photo,) = add(store, row(1))
    with store.db:
        store.change("raised", "1", "spill", 5.0, photo.id)
        store.judge(photo.id, "spill", 6.0)
        store.judge(photo.id, "false alarm", 7.0)
    assert [store.alarms(-1)[0][name] for name in ("verdict", "judged")] == ["false alarm", 7.0]
    assert store.db.execute("SELECT count(*) FROM verdicts").fetchone() == (2,)


def test_a_picture_is_kept_as_it_first_was(store: Store) -> None:
    with store.db:
        store.keep(1, b"one")
        store.keep(1, b"two")
    assert (store.picture(1), store.picture(2)) == (b"one", None)


def test_a_log_goes_on_after_it_was_closed(tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    add(store, row(1))
    store.close()
    assert Store.open(tmp_path).known("1.jpg", 1, 10)


def test_a_second_watch_is_refused_also_from_another_process(tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    with pytest.raises(InputError, match=rf"{tmp_path} is in use by another watch.*--state"):
        Store.open(tmp_path)
    code = "from pathlib import Path; from tools.watch.store import Store; import sys; "
    code += "Store.open(Path(sys.argv[1]))"
    command = [sys.executable, "-c", code, str(tmp_path)]
    assert (
        "in use by another watch" in subprocess.run(command, capture_output=True, text=True).stderr
    )
    store.close()
    assert subprocess.run(command).returncode == 0


def test_what_is_no_log_is_refused(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"no database at all" * 100)
    with pytest.raises(InputError, match=r"can't hold a log.*--state"):
        Store.open(tmp_path)
    with pytest.raises(InputError, match="can't hold a log"):
        Store.open(tmp_path / FILE / "below")


def test_a_log_of_another_version_is_refused(tmp_path: Path) -> None:
    Store.open(tmp_path).close()
    db = sqlite3.connect(tmp_path / FILE)
    db.execute("PRAGMA user_version = 77")
    db.close()
    with pytest.raises(InputError, match="another version"):
        Store.open(tmp_path)
