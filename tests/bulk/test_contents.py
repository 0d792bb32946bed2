"""A shard gives each of its photos once, whatever it is packed as, and says what is wrong."""

import io
import os
import re
import tarfile
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.common.errors import InputError
from tests.bulk.shard_files import tar_of
from tests.hostile import Entry, bomb, broken, few, read_or_refused, stated_zip, written
from tests.wells_files import zip_of
from tools.bulk import contents
from tools.bulk.contents import photos_of
from tools.bulk.shards import ENDINGS, find_shards

FILES = {"b/2.jpg": b"second", "a.png": b"first", "b/notes.md": b"no photo", ".x/h.jpg": b"junk"}
PHOTOS = {"b/2.jpg": b"second", "a.png": b"first"}


def held(path: Path) -> dict[str, bytes]:
    """Return what a shard gives, in its order."""
    (shard,) = find_shards([str(path)])
    found: dict[str, bytes] = {}
    for photo in photos_of(shard):
        assert photo.name not in found
        found[photo.name] = photo.read()
    return found


def refused(path: Path, content: bytes) -> str:
    with pytest.raises(InputError) as error:
        held(written(path, content))
    return str(error.value)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.zip", zip_of(FILES.items())),
        ("a.tar", tar_of(FILES)),
        ("A.TAR", tar_of({f"./{name}": data for name, data in FILES.items()})),
        ("a.tar.gz", tar_of(FILES, "w:gz")),
    ],
    # Not by their bytes, which hold the second in which each worker of pytest made them.
    ids=["zip", "tar", "TAR", "tar.gz"],
)
def test_an_archives_photos_are_read_by_their_names_in_it(
    name: str, content: bytes, tmp_path: Path
) -> None:
    assert held(written(tmp_path / name, content)) == PHOTOS


def test_a_zips_photos_come_sorted_and_a_tars_as_they_lie(tmp_path: Path) -> None:
    assert list(held(written(tmp_path / "a.zip", zip_of(FILES.items())))) == sorted(PHOTOS)
    assert list(held(written(tmp_path / "a.tar", tar_of(FILES)))) == list(PHOTOS)


def test_a_lists_lines_are_paths_from_its_folder_or_from_the_root(tmp_path: Path) -> None:
    written(tmp_path / "lists/in/a.png", b"near")
    written(tmp_path / "far.jpg", b"far")
    lines = f"\ufeffin/a.png\r\n\n../far.jpg\n{tmp_path}/far.jpg"
    found = held(written(tmp_path / "lists/all.txt", lines.encode()))
    assert found == {"in/a.png": b"near", "../far.jpg": b"far", f"{tmp_path}/far.jpg": b"far"}


def test_a_list_may_name_urls(tmp_path: Path) -> None:
    fsspec = pytest.importorskip("fsspec", reason="fsspec is missing: requirements-bulk.txt")
    fsspec.filesystem("memory").pipe("/lists/a.png", b"in memory")
    path = written(tmp_path / "all.txt", b"memory://lists/a.png\n")
    assert held(path) == {"memory://lists/a.png": b"in memory"}


# The third is longer than a file's name may be.
LINES = b"none.png\npipe\n" + b"x" * 300 + b".png\na.png"


def test_a_line_that_cannot_be_read_says_so_alone(tmp_path: Path) -> None:
    written(tmp_path / "a.png", b"a photo")
    (shard,) = find_shards([str(written(tmp_path / "all.txt", LINES))])
    os.mkfifo(tmp_path / "pipe")
    *missing, there = photos_of(shard)
    for photo in missing:
        with pytest.raises(InputError, match="no such file"):
            photo.read()
    assert there.read() == b"a photo"


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_shard_without_a_photo_is_refused(ending: str, tmp_path: Path) -> None:
    nothing = {"notes.md": b"no photo"}
    content = {
        ".zip": zip_of(nothing.items()),
        ".txt": b"\n \n",
        ".tar": tar_of(nothing),
        ".tar.gz": tar_of(nothing, "w:gz"),
        ".tgz": tar_of(nothing, "w:gz"),
    }[ending]
    assert refused(tmp_path / f"a{ending}", content) == "there is no photo in it"


@pytest.mark.parametrize("ending", [".zip", ".tar", ".tar.gz"])
@pytest.mark.parametrize("content", [b"", b"<html>", bytes(2000), b"\x1f\x8b\x08" + bytes(50)])
def test_what_is_no_archive_is_refused(content: bytes, ending: str, tmp_path: Path) -> None:
    assert refused(tmp_path / f"a{ending}", content)


def test_a_shard_that_is_gone_is_refused(tmp_path: Path) -> None:
    (shard,) = find_shards([str(written(tmp_path / "a.zip", b""))])
    (tmp_path / "a.zip").unlink()
    with pytest.raises(InputError, match="No such file"):
        list(photos_of(shard))


# At 2,048 photos are all there, but nobody can know without the block of zeros behind them.
@pytest.mark.parametrize("cut", [512, 1024, 1500, 2047, 2048, 2060])
def test_a_tar_is_refused_wherever_it_is_cut_off(cut: int, tmp_path: Path) -> None:
    whole = tar_of({"a.jpg": b"1" * 512, "b.jpg": b"2" * 512})
    assert whole[2048:3072] == bytes(1024)
    refused(tmp_path / "a.tar", whole[:cut])


def test_a_tar_with_a_broken_header_in_the_middle_is_refused(tmp_path: Path) -> None:
    whole = bytearray(tar_of({"a.jpg": b"1" * 512, "b.jpg": b"2" * 512, "c.jpg": b"3"}))
    whole[1024 + 148] ^= 1
    assert "byte 1,024" in refused(tmp_path / "a.tar", bytes(whole))


def with_member(**stated: object) -> bytes:
    """Return a tar of a photo, and of another member that states what it is told."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as archive:
        archive.addfile(tarfile.TarInfo("a.jpg"))
        member = tarfile.TarInfo("b.jpg")
        for key, value in stated.items():
            setattr(member, key, value)
        archive.addfile(member)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("stated", "problem"),
    [
        ({"name": "../b.jpg"}, "leaves the archive"),
        ({"name": "/b.jpg"}, "leaves the archive"),
        ({"name": "./a.jpg"}, "twice"),
        ({"type": tarfile.SYMTYPE}, "is a link"),
        ({"type": tarfile.LNKTYPE}, "is a link"),
        # Python 3.12 refuses a size below zero by itself.
        ({"size": -512}, "size below zero|cut off"),
        ({"size": 2**40}, "would unpack to over"),
        ({"type": tarfile.GNUTYPE_LONGNAME, "size": 2**40}, "states 1,099,511,627,776 bytes"),
        ({"type": tarfile.GNUTYPE_LONGNAME, "size": -512}, "states -512 bytes|cut off"),
        ({"type": tarfile.XHDTYPE, "size": 2**33}, "states 8,589,934,592 bytes"),
    ],
)
def test_a_tar_that_misleads_is_refused(
    stated: dict[str, object], problem: str, tmp_path: Path
) -> None:
    assert re.search(problem, refused(tmp_path / "a.tar", with_member(**stated)))


def test_a_zip_that_misleads_is_refused(tmp_path: Path) -> None:
    twice = [Entry(b"a.jpg"), Entry(b"a.jpg")]
    assert "twice" in refused(tmp_path / "a.zip", stated_zip(twice))
    large = bomb(2**20)._replace(size=2**31)
    assert "a.zip would unpack" in refused(tmp_path / "a.zip", stated_zip([large]))


def test_a_huge_photo_and_a_huge_list_are_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(contents, "MAX_BYTES", 1000)
    (shard,) = find_shards([str(written(tmp_path / "a.tar", tar_of({"a.jpg": bytes(1001)})))])
    (photo,) = photos_of(shard)
    with pytest.raises(InputError, match="larger than 1,000 bytes"):
        photo.read()
    assert "over 1,000 bytes" in refused(tmp_path / "a.txt", b"a.jpg\n" * 200)


WHOLE = {
    ".zip": zip_of(FILES.items()),
    ".tar": tar_of(FILES),
    ".tar.gz": tar_of(FILES, "w:gz"),
    ".txt": b"a.png\nb/2.jpg\n",
}


@few
@given(data=st.data(), ending=st.sampled_from(sorted(WHOLE)))
def test_a_damaged_shard_is_read_or_refused(
    data: st.DataObject, ending: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("damaged") / f"a{ending}"
    path.write_bytes(data.draw(broken(WHOLE[ending])))
    found: list[bytes] = []

    def read() -> list[str]:
        (shard,) = find_shards([str(path)])
        for photo in photos_of(shard):
            with suppress(InputError):
                found.append(photo.read())
        return [shard.name]

    whole = read_or_refused(read, list) is None
    # A tar has no checksum of what is in it, and a list's photos are not there.
    if whole and ending in (".zip", ".tar.gz"):
        assert set(found) <= set(FILES.values())


@pytest.mark.parametrize("cut", [1, 4, 8])
def test_a_packed_tar_is_refused_where_its_checksum_is_wrong_or_missing(
    cut: int, tmp_path: Path
) -> None:
    whole = WHOLE[".tar.gz"]
    assert "it can't be read" in refused(tmp_path / "a.tar.gz", whole[:-cut])
    wrong = bytes([whole[-cut] ^ 1])
    assert refused(tmp_path / "a.tar.gz", whole[:-cut] + wrong + whole[len(whole) - cut + 1 :])


@pytest.mark.parametrize(("mode", "ending"), [("w", ".tar"), ("w:gz", ".tgz")])
def test_a_tar_behind_a_tar_is_refused(mode: str, ending: str, tmp_path: Path) -> None:
    both = tar_of(FILES, mode) + tar_of({"c.jpg": b"third"}, mode)
    assert "it goes on behind its end" in refused(tmp_path / f"a{ending}", both)


def test_a_pipe_is_refused_for_it_would_never_end(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.zip")
    (shard,) = find_shards([str(tmp_path)])
    with pytest.raises(InputError, match="it is no file"):
        list(photos_of(shard))
