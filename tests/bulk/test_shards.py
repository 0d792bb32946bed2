"""Which shards there are, under which names, and when one counts as changed."""

import os
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from stages.common.errors import InputError
from tests.hostile import written
from tests.processes import public_folder, run_as_nobody
from tools.bulk.shards import Shard, find_shards

NAMES = ["b.zip", "a/2.tar.gz", "a/1.tar", "A.ZIP", "a/deep/l.txt"]


def names(*given: Path | str) -> list[str]:
    return [shard.name for shard in find_shards(map(str, given))]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of shards and of what is none."""
    for name in (*NAMES, "notes.md", ".hidden.zip", ".git/x.zip", "__MACOSX/b.zip", "a/photo.jpg"):
        written(tmp_path / "in" / name, b"content")
    return tmp_path / "in"


def test_a_folders_shards_are_found_sorted_by_their_paths_below_it(folder: Path) -> None:
    found = find_shards([str(folder)])
    assert [shard.name for shard in found] == sorted(NAMES)
    assert [shard.place for shard in found] == [str(folder / name) for name in sorted(NAMES)]


def test_a_shard_that_is_named_itself_has_the_name_of_its_file(folder: Path) -> None:
    assert names(folder / "b.zip", folder / "a") == ["1.tar", "2.tar.gz", "b.zip", "deep/l.txt"]


def test_places_are_absolute_for_workers_that_stand_elsewhere(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    assert [shard.place for shard in find_shards(["b.zip", "a/deep"])] == [
        str(folder / "b.zip"),
        str(folder / "a/deep/l.txt"),
    ]


def test_two_shards_of_one_name_are_refused(folder: Path) -> None:
    written(folder.parent / "other/b.zip", b"another")
    with pytest.raises(InputError, match=r"in/b\.zip and \S+other/b\.zip are both b\.zip"):
        names(folder, folder.parent / "other")


def test_a_shard_that_is_named_twice_is_taken_once(folder: Path) -> None:
    assert names(folder, folder / "b.zip", folder) == sorted(NAMES)
    with pytest.raises(InputError, match=r"1\.tar is named twice, as a/1\.tar and as 1\.tar"):
        names(folder, folder / "a/1.tar")


def test_a_folder_that_can_not_be_listed_is_refused_by_name() -> None:
    with public_folder() as folder:
        written(folder / "in/a.zip", b"content")
        written(folder / "in/closed/b.zip", b"content")
        (folder / "in/closed").chmod(0)

        def find() -> None:
            with pytest.raises(InputError, match="in/closed can't be listed: Permission denied"):
                names(folder / "in")
            with pytest.raises(InputError, match="there is no such file"):
                names(folder / "in/closed/b.zip")

        run_as_nobody(find)


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ("none.zip", "there is no such file"),
        ("x" * 300, "there is no such file"),
        ("in/notes.md", "is no shard"),
        ("in/__MACOSX", "there is no shard in it"),
        ("other", "there is no shard in it"),
        ("memory://nowhere", "can't be listed|no shard in it"),
        ("memory://nowhere/a.zip", "can't be listed"),
        ("nothing-known://a.zip", "nothing-known"),
        ("http://127.0.0.1:1/in/", "can't be listed"),
        ("ftp://127.0.0.1:1/in/", "refused"),
    ],
)
def test_what_gives_no_shard_is_refused_by_name(
    folder: Path, given: str, problem: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder.parent)
    (folder.parent / "other").mkdir()
    (folder / "__MACOSX/b.zip").unlink()
    with pytest.raises(InputError, match=problem) as error:
        names(given)
    assert given in str(error.value)


def test_a_changed_shard_has_another_version(folder: Path) -> None:
    def version() -> str:
        return find_shards([str(folder / "b.zip")])[0].version

    first = version()
    assert version() == first
    os.utime(folder / "b.zip", ns=(0, 5))
    touched = version()
    (folder / "b.zip").write_bytes(b"more content")
    assert len({first, touched, version()}) == 3


def test_a_link_that_leads_nowhere_is_a_shard_which_its_reader_will_refuse(folder: Path) -> None:
    (folder / "c.zip").symlink_to("nowhere")
    (shard,) = [shard for shard in find_shards([str(folder)]) if shard.name == "c.zip"]
    assert shard.version == ""


@pytest.fixture
def memory() -> object:
    """A storage in memory, of fsspec."""
    fsspec = pytest.importorskip("fsspec", reason="fsspec is missing: requirements-bulk.txt")
    storage = fsspec.filesystem("memory")
    storage.store.clear()
    return storage


def test_shards_below_a_url_are_named_as_those_of_a_folder(memory: object) -> None:
    for name in (*NAMES, ".git/x.zip", "notes.md"):
        memory.pipe(f"/bucket/in/{name}", b"content")  # type: ignore[attr-defined]
    found = find_shards(["memory://bucket/in/"])
    assert [shard.name for shard in found] == sorted(NAMES)
    assert found[0].place == "memory:///bucket/in/A.ZIP"
    assert names("memory://bucket/in/b.zip") == ["b.zip"]


@pytest.fixture
def served(folder: Path) -> Iterator[str]:
    """The URL below which the folder's parent is served."""
    handler = partial(SimpleHTTPRequestHandler, directory=str(folder.parent))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def test_a_shard_on_a_web_server_that_changes_or_is_another_has_another_version(
    folder: Path, served: str
) -> None:
    """Though a server's list of a folder tells neither sizes nor times."""
    pytest.importorskip("fsspec", reason="fsspec is missing: requirements-bulk.txt")

    def version(of: str) -> str:
        (found,) = (shard for shard in find_shards([f"{served}/{of}/"]) if shard.name == "b.zip")
        return found.version

    first = version("in")
    assert first
    assert version("in") == first
    os.utime(folder / "b.zip", (10**9, 10**9))
    written(folder.parent / "other/b.zip", b"of another length")
    assert len({first, version("in"), version("other")}) == 3


def test_a_name_that_leaves_the_results_folder_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("../a.zip", "x/../../a.zip", "/a.zip", "x//a.zip", "a\rb.zip"):
        monkeypatch.setattr(
            "tools.bulk.shards._at_url", lambda url, name=name: [Shard(name, url + name, "")]
        )
        with pytest.raises(InputError, match="can't be the name of a result"):
            find_shards(["s3://bucket/"])
