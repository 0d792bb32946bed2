"""What a watch remembers, in one SQLite file: photos, alarms, and what people said of them."""

import fcntl
import os
import sqlite3
from collections.abc import Iterable
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
CREATE TABLE photos (id INTEGER PRIMARY KEY, well, path, stamp, size, wall, latency, score, margin,
    spill, obstructed, UNIQUE (path, stamp, size, well));
CREATE INDEX photos_by_well ON photos (well);
CREATE TABLE wells (well PRIMARY KEY, photos, normals, first, recent) WITHOUT ROWID;
CREATE TABLE broken (path, stamp, size, reason, PRIMARY KEY (path, stamp, size)) WITHOUT ROWID;
CREATE TABLE alarms (id INTEGER PRIMARY KEY, well, kind, began, ended, acknowledged, photo, score);
CREATE UNIQUE INDEX open_alarms ON alarms (well, kind) WHERE {OPEN};
CREATE TABLE verdicts (id INTEGER PRIMARY KEY, photo, verdict, wall);
CREATE INDEX verdicts_by_photo ON verdicts (photo);
CREATE TABLE pictures (photo INTEGER PRIMARY KEY, png);
PRAGMA user_version = {VERSION};
COMMIT;
"""
COUNT = f"""
INSERT INTO wells VALUES (:well, 1, :normal, :normal * :score, :normal * :score)
ON CONFLICT DO UPDATE SET photos = photos + 1, normals = normals + :normal,
    first = first + :normal * (normals < {MANY}) * (:score - first) / (normals + 1),
    recent = recent + :normal * (:score - recent) / min(normals + 1, {MANY})
"""
RAISE = f"""
INSERT INTO alarms (well, kind, began, photo, score)
VALUES (:well, :kind, :at, :photo, (SELECT score FROM photos WHERE id = :photo))
ON CONFLICT (well, kind) WHERE {OPEN} DO UPDATE SET ended = NULL
"""
MARK = f"UPDATE alarms SET %s = :at WHERE well = :well AND kind = :kind AND {OPEN} AND %s IS NULL"
CHANGES = {
    "raised": RAISE,
    "cleared": MARK % (("ended",) * 2),
    "acknowledged": MARK % (("acknowledged",) * 2),
}
ALARMS = f"""
SELECT alarms.*, verdict, verdicts.wall AS judged FROM alarms LEFT JOIN verdicts
    ON verdicts.id = (SELECT max(id) FROM verdicts WHERE photo = alarms.photo)
WHERE alarms.id IN (SELECT id FROM alarms WHERE {OPEN}
    UNION SELECT * FROM (SELECT id FROM alarms ORDER BY id DESC LIMIT ?))
ORDER BY alarms.id DESC
"""


class Photo(NamedTuple):
    """A photo of a well and what was said of it.

    id: its number, 0 before it has one; path: below the folder; stamp, size: of its file, in
    ns and bytes; wall: when it was judged; latency: from its last byte to that; both in seconds.
    """

    id: int
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


class Tally(NamedTuple):
    """How many photos and normals of a well there were, and the mean score of the normals.

    first: of the first MANY; recent: of roughly the last MANY.
    """

    photos: int = 0
    normals: int = 0
    first: float = 0.0
    recent: float = 0.0


class Store:
    """A watch's log. Who writes does it within `with store.db:`, all of which is kept or none."""

    def __init__(self, db: sqlite3.Connection, lock: int) -> None:
        self.db, self.lock = db, lock

    @classmethod
    def open(cls, folder: Path) -> "Store":
        """Return the log in a folder, made where there is none, and locked until closed.

        Raises InputError where another watch has it, or it can't be used.
        """
        try:
            folder.mkdir(parents=True, exist_ok=True)
            lock = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            db = sqlite3.connect(
                folder / FILE, isolation_level="IMMEDIATE", check_same_thread=False
            )
            db.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL")
            (version,) = db.execute("PRAGMA user_version").fetchone()
            if version == 0:
                db.executescript(SCHEMA)
        except BlockingIOError:
            raise InputError(
                f"{folder} is in use by another watch: stop that, or give this one a --state"
            ) from None
        except (OSError, sqlite3.Error) as error:
            raise InputError(f"{folder} can't hold a log ({error}): give another --state") from None
        if version not in (0, VERSION):
            raise InputError(f"{folder / FILE} is of another version: give another --state")
        return cls(db, lock)

    def close(self) -> None:
        """Close the log and let another watch have it."""
        self.db.close()
        os.close(self.lock)

    def known(self, path: str, stamp: int, size: int) -> bool:
        """Tell whether a file was judged already, or given up as broken."""
        where = "WHERE path = ? AND stamp = ? AND size = ?"
        query = f"SELECT 1 FROM photos {where} UNION ALL SELECT 1 FROM broken {where}"
        return self.db.execute(query, (path, stamp, size) * 2).fetchone() is not None

    def add(self, photos: Iterable[Photo]) -> list[Photo]:
        """Write photos and return those that are new, with their numbers."""
        added = []
        for photo in photos:
            query = f"INSERT OR IGNORE INTO photos VALUES (NULL{', ?' * 10})"
            row = self.db.execute(query, photo[1:])
            if row.rowcount:
                added.append(photo._replace(id=row.lastrowid or 0))
                normal = not (photo.spill or photo.obstructed)
                self.db.execute(COUNT, photo._asdict() | {"normal": normal})
        return added

    def add_broken(self, path: str, stamp: int, size: int, reason: str) -> None:
        """Write that a file was given up."""
        row = path, stamp, size, reason
        self.db.execute("INSERT OR IGNORE INTO broken VALUES (?, ?, ?, ?)", row)

    def photo(self, photo: int) -> Photo | None:
        """Return a photo by its number."""
        row = self.db.execute("SELECT * FROM photos WHERE id = ?", (photo,)).fetchone()
        return row and _photo(row)

    def history(self, well: str, count: int) -> list[Photo]:
        """Return a well's last photos, the oldest of them first."""
        query = "SELECT * FROM photos WHERE well = ? ORDER BY id DESC LIMIT ?"
        return [_photo(row) for row in self.db.execute(query, (well, count))][::-1]

    def wells(self) -> dict[str, Tally]:
        """Return what there was of each well."""
        return {row[0]: Tally(*row[1:]) for row in self.db.execute("SELECT * FROM wells")}

    def change(self, what: str, well: str, kind: str, at: float, photo: int | None = None) -> bool:
        """Write that an alarm was raised (also again), cleared or acknowledged; tell if so."""
        given = {"well": well, "kind": kind, "at": at, "photo": photo}
        return what in CHANGES and self.db.execute(CHANGES[what], given).rowcount > 0

    def alarms(self, count: int) -> list[dict[str, Any]]:
        """Return all open alarms and the last so many (-1: all), newest first."""
        rows = self.db.execute(ALARMS, (count,))
        return [dict(zip((one[0] for one in rows.description), row, strict=True)) for row in rows]

    def judge(self, photo: int, verdict: str, at: float) -> None:
        """Write what somebody says of a photo; what was said before stays, the last counts."""
        row = photo, verdict, at
        self.db.execute("INSERT INTO verdicts VALUES (NULL, ?, ?, ?)", row)

    def keep(self, photo: int, png: bytes) -> None:
        """Keep a photo's picture."""
        self.db.execute("INSERT OR IGNORE INTO pictures VALUES (?, ?)", (photo, png))

    def picture(self, photo: int) -> bytes | None:
        """Return a photo's picture as PNG, if it is kept."""
        row = self.db.execute("SELECT png FROM pictures WHERE photo = ?", (photo,)).fetchone()
        return bytes(row[0]) if row else None


def _photo(row: tuple[Any, ...]) -> Photo:
    return Photo(*row[:-2], *map(bool, row[-2:]))
