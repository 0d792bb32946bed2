"""Files of a folder or a zip that came from anywhere: read one by one, nothing trusted."""

import os
import stat
import zipfile
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path, PurePosixPath

from stages.common.errors import InputError

JUNK = {
    *("__MACOSX", "Thumbs.db", "desktop.ini"),
    # Of whole disks, where often nobody may list them.
    *("lost+found", "System Volume Information", "$RECYCLE.BIN"),
}
MAX_UNPACKED_BYTES = 2**30
# Or so many times what it takes on the disk, for photos are packed already: more is a bomb.
MAX_TIMES = 2
# Bytes, as `stat` counts.
DISK_BLOCK = 512
MAX_FILES = 2_000_000
MAX_PATH_LENGTH = 500
# What reading a broken entry raises; a ValueError where its name is in no known encoding.
UNREADABLE = (OSError, ValueError, EOFError, NotImplementedError, zipfile.BadZipFile, zlib.error)

Reader = Callable[[], bytes]


def files_of_folder(folder: Path) -> dict[str, Reader]:
    """Return every file below a folder, but junk, by its path relative to the folder.

    Raises InputError for a folder that can't be listed or is a link, a file that can't be found, a
    name that isn't UTF-8, more than MAX_FILES files, or more bytes than MAX_UNPACKED_BYTES and
    MAX_TIMES what they take on the disk.
    """
    found: dict[str, os.stat_result] = {}
    for parent, folders, names in walk(folder):
        if links := [parent / name for name in folders if (parent / name).is_symlink()]:
            raise InputError(f"{links[0]} is a link to a folder; put the folder itself there")
        for path in (parent / name for name in names):
            try:
                told = path.stat()
            except OSError as error:
                raise InputError(f"{path} can't be read: {error.strerror}") from None
            if stat.S_ISREG(told.st_mode):
                found[path.relative_to(folder).as_posix()] = told
    for name in found:
        # Names that an old Windows zip brought in another encoding hold lone surrogates.
        if any("\ud800" <= character <= "\udfff" for character in name):
            raise InputError(f"{folder}: the file name {name!r} isn't UTF-8; rename the file")
    on_disk = DISK_BLOCK * sum(told.st_blocks for told in found.values())
    _refuse_bomb(len(found), sum(told.st_size for told in found.values()), on_disk, str(folder))
    return {name: _reader((folder / name).read_bytes, str(folder / name)) for name in found}


def files_of_zip(archive: zipfile.ZipFile) -> dict[str, Reader]:
    """Return every file of an open zip by its path.

    Raises InputError for a path that is absolute or leaves the folder, a path that stands twice, a
    symbolic link, an encrypted entry, a path longer than MAX_PATH_LENGTH, a packing method other
    than deflate (its unpacking can't be bounded), more than MAX_FILES files, or more bytes than
    MAX_UNPACKED_BYTES and MAX_TIMES what the zip itself has.
    """
    name = archive.filename or "the zip"
    entries = [entry for entry in archive.infolist() if not entry.filename.endswith(("/", "\\"))]
    assert archive.fp is not None, "an open zip"
    on_disk = archive.fp.seek(0, os.SEEK_END)
    _refuse_bomb(len(entries), sum(entry.file_size for entry in entries), on_disk, name)
    files: dict[str, Reader] = {}
    for entry in entries:
        path = PurePosixPath(entry.filename.replace("\\", "/")).as_posix()
        if len(path) > MAX_PATH_LENGTH:
            raise InputError(f"{name}: the path {path!r:.80}… is too long ({len(path):,} letters)")
        if path.startswith("/") or {".", ".."} & set(path.split("/")) or path[1:2] == ":":
            raise InputError(f"{name}: the path {path!r} leaves the archive's folder; not unpacked")
        if path in files:
            raise InputError(f"{name}: {path!r} stands in it twice; make the archive anew")
        if stat.S_ISLNK(entry.external_attr >> 16):
            raise InputError(f"{name}: {path!r} is a symbolic link; put the file itself there")
        if entry.flag_bits & 1:
            raise InputError(f"{name}: {path!r} is encrypted; make the archive without a password")
        if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise InputError(f"{name}: {path!r} isn't packed by deflate; make the archive anew")
        files[path] = _reader(partial(_read_entry, archive, entry), f"{name}: {path}")
    return files


def folders_of_folder(folder: Path) -> frozenset[str]:
    """Return the paths of all folders below a folder, but junk, relative to it.

    Raises InputError for a folder that can't be listed.
    """
    return frozenset(
        (parent / name).relative_to(folder).as_posix()
        for parent, folders, _ in walk(folder)
        for name in folders
    )


def folders_of_zip(archive: zipfile.ZipFile) -> frozenset[str]:
    """Return the paths of the folders that stand in an open zip themselves."""
    names = (name.replace("\\", "/") for name in archive.namelist())
    return frozenset(name.rstrip("/") for name in names if name.endswith("/"))


def walk(folder: Path) -> Iterator[tuple[Path, list[str], list[str]]]:
    """Yield each folder from a folder down, with the names of folders and files in it, but junk.

    A link to a folder is named, and not followed. Raises InputError for a folder that can't be
    listed.
    """
    for parent, folders, names in os.walk(folder, onerror=_refuse):
        folders[:] = [name for name in folders if not is_junk(name)]
        yield Path(parent), folders, [name for name in names if not is_junk(name)]


def is_junk(path: str) -> bool:
    """Tell what systems and editors leave behind: whatever begins with a dot, or is in JUNK."""
    return any(part.startswith(".") or part in JUNK for part in PurePosixPath(path).parts)


def _refuse(error: OSError) -> None:
    raise InputError(f"{error.filename} can't be listed: {error.strerror}")


def _refuse_bomb(count: int, size: int, on_disk: int, source: str) -> None:
    most = max(MAX_UNPACKED_BYTES, MAX_TIMES * on_disk)
    if count > MAX_FILES or size > most:
        raise InputError(
            f"{source} would unpack to {count:,} files and {size:,} bytes, over the limits of "
            f"{MAX_FILES:,} files and {most:,} bytes; not unpacked"
        )


def _read_entry(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    # An unbounded read() would unpack the whole stream before it looks at the stated size; one byte
    # more than stated lets an entry of a stated size of zero be checked too.
    with archive.open(entry) as file:
        return file.read(entry.file_size + 1)


def _reader(read: Reader, where: str) -> Reader:
    def read_or_explain() -> bytes:
        try:
            return read()
        except UNREADABLE as error:
            raise InputError(f"{where} can't be read ({error}): fetch or copy it again") from None

    return read_or_explain
