"""Avatars are read from anywhere, or refused with a reason."""

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from stages.bayes.avatars import as_avatar, as_symbols, load_avatars, read_avatars, save_avatars
from stages.bayes.generators.tree import Tree
from stages.common.errors import InputError
from tests.avatar_files import dress_avatars, paint_rows
from tests.wells_files import ROOT

REAL = ROOT.parent / "shared/avatars"


def test_symbols_and_avatars_are_the_same_bytes() -> None:
    avatars = paint_rows("rgb", " ws")
    for symbol in (np.uint8, np.uint32):
        rows = as_symbols(avatars, symbol)
        assert rows.shape == (2, 12 // np.dtype(symbol).itemsize)
        assert (as_avatar(rows[1], 1, 3) == avatars[1]).all()


def png(avatar: np.ndarray, mode: str = "RGBA") -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(avatar).convert(mode).save(buffer, format="PNG")
    return buffer.getvalue()


RED, BLUE, WIDE = png(paint_rows("rr")[0]), png(paint_rows("bb")[0]), png(paint_rows("rrr")[0])
STYLED = "name,hat,coat\na.png,cap,red\nb.png,none,blue\nc.png,cap,blue\n"


def folder_of(folder: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def zip_of(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


@pytest.mark.parametrize("packed", [False, True])
def test_a_folder_and_a_zip_give_the_same(tmp_path: Path, packed: bool) -> None:
    files = {
        "some/b.png": BLUE,
        "a.png": RED,
        "holdout/c.png": RED,
        "styles.csv": STYLED.encode(),
        "notes.txt": b"?",
        ".hidden/d.png": b"?",
        "__MACOSX/a.png": b"?",
    }
    source = zip_of(tmp_path / "x.zip", files) if packed else folder_of(tmp_path / "x", files)
    train, holdout = read_avatars(source)
    assert train.avatars.tolist() == paint_rows("rr", "bb").tolist()
    assert train.attributes == holdout.attributes == ("hat", "coat")
    assert train.styles == (("cap", "red"), ("none", "blue"))
    assert holdout.avatars.tolist() == paint_rows("rr").tolist()
    assert holdout.styles == (("cap", "blue"),)


def test_without_a_table_there_are_no_styles(tmp_path: Path) -> None:
    train, holdout = read_avatars(folder_of(tmp_path, {"a.png": RED, "b.PNG": BLUE}))
    assert len(train.avatars) == 2
    assert (train.styles, train.attributes) == ((), ())
    assert holdout.avatars.shape == (0, 1, 2, 4)


@pytest.mark.parametrize("mode", ["RGB", "L", "P", "LA", "1"])
def test_any_colour_mode_becomes_rgba(tmp_path: Path, mode: str) -> None:
    files = {"a.png": png(paint_rows("ww")[0], mode), "b.png": BLUE}
    train, _ = read_avatars(folder_of(tmp_path, files))
    assert train.avatars.shape == (2, 1, 2, 4)
    assert (train.avatars[0, ..., 3] == 255).all()


def test_what_is_transparent_has_no_colour(tmp_path: Path) -> None:
    ghost = paint_rows("r ")
    ghost[0, 0, 1] = (9, 8, 7, 0)
    train, _ = read_avatars(folder_of(tmp_path, {"a.png": png(ghost[0]), "b.png": BLUE}))
    assert train.avatars[0].tolist() == paint_rows("r ")[0].tolist()


def huge() -> bytes:
    buffer = io.BytesIO()
    Image.new("1", (20000, 20000)).save(buffer, format="PNG")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"readme.txt": b"?"}, "holds 0 PNG files to learn from; at least 2"),
        ({"a.png": RED}, "holds 1 PNG files to learn from; at least 2"),
        ({"a.png": RED, "holdout/b.png": RED}, "holds 1 PNG files to learn from; at least 2"),
        ({"a.png": RED, "b.png": WIDE}, "b.png has 3 x 1 pixels, a.png 2 x 1"),
        ({"a.png": RED, "b.png": b"no image"}, "b.png can't be read as a PNG image"),
        ({"a.png": RED, "b.png": RED[:45]}, "b.png can't be read as a PNG image"),
        ({"a.png": RED, "b.png": b""}, "b.png can't be read as a PNG image"),
        ({"a.png": RED, "b.png": huge()}, "b.png"),
        ({"a.png": RED, "b.png": BLUE, "styles.csv": b"name,hat\na.png,cap\n"}, "style of b.png"),
        ({"a.png": RED, "b.png": BLUE, "styles.csv": b"hat\ncap\n"}, "a column `name`"),
        ({"a.png": RED, "b.png": BLUE, "styles.csv": b"name\na.png\n"}, "a column for each"),
        ({"a.png": RED, "b.png": BLUE, "styles.csv": b""}, "a column `name`"),
        ({"a.png": RED, "b.png": BLUE, "styles.csv": b"\xff\xfe"}, "styles.csv can't be read"),
        (
            {"a.png": RED, "b.png": BLUE, "styles.csv": b"name,hat\na.png,cap\nb.png\n"},
            "style of b.png",
        ),
    ],
)
def test_what_cannot_be_used_is_refused_by_name(
    tmp_path: Path, files: dict[str, bytes], message: str
) -> None:
    with pytest.raises(InputError) as caught:
        read_avatars(folder_of(tmp_path / "given", files))
    assert message in str(caught.value)


@pytest.mark.parametrize("content", [None, b"no zip", b"PK\x03\x04 broken"])
def test_a_source_that_is_none_is_refused(tmp_path: Path, content: bytes | None) -> None:
    source = tmp_path / "source.zip"
    if content is not None:
        source.write_bytes(content)
    with pytest.raises(InputError, match=r"avatars\.source"):
        read_avatars(source)


def test_avatars_come_back_from_their_file(tmp_path: Path) -> None:
    for part in (dress_avatars(3, 0), dress_avatars(3, 0)._replace(attributes=(), styles=())):
        save_avatars(tmp_path / "a.npz", part)
        found = load_avatars(tmp_path / "a.npz")
        assert found.avatars.tolist() == part.avatars.tolist()
        assert (found.attributes, found.styles) == (part.attributes, part.styles)
    with pytest.raises(InputError, match="dvc repro"):
        load_avatars(tmp_path / "missing.npz")


@pytest.mark.skipif(not REAL.is_dir(), reason=f"{REAL} is missing")
def test_the_real_avatars_are_read_and_mixed_anew() -> None:
    train, holdout = read_avatars(REAL)
    assert train.avatars.shape == (11, 560, 528, 4)
    assert not len(holdout.avatars)
    fitted = Tree.fit(train.avatars, 0.1)
    assert len(fitted.order) == 331
    known = {avatar.tobytes() for avatar in train.avatars}
    drawn = [fitted.sample(np.random.default_rng(seed)).avatar.tobytes() for seed in range(40)]
    assert sum(avatar in known for avatar in drawn) <= 2
