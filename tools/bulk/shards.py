"""Which shards there are below paths and URLs, each known by its name and its version."""

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from stages.common.errors import InputError
from stages.common.sources import is_junk, walk
from tools.bulk.storage import at, explaining, is_url

ZIP, LIST = ".zip", ".txt"
PACKED = (".tar.gz", ".tgz")
ENDINGS = (ZIP, LIST, ".tar", *PACKED)

# By what names the clients of storages tell what an object's change changes.
TAGS = ("ETag", "etag", "mtime", "LastModified", "Last-Modified", "last_modified", "modified",
        "modify", "updated", "created")  # fmt: skip


class Shard(NamedTuple):
    """A shard: its path below what was given, its absolute path or URL, and its version.

    The version, its size and the time or tag of its last change, tells whether it has changed; it
    is empty where nobody can know.
    """

    name: str
    place: str
    version: str


def find_shards(given: Iterable[str]) -> list[Shard]:
    """Return the shards that paths and URLs name, and all in folders among them, by name.

    One that is named twice is taken once. Raises InputError where there is none, a folder can't be
    listed, two have the same name, for they would have the same result, or one has two names.
    """
    found: dict[str, Shard] = {}
    names: dict[str, str] = {}
    for one in given:
        shards = list(_at_url(one) if is_url(one) else _at_path(Path(one)))
        if not shards:
            raise InputError(f"{one}: there is no shard in it ({', '.join(ENDINGS)})")
        for shard in shards:
            # Not every CSV reader takes a carriage return, even in quotes.
            if set(shard.name.split("/")) & {"", ".", ".."} or "\r" in shard.name:
                raise InputError(f"{shard.place}: {shard.name!r} can't be the name of a result")
            if (twin := found.setdefault(shard.name, shard)).place != shard.place:
                raise InputError(
                    f"{twin.place} and {shard.place} are both {shard.name}, and so would be their "
                    "results: name a folder above both, or classify them into two folders"
                )
            if (other := names.setdefault(shard.place, shard.name)) != shard.name:
                raise InputError(
                    f"{shard.place} is named twice, as {other} and as {shard.name}: name it once"
                )
    return sorted(found.values())


def _at_path(path: Path) -> Iterator[Shard]:
    # Unlike Path's own, these take any name: one that is too long is none.
    if os.path.isdir(path):  # noqa: PTH112
        for parent, _, names in walk(path):
            for shard in (parent / name for name in names if _is_shard(name)):
                yield _local(shard, shard.relative_to(path))
    elif not os.path.exists(path):  # noqa: PTH110
        raise InputError(f"{path}: there is no such file or folder")
    elif not _is_shard(path.name):
        raise InputError(f"{path} is no shard ({', '.join(ENDINGS)}): pack it into one")
    else:
        yield _local(path, Path(path.name))


def _local(path: Path, name: Path) -> Shard:
    try:
        told = path.stat()
        version = f"{told.st_size} bytes, {told.st_mtime_ns}"
    except OSError:
        # Whoever reads it will say so.
        version = ""
    return Shard(name.as_posix(), str(path.absolute()), version)


def _at_url(url: str) -> Iterator[Shard]:
    system, path = at(url)
    with explaining(f"{url} can't be listed"):
        if _is_shard(PurePosixPath(path).name):
            found, top = [system.info(path)], path.rpartition("/")[0]
        else:
            below = system.walk(path, detail=True, on_error="raise")
            found, top = [info for *_, files in below for info in files.values()], path.rstrip("/")
        for info in found:
            name = info["name"].removeprefix(f"{top}/")
            if _is_shard(name):
                # Not every listing tells as much as the question for one.
                version = _version(info) or _version(system.info(info["name"]))
                yield Shard(name, system.unstrip_protocol(info["name"]), version)


def _version(info: Mapping[str, Any]) -> str:
    """Return an object's size, and its tag or time, as fsspec's clients call them; or nothing."""
    tag = next((info[key] for key in TAGS if info.get(key)), None)
    return f"{info['size']} bytes, {tag}" if tag else ""


def _is_shard(name: str) -> bool:
    return name.lower().endswith(ENDINGS) and not is_junk(name)
