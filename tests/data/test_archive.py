"""The same wells give the same archive, however they came; what isn't a set of wells is refused."""

import io
import os
import re
import stat
import tracemalloc
import zipfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest

from stages.common import sources
from stages.common.errors import InputError
from stages.wells.data import archive
from stages.wells.data.archive import has_known_spills, parse_annotation, read_wells
from stages.wells.data.fetch import fetch_archive
from tests.hostile import MIB
from tests.wells_files import LAYOUT, OLD, unpack, zip_of

ANNOTATION = "test/test_annotation.txt"
FILES = list(LAYOUT.items())
JUNK = [
    ("__MACOSX/train/._a.jpg", b"junk"),
    ("__MACOSX/a.jpg", b"junk"),
    (".DS_Store", b"junk"),
    ("train/.DS_Store", b"junk"),
    ("train/Thumbs.db", b"junk"),
    ("train/._a.jpg", b"junk"),
    ("proliv/desktop.ini", b"junk"),
    (".ipynb_checkpoints/a.jpg", b"junk"),
    ("train/.ipynb_checkpoints/a.jpg", b"junk"),
    ("test/imgs/.thumbnails/small/c.jpg", b"junk"),
    ("proliv/.hidden.jpg", b"junk"),
]
OUTSIDE = [("README.txt", b"read me"), (f"{ANNOTATION}~", b"c.jpg 0"), ("test/more.txt", b"")]
PACKED = zip_of(FILES)
STORED = zip_of(FILES, zipfile.ZIP_STORED)
# An entry of a zip's table of contents: its mark and where its fields stand (APPNOTE.TXT, 4.3.12).
CENTRAL, FLAGS, SIZE, OFFSET = b"PK\1\2", 8, 24, 42


def canonical(source: Path, target: Path) -> bytes:
    fetch_archive(str(source), target)
    return target.read_bytes()


def canonical_of(content: bytes, folder: Path) -> bytes:
    (folder / "source.zip").write_bytes(content)
    return canonical(folder / "source.zip", folder / "wells.zip")


def refused(source: Path, target: Path, message: str) -> None:
    """The source is refused by name and what stood at the target stays, with nothing beside it."""
    target.parent.mkdir()
    target.write_bytes(OLD)
    with pytest.raises(InputError, match=message) as error:
        canonical(source, target)
    assert str(source) in str(error.value)
    assert target.read_bytes() == OLD
    assert list(target.parent.iterdir()) == [target]


def below(folder: str, files: Iterable[tuple[str, bytes]]) -> list[tuple[str, bytes]]:
    return [(f"{folder}{path}", data) for path, data in files]


def changed(content: bytes, path: str, field: int, value: bytes) -> bytes:
    """A zip with a field of an entry overwritten in its table of contents."""
    table = bytearray(content)
    name = table.rindex(path.encode())
    start = table.rindex(CENTRAL, 0, name) + field
    table[start : start + len(value)] = value
    return bytes(table)


def test_the_archive_holds_the_layout_sorted_stored_and_without_times(tmp_path: Path) -> None:
    content = canonical_of(zip_of(reversed(FILES)), tmp_path)
    with zipfile.ZipFile(io.BytesIO(content)) as written:
        entries = written.infolist()
        assert [(entry.filename, written.read(entry)) for entry in entries] == sorted(FILES)
    assert {entry.compress_type for entry in entries} == {zipfile.ZIP_STORED}
    assert {entry.date_time for entry in entries} == {(1980, 1, 1, 0, 0, 0)}
    assert {entry.external_attr >> 16 for entry in entries} == {stat.S_IFREG | 0o644}


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(zip_of(FILES, zipfile.ZIP_STORED), id="stored"),
        pytest.param(zip_of(reversed(FILES)), id="another order"),
        pytest.param(zip_of(FILES, date=(1999, 12, 31, 23, 59, 58)), id="another time"),
        pytest.param(zip_of(FILES, mode=0), id="no modes"),
        pytest.param(zip_of(below("wells/", FILES)), id="a leading folder"),
        pytest.param(zip_of(below("my/wells/", FILES)), id="two leading folders"),
        pytest.param(zip_of(below("./", FILES)), id="a leading dot"),
        pytest.param(zip_of(FILES + JUNK), id="junk"),
        pytest.param(zip_of(JUNK + below("wells/", FILES + JUNK)), id="junk and a leading folder"),
        pytest.param(zip_of(FILES + OUTSIDE), id="files outside the layout"),
        pytest.param(zip_of([("train/", b""), ("test/", b""), *FILES]), id="entries of folders"),
        pytest.param(
            zip_of([(path.replace("/", "\\"), data) for path, data in FILES]), id="backslashes"
        ),
        pytest.param(
            zip_of([("w\\", b""), *((f"w\\{p}".replace("/", "\\"), data) for p, data in FILES)]),
            id="backslashes and a leading folder",
        ),
    ],
)
def test_the_same_files_in_another_zip_give_the_same_archive(
    content: bytes, tmp_path: Path
) -> None:
    assert canonical_of(content, tmp_path) == canonical_of(zip_of(FILES), tmp_path)


@pytest.mark.parametrize(
    "files", [FILES, FILES + JUNK + OUTSIDE, below("wells/", FILES), below("a/b/", FILES + JUNK)]
)
def test_an_unpacked_folder_gives_the_same_archive(
    files: list[tuple[str, bytes]], tmp_path: Path
) -> None:
    folder = unpack(files, tmp_path / "folder")
    assert canonical(folder, tmp_path / "f.zip") == canonical_of(zip_of(FILES), tmp_path)


def test_the_archive_gives_itself_again(tmp_path: Path) -> None:
    once = canonical_of(zip_of(FILES), tmp_path)
    assert canonical_of(once, tmp_path) == once


def test_the_archive_is_the_same_on_another_system(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = canonical_of(PACKED, tmp_path)
    monkeypatch.setattr("sys.platform", "win32")
    assert canonical_of(PACKED, tmp_path) == here


def test_other_content_gives_another_archive(tmp_path: Path) -> None:
    other = zip_of((LAYOUT | {"train/a.jpg": b"another well"}).items())
    assert canonical_of(other, tmp_path) != canonical_of(zip_of(FILES), tmp_path)


WELL = LAYOUT["train/a.jpg"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(PACKED[: len(PACKED) // 2], "no whole zip.*again", id="cut in the middle"),
        pytest.param(PACKED[:-1], "no whole zip.*again", id="cut by a byte"),
        pytest.param(b"", "no whole zip", id="nothing"),
        pytest.param(b"c.jpg 1\nd.jpg 0\n", "no whole zip", id="text"),
        pytest.param(b"\n <!DOCTYPE html><p>Sign in", "web page.*WELLS_ARCHIVE", id="web page"),
        pytest.param(
            STORED.replace(WELL, b"x" + WELL[1:]), r"train/a\.jpg can't be read", id="changed data"
        ),
        pytest.param(
            changed(STORED, "train/a.jpg", OFFSET, b"\xff\xff\xff\x7f"),
            r"train/a\.jpg can't be read",
            id="data beyond the end",
        ),
        pytest.param(
            changed(STORED, "train/a.jpg", OFFSET, (len(STORED) - 9).to_bytes(4, "little")),
            r"train/a\.jpg can't be read",
            id="data at the very end",
        ),
        pytest.param(zip_of([]), "missing.*holds nothing", id="empty zip"),
        pytest.param(zip_of(JUNK), "missing.*holds nothing", id="only junk"),
        pytest.param(
            zip_of([*FILES, ("../evil.jpg", b"")]), r"'\.\./evil\.jpg' leaves", id="folder above"
        ),
        pytest.param(
            zip_of([*FILES, ("train/../../evil.jpg", b"")]), "leaves", id="folder above, inside"
        ),
        pytest.param(zip_of([*FILES, ("..\\evil.jpg", b"")]), "leaves", id="backslashes above"),
        pytest.param(zip_of([*FILES, ("/etc/evil.jpg", b"")]), "leaves", id="absolute"),
        pytest.param(zip_of([*FILES, ("C:\\evil.jpg", b"")]), "leaves", id="drive"),
        pytest.param(zip_of([*FILES, (".", b"evil")]), "leaves", id="the folder itself"),
        pytest.param(zip_of([*FILES, ("\0", b"evil")]), "leaves", id="no name"),
        pytest.param(
            zip_of([*FILES, ("train\\a.jpg", b"")]),
            r"'train/a\.jpg' stands in it twice",
            id="twice",
        ),
        pytest.param(
            zip_of(FILES, mode=stat.S_IFLNK | 0o777), r"\.jpg' is a symbolic link", id="link"
        ),
        pytest.param(
            changed(PACKED, "train/a.jpg", FLAGS, b"\1"),
            r"'train/a\.jpg' is encrypted",
            id="encrypted",
        ),
        pytest.param(zip_of(FILES, zipfile.ZIP_LZMA), "isn't packed by deflate", id="lzma"),
        pytest.param(zip_of(FILES, zipfile.ZIP_BZIP2), "isn't packed by deflate", id="bzip2"),
        pytest.param(
            changed(STORED, "train/a.jpg", SIZE, b"\1"), r"train/a\.jpg can't be read", id="short"
        ),
        pytest.param(
            changed(PACKED, "train/a.jpg", SIZE, b"\0"), r"train/a\.jpg can't be read", id="no size"
        ),
    ],
)
def test_what_is_no_sound_zip_of_wells_is_refused_and_the_old_archive_stays(
    content: bytes, message: str, tmp_path: Path
) -> None:
    source = tmp_path / "source.zip"
    source.write_bytes(content)
    refused(source, tmp_path / "out" / "wells.zip", message)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_path_that_stands_twice_is_refused_and_the_old_archive_stays(tmp_path: Path) -> None:
    source = tmp_path / "source.zip"
    source.write_bytes(zip_of([*FILES, ("train/a.jpg", b"another")]))
    refused(source, tmp_path / "out" / "wells.zip", r"'train/a\.jpg' stands in it twice")


@pytest.mark.parametrize("packed", [True, False])
def test_an_archive_without_known_spills_is_written(packed: bool, tmp_path: Path) -> None:
    left = [(path, data) for path, data in FILES if not path.startswith("proliv/")]
    for name, files in (("none", left), ("some", FILES)):
        source = tmp_path / name
        if packed:
            source.write_bytes(zip_of([("proliv/", b""), *files]))
        else:
            (unpack(files, source) / "proliv").mkdir(exist_ok=True)
        canonical(source, tmp_path / f"{name}.zip")
    assert not has_known_spills(tmp_path / "none.zip")
    assert has_known_spills(tmp_path / "some.zip")
    none, some = read_wells(tmp_path / "none.zip"), read_wells(tmp_path / "some.zip")
    assert none == some._replace(spills={})
    assert some.spills


@pytest.mark.parametrize("part", ["train/", "test/imgs/", ANNOTATION])
@pytest.mark.parametrize("packed", [True, False])
def test_a_missing_or_empty_part_is_named(part: str, packed: bool, tmp_path: Path) -> None:
    left = [(path, data) for path, data in FILES if not path.startswith(part)]
    left += [(f"{ANNOTATION}.bak", b"c.jpg 1"), ("train.txt", b"")]
    source = tmp_path / "source"
    if packed:
        source.write_bytes(zip_of([(f"{part.rstrip('/')}/", b""), *left]))
    else:
        (unpack(left, source) / part).mkdir(parents=True)
    refused(source, tmp_path / "out" / "wells.zip", f": {re.escape(part)} missing or empty")


def test_a_part_that_stands_alone_is_not_taken_for_a_leading_folder(tmp_path: Path) -> None:
    source = tmp_path / "source.zip"
    source.write_bytes(zip_of(file for file in FILES if file[0].startswith("train/")))
    refused(source, tmp_path / "out" / "wells.zip", ": test/imgs/, .* missing .* holds train$")


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    refused(tmp_path / "empty", tmp_path / "out" / "wells.zip", "train/, test/imgs/.*holds nothing")


def test_a_file_name_in_an_unknown_encoding_is_refused(tmp_path: Path) -> None:
    folder = unpack(FILES, tmp_path / "folder")
    try:
        (folder / "train" / os.fsdecode("лунка.jpg".encode("cp866"))).write_bytes(b"well")
    except OSError:
        pytest.skip("this disk takes UTF-8 names only")
    refused(folder, tmp_path / "out" / "wells.zip", "isn't UTF-8; rename")


@pytest.mark.parametrize("packed", [True, False])
def test_more_files_than_the_limit_are_refused(
    packed: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "source"
    if packed:
        source.write_bytes(PACKED)
    else:
        unpack(FILES, source)
    monkeypatch.setattr(sources, "MAX_FILES", len(FILES))
    canonical(source, tmp_path / "wells.zip")
    monkeypatch.setattr(sources, "MAX_FILES", len(FILES) - 1)
    refused(source, tmp_path / "out" / "wells.zip", "over the limits")


def hollow(packed: bool, source: Path) -> int:
    """Write wells that take little of the disk as a zip or a folder, and return their bytes."""
    zeros = "train/zeros.jpg", bytes(10 * MIB)
    if packed:
        source.write_bytes(zip_of([*FILES, zeros]))
    else:
        unpack(FILES, source)
        with (source / zeros[0]).open("wb") as file:
            file.truncate(len(zeros[1]))
    return sum(len(data) for _, data in (*FILES, zeros))


@pytest.mark.parametrize("packed", [True, False])
def test_more_bytes_than_the_limit_are_refused_where_they_take_little_of_the_disk(
    packed: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = hollow(packed, tmp_path / "source")
    monkeypatch.setattr(sources, "MAX_UNPACKED_BYTES", size)
    canonical(tmp_path / "source", tmp_path / "wells.zip")
    monkeypatch.setattr(sources, "MAX_UNPACKED_BYTES", size - 1)
    refused(tmp_path / "source", tmp_path / "out" / "wells.zip", "over the limits")


@pytest.mark.parametrize("packed", [True, False])
def test_photos_that_take_their_place_on_the_disk_are_read_however_many_bytes_they_have(
    packed: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = [*FILES, ("train/photo.jpg", np.random.default_rng(0).bytes(MIB))]
    source = tmp_path / "source"
    if packed:
        source.write_bytes(zip_of(files))
    else:
        unpack(files, source)
    monkeypatch.setattr(sources, "MAX_UNPACKED_BYTES", 0)
    canonical(source, tmp_path / "wells.zip")
    assert read_wells(tmp_path / "wells.zip").train["photo.jpg"] == files[-1][1]


def test_an_entry_unpacks_to_no_more_than_its_stated_size(tmp_path: Path) -> None:
    unpacked = 8_000_000
    bomb = zip_of([*FILES, ("train/bomb.jpg", b"\0" * unpacked)])
    source = tmp_path / "source.zip"
    source.write_bytes(changed(bomb, "train/bomb.jpg", SIZE, (100).to_bytes(4, "little")))
    tracemalloc.start()
    try:
        refused(source, tmp_path / "out" / "wells.zip", r"train/bomb\.jpg can't be read")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < unpacked / 4


def test_a_byte_lost_anywhere_in_a_zip_is_refused_or_leaves_every_content_as_it_was(
    tmp_path: Path,
) -> None:
    files = [*FILES[1:4], ("train/лунка.jpg", b"a well by a name outside ASCII"), FILES[4]]
    packed = zip_of(files)
    contents = {data for _, data in files}
    source = tmp_path / "source.zip"
    for position in range(len(packed)):
        source.write_bytes(packed[:position] + b"\xff" + packed[position + 1 :])
        try:
            with archive.open_zip(source) as opened:
                found = {read() for read in sources.files_of_zip(opened).values()}
        except InputError:
            continue
        assert found <= contents


def test_wells_are_read_with_their_names_and_labels(tmp_path: Path) -> None:
    canonical_of(zip_of(FILES), tmp_path)
    wells = read_wells(tmp_path / "wells.zip")
    assert wells.train == {"a.jpg": LAYOUT["train/a.jpg"], "b.jpg": LAYOUT["train/b.jpg"]}
    assert list(wells.spills) == ["8_CAM.jpg", "9_CAM.jpg"]
    assert list(wells.test) == ["c.jpg", "d.jpg"]
    assert wells.labels == {"c.jpg": True, "d.jpg": False}


def test_wells_without_an_annotation_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "wells.zip"
    path.write_bytes(zip_of(file for file in FILES if file[0] != ANNOTATION))
    with pytest.raises(InputError, match=re.escape(f"{path}: {ANNOTATION} is missing")):
        read_wells(path)


def test_a_missing_archive_is_refused_by_its_name(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"missing\.zip can't be read"):
        read_wells(tmp_path / "missing.zip")


NAMES = ["a.jpg", "b c.jpg", "d.jpg"]
LABELS = {"a.jpg": False, "b c.jpg": True, "d.jpg": False}


@pytest.mark.parametrize(
    "content",
    [
        b"a.jpg 0\nb c.jpg 1\nd.jpg 0\n",
        b"d.jpg 0\nb c.jpg 1\na.jpg 0",
        b"a.jpg 0\r\nb c.jpg 1\r\nd.jpg 0\r\n",
        b"\xef\xbb\xbfa.jpg 0\nb c.jpg 1\nd.jpg 0\n",
        b"\n\na.jpg 0\n \r\nb c.jpg 1\n\t\nd.jpg 0\n\n",
        b"a.jpg\t0\n  b c.jpg   1  \nd.jpg 0\n",
    ],
    ids=["LF", "no last newline", "CRLF", "BOM", "blank lines", "other spaces"],
)
def test_an_annotation_is_read_however_its_lines_end(content: bytes) -> None:
    assert parse_annotation(content, NAMES) == LABELS


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a.jpg 0\nb c.jpg 1\nd.jpg 0\n\ne.jpg 1\n", r"line 5: e\.jpg isn't in test/imgs/"),
        ("a.jpg 0\nd.jpg 0\n", r"no line for b c\.jpg$"),
        ("a.jpg 1\n", r"no line for b c\.jpg, d\.jpg$"),
        ("a.jpg 0\nb c.jpg 2\nd.jpg 0\n", r"line 2: the label of b c\.jpg is '2'.*0 or 1"),
        ("a.jpg 0\nb c.jpg 1\nd.jpg spill\n", r"line 3: the label of d\.jpg is 'spill'"),
        ("a.jpg 0\nb c.jpg 1\nd.jpg -1\n", r"line 3: the label of d\.jpg is '-1'"),
        ("a.jpg\nb c.jpg 1\nd.jpg 0\n", r"line 1: 'a\.jpg' isn't `NAME LABEL`"),
        ("a.jpg 0\nb c.jpg 1\nd.jpg 0\na.jpg 0\n", r"line 4: a\.jpg stands a second time"),
        ("a.jpg 0\nb c.jpg 0\nd.jpg 0\n", "no spill"),
        ("a.jpg 1\nb c.jpg 1\nd.jpg 1\n", "no normal"),
        ("", r"no line for a\.jpg, b c\.jpg, d\.jpg$"),
    ],
)
def test_an_annotation_that_does_not_fit_is_refused_by_line_or_file(
    content: str, message: str
) -> None:
    with pytest.raises(InputError, match=message) as refusal:
        parse_annotation(content.encode(), NAMES)
    assert ANNOTATION in str(refusal.value)


def test_an_annotation_in_another_encoding_is_refused() -> None:
    with pytest.raises(InputError, match=rf"{ANNOTATION} isn't UTF-8"):
        parse_annotation("пролив.jpg 1".encode("cp1251"), NAMES)


def test_many_images_without_a_label_are_counted_not_all_named() -> None:
    names = [f"{number:02d}.jpg" for number in range(25)]
    with pytest.raises(InputError, match=r"00\.jpg, .*, 19\.jpg and 5 more$"):
        parse_annotation(b"", names)
