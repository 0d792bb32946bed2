"""The photos of a shard, read one after another; nothing in it is trusted."""

import gzip
import io
import os
import shutil
import stat
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO

from stages.common.errors import InputError
from stages.common.sources import MAX_FILES, MAX_UNPACKED_BYTES, UNREADABLE, files_of_zip
from tools.bulk.shards import LIST, PACKED, ZIP, Shard
from tools.bulk.storage import at, explaining, is_url
from tools.photos import MAX_BYTES, Photo, is_photo, read_file

# Of a fetched shard, what is kept in memory; a larger one goes into an unnamed file.
IN_MEMORY = 64 * 2**20
BROKEN = (*UNREADABLE, tarfile.TarError)


def photos_of(shard: Shard) -> Iterator[Photo]:
    """Yield a shard's photos: a zip's by name, a tar's and a list's in their order.

    Each must be read before the next is asked for. A photo's name is that in the shard, or the line
    of a list. Raises InputError, when it comes to it, where the shard is broken or holds no photo.
    """
    name = shard.name.lower()
    read = _of_zip if name.endswith(ZIP) else _of_list if name.endswith(LIST) else _of_tar
    try:
        with _opened(shard) as file:
            photos = read(file, shard)
            first = next(photos, None)
            if first is None:
                raise InputError("there is no photo in it")
            yield first
            yield from photos
    except BROKEN as error:
        raise InputError(f"it can't be read ({error}): make or fetch it again") from None


@contextmanager
def _opened(shard: Shard) -> Iterator[IO[bytes]]:
    """Open a shard, one at a URL after fetching it whole."""
    if not is_url(shard.place):
        # A pipe would never end.
        if not stat.S_ISREG(Path(shard.place).stat().st_mode):
            raise InputError("it is no file")
        with Path(shard.place).open("rb") as file:
            yield file
        return
    system, path = at(shard.place)
    with tempfile.SpooledTemporaryFile(IN_MEMORY) as fetched:
        with explaining("it can't be fetched"), system.open(path, "rb") as remote:
            shutil.copyfileobj(remote, fetched, 2**20)
        fetched.seek(0)
        yield fetched


def _of_zip(file: IO[bytes], shard: Shard) -> Iterator[Photo]:
    with zipfile.ZipFile(file) as archive:
        # What is said of it is the same wherever it lies.
        archive.filename = shard.name
        files = files_of_zip(archive)
        yield from (Photo(name, files[name]) for name in sorted(files) if is_photo(name))


def _of_tar(file: IO[bytes], shard: Shard) -> Iterator[Photo]:
    packed = shard.name.lower().endswith(PACKED)
    plain = _Bounded(gzip.GzipFile(fileobj=file) if packed else file)
    seen: set[str] = set()
    count = size = 0
    with tarfile.open(fileobj=plain, mode="r:") as archive:
        for member in archive:
            count, size = count + 1, size + max(member.size, 0)
            if count > MAX_FILES or size > MAX_UNPACKED_BYTES:
                raise InputError(
                    f"it would unpack to over {MAX_FILES:,} files or {MAX_UNPACKED_BYTES:,} bytes: "
                    "make several of it"
                )
            name = _checked(member, seen)
            if member.isreg() and is_photo(name):
                seen.add(name)
                yield Photo(name, partial(_read_member, archive, member))
        # Behind a broken header tarfile says nothing and stops.
        plain.seek(archive.offset)
        if plain.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
            raise InputError(f"it is broken or cut off at byte {archive.offset:,}: make it again")
        # To its very end, where a packed one has its checksum.
        while block := plain.read(tarfile.BLOCKSIZE):
            size += len(block)
            if size > MAX_UNPACKED_BYTES or block.strip(b"\0"):
                raise InputError("it goes on behind its end: make one archive of it")


def _checked(member: tarfile.TarInfo, seen: set[str]) -> str:
    """Return a member's name; raises InputError for what a zip would be refused for too."""
    name = PurePosixPath(member.name).as_posix()
    if name.startswith("/") or ".." in name.split("/"):
        raise InputError(f"the path {name!r} leaves the archive's folder; not unpacked")
    if member.size < 0:
        raise InputError(f"{name!r} has a size below zero; make the archive anew")
    if member.issym() or member.islnk():
        raise InputError(f"{name!r} is a link; put the file itself there")
    if name in seen:
        raise InputError(f"{name!r} stands in it twice; make the archive anew")
    return name


def _read_member(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    if member.size > MAX_BYTES:
        raise InputError(f"larger than {MAX_BYTES:,} bytes")
    file = archive.extractfile(member)
    assert file is not None, "a regular file"
    try:
        return file.read()
    except BROKEN as error:
        raise InputError(f"it can't be read ({error})") from None


class _Bounded(io.RawIOBase):
    """A file of which nobody reads more at once than a photo may have, whatever a header states."""

    def __init__(self, file: IO[bytes] | gzip.GzipFile) -> None:
        self._file = file

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= MAX_BYTES:
            raise InputError(f"a header in it states {size:,} bytes: make it again")
        return self._file.read(size)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()


def _of_list(file: IO[bytes], shard: Shard) -> Iterator[Photo]:
    content = file.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise InputError(f"it is a list of over {MAX_BYTES:,} bytes: make several of it")
    folder = shard.place.rpartition("/")[0]
    for line in io.StringIO(content.decode("utf-8-sig", "surrogateescape")):
        if line.strip():
            name = line.rstrip("\r\n")
            yield Photo(name, partial(_read_named, folder, name))


def _read_named(folder: str, name: str) -> bytes:
    place = name if is_url(name) or name.startswith("/") else f"{folder}/{name}"
    if not is_url(place):
        # Neither a folder nor a pipe, which would never end.
        if not os.path.isfile(place):  # noqa: PTH113
            raise InputError("there is no such file")
        return read_file(Path(place))
    system, path = at(place)
    with explaining("it can't be fetched"):
        content: bytes = system.cat_file(path, start=0, end=MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise InputError(f"larger than {MAX_BYTES:,} bytes")
    return content
