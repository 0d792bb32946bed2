"""Which photos a folder holds, when each is whole, and which wells it shows."""

import heapq
import os
import stat
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
# Seconds: a file is whole when nothing changed for SETTLE and it can be read; one that can't is
# tried again each RETRY until nothing changed for PATIENCE. A whole sweep is followed by PAUSE.
SETTLE, RETRY, PATIENCE, PAUSE = 0.1, 0.5, 10.0, 2.0
# Files that may wait at once; the sweep finds again what finds no room.
ROOM = 20_000
# Files looked at in a turn, by the first sweep and by those that go on behind the notices.
FIRST_SWEPT, SWEPT = 2000, 100

_Place = Annotated[int, Field(ge=0)]
_Side = Annotated[int, Field(ge=1)]
# By camera and by well: left, top, width and height in pixels.
Layout = dict[str, dict[str, tuple[_Place, _Place, _Side, _Side]]]
_LAYOUT = TypeAdapter(Layout, config=ConfigDict(coerce_numbers_to_str=True))


class File(NamedTuple):
    """A photo's file. name: below the folder; stamp: ns, size: bytes; since: when it became so;
    due: when it is looked at again. Both are seconds of a steady clock.
    """

    name: str
    path: Path
    stamp: int
    size: int
    since: float
    due: float

    @property
    def camera(self) -> str:
        """Return the file's folder below the watched one, `.` for that itself."""
        return Path(self.name).parent.as_posix()

    def read(self) -> bytes:
        """Return its content; raises OSError where it is gone, ValueError where it is too large."""
        if self.size > MAX_BYTES:
            raise ValueError(f"larger than {MAX_BYTES:,} bytes")
        with self.path.open("rb") as file:
            data, now = file.read(self.size + 1), os.fstat(file.fileno())
        if (now.st_mtime_ns, len(data)) != (self.stamp, self.size):
            raise ValueError("it is being written")
        return data


class Intake:
    """The files of a folder that aren't `known` by name, stamp and size, until they are done.

    wall, steady: clocks. It never holds more than ROOM files.
    """

    def __init__(
        self,
        folder: Path,
        known: Callable[[str, int, int], bool],
        wall: Callable[[], float],
        steady: Callable[[], float],
    ) -> None:
        self.folder, self.known, self.wall, self.steady = folder.resolve(), known, wall, steady
        self.waiting: dict[str, File] = {}
        self.swept, self._sweep, self._next = False, self._walk(), 0.0

    def notice(self, changes: Iterable[tuple[Change, str]]) -> None:
        """Take up what changed; a new folder may hold photos of which no notice comes."""
        for _, changed in changes:
            path = Path(changed)
            if path.suffix.lower() in ENDINGS:
                self._note(path)
            elif path.is_dir():
                self._sweep, self._next = self._walk(), 0.0

    def sweep(self) -> None:
        """Look at a few more of all files; raises OSError where the folder can't be listed."""
        room = ROOM - len(self.waiting)
        if self.steady() < self._next or room <= 0:
            return
        count = min(room, SWEPT if self.swept else FIRST_SWEPT)
        try:
            seen = list(islice(self._sweep, count))
        except OSError:
            self._sweep = self._walk()
            raise
        for path in seen:
            self._note(path)
        if len(seen) < count:
            self.swept, self._sweep, self._next = True, self._walk(), self.steady() + PAUSE

    def ready(self, count: int) -> list[File]:
        """Return at most so many files that are whole, as far as can be told, the oldest first."""
        now, files = self.steady(), []
        due = (file for file in self.waiting.values() if file.due <= now)
        for file in heapq.nsmallest(count, due, key=lambda file: (file.stamp, file.name)):
            self._note(file.path)
            if self.waiting.get(file.name) == file:
                files.append(file)
        return files

    def done(self, file: File) -> None:
        """Forget a file, unless it has changed meanwhile."""
        if self.waiting.get(file.name) == file:
            del self.waiting[file.name]

    def retry(self, file: File) -> bool:
        """Look at a file again that couldn't be read; tell whether it is time to give it up."""
        now = self.steady()
        if now - file.since >= PATIENCE:
            return True
        self.waiting[file.name] = file._replace(due=now + RETRY)
        return False

    def _note(self, path: Path) -> None:
        """Let a file wait as it is now, or no longer, where there is none."""
        relative = path.relative_to(self.folder).as_posix()
        # What is no UTF-8 can't be written down.
        name = relative.encode(errors="surrogateescape").decode(errors="backslashreplace")
        try:
            found = path.lstat()
            # No link is followed, neither to a file nor to a folder on its way.
            regular = stat.S_ISREG(found.st_mode) and os.path.realpath(path) == str(path)
        except OSError:
            regular = False
        if not regular or is_junk(relative):
            self.waiting.pop(name, None)
            return
        had, now = self.waiting.get(name), self.steady()
        if had and (had.stamp, had.size) == (found.st_mtime_ns, found.st_size):
            return
        if not had and len(self.waiting) >= ROOM:
            return
        if not self.known(name, found.st_mtime_ns, found.st_size):
            age = self.wall() - found.st_mtime
            since = now - age if 0 <= age < 1 else now
            wait = now + SETTLE
            self.waiting[name] = File(name, path, found.st_mtime_ns, found.st_size, since, wait)

    def _walk(self) -> Iterator[Path]:
        """Yield all that may be photos below the folder, one after another as the disk has them."""
        folders = [self.folder]
        while folders:
            folder = folders.pop()
            below = () if folder == self.folder else (OSError,)
            with suppress(*below), os.scandir(folder) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        folders += [] if is_junk(entry.name) else [Path(entry.path)]
                    elif entry.name.lower().endswith(ENDINGS):
                        yield Path(entry.path)


def read_layout(folder: Path) -> Layout:
    """Return the rectangles of the wells by camera, from a folder's wells.yaml, if there is one.

    Raises InputError where it is something else.
    """
    path = folder / LAYOUT
    if not path.exists():
        return {}
    try:
        return _LAYOUT.validate_python(read_yaml(path))
    except ValidationError as error:
        said = "".join(
            f"\n  {'.'.join(map(str, one['loc'])) or 'all of it'}: {one['msg']} "
            f"(it is {one['input']!r:.80})"
            for one in error.errors()
        )
        raise InputError(
            f"{path} must hold {{CAMERA: {{WELL: [left, top, width, height]}}}}, in pixels; "
            f"correct these:{said}"
        ) from None


def name_wells(layout: Layout, camera: str, folder: Path) -> list[str]:
    """Return the names of a camera's wells: CAMERA/WELL, or CAMERA for all of its photo."""
    if camera not in layout:
        return [folder.name if camera == "." else camera]
    return [(Path(camera) / well).as_posix() for well in layout[camera]]


def cut(layout: Layout, camera: str, photo: Image.Image) -> list[Image.Image]:
    """Return what a photo shows of each of its camera's wells; ValueError where one leaves it."""
    if camera not in layout:
        return [photo]
    wells = []
    for well, (left, top, width, height) in layout[camera].items():
        if left + width > photo.width or top + height > photo.height:
            raise ValueError(
                f"{camera}: {well} in {LAYOUT} leaves the photo of {photo.width} x {photo.height}"
            )
        wells.append(photo.crop((left, top, left + width, top + height)))
    return wells
