"""Shards from a storage that speaks S3, of which moto is one, give what they give from a disk."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.bulk.shard_files import classify, files_in, labels_in, manifest_of, photos, zips
from tests.wells_files import unpack
from tools.bulk.pack import pack
from tools.bulk.shards import find_shards

pytestmark = pytest.mark.slow
s3fs = pytest.importorskip("s3fs", reason="s3fs is missing: requirements-bulk.txt")
server = pytest.importorskip("moto.server", reason="moto is missing: requirements-bulk-dev.txt")


@pytest.fixture
def storage(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A storage with an empty bucket, which the environment tells of."""
    running = server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    running.start()
    host, port = running.get_host_and_port()
    for key in [key for key in os.environ if key.startswith("AWS_")]:
        monkeypatch.delenv(key)
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "nobody")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "nothing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    s3fs.S3FileSystem.clear_instance_cache()
    client = s3fs.S3FileSystem()
    client.mkdir("bucket")
    yield client
    # What moto holds outlives its server.
    client.rm("bucket", recursive=True)
    running.stop()
    s3fs.S3FileSystem.clear_instance_cache()


def run(model: Path, into: Path, given: object) -> Any:
    told = {key: value for key, value in os.environ.items() if key.startswith("AWS_")}
    return classify("--model", model, "--into", into, "--workers", 2, given, changes=told)


def test_its_shards_give_the_same_rows_and_are_taken_up_again(
    storage: Any, model: Path, tmp_path: Path
) -> None:
    given = zips(tmp_path / "in", 4)
    listed = unpack(photos(2, 8).items(), tmp_path / "photos")
    for name, content in (files_in(given) | files_in(listed)).items():
        storage.pipe(f"bucket/in/{name}", content)
    lines = ["in/8_000.png", "s3://bucket/in/in/8_001.png"]
    storage.pipe("bucket/in/list.txt", "\n".join(lines).encode())
    done = run(model, tmp_path / "out", "s3://bucket/in")
    assert done.returncode == 0, done.stderr

    local = classify("--model", model, "--into", tmp_path / "local", given)
    assert local.returncode == 0, local.stderr
    found = files_in(tmp_path / "out")
    for name, content in files_in(tmp_path / "local").items():
        if name.endswith(".zip.csv"):
            assert found[name] == content
    labels = labels_in(tmp_path / "out")
    assert lines[0] in labels
    assert lines[1] in labels
    assert len(labels) == 4 * 3 + 2

    storage.pipe("bucket/in/00.zip", (given / "01.zip").read_bytes())
    again = run(model, tmp_path / "out", "s3://bucket/in")
    assert "4 of the shards had been classified before" in again.stderr
    changed = files_in(tmp_path / "out")
    assert changed["00.zip.csv"] == changed["01.zip.csv"] == found["01.zip.csv"]


def test_what_fails_there_is_said_by_name(storage: Any, model: Path, tmp_path: Path) -> None:
    zips(tmp_path / "in", 2)
    for name, content in files_in(tmp_path / "in").items():
        storage.pipe(f"bucket/in/{name}", content)
    storage.pipe("bucket/in/broken.zip", b"no zip")
    storage.pipe("bucket/in/list.txt", b"nowhere.png")
    done = run(model, tmp_path / "out", "s3://bucket/in")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "1 of 4 shards failed, and 1 photos could not be read" in done.stderr
    assert "not a zip" in manifest_of(tmp_path / "out")["broken.zip"]["error"]
    assert "nowhere.png,,,,,it can't be fetched" in (tmp_path / "out/list.txt.csv").read_text()
    for missing in ("s3://bucket/none.zip", "s3://nobodys-bucket/in", "s3://bucket/none"):
        done = run(model, tmp_path / "other", missing)
        assert done.returncode == 1
        assert f"error: {missing}" in done.stderr
        assert "Traceback" not in done.stderr


def test_folders_are_packed_into_it(storage: Any, tmp_path: Path) -> None:
    folder = unpack(photos(5).items(), tmp_path / "photos")
    pack(folder, "s3://bucket/packed", 2)
    names = [shard.name for shard in find_shards(["s3://bucket/packed"])]
    assert names == ["000000.zip", "000001.zip", "000002.zip"]


def test_another_content_of_the_same_size_is_another_version(storage: Any) -> None:
    versions = set()
    for content in (b"one", b"two"):
        storage.pipe("bucket/a.zip", content)
        storage.invalidate_cache()
        versions.add(find_shards(["s3://bucket/a.zip"])[0].version)
    assert len(versions) == 2
