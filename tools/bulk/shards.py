"""Which shards there are below paths and URLs, each known by its name and its version."""

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from stages.common.errors import InputError
from stages.common.sources import is_junk
from tools.bulk.storage import at, explaining, is_url

ZIP, LIST = ".zip", ".txt"
ENDINGS = (ZIP, LIST, ".tar", ".tar.gz")


class Shard(NamedTuple):
    """A shard: its path below what was given, its absolute path or URL, and its version.

    The version, its size and the time or tag of its last change, tells whether it has changed.
    """

    name: str
    place: str
    version: str


def find_shards(given: Iterable[str]) -> list[Shard]:
    """Return the shards that paths and URLs name, and all in folders among them, by name.

    Raises InputError where there is none, one can't be listed, or two have the same name, for they
    would have the same result.
    """
    found: dict[str, Shard] = {}
    for one in given:
        shards = list(_at_url(one) if is_url(one) else _at_path(Path(one)))
        if not shards:
            raise InputError(f"{one}: there is no shard in it ({', '.join(ENDINGS)})")
        for shard in shards:
            if set(shard.name.split("/")) & {"", ".", ".."}:
                raise InputError(f"{shard.place}: {shard.name!r} can't be the name of a result")
            if (twin := found.setdefault(shard.name, shard)) is not shard:
                raise InputError(
                    f"{twin.place} and {shard.place} are both {shard.name}, and so would be their "
                    "results: name a folder above both, or classify them into two folders"
                )
    return sorted(found.values())


def _at_path(path: Path) -> Iterator[Shard]:
    if path.is_dir():
        for parent, folders, names in os.walk(path):
            folders[:] = [name for name in folders if not is_junk(name)]
            for name in names:
                if _is_shard(name):
                    yield _local(Path(parent, name), Path(parent, name).relative_to(path))
    elif not path.exists():
        raise InputError(f"{path}: there is no such file or folder")
    elif not _is_shard(path.name):
        raise InputError(f"{path} is no shard ({', '.join(ENDINGS)}): pack it into one")
    else:
        yield _local(path, Path(path.name))


def _local(path: Path, name: Path) -> Shard:
    try:
        told = path.stat()
        version = f"{told.st_size} bytes, {told.st_mtime_ns}"
    except OSError as error:
        # Whoever reads it will say so.
        version = f"unknown ({error.strerror})"
    return Shard(name.as_posix(), str(path.absolute()), version)


def _at_url(url: str) -> Iterator[Shard]:
    system, path = at(url)
    with explaining(f"{url} can't be listed"):
        if _is_shard(PurePosixPath(path).name):
            found, top = {path: system.info(path)}, path.rpartition("/")[0]
        else:
            found, top = system.find(path, detail=True), path.rstrip("/")
    for key, info in found.items():
        name = key.removeprefix(f"{top}/")
        if _is_shard(name):
            yield Shard(name, system.unstrip_protocol(key), _version(info))


def _version(info: Mapping[str, Any]) -> str:
    """Return what fsspec tells of an object: its size, and its tag or time."""
    keys = ("ETag", "etag", "mtime", "LastModified", "updated", "created")
    tag = next((info[key] for key in keys if info.get(key)), "")
    return f"{info['size']} bytes, {tag}"


def _is_shard(name: str) -> bool:
    return name.lower().endswith(ENDINGS) and not is_junk(name)
