"""The watch itself: photos in, verdicts and alarms into the store, and what the page shows."""

import io
import sqlite3
import time
import traceback
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import Event, RLock
from typing import Any, NamedTuple

import numpy as np
from PIL import Image
from watchfiles import Change as FileChange
from watchfiles import watch

from stages.common.pictures import as_tiles
from stages.common.types import Images
from stages.wells.data.images import decode, resize
from stages.wells.inference.exported import Exported, run_exported
from stages.wells.inference.heat import lay_over
from stages.wells.inference.verdict import VIEWS
from tools.watch import alarms
from tools.watch.alarms import Alarm, Change, Rule, Seen, State
from tools.watch.intake import File, Intake, cut, name_wells, read_layout
from tools.watch.store import VERDICTS, New, Point, Store, Well

# Photos judged at once, and how often that in a turn.
BATCH, BATCHES = 32, 4
SHOWN, ALARMS_SHOWN = 120, 50
# Seconds: over which rate and latency are told; how long a problem is; of a pause after a failure;
# between two signs of life; by how much the clocks part where one jumped.
RECENT, LASTING, PAUSE, BEAT, JUMP = 30.0, 600.0, 1.0, 1.0, 2.0
# Milliseconds in which notices are gathered, of the silence that ends this, of a turn without one.
DEBOUNCE, STEP, TURN = 40, 10, 50
# A decision map is magnified so many times.
MAGNIFIED = 6


class Clock(NamedTuple):
    """Seconds to tell people, and seconds by which everything is measured."""

    wall: Callable[[], float] = time.time
    steady: Callable[[], float] = time.monotonic


class Shot(NamedTuple):
    """What a file shows of a well: cut out, and `[3, H, W]` as the detector takes it."""

    file: File
    well: str
    picture: Image.Image
    image: Images


class Engine:
    """A watch on a folder: `run` in one thread, all else from any."""

    def __init__(
        self, folder: Path, store: Store, exported: Exported, rule: Rule, clock: Clock | None = None
    ) -> None:
        self.store, self.exported, self.rule = store, exported, rule
        self.clock, self.lock, self.version = clock or Clock(), RLock(), 0
        self.intake = Intake(folder, self._known, self.clock.wall, self.clock.steady)
        self.folder, self.layout = self.intake.folder, read_layout(folder)
        # By kind: what is wrong, and until when that is told.
        self.problems: dict[str, tuple[str, float]] = {}
        self.broken, self.paused, self.beat, self.parted = 0, 0.0, 0.0, self._part()
        # When photos were judged, and how long each took.
        self.pace: deque[tuple[float, float]] = deque(maxlen=2000)
        self.history: dict[str, deque[Point]] = defaultdict(lambda: deque(maxlen=SHOWN))
        # Each well's last photo, for where its file doesn't stay.
        self.last: dict[str, tuple[int, Images]] = {}
        self.states = self._restore()

    def run(self, stop: Event) -> None:
        """Watch until told to stop, whatever becomes of the folder and the disk."""
        while not stop.is_set():
            try:
                for changed in self._notices(stop):
                    self.turn(changed)
            except Exception:
                traceback.print_exc()
                self._tell("fault", "a fault of this program: its terminal says more")
                stop.wait(PAUSE)

    def turn(self, changed: Iterable[tuple[FileChange, str]] = ()) -> None:
        """Judge what is there, at most BATCHES times BATCH photos, and see what became due."""
        now = self.clock.steady()
        if now < self.paused:
            return
        try:
            self.intake.notice(changed)
            self._tick(now)
            for _ in range(BATCHES):
                files = self.intake.ready(BATCH)
                self._take(files)
                if len(files) < BATCH:
                    break
            self.intake.sweep()
        except sqlite3.Error as error:
            self.paused = now + PAUSE
            said = f"the log can't be written ({error}): photos wait, and no alarm can be raised"
            self._tell("log", said, 3 * PAUSE)
        except OSError as error:
            self._tell("folder", f"{self.folder} can't be read ({error.strerror})", 3 * PAUSE)

    def acknowledge(self, well: str, kind: str) -> None:
        """Note that somebody has seen a well's alarm.

        Raises KeyError where there is none, OSError where the log can't be written.
        """
        with self.lock:
            state = self.states.get(well)
            with self._writing():
                if not self.store.mark_alarm(well, kind, "acknowledged", self.clock.wall()):
                    raise KeyError(f"{well} has no open alarm of kind {kind}")
                if state:
                    now = self.clock.steady()
                    state, changes = alarms.acknowledge(self.rule, state, kind, now)
                    self._write(well, changes)
            if state:
                self.states[well] = state

    def judge(self, photo: int, verdict: str) -> None:
        """Note what somebody says of a photo, one of VERDICTS, and keep its picture.

        Raises KeyError where there is no such photo or verdict, OSError as `acknowledge`.
        """
        picture = self._picture(photo)
        with self._writing():
            if verdict not in VERDICTS or not self.store.photo(photo):
                raise KeyError(f"there is no photo {photo}, or no verdict {verdict}")
            if picture:
                self.store.keep(photo, _png(picture))
            self.store.judge(photo, verdict, self.clock.wall())

    def alarms(self, count: int = -1) -> list[dict[str, Any]]:
        """Return all open alarms and the last so many (-1: all), newest first."""
        with self.lock:
            return self.store.alarms(count)

    def photo_png(self, photo: int) -> bytes | None:
        """Return a photo of a well as PNG, None where neither it nor its file is kept."""
        picture = self._picture(photo)
        return _png(picture) if picture else None

    def heat_png(self, photo: int) -> bytes | None:
        """Return a photo with what is strange laid over it, as `photo_png` does."""
        picture = self._picture(photo)
        if not picture:
            return None
        image = self._resize(picture)[None]
        heat = as_tiles(lay_over(image, run_exported(self.exported, image).blocks))[0]
        size = heat.width * MAGNIFIED, heat.height * MAGNIFIED
        return _png(heat.resize(size, Image.Resampling.NEAREST))

    def snapshot(self) -> dict[str, Any]:
        """Return all that the page shows, ready for JSON.

        A well's state is `silent` or `spill` while such an alarm is active, else what its last
        photo's view is; normal_mean: of the scores of its last normals; drift: how far that is
        above its first ones'.
        """
        with self.lock:
            now, known = self.clock.steady(), self.store.wells()
            pace = [(at, latency) for at, latency in self.pace if at >= now - RECENT]
            rate = len(pace) / max(1.0, now - pace[0][0]) if pace else 0.0
            p95 = float(np.percentile([latency for _, latency in pace], 95)) if pace else None
            return {
                "version": self.version,
                "wall": self.clock.wall(),
                "threshold": self.exported.metadata.threshold,
                "rule": self.rule._asdict(),
                "wells": [self._show(well, known.get(well)) for well in sorted(self.states)],
                "alarms": self.store.alarms(ALARMS_SHOWN),
                "health": {
                    "photos": sum(well.photos for well in known.values()),
                    "rate": rate,
                    "p95": p95,
                    "waiting": len(self.intake.waiting),
                    "problems": [said for said, until in self.problems.values() if until > now],
                },
            }

    def _notices(self, stop: Event) -> Iterator[set[tuple[FileChange, str]]]:
        """Yield what changes in the folder, and nothing now and then, until it is another one."""
        try:
            inode = self.folder.stat().st_ino
            for changed in watch(
                self.folder, watch_filter=None, debounce=DEBOUNCE, step=STEP, rust_timeout=TURN,
                yield_on_timeout=True, stop_event=stop, ignore_permission_denied=True,
            ):  # fmt: skip
                yield changed
                if self.folder.stat().st_ino != inode:
                    return
        except (OSError, RuntimeError) as error:
            # It is gone, or the system has no more notices to give: then the sweep finds photos.
            self._tell("folder", f"{self.folder} can't be watched ({error})", 3 * PAUSE)
            stop.wait(PAUSE)
            yield set()

    def _take(self, files: list[File]) -> None:
        """Judge files; those that can't be read are tried again, or given up after a while."""
        shots: list[Shot] = []
        broken: list[tuple[File, str]] = []
        for file in files:
            try:
                wells = self._cut(file.camera, file.read())
                shots += [Shot(file, *well, self._resize(well[1])) for well in wells.items()]
            except (OSError, ValueError) as error:
                if self.intake.retry(file):
                    broken.append((file, str(error)))
        if shots:
            self._log(shots)
        for file, reason in broken:
            with self.lock:
                self.store.add_broken(file.name, file.stamp, file.size, reason)
            self.intake.done(file)
            self.broken += 1
            said = f"{self.broken} photos can't be read, the last {file.name}: {reason}"
            self._tell("broken", said)

    def _log(self, shots: list[Shot]) -> None:
        """Write what the detector says of photos and what follows for alarms, all or nothing."""
        verdict = run_exported(self.exported, np.stack([shot.image for shot in shots]))
        now, wall = self.clock.steady(), self.clock.wall()
        margins = verdict.score - self.exported.metadata.threshold
        news = [
            New(shot.well, shot.file.name, shot.file.stamp, shot.file.size, wall,
                now - shot.file.since, float(score), float(margin), bool(margin >= 0),
                VIEWS[view] == "obstructed")
            for shot, score, margin, view in zip(
                shots, verdict.score, margins, verdict.view, strict=True
            )
        ]  # fmt: skip
        with self.lock:
            states: dict[str, State] = {}
            points: list[tuple[Shot, int, New]] = []
            with self.store.transaction():
                for shot, new, photo in zip(shots, news, self.store.add(news), strict=True):
                    if photo is None:
                        continue
                    state = states.get(shot.well) or self.states.get(shot.well) or alarms.start(now)
                    seen = Seen(now, new.margin, new.obstructed, photo)
                    states[shot.well], changes = alarms.on_photo(self.rule, state, seen)
                    self._write(shot.well, changes, {photo: shot.picture})
                    points.append((shot, photo, new))
            self.states |= states
            for shot, photo, new in points:
                point = Point(photo, wall, new.score, new.spill, new.obstructed)
                self.history[shot.well].append(point)
                self.last[shot.well] = photo, shot.image
                self.pace.append((now, new.latency))
            self.version += 1
        for shot in shots:
            self.intake.done(shot.file)

    def _tick(self, now: float) -> None:
        """Raise what has become due, and give a sign of life."""
        apart = self._part()
        if abs(apart - self.parted) > JUMP:
            self._tell("clock", f"the clock jumped by {apart - self.parted:+.0f} s")
        self.parted = apart
        with self.lock:
            told = {
                well: alarms.on_time(self.rule, state, now) for well, state in self.states.items()
            }
            if any(changes for _, changes in told.values()):
                with self.store.transaction():
                    for well, (_, changes) in told.items():
                        self._write(well, changes)
                self.version += 1
            self.states = {well: state for well, (state, _) in told.items()}
            if now >= self.beat + BEAT:
                self.beat, self.version = now, self.version + 1

    def _write(
        self, well: str, changes: list[Change], pictures: Mapping[int, Image.Image] = {}
    ) -> None:
        """Write what became of a well's alarms; what raised one is kept as a picture."""
        wall, now = self.clock.wall(), self.clock.steady()
        for what, alarm in changes:
            if what == "raised":
                score, began = None, wall - (now - alarm.began)
                if alarm.photo is not None:
                    score = (self.store.photo(alarm.photo) or {}).get("score")
                    if picture := pictures.get(alarm.photo) or self._picture(alarm.photo):
                        self.store.keep(alarm.photo, _png(picture))
                self.store.raise_alarm(well, alarm.kind, began, alarm.photo, score)
            elif what == "cleared":
                self.store.mark_alarm(well, alarm.kind, "ended", wall)

    def _restore(self) -> dict[str, State]:
        """Return the wells there are as they were left, without what was only timed."""
        now, wall = self.clock.steady(), self.clock.wall()
        drawn = [well for one in self.layout for well in name_wells(self.layout, one, self.folder)]
        states = {well: alarms.start(now) for well in drawn}
        for well in self.store.wells():
            own = well == self.folder.name or (self.folder / well).is_dir()
            if well in states or (own and well not in self.layout):
                points = self.store.history(well, SHOWN)
                self.history[well].extend(points)
                clear = [i for i, point in enumerate(points) if not point.obstructed]
                hidden = points[clear[-1] + 1 if clear else 0 :]
                states[well] = alarms.start(now)._replace(
                    recent=tuple(points[i].spill for i in clear[-self.rule.n :]),
                    obstructed_since=now if hidden else None,
                    obstructed_by=hidden[0].photo if hidden else None,
                )
        for row in self.store.alarms(0):
            well, began = row["well"], now - max(0.0, wall - row["began"])
            if well not in states:
                # Nobody would ever clear it.
                self.store.mark_alarm(well, row["kind"], "ended", wall)
                continue
            open_ = row["ended"] is None, row["acknowledged"] is not None
            alarm = Alarm(row["kind"], began, row["photo"], *open_)
            states[well] = states[well]._replace(alarms=(*states[well].alarms, alarm))
        return states

    def _picture(self, photo: int) -> Image.Image | None:
        """Return what a photo shows of its well: kept, from its file, or small as it was judged."""
        with self.lock:
            png, row = self.store.picture(photo), self.store.photo(photo)
        if png:
            return decode(png)
        if not row:
            return None
        try:
            path = self.folder / row["path"]
            file = File(row["path"], path, row["stamp"], row["size"], 0.0, 0.0)
            return self._cut(file.camera, file.read())[row["well"]]
        except (OSError, ValueError, KeyError):
            last, image = self.last.get(row["well"], (None, None))
            return as_tiles(image[None])[0] if image is not None and last == photo else None

    def _cut(self, camera: str, data: bytes) -> dict[str, Image.Image]:
        """Return what a photo shows of each of its camera's wells, by name."""
        names = name_wells(self.layout, camera, self.folder)
        return dict(zip(names, cut(self.layout, camera, decode(data)), strict=True))

    def _resize(self, picture: Image.Image) -> Images:
        return resize(picture, self.exported.metadata.height, self.exported.metadata.width)

    def _show(self, well: str, known: Well | None) -> dict[str, Any]:
        points, active = self.history[well], {a.kind for a in self.states[well].alarms if a.active}
        last = points[-1] if points else None
        state = "obstructed" if last and last.obstructed else "clear"
        mean = known.recent if known and known.normals else None
        return {
            "well": well,
            "photo": last and last.photo,
            "wall": last and last.wall,
            "score": last and last.score,
            "spill": bool(last and last.spill),
            "obstructed": bool(last and last.obstructed),
            "state": next((kind for kind in ("silent", "spill") if kind in active), state),
            "history": [[point.wall, point.score] for point in points],
            "normal_mean": mean,
            "drift": known.recent - known.first if known and known.normals else None,
        }

    def _tell(self, kind: str, said: str, seconds: float = LASTING) -> None:
        """Say on the page what is wrong, for a while."""
        with self.lock:
            if self.problems.get(kind, ("",))[0] != said:
                self.version += 1
            self.problems[kind] = said, self.clock.steady() + seconds

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Keep what is written within, or raise OSError."""
        try:
            with self.lock, self.store.transaction():
                yield
        except sqlite3.Error as error:
            raise OSError(f"the log can't be written ({error})") from None
        self.version += 1

    def _known(self, path: str, stamp: int, size: int) -> bool:
        with self.lock:
            return self.store.known(path, stamp, size)

    def _part(self) -> float:
        return self.clock.wall() - self.clock.steady()


def _png(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()
