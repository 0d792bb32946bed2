"""Avatars of one size: as arrays, and read from a folder or a zip."""

import csv
import io
import warnings
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import compress
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from stages.bayes.styles import Style
from stages.common.errors import InputError
from stages.common.files import read_arrays, write_arrays
from stages.common.sources import UNREADABLE, files_of_folder, files_of_zip, is_junk

Avatar = NDArray[np.uint8]
Avatars = NDArray[np.uint8]
Symbols = NDArray[np.unsignedinteger]
Symbol = type[np.unsignedinteger]

HELD_OUT, STYLES, NAME = "holdout", "styles.csv", "name"
LARGEST_SIDE = 2048
MAX_PIXEL_BYTES = 2**30
MAX_TABLE_BYTES = 2**20
FEWEST = 2


class AvatarSet(NamedTuple):
    """Avatars `[N, H, W, 4]` RGBA and, where they are known, their styles, one each.

    `attributes` names the values that a style consists of; without styles it is empty.
    """

    avatars: Avatars
    attributes: tuple[str, ...] = ()
    styles: tuple[Style, ...] = ()


def as_symbols(avatars: Avatars, symbol: Symbol) -> Symbols:
    """Return avatars `[N, H, W, 4]` as rows of symbols `[N, P]`.

    A symbol is a channel's value (uint8) or a whole pixel (uint32).
    """
    return np.ascontiguousarray(avatars).reshape(len(avatars), -1).view(symbol)


def as_avatar(symbols: Symbols, height: int, width: int) -> Avatar:
    """Return the avatar `[H, W, 4]` that a row of symbols stands for."""
    return symbols.view(np.uint8).reshape(height, width, 4)


def save_avatars(path: Path, part: AvatarSet) -> None:
    """Write avatars with their styles as an .npz file."""
    write_arrays(
        path,
        avatars=part.avatars,
        attributes=np.array(part.attributes, dtype=np.str_),
        styles=np.array(part.styles, dtype=np.str_),
    )


def load_avatars(path: Path) -> AvatarSet:
    """Return what `save_avatars` wrote; raises InputError where it is missing or broken."""
    if not path.is_file():
        raise InputError(f"{path} is not there: `dvc repro draw_avatars` makes it in seconds")
    avatars, attributes, styles = read_arrays(path, "avatars", "attributes", "styles")
    return AvatarSet(avatars, tuple(attributes.tolist()), tuple(map(tuple, styles.tolist())))


def read_avatars(source: Path) -> tuple[AvatarSet, AvatarSet]:
    """Return the avatars of a folder or a zip of PNG files: those to learn from, those held out.

    Held out are those in a folder named `holdout`. A file `styles.csv` with a column `name` (the
    PNG's) and a column for each attribute gives their styles. Any colour mode becomes RGBA; what is
    fully transparent has no colour. Raises InputError where there are fewer than two to learn from,
    where one can't be read or has another size than the first, for more than MAX_PIXEL_BYTES of
    pixels, and for styles that lack an avatar.
    """
    names: list[PurePosixPath] = []
    avatars: list[Avatar] = []
    table = None
    for name, content in _files(source):
        if name.name == STYLES:
            table = content
        else:
            avatar = _decode(content, f"{source}: {name}")
            if avatars and avatar.shape != avatars[0].shape:
                raise InputError(
                    f"{source}: {name} has {_size(avatar)} pixels, {names[0]} {_size(avatars[0])}: "
                    "all avatars must have the same size"
                )
            if (len(avatars) + 1) * avatar.nbytes > MAX_PIXEL_BYTES:
                raise InputError(
                    f"{source}: {name} and the avatars before it have more than "
                    f"{MAX_PIXEL_BYTES:,} bytes of pixels; give fewer or smaller ones"
                )
            names.append(name)
            avatars.append(avatar)
    held_out = np.array([HELD_OUT in name.parts[:-1] for name in names], dtype=bool)
    if (~held_out).sum() < FEWEST:
        raise InputError(
            f"{source} holds {(~held_out).sum()} PNG files to learn from; "
            f"at least {FEWEST} avatars are needed"
        )
    attributes, styles = _styles(table, [name.name for name in names], source)
    pixels = np.stack(avatars)
    train, holdout = (
        AvatarSet(pixels[chosen], attributes, tuple(compress(styles, chosen)))
        for chosen in (~held_out, held_out)
    )
    return train, holdout


def _files(source: Path) -> Iterator[tuple[PurePosixPath, bytes]]:
    """Yield every PNG and the table of styles of a folder or zip, in the order of their names."""
    try:
        with ExitStack() as opened:
            if source.is_dir():
                files = files_of_folder(source)
            else:
                files = files_of_zip(opened.enter_context(zipfile.ZipFile(source)))
            for path in sorted(files):
                name = PurePosixPath(path)
                wanted = name.suffix.lower() == ".png" or name.name == STYLES
                if wanted and not is_junk(path):
                    yield name, files[path]()
    except (*UNREADABLE, InputError) as error:
        raise InputError(
            f"avatars.source: {source} can't be read ({error}): "
            "give `drawn`, or a folder or zip of PNG files"
        ) from None


def _decode(content: bytes, where: str) -> Avatar:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            image = Image.open(io.BytesIO(content), formats=["PNG"])
            if max(image.size) > LARGEST_SIDE:
                raise ValueError(f"it has more than {LARGEST_SIDE} pixels a side")
            avatar = np.array(image.convert("RGBA"))
    except Exception as error:
        # PIL's decoders let many kinds of exceptions through for broken data.
        raise InputError(f"{where} can't be read as a PNG image: {error}") from None
    avatar[avatar[..., 3] == 0] = 0
    return avatar


def _size(avatar: Avatar) -> str:
    return f"{avatar.shape[1]} x {avatar.shape[0]}"


def _styles(
    table: bytes | None, names: list[str], source: Path
) -> tuple[tuple[str, ...], tuple[Style, ...]]:
    """Return the attributes of a table, and a style for each name; none where there is no table."""
    if table is None:
        return (), ()
    if len(table) > MAX_TABLE_BYTES:
        raise InputError(f"{source}: {STYLES} has more than {MAX_TABLE_BYTES:,} bytes")
    try:
        rows = list(csv.DictReader(io.StringIO(table.decode("utf-8-sig")), strict=True))
    except (ValueError, csv.Error) as error:
        raise InputError(f"{source}: {STYLES} can't be read: {error}") from None
    if not rows or NAME not in rows[0] or len(rows[0]) < 2:
        raise InputError(
            f"{source}: {STYLES} must have a column `{NAME}`, a column for each attribute, "
            "and a row for each avatar"
        )
    if any(None in row for row in rows):
        raise InputError(f"{source}: {STYLES} has a row with more cells than columns")
    attributes = tuple(column for column in rows[0] if column != NAME)
    styles = {row[NAME]: tuple(row[attribute] for attribute in attributes) for row in rows}
    missing = [name for name in names if not all(styles.get(name, (None,)))]
    if missing:
        raise InputError(f"{source}: {STYLES} lacks the style of {missing[0]}")
    return attributes, tuple(styles[name] for name in names)
