"""Photos by path: files, folders, glob patterns, zips, and lists of them; each read when asked."""

import glob
import os
import sys
import zipfile
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

from stages.common.errors import InputError
from stages.common.sources import files_of_zip, is_junk
from stages.wells.data.archive import open_zip

STANDARD_INPUT = "-"
# In folders and zips; a file that is named itself is tried whatever its name.
ENDINGS = (".jpg", ".jpeg", ".png", ".bmp", ".gif", ".ppm", ".pgm", ".tif", ".tiff", ".webp")
MAX_BYTES = 100 * 2**20


class Photo(NamedTuple):
    """A photo's name, as a person finds it again, and what reads its bytes.

    `read` raises InputError, saying why, where there is nothing to read.
    """

    name: str
    read: Callable[[], bytes]


def find_photos(paths: Iterable[str]) -> Iterator[Photo]:
    """Yield every photo of paths in their order, those of a folder, pattern or zip by name.

    `-` reads paths from standard input, a line each. What isn't there, is no zip or holds no photo
    is given as a photo whose reading says so. A zip's photo must be read before the next is asked
    for, because the zip is closed behind the last.
    """
    for path in paths:
        if path == STANDARD_INPUT:
            for line in sys.stdin:
                if line.strip():
                    yield from _at(line.rstrip("\r\n"))
        else:
            yield from _at(path)


def _at(name: str) -> Iterator[Photo]:
    path = Path(name)
    # Unlike Path's own, these take any name: one that is too long is none.
    if os.path.isdir(path):  # noqa: PTH112
        yield from _or_explain(name, photos_below(path))
    elif os.path.isfile(path):  # noqa: PTH113
        yield from _in_zip(path) if _is_zip(path) else [_file(path)]
    elif glob.has_magic(name):
        # Path.glob takes no pattern that begins at the root.
        matches = sorted(glob.iglob(name, recursive=True))  # noqa: PTH207
        found = (photo for match in matches for photo in _at(match))
        yield from _or_explain(name, found, "nothing fits this pattern")
    else:
        yield _unreadable(name, "there is no such file or folder")


def _is_zip(path: Path) -> bool:
    try:
        return zipfile.is_zipfile(path)
    except zipfile.BadZipFile:
        # It has a zip's mark, but not a whole one's; who opens it says what is wrong.
        return True


def _file(path: Path) -> Photo:
    return Photo(str(path), partial(read_file, path))


def photos_below(folder: Path) -> Iterator[Photo]:
    """Yield a folder's photos, by name, before those of each folder in it.

    A folder that can't be listed is given, at the end, as a photo whose reading says so.
    """
    closed: list[OSError] = []
    for parent, folders, names in os.walk(folder, onerror=closed.append):
        folders[:] = sorted(name for name in folders if not is_junk(name))
        yield from (_file(Path(parent, name)) for name in sorted(names) if is_photo(name))
    for error in closed:
        yield _unreadable(str(error.filename), f"it can't be listed: {error.strerror}")


def _in_zip(path: Path) -> Iterator[Photo]:
    try:
        with open_zip(path) as archive:
            files = {name: read for name, read in files_of_zip(archive).items() if is_photo(name)}
            found = (Photo(f"{path}/{name}", files[name]) for name in sorted(files))
            yield from _or_explain(str(path), found)
    except InputError as error:
        yield _unreadable(str(path), str(error))


def is_photo(name: str) -> bool:
    """Tell a photo by the ending of its name."""
    return name.lower().endswith(ENDINGS) and not is_junk(name)


def _or_explain(
    path: str, photos: Iterator[Photo], problem: str = "there is no photo in it"
) -> Iterator[Photo]:
    yield next(photos, _unreadable(path, problem))
    yield from photos


def read_file(path: Path) -> bytes:
    """Return a file's bytes; raises InputError, saying why, where it can't be read or is huge."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise InputError(error.strerror or str(error)) from None
    if len(data) > MAX_BYTES:
        raise InputError(f"larger than {MAX_BYTES:,} bytes")
    return data


def _unreadable(name: str, problem: str) -> Photo:
    def explain() -> bytes:
        raise InputError(problem)

    return Photo(name, explain)
