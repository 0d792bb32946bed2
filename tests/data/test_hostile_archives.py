"""Whatever bytes come, an archive is read or refused with a reason, and soon."""

import struct
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from stages.bayes.avatars import read_avatars
from stages.common.errors import InputError
from stages.wells.data.archive import Wells, parse_annotation, read_wells
from stages.wells.data.fetch import fetch_archive
from tests.hostile import GOOD, MIB, Entry, broken, few, read_or_refused, stated_zip, written, zeros
from tests.wells_files import LAYOUT, zip_of
from tools.photos import find_photos

pytestmark = pytest.mark.slow

TOO_FAR = Entry(b"train/z.jpg", extra=struct.pack("<HHQ", 1, 8, 2**64 - 1), offset=2**32 - 1)
MANY_DISKS = b"PK\6\7" + struct.pack("<LQL", 1, 0, 5) + b"PK\5\6" + b"\0" * 18
HOSTILE_NAMES = [
    "train/a.jpg",
    "TRAIN/A.JPG",
    "train/A.jpg",
    "..",
    "train/../../x",
    "/train/x",
    "C:\\x",
    "train\\x",
    "train",
    "train/x/",
    "//x/y",
    "./train/x",
    "__MACOSX/x",
]
names = st.one_of(
    st.sampled_from([b"", b"train/\0x", b"train/\n", b"\xff\xfe", b"train/" + b"\xe9" * 40_000]),
    st.sampled_from([b"a/" * 20_000, *(name.encode() for name in HOSTILE_NAMES)]),
    st.binary(max_size=12).map(b"train/".__add__),
)
numbers = st.sampled_from([0, 1, 5, 2**31 - 1, 2**31, 2**32 - 1])
entries = st.builds(
    Entry,
    names,
    st.sampled_from([b"", b"a well", b"\xff" * 40, zeros(MIB), zip_of(LAYOUT.items())]),
    st.sampled_from([0, 1, 8, 0x20, 0x40, 0x800, 0x2000]),
    st.sampled_from([0, 0, 8, 8, 1, 9, 12, 14, 93, 99]),
    st.none() | numbers,
    st.none() | numbers,
    st.sampled_from([0o100644, 0o120777, 0, 0o040755, 0o020000]),
    st.sampled_from([b"", b"\1\0\0\0", b"\1\0\4\0", b"up\1\0\1", struct.pack("<HHQ", 1, 8, 2**63)]),
    st.none() | numbers,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("hostile")


def wells_of(source: Path) -> Wells:
    target = source.with_name("wells.zip")
    fetch_archive(str(source), target)
    return read_wells(target)


@few
@given(st.binary(max_size=60) | broken(stated_zip(GOOD), zip_of(LAYOUT.items())))
@example(MANY_DISKS)
@example(stated_zip([*GOOD, TOO_FAR]))
def test_any_bytes_are_an_archive_or_refused(folder: Path, content: bytes) -> None:
    source = written(folder / "source.zip", content)
    read_or_refused(lambda: wells_of(source), Wells)
    read_or_refused(lambda: [len(photo.read()) for photo in find_photos([str(source)])], list)
    read_or_refused(lambda: read_avatars(source), tuple)


@few
@given(st.lists(entries, min_size=1, max_size=3))
@example([Entry(b"train/" + b"\xe9" * 40_000)])
@example([Entry(b"train/" + "й".encode() * 20_000, flags=0x800)])
def test_any_entries_are_an_archive_or_refused(folder: Path, content: list[Entry]) -> None:
    source = written(folder / "source.zip", stated_zip([*GOOD, *content]))
    read_or_refused(lambda: wells_of(source), Wells)


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        (Entry(b"train/" + b"\xe9" * 40_000), "path 'train/.* is too long"),
        (Entry(b"train/../../z"), "leaves the archive's folder"),
        (Entry(b"train/a.jpg"), "stands in it twice"),
        (Entry(b"train/z", mode=0o120777), "symbolic link"),
        (Entry(b"train/z", flags=1), "encrypted"),
        (Entry(b"train/z", method=99), "isn't packed by deflate"),
        (Entry(b"train/z", flags=0x40), "can't be read"),
        (Entry(b"train/\xff", flags=0x800), "no whole zip"),
        (TOO_FAR, "can't be read"),
        (Entry(b"train/z", size=5), "can't be read"),
        (Entry(b"train/z", size=2**32 - 2), "over the limits"),
    ],
)
def test_a_lying_entry_is_refused_with_the_reason(
    entry: Entry, reason: str, tmp_path: Path
) -> None:
    source = written(tmp_path / "source.zip", stated_zip([*GOOD, entry]))
    with pytest.raises(InputError, match=reason):
        wells_of(source)


def test_names_that_differ_in_case_and_zips_within_a_zip_are_kept_as_they_are(
    tmp_path: Path,
) -> None:
    nested = zip_of(LAYOUT.items())
    more = [Entry(b"train/A.jpg", b"another well"), Entry(b"train/more.zip", nested)]
    wells = wells_of(written(tmp_path / "source.zip", stated_zip([*GOOD, *more])))
    assert list(wells.train) == ["A.jpg", "a.jpg", "b.jpg", "more.zip"]
    assert (wells.train["A.jpg"], wells.train["more.zip"]) == (b"another well", nested)


@few
@given(
    st.binary(max_size=60)
    | broken(LAYOUT["test/test_annotation.txt"])
    | st.text("cd.jpg 01\r\n\t\0\x1c\x85\u2028\ufeff", max_size=40).map(str.encode)
)
def test_any_bytes_are_labels_or_refused(content: bytes) -> None:
    if read_or_refused(lambda: parse_annotation(content, ["c.jpg", "d.jpg"]), dict) is None:
        assert set(parse_annotation(content, ["c.jpg", "d.jpg"]).values()) == {True, False}
