"""Tiny made-up archives and images, changed params, and stages run on their own."""

import io
import subprocess
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml
from PIL import Image

from tests.processes import run_module

ROOT = Path(__file__).parents[1]
OLD = b"the archive of an earlier run"

LAYOUT = {
    "proliv/8_CAM.jpg": b"first known spill",
    "proliv/9_CAM.jpg": b"second known spill" * 9,
    "test/imgs/c.jpg": b"third of test",
    "test/imgs/d.jpg": b"fourth of test",
    "test/test_annotation.txt": b"c.jpg 1\r\nd.jpg 0\r\n",
    "train/a.jpg": b"first normal well" * 5,
    "train/b.jpg": b"second normal well",
}


def zip_of(
    files: Iterable[tuple[str, bytes]],
    method: int = zipfile.ZIP_DEFLATED,
    date: tuple[int, int, int, int, int, int] = (2023, 3, 1, 5, 38, 0),
    mode: int = 0o100644,
) -> bytes:
    """Zip files in the order given; a path that ends in `/` makes a folder."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path, data in files:
            entry = zipfile.ZipInfo(path, date)
            entry.compress_type = method
            entry.external_attr = mode << 16
            archive.writestr(entry, data)
    return buffer.getvalue()


def unpack(files: Iterable[tuple[str, bytes]], folder: Path) -> Path:
    """Write files below a folder and give the folder."""
    for path, data in files:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    return folder


def encoded(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    """Encode an image."""
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def params_with(changes: dict[str, Any]) -> str:
    """Return the committed params as text, with values changed by their key paths."""
    values = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    for path, value in changes.items():
        *sections, key = path.split(".")
        section = values
        for name in sections:
            section = section[name]
        section[key] = value
    return str(yaml.safe_dump(values))


def run_stage(name: str, folder: Path, changes: dict[str, Any]) -> subprocess.CompletedProcess[str]:
    """Run a stage in a folder with changed params."""
    (folder / "params.yaml").write_text(params_with(changes), encoding="utf-8")
    return run_module(f"stages.{name}", folder=folder)


def message_of(failed: subprocess.CompletedProcess[str]) -> str:
    """Return the one message of a stage that refused its input."""
    assert failed.returncode == 1, failed.stderr
    assert "Traceback" not in failed.stderr
    before, error, message = failed.stderr.partition("error: ")
    assert error, failed.stderr
    assert before in ("", before.rstrip() + "\n"), "the message doesn't begin its line"
    assert "error: " not in message
    return message
