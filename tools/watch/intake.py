"""Which photos a folder holds, when each is whole, and which wells it shows."""

import heapq
import math
import os
import stat
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Annotated, NamedTuple

from PIL import Image
from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from watchfiles import Change

from stages.common.errors import InputError
from stages.common.sources import is_junk
from stages.common.yaml_files import read_yaml
from tools.photos import ENDINGS, MAX_BYTES

LAYOUT = "wells.yaml"
# How it begins and ends.
PNG = b"\x89PNG", b"IEND\xaeB`\x82"
# Seconds. A file that didn't change for SETTLE is read; where it can't be, again each RETRY, until
# it hasn't changed for PATIENCE. A sweep over all files begins REST after the last.
SETTLE, RETRY, PATIENCE, REST = 0.1, 0.5, 10.0, 2.0
# Files that may wait: a later sweep finds those for which there was no room. Files of a part of the
# first sweep, and of the others, which go on beside what is noticed.
ROOM, FIRST, LATER = 20_000, 2000, 100
Origin = Annotated[int, Field(ge=0)]
Side = Annotated[int, Field(ge=1)]
# Of each camera the wells: left, top, width and height in pixels.
Wells = Annotated[dict[str, tuple[Origin, Origin, Side, Side]], Field(min_length=1)]
Layout = dict[str, Wells]
LAYOUTS = TypeAdapter(Layout, config=ConfigDict(coerce_numbers_to_str=True))
Notices = Iterable[tuple[Change, str]]


class Clock(NamedTuple):
    """Seconds to tell people, and seconds by which everything is measured."""

    wall: Callable[[], float] = time.time
    steady: Callable[[], float] = time.monotonic


class File(NamedTuple):
    """A photo's file. name: below the folder; stamp, size: in ns and bytes; since when it is so,
    when to look at it, and when it first couldn't be read: in seconds of a steady clock.
    """

    name: str
    path: Path
    stamp: int
    size: int
    since: float = 0.0
    due: float = 0.0
    failed: float = math.inf

    def read(self) -> bytes:
        """Return its content; raises OSError or ValueError, saying why, where that can't be had."""
        if self.size > MAX_BYTES:
            raise ValueError(f"larger than {MAX_BYTES:,} bytes")
        with self.path.open("rb") as file:
            data, now = file.read(self.size + 1), os.fstat(file.fileno())
        if (now.st_mtime_ns, len(data)) != (self.stamp, self.size):
            raise ValueError("it is another by now")
        # Only of a PNG does Pillow take less than all.
        if data.startswith(PNG[0]) and PNG[1] not in data:
            raise ValueError("a PNG without its end")
        return data


class Intake:
    """The files of a folder, at most ROOM at once, that aren't `known` by name, stamp and size."""

    def __init__(self, folder: Path, known: Callable[[str, int, int], bool], clock: Clock) -> None:
        self.folder, self.known, self.clock = folder.resolve(), known, clock
        self.waiting: dict[str, File] = {}
        # Folders below it that can't be listed, and why.
        self.closed: dict[Path, str] = {}
        self._part, self._walked, self._begins = FIRST, self._walk(self.folder), 0.0

    def notice(self, notices: Notices) -> None:
        """Take up what changed; of what a new folder holds already, no notice comes."""
        for _, changed in notices:
            path = Path(changed)
            if path.suffix.lower() in ENDINGS:
                self._look(path)
            elif path.is_dir() and not path.is_symlink():
                for photo in islice(self._walk(path), ROOM):
                    self._look(photo)

    def sweep(self) -> None:
        """Look at some of all files; raises OSError where the folder can't be listed."""
        count = min(self._part, ROOM - len(self.waiting))
        if count <= 0 or self.clock.steady() < self._begins:
            return
        try:
            paths = list(islice(self._walked, count))
        except OSError:
            self._walked = self._walk(self.folder)
            raise
        for path in paths:
            self._look(path)
        if len(paths) < count:
            there = [path for path in self.closed if os.access(path, os.F_OK)]
            self.closed = {path: self.closed[path] for path in there}
            self._part, self._walked, self._begins = (
                LATER,
                self._walk(self.folder),
                self.clock.steady() + REST,
            )

    def ready(self, count: int) -> list[File]:
        """Return so many files that seem whole, or as many as there are, the oldest first."""
        due = (file for file in self.waiting.values() if file.due <= self.clock.steady())
        files = heapq.nsmallest(count, due, key=lambda file: (file.stamp, file.name))
        for file in files:
            self._look(file.path)
        return [file for file in files if self.waiting.get(file.name) == file]

    def retry(self, file: File) -> bool:
        """Let a file wait that couldn't be read; tell whether it is time to give it up."""
        now = self.clock.steady()
        again = file._replace(due=now + RETRY, failed=min(file.failed, now))
        self.waiting[file.name] = again
        return now - again.failed >= PATIENCE

    def done(self, file: File) -> None:
        """Forget a file, unless it is another by now."""
        if self.waiting.get(file.name, file)[2:4] == file[2:4]:
            self.waiting.pop(file.name, None)

    def _look(self, path: Path) -> None:
        below = path.relative_to(self.folder).as_posix()
        # What isn't UTF-8 can't be logged as it is.
        name = below.encode(errors="surrogateescape").decode(errors="backslashreplace")
        had, now, found = self.waiting.get(name), self.clock.steady(), None
        # No link is followed, neither to a file nor on the way to it.
        with suppress(OSError):
            found = path.lstat() if os.path.realpath(path) == str(path) else None
        if not found or not stat.S_ISREG(found.st_mode) or is_junk(below):
            self.waiting.pop(name, None)
            return
        stamp, size = found.st_mtime_ns, found.st_size
        if (had and had[2:4] == (stamp, size)) or (not had and len(self.waiting) >= ROOM):
            return
        self.waiting.pop(name, None)
        if not self.known(name, stamp, size):
            age = self.clock.wall() - found.st_mtime
            since = now - age if 0 <= age < 1 else now
            self.waiting[name] = File(name, path, stamp, size, since, now + SETTLE)

    def _walk(self, top: Path) -> Iterator[Path]:
        folders = [top]
        while folders:
            folder = folders.pop()
            try:
                with os.scandir(folder) as entries:
                    self.closed.pop(folder, None)
                    for entry in entries:
                        if entry.is_dir(follow_symlinks=False):
                            folders += [] if is_junk(entry.name) else [Path(entry.path)]
                        elif entry.name.lower().endswith(ENDINGS):
                            yield Path(entry.path)
            except OSError as error:
                if folder == self.folder:
                    raise
                self.closed[folder] = str(error)


def read_layout(folder: Path) -> Layout:
    """Return a folder's wells.yaml, if there is one, wells named CAMERA/WELL.

    Raises InputError where it says something else.
    """
    if not (path := folder / LAYOUT).exists():
        return {}
    try:
        layout = LAYOUTS.validate_python(read_yaml(path))
    except ValidationError as error:
        wrong = [f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()]
        raise InputError(
            f"{path} must hold CAMERA: {{WELL: [left, top, width, height]}}; correct these:\n  "
            + "\n  ".join(wrong)
        ) from None
    return {
        (camera := Path(name).as_posix()): {f"{camera}/{well}": at for well, at in wells.items()}
        for name, wells in layout.items()
    }


def cut(layout: Layout, folder: Path, name: str, photo: Image.Image) -> dict[str, Image.Image]:
    """Return what a photo of that name shows of each well; ValueError where one leaves it.

    Without an entry in the layout it shows one, named as the photo's folder.
    """
    camera, wells = Path(name).parent.as_posix(), {}
    if camera not in layout:
        return {folder.name if camera == "." else camera: photo}
    for well, (left, top, width, height) in layout[camera].items():
        if left + width > photo.width or top + height > photo.height:
            raise ValueError(f"{well} of {LAYOUT} leaves it: {photo.width} x {photo.height} pixels")
        wells[well] = photo.crop((left, top, left + width, top + height))
    return wells
