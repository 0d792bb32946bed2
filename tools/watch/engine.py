"""The watch itself: photos in, verdicts and alarms into the log, and what the page shows."""

import sqlite3
import traceback
from collections import defaultdict, deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import Event, RLock
from typing import Any

import numpy as np
from watchfiles import watch

from stages.common.types import Images
from stages.wells.data.images import decode
from stages.wells.inference.exported import Exported, run_exported
from stages.wells.inference.verdict import VIEWS
from tools.watch import alarms
from tools.watch.alarms import Change, Rule, Seen, State
from tools.watch.intake import Clock, File, Intake, Notices, cut, read_layout
from tools.watch.pictures import Pictures
from tools.watch.restored import restore_states, waited_for
from tools.watch.store import VERDICTS, Photo, Store, Tally
from tools.watch.told import tell_well

# Files judged at once, and how often that in a turn.
BATCH, BATCHES = 32, 4
SHOWN, ALARMS_SHOWN = 120, 50
# Seconds: over which rate and latency are told; how long a problem is, at most and while it lasts;
# of a pause after a failure; between signs of life; by which the clocks part where one jumped.
RECENT, MOMENT, LASTING, PAUSE, BEAT, JUMP = 30.0, 600.0, 3.0, 1.0, 1.0, 2.0
# Milliseconds: how long notices are gathered, until none comes for STEP; of a turn without any.
GATHER, STEP, TURN = 40, 10, 50


class Engine:
    """A watch on a folder: `run` in one thread, all else from any.

    What people do raises KeyError where it is about nothing, OSError where it can't be written.
    """

    def __init__(
        self, folder: Path, store: Store, exported: Exported, rule: Rule, clock: Clock | None = None
    ) -> None:
        self.store, self.exported, self.rule = store, exported, rule
        self.clock, self.lock, self.version = clock or Clock(), RLock(), 0
        self.intake = Intake(folder, store.known, self.clock)
        self.folder, self.layout = self.intake.folder, read_layout(folder)
        # What is wrong, by kind, and until when that is told.
        self.problems: dict[str, tuple[str, float]] = {}
        self.broken, self.paused, self.beat = 0, 0.0, 0.0
        self.apart = self.clock.wall() - self.clock.steady()
        # When photos were judged, and how long each took.
        self.pace: deque[tuple[float, float]] = deque(maxlen=2000)
        self.pictures = Pictures(self.folder, self.layout, store, exported, self.lock)
        with self.lock, store.db:
            wells = waited_for(store, self.folder, self.layout)
            known = {well: store.history(well, SHOWN) for well in wells}
            self.states = restore_states(store, known, rule, self.clock.steady(), self.clock.wall())
        # Each well's last photos.
        self.history: dict[str, deque[Photo]] = defaultdict(lambda: deque(maxlen=SHOWN))
        for well, photos in known.items():
            self.history[well].extend(photos)

    def run(self, stop: Event) -> None:
        """Watch until told to stop, whatever becomes of the folder and the disk."""
        while not stop.is_set():
            try:
                # Where the system has no notices to give, this finds photos, if more slowly.
                self.turn()
                inode = self.folder.stat().st_ino
                for notices in watch(
                    self.folder, watch_filter=None, debounce=GATHER, step=STEP, rust_timeout=TURN,
                    yield_on_timeout=True, stop_event=stop, ignore_permission_denied=True,
                ):  # fmt: skip
                    self.turn(notices)
                    if self.folder.stat().st_ino != inode:
                        break
            except Exception as error:
                if not isinstance(error, OSError):
                    traceback.print_exc()
                self._tell("watch", f"the watch failed, and tries again: {error!r}", LASTING)
                stop.wait(PAUSE)

    def turn(self, notices: Notices = ()) -> None:
        """Judge what there is, at most BATCHES times BATCH files, and see what is due.

        No camera is called silent while many photos wait, as after the log couldn't be written.
        """
        now = self.clock.steady()
        self._beat(now)
        try:
            self.intake.notice(notices)
            for _ in range(BATCHES if now >= self.paused else 0):
                if self._take(self.intake.ready(BATCH)) < BATCH:
                    break
            if now >= self.paused and len(self.intake.waiting) < BATCH:
                self._see_due(now)
            self.intake.sweep()
            for why in [*self.intake.closed.values()][:1]:
                self._tell("closed", f"a folder that can't be read: {why}", LASTING)
        except (OSError, sqlite3.Error) as error:
            self.paused = now + PAUSE
            self._tell("disk", f"{error}: photos wait, and no alarm is raised", LASTING)

    def acknowledge(self, well: str, kind: str) -> None:
        """Note that somebody has seen a well's alarm."""
        with self._writing() as states:
            if (state := states.get(well)) and alarms.find(state, kind):
                told = alarms.acknowledge(self.rule, state, kind, self.clock.steady())
                self._follow(states, well, told)
            elif not self.store.change("acknowledged", well, kind, self.clock.wall()):
                raise KeyError(f"{well} has no such alarm: {kind}")

    def judge(self, photo: int, verdict: str) -> None:
        """Note what somebody says of a photo, one of VERDICTS; the last time counts."""
        picture = self.pictures.find(photo)
        with self._writing():
            if verdict not in VERDICTS or not self.store.photo(photo):
                raise KeyError(f"there is no photo {photo}, or no verdict {verdict}")
            self.store.judge(photo, verdict, self.clock.wall())
            if picture:
                self.store.keep(photo, picture)

    def alarms(self, count: int = -1) -> list[dict[str, Any]]:
        """Return all open alarms and the last so many (-1: all), newest first."""
        with self.lock:
            return self.store.alarms(count)

    def snapshot(self) -> dict[str, Any]:
        """Return all that the page shows, ready for JSON."""
        with self.lock:
            now, known = self.clock.steady(), self.store.wells()
            pace = [one for one in self.pace if one[0] >= now - RECENT]
            health = {
                "photos": sum(tally.photos for tally in known.values()),
                "rate": len(pace) / max(1.0, now - pace[0][0]) if pace else 0.0,
                "p95": float(np.percentile([took for _, took in pace], 95)) if pace else None,
                "waiting": len(self.intake.waiting),
                "problems": [said for said, until in self.problems.values() if until > now],
            }
            return {
                "version": self.version,
                "wall": self.clock.wall(),
                "threshold": self.exported.metadata.threshold,
                "rule": self.rule._asdict(),
                "wells": [
                    tell_well(well, self.history[well], state, known.get(well, Tally()))
                    for well, state in sorted(self.states.items())
                ],
                "alarms": self.store.alarms(ALARMS_SHOWN),
                "health": health,
            }

    def _take(self, files: list[File]) -> int:
        """Judge files and return how many; what can't be read waits, or is given up."""
        images: dict[tuple[str, str], Images] = {}
        whole: dict[str, File] = {}
        for file in files:
            try:
                wells = cut(self.layout, self.folder, file.name, decode(file.read()))
                images |= {
                    (file.name, well): self.pictures.prepare(one) for well, one in wells.items()
                }
                whole[file.name] = file
            except (OSError, ValueError) as error:
                if self.intake.retry(file):
                    with self._writing():
                        self.store.add_broken(file.name, file.stamp, file.size, str(error))
                    self.intake.done(file)
                    self.broken += 1
                    said = f"photos that can't be read: {self.broken}, last {file.name}: {error}"
                    self._tell("broken", said)
        if images:
            self._log(whole, images)
        return len(files)

    def _log(self, files: Mapping[str, File], images: Mapping[tuple[str, str], Images]) -> None:
        """Write what the detector says, and what follows for the alarms.

        files: by name; images: `[3, H, W]`, by the file's name and the well's.
        """
        verdict = run_exported(self.exported, np.stack(list(images.values())))
        wall, now = self.clock.wall(), self.clock.steady()
        margins = verdict.score - self.exported.metadata.threshold
        rows = zip(images, verdict.score.tolist(), margins.tolist(), verdict.view, strict=True)
        photos = [
            Photo(0, well, name, files[name].stamp, files[name].size, wall,
                  now - files[name].since, score, margin, margin >= 0, VIEWS[view] != VIEWS[0])
            for (name, well), score, margin, view in rows
        ]  # fmt: skip
        with self.lock:
            with self._writing() as states:
                added = self.store.add(photos)
                for one in added:
                    self.pictures.last[one.well] = one.id, images[one.path, one.well]
                    seen = Seen(files[one.path].since, one.margin, one.obstructed, one.id)
                    state = states.get(one.well) or alarms.start(seen.at)
                    self._follow(states, one.well, alarms.on_photo(self.rule, state, seen))
            for one in added:
                self.history[one.well].append(one)
                self.pace.append((now, one.latency))
        for file in files.values():
            self.intake.done(file)

    def _beat(self, now: float) -> None:
        apart, self.apart = self.apart, self.clock.wall() - now
        if abs(jump := self.apart - apart) > JUMP:
            self._tell("clock", f"the clock jumped by {jump:+,.0f} s")
        if now >= self.beat + BEAT:
            self.beat, self.version = now, self.version + 1

    def _see_due(self, now: float) -> None:
        with self.lock:
            told = {well: alarms.on_time(self.rule, one, now) for well, one in self.states.items()}
            if any(changes for _, changes in told.values()):
                with self._writing() as states:
                    for well, one in told.items():
                        self._follow(states, well, one)

    def _follow(
        self, states: dict[str, State], well: str, told: tuple[State, list[Change]]
    ) -> None:
        """Take a well's state over, and write what became of its alarms."""
        states[well], changes = told
        for what, (kind, began, photo, *_) in changes:
            ago = self.clock.steady() - began if what == "raised" else 0
            self.store.change(what, well, kind, self.clock.wall() - ago, photo)
            if what == "raised" and photo and (picture := self.pictures.find(photo)):
                self.store.keep(photo, picture)

    def _tell(self, kind: str, said: str, seconds: float = MOMENT) -> None:
        with self.lock:
            self.problems[kind] = said, self.clock.steady() + seconds

    @contextmanager
    def _writing(self) -> Iterator[dict[str, State]]:
        """Yield the states of the wells; keep what is changed in them and written, or nothing."""
        with self.lock:
            states = dict(self.states)
            try:
                with self.store.db:
                    yield states
            except sqlite3.Error as error:
                raise OSError(f"the log can't be written ({error})") from None
            self.states, self.version = states, self.version + 1
