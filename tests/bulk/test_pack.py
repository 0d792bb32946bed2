"""A folder's photos become shards that hold each of them once, the same bytes every time."""

import os
import zipfile
from pathlib import Path

import pytest

from stages.common.errors import InputError
from tests.bulk.shard_files import files_in
from tests.hostile import written
from tests.processes import full_disk, run_module
from tests.wells_files import unpack
from tools.bulk import pack as tool
from tools.bulk.contents import photos_of
from tools.bulk.pack import pack
from tools.bulk.shards import find_shards

PHOTOS = {f"{place}{number}.jpg": b"%d" % number * 40 for place in ("", "a/", "a/b/")
          for number in range(3)}  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    more = {"notes.md": b"", ".git/x.jpg": b"", "a/.hidden.jpg": b""}
    return unpack({**PHOTOS, **more}.items(), tmp_path / "photos")


def unpacked(out: Path) -> list[dict[str, bytes]]:
    """Return what each shard holds, as the classifier reads it."""
    return [{p.name: p.read() for p in photos_of(shard)} for shard in find_shards([str(out)])]


def test_every_photo_is_in_one_shard_by_its_path(folder: Path, tmp_path: Path) -> None:
    pack(folder, str(tmp_path / "out"), 4)
    shards = unpacked(tmp_path / "out")
    assert [len(shard) for shard in shards] == [4, 4, 1]
    assert {name: data for shard in shards for name, data in shard.items()} == PHOTOS
    assert sorted(files_in(tmp_path / "out")) == ["000000.zip", "000001.zip", "000002.zip"]


def test_the_same_photos_give_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    pack(folder, str(tmp_path / "one"), 4)
    for path in sorted(folder.rglob("*.jpg"), reverse=True):
        content = path.read_bytes()
        path.unlink()
        written(path, content)
        os.utime(path, (0, 0))
    pack(folder, str(tmp_path / "other"), 4)
    assert files_in(tmp_path / "one") == files_in(tmp_path / "other")
    for path in (tmp_path / "one").iterdir():
        with zipfile.ZipFile(path) as archive:
            assert {entry.compress_type for entry in archive.infolist()} == {zipfile.ZIP_STORED}


def test_a_shard_of_large_photos_has_fewer(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tool, "MOST_BYTES", 100)
    pack(folder, str(tmp_path / "out"), 1000)
    assert [len(shard) for shard in unpacked(tmp_path / "out")] == [3, 3, 3]


def test_it_packs_to_a_url(folder: Path, tmp_path: Path) -> None:
    fsspec = pytest.importorskip("fsspec", reason="fsspec is missing: requirements-bulk.txt")
    pack(folder, str(tmp_path / "out"), 4)
    pack(folder, "memory://packed/out/", 4)
    storage = fsspec.filesystem("memory")
    there = {Path(name).name: storage.cat(name) for name in storage.find("/packed/out")}
    assert there == files_in(tmp_path / "out")
    with pytest.raises(InputError, match="there is something in memory://packed/out/ already"):
        pack(folder, "memory://packed/out/", 4)


def test_what_cannot_be_read_is_said_and_all_others_are_packed(
    folder: Path, tmp_path: Path
) -> None:
    (folder / "a/lost.jpg").symlink_to("nowhere")
    done = run_module("tools.bulk.pack", str(folder), "out", "--photos", "4", folder=tmp_path)
    assert done.returncode == 1
    assert "a/lost.jpg: No such file or directory\n" in done.stderr
    assert "error: 1 photos could not be read and are in no shard" in done.stderr
    assert "Traceback" not in done.stderr
    shards = unpacked(tmp_path / "out")
    assert {name: data for shard in shards for name, data in shard.items()} == PHOTOS


@pytest.mark.parametrize(
    ("made", "problem"),
    [
        ("out/file", "there is something in .*out already"),
        ("out", "there is something in .*out already"),
        ("photos/x:/a\\b.jpg", "no shard can hold the name|leaves the archive"),
        ("photos/c:d.jpg", "leaves the archive"),
        ("photos/" + "long/" * 110 + "a.jpg", "too long"),
        ("photos/\udcff.jpg", "isn't UTF-8"),
    ],
)
def test_what_no_shard_can_hold_is_refused_by_name(
    made: str, problem: str, folder: Path, tmp_path: Path
) -> None:
    written(tmp_path / made, b"something")
    with pytest.raises(InputError, match=problem):
        pack(folder, str(tmp_path / "out"), 100)
    assert list(tmp_path.glob("out/*.zip")) == []


@pytest.mark.parametrize("given", ["nowhere", "empty"])
def test_a_folder_without_photos_is_refused(given: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=f"{given}: there is no"):
        pack(tmp_path / given, str(tmp_path / "out"), 4)


def test_a_full_disk_leaves_whole_shards_only(folder: Path, tmp_path: Path) -> None:
    written(folder / "z/large.jpg", bytes(10_000))
    with full_disk(5000), pytest.raises(InputError, match=r"000002\.zip can't be written"):
        pack(folder, str(tmp_path / "out"), 4)
    assert sorted(files_in(tmp_path / "out")) == ["000000.zip", "000001.zip"]
