"""Pack a folder's photos into shards: `python -m tools.bulk.pack FOLDER OUT`.

Writes zips, uncompressed, into OUT, an empty folder or the URL of one, each whole or not at all (at
URLs as its storage does it). Photos are known by their names' endings; a photo's name in its zip is
its path below FOLDER; the same photos give the same bytes. What can't be read is told, and the exit
status is then 1; all others are packed.
"""

import argparse
import io
import stat
import sys
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from tqdm import tqdm

from stages.common.errors import InputError, run
from stages.common.files import replacing
from stages.common.sources import files_of_zip
from tools.bulk.storage import at, explaining, is_url
from tools.photos import photos_below

# A shard is closed at so many bytes, however few its photos: it is held and fetched whole.
MOST_BYTES = 2**27


def main() -> None:
    """Pack what the command line names."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, metavar="FOLDER")
    parser.add_argument("out", metavar="OUT")
    parser.add_argument(
        "--photos", type=int, default=2000, metavar="N", help="in a shard; default: 2000"
    )
    arguments = parser.parse_args()
    if arguments.photos < 1:
        parser.error("--photos must be 1 or more")
    pack(arguments.folder, arguments.out, arguments.photos)


def pack(folder: Path, out: str, most: int) -> None:
    """Write a folder's photos into shards of at most so many; holds a shard, and a folder's names.

    Raises InputError where there is no photo, something is in `out` already, it can't be written,
    a name can't be that of a shard's photo, and, in the end, where photos could not be read.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: there is no such folder")
    _refuse_full(out)
    lost: list[str] = []
    packed, number = 0, -1
    for number, shard in enumerate(_shards(_read(folder, lost), most)):
        packed += len(shard)
        _put(_zipped(shard), f"{out.rstrip('/')}/{number:06}.zip")
    if lost:
        raise InputError(f"{len(lost):,} photos could not be read and are in no shard: see above")
    if number < 0:
        raise InputError(f"{folder}: there is no photo in it")
    print(f"{packed:,} photos in {number + 1:,} shards", file=sys.stderr)


def _read(folder: Path, lost: list[str]) -> Iterator[tuple[str, bytes]]:
    """Yield the names and bytes of a folder's photos; keep those that can't be read."""
    for photo in tqdm(photos_below(folder), unit="photo", disable=None):
        try:
            yield Path(photo.name).relative_to(folder).as_posix(), photo.read()
        except InputError as error:
            lost.append(photo.name)
            tqdm.write(f"{photo.name}: {error}", file=sys.stderr)


def _shards(photos: Iterable[tuple[str, bytes]], most: int) -> Iterator[dict[str, bytes]]:
    shard: dict[str, bytes] = {}
    size = 0
    for name, data in photos:
        shard[name] = data
        size += len(data)
        if len(shard) == most or size >= MOST_BYTES:
            yield shard
            shard, size = {}, 0
    if shard:
        yield shard


def _zipped(photos: Mapping[str, bytes]) -> bytes:
    """Return photos as a zip; raises InputError where it could not be read back."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in photos.items():
            entry = zipfile.ZipInfo(name)
            entry.create_system = 3
            entry.external_attr = (stat.S_IFREG | 0o644) << 16
            try:
                archive.writestr(entry, data)
            except UnicodeEncodeError:
                raise InputError(f"the file name {name!r} isn't UTF-8; rename the file") from None
    with zipfile.ZipFile(buffer) as archive:
        archive.filename = "a shard of it"
        if changed := sorted(photos.keys() - files_of_zip(archive).keys()):
            raise InputError(f"no shard can hold the name {changed[0]!r}; rename the file")
    return buffer.getvalue()


def _refuse_full(out: str) -> None:
    if is_url(out):
        system, path = at(out)
        with explaining(f"{out} can't be listed"):
            full = system.exists(path) and bool(system.find(path))
    else:
        full = Path(out).exists() and (not Path(out).is_dir() or any(Path(out).iterdir()))
    if full:
        raise InputError(f"there is something in {out} already: name an empty folder")


def _put(content: bytes, place: str) -> None:
    if is_url(place):
        system, path = at(place)
        with explaining(f"{place} can't be written"):
            system.pipe_file(path, content)
    else:
        with replacing(Path(place)) as temporary:
            temporary.write_bytes(content)


if __name__ == "__main__":
    run(main)
