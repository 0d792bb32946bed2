"""What a watch remembers, in one SQLite file: photos, alarms, and what people said of them."""

import fcntl
import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from stages.common.errors import InputError

FILE, LOCK, VERSION = "watch.sqlite", "lock", 1
VERDICTS = ("spill", "false alarm", "unsure")
# Of a well's normals, over how many first ones, and roughly how many last ones, a mean is taken.
MANY = 500
OPEN = "(ended IS NULL OR acknowledged IS NULL)"
SCHEMA = f"""
BEGIN;
CREATE TABLE photos (id INTEGER PRIMARY KEY, well TEXT, path TEXT, stamp INTEGER, size INTEGER,
    wall REAL, latency REAL, score REAL, margin REAL, spill INTEGER, obstructed INTEGER,
    UNIQUE (path, stamp, size, well));
CREATE INDEX photos_by_well ON photos (well);
CREATE TABLE wells (well TEXT PRIMARY KEY, photos INTEGER, normals INTEGER, first REAL,
    recent REAL) WITHOUT ROWID;
CREATE TABLE broken (path TEXT, stamp INTEGER, size INTEGER, reason TEXT,
    PRIMARY KEY (path, stamp, size)) WITHOUT ROWID;
CREATE TABLE alarms (id INTEGER PRIMARY KEY, well TEXT, kind TEXT, began REAL, ended REAL,
    acknowledged REAL, photo INTEGER, score REAL);
CREATE UNIQUE INDEX open_alarms ON alarms (well, kind) WHERE {OPEN};
CREATE TABLE verdicts (id INTEGER PRIMARY KEY, photo INTEGER, verdict TEXT, wall REAL);
CREATE INDEX verdicts_by_photo ON verdicts (photo);
CREATE TABLE pictures (photo INTEGER PRIMARY KEY, png BLOB);
PRAGMA user_version = {VERSION};
COMMIT;
"""
ADD = f"INSERT OR IGNORE INTO photos VALUES (NULL{', ?' * 10})"
COUNT = """
INSERT INTO wells VALUES (:well, 1, :normal, :normal * :score, :normal * :score)
ON CONFLICT DO UPDATE SET photos = photos + 1, normals = normals + :normal,
    first = first + :normal * (normals < :many) * (:score - first) / (normals + 1),
    recent = recent + :normal * (:score - recent) / min(normals + 1, :many)
"""
ALARMS = f"""
SELECT alarms.*, verdict, verdicts.wall AS judged FROM alarms LEFT JOIN verdicts
    ON verdicts.id = (SELECT max(id) FROM verdicts WHERE photo = alarms.photo)
WHERE alarms.id IN (SELECT id FROM alarms WHERE {OPEN}
    UNION SELECT * FROM (SELECT id FROM alarms ORDER BY id DESC LIMIT ?))
ORDER BY alarms.id DESC
"""


class New(NamedTuple):
    """A photo of a well and what was said of it.

    path: below the folder; stamp, size: of its file, in ns and bytes; wall: when it was judged;
    latency: from its last byte to that; spill: at or above the threshold. Times in seconds.
    """

    well: str
    path: str
    stamp: int
    size: int
    wall: float
    latency: float
    score: float
    margin: float
    spill: bool
    obstructed: bool


class Point(NamedTuple):
    """What a well's history shows of a photo."""

    photo: int
    wall: float
    score: float
    spill: bool
    obstructed: bool


class Well(NamedTuple):
    """How many photos and normals of a well there are, and the normals' mean scores."""

    photos: int
    normals: int
    first: float
    recent: float


class Store:
    """A watch's file; one thread at a time. What raises sqlite3.Error has left no trace in it."""

    def __init__(self, db: sqlite3.Connection, lock: int) -> None:
        self.db, self.lock = db, lock

    @classmethod
    def open(cls, folder: Path) -> "Store":
        """Return the store in a folder, made where there is none, and locked until closed.

        Raises InputError where another watch has it, or it can't be used.
        """
        try:
            folder.mkdir(parents=True, exist_ok=True)
            lock = _lock(folder)
            db = sqlite3.connect(folder / FILE, isolation_level=None, check_same_thread=False)
            db.row_factory = sqlite3.Row
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA synchronous = NORMAL")
            version = db.execute("PRAGMA user_version").fetchone()[0]
            if version not in (0, VERSION):
                raise sqlite3.Error(f"{FILE} is of version {version}, not {VERSION}")
            if version == 0:
                db.executescript(SCHEMA)
        except (OSError, sqlite3.Error) as error:
            raise InputError(
                f"{folder} can't hold the watch's log ({error}): give another folder by --state"
            ) from None
        return cls(db, lock)

    def close(self) -> None:
        """Close the file and let another watch have it."""
        self.db.close()
        os.close(self.lock)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Keep all that is written within or, where anything is raised, nothing of it."""
        if self.db.in_transaction:
            yield
            return
        self.db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self.db.execute("COMMIT")
        finally:
            # SQLite itself has undone what met a full disk.
            if self.db.in_transaction:
                self.db.execute("ROLLBACK")

    def known(self, path: str, stamp: int, size: int) -> bool:
        """Tell whether a file was judged already, or given up as broken."""
        where = "WHERE path = ? AND stamp = ? AND size = ?"
        query = f"SELECT 1 FROM photos {where} UNION ALL SELECT 1 FROM broken {where}"
        return self.db.execute(query, (path, stamp, size) * 2).fetchone() is not None

    def add(self, photos: Sequence[New]) -> list[int | None]:
        """Write photos, all or none, and return their numbers, None for each that is known."""
        ids: list[int | None] = []
        with self.transaction():
            for photo in photos:
                row = self.db.execute(ADD, photo)
                ids.append(row.lastrowid if row.rowcount else None)
                if row.rowcount:
                    normal = not (photo.spill or photo.obstructed)
                    self.db.execute(COUNT, photo._asdict() | {"normal": normal, "many": MANY})
        return ids

    def add_broken(self, path: str, stamp: int, size: int, reason: str) -> None:
        """Note that a file can't be read."""
        row = path, stamp, size, reason
        self.db.execute("INSERT OR IGNORE INTO broken VALUES (?, ?, ?, ?)", row)

    def photo(self, photo: int) -> dict[str, Any] | None:
        """Return a photo's `id` and what New has of it."""
        row = self.db.execute("SELECT * FROM photos WHERE id = ?", (photo,)).fetchone()
        return row and dict(row)

    def history(self, well: str, count: int) -> list[Point]:
        """Return a well's last photos, the oldest of them first."""
        query = "SELECT id, wall, score, spill, obstructed FROM photos WHERE well = ?"
        rows = self.db.execute(f"{query} ORDER BY id DESC LIMIT ?", (well, count)).fetchall()
        return [Point(*row[:3], *map(bool, row[3:])) for row in reversed(rows)]

    def wells(self) -> dict[str, Well]:
        """Return all wells by name."""
        return {name: Well(*row) for name, *row in self.db.execute("SELECT * FROM wells")}

    def raise_alarm(
        self, well: str, kind: str, began: float, photo: int | None, score: float | None
    ) -> None:
        """Write that an alarm began or, where it is still open, goes on."""
        query = f"UPDATE alarms SET ended = NULL WHERE well = ? AND kind = ? AND {OPEN}"
        if not self.db.execute(query, (well, kind)).rowcount:
            row = well, kind, began, photo, score
            self.db.execute("INSERT INTO alarms VALUES (NULL, ?, ?, ?, NULL, NULL, ?, ?)", row)

    def mark_alarm(self, well: str, kind: str, mark: str, wall: float) -> bool:
        """Write when an open alarm `ended`, or was `acknowledged`; tell whether there is one."""
        query = (
            f"UPDATE alarms SET {mark} = coalesce({mark}, ?) WHERE well = ? AND kind = ? AND {OPEN}"
        )
        return self.db.execute(query, (wall, well, kind)).rowcount > 0

    def alarms(self, count: int = -1) -> list[dict[str, Any]]:
        """Return all open alarms and the last so many (-1: all), newest first."""
        return [dict(row) for row in self.db.execute(ALARMS, (count,))]

    def judge(self, photo: int, verdict: str, wall: float) -> None:
        """Write what somebody says of a photo; what was said before stays, the last counts."""
        self.db.execute(
            "INSERT INTO verdicts VALUES (NULL, ?, ?, ?)",
            (photo, verdict, wall),
        )

    def keep(self, photo: int, png: bytes) -> None:
        """Keep a photo's picture."""
        self.db.execute("INSERT OR IGNORE INTO pictures VALUES (?, ?)", (photo, png))

    def picture(self, photo: int) -> bytes | None:
        """Return a photo's picture as PNG, if it is kept."""
        row = self.db.execute("SELECT png FROM pictures WHERE photo = ?", (photo,)).fetchone()
        return row and bytes(row[0])


def _lock(folder: Path) -> int:
    """Return the open file that locks a folder; raises InputError where another watch has it."""
    lock = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        process = os.read(lock, 20).decode(errors="replace")
        os.close(lock)
        raise InputError(
            f"{folder} is in use by another watch, process {process}: stop that, or give this one "
            "another folder by --state"
        ) from None
    os.truncate(lock, 0)
    os.write(lock, str(os.getpid()).encode())
    return lock
