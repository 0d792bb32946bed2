"""Files written whole or not at all, the same bytes for the same content."""

import hashlib
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.common.errors import InputError
from stages.common.sources import UNREADABLE

SIGNIFICANT_DIGITS = 6
# What NumPy raises too for broken files; a TypeError where the file holds a bare array.
UNREADABLE_ARRAYS = (*UNREADABLE, KeyError, TypeError, RuntimeError)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; move it there on success, remove it on failure.

    A reader never sees a half-written file, and what stood at `path` stays until the new one is
    whole. Raises InputError where the disk can't take it.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
        os.close(handle)
    except OSError as error:
        raise InputError(f"{path} can't be written: {error.strerror}") from None
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o644)
        temporary.replace(path)
    except OSError as error:
        raise InputError(f"{path} can't be written: {error}") from None
    finally:
        temporary.unlink(missing_ok=True)


def keep_only(folder: Path, names: set[str]) -> None:
    """Remove the files of a folder that aren't among the names; folders in it stay."""
    for path in folder.iterdir():
        if path.is_file() and path.name not in names:
            path.unlink()


def write_text(path: Path, text: str) -> None:
    """Write text as UTF-8 with the newlines it has."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="")


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Write strict JSON, floats to SIGNIFICANT_DIGITS so that a diff shows what changed.

    Letters other than ASCII's are escaped: DVC takes a file with many of them for binary.
    """

    def shorten(number: str) -> float:
        return round_to(float(number), SIGNIFICANT_DIGITS)

    rounded = json.loads(json.dumps(value, allow_nan=False), parse_float=shorten)
    write_text(path, json.dumps(rounded, indent=2) + "\n")


def write_arrays(path: Path, **arrays: NDArray[Any]) -> None:
    """Write arrays as an uncompressed .npz file."""
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)


def round_to(value: float, digits: int) -> float:
    """Return a number rounded to so many significant digits."""
    return float(f"{value:.{digits}g}")


def read_arrays(path: Path, *names: str) -> list[NDArray[Any]]:
    """Read the named arrays of an .npz file, never unpickling.

    Raises InputError where the file is missing, broken or lacks an array.
    """
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return [arrays[name] for name in names]
    except UNREADABLE_ARRAYS as error:
        raise InputError(
            f"{path} can't be read ({error}): `dvc repro` makes it anew, "
            "`dvc checkout` brings back the committed one"
        ) from None


def sha256_of(path: Path) -> str:
    """Return a file's SHA-256 in hexadecimal digits; raises InputError where it can't be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        reason = error.strerror
        raise InputError(f"{path} can't be read ({reason}): `dvc repro` makes it anew") from None
