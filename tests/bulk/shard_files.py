"""Shards of a few drawn photos, and the command that classifies them, as people run it."""

import csv
import io
import os
import subprocess
import sys
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PIL import Image

from tests.clones import ROOT
from tests.small_wells import grainy_wells
from tests.wells_files import encoded, zip_of

COLUMNS = "name,score,margin,label,view,error\n"


def photos(count: int, seed: int = 0) -> dict[str, bytes]:
    """Return so many photos by name, in sorted order; every third one is a spill."""
    normal = grainy_wells(count, seed=100 + seed)
    spilled = grainy_wells(count, seed=200 + seed, grain=60)
    images = [(spilled if number % 3 == 2 else normal)[number] for number in range(count)]
    return {
        f"in/{seed}_{number:03}.png": encoded(Image.fromarray(image.transpose(1, 2, 0)))
        for number, image in enumerate(images)
    }


def tar_of(files: Mapping[str, bytes], mode: str = "w") -> bytes:
    """Tar files, with `w:gz` packed."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:  # type: ignore[call-overload]
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


def zips(folder: Path, count: int, each: int = 3) -> Path:
    """Write so many zips of photos into a folder, the last one in a folder of its own."""
    for number in range(count):
        name = f"last/{number:02}.zip" if number == count - 1 else f"{number:02}.zip"
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(zip_of(photos(each, number).items()))
    return folder


def command(*words: object) -> list[str]:
    """Return the words that run `tools.classify`."""
    return [sys.executable, "-m", "tools.classify", *map(str, words)]


def surroundings(**changes: str) -> dict[str, str]:
    """Return an environment in which the project's modules are found from any folder."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("AWS_", "RAY_"))}
    return {**kept, "PYTHONPATH": str(ROOT), **changes}


def classify(
    *words: object, changes: Mapping[str, str] | None = None, **how: Any
) -> subprocess.CompletedProcess[str]:
    """Run `tools.classify` with changes of the environment."""
    return subprocess.run(
        command(*words),
        env=surroundings(**(changes or {})),
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        **how,
    )


def files_in(folder: Path) -> dict[str, bytes]:
    """Return the content of every file below a folder."""
    found = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


def manifest_of(folder: Path) -> dict[str, dict[str, str]]:
    """Return the lines of a manifest by shard."""
    with (folder / "manifest.csv").open(encoding="utf-8", newline="") as file:
        return {line["shard"]: line for line in csv.DictReader(file)}


def labels_in(folder: Path) -> dict[str, str]:
    """Return the label of every photo below a folder of results; none may have two rows."""
    labels: dict[str, str] = {}
    for path in folder.rglob("*.csv"):
        if path.name != "manifest.csv":
            with path.open(encoding="utf-8", newline="") as file:
                for row in csv.DictReader(file):
                    assert row["name"] not in labels, "two rows of one photo"
                    labels[row["name"]] = row["label"]
    return labels


# Imported by each process that Python starts, where its folder is in PYTHONPATH. A process that
# opens a zip named here does what its name says.
HOOK = """
import os, sys, time, zipfile

if os.environ.get("HOOK_STRANGE"):
    sys.modules["tools"] = None
opened = zipfile.ZipFile.__init__

def open_zip(self, file, *rest, **more):
    name = str(getattr(file, "name", ""))
    told = os.environ.get("HOOK_TOLD", "")
    if "deadly" in name or ("unlucky" in name and not os.path.exists(told)):
        if told:
            open(told, "a").write("killed\\n")
        os.kill(os.getpid(), 9)
    while "sleepy" in name and os.environ.get("HOOK_WAIT") and not os.path.exists(told):
        time.sleep(0.01)
    if "sleepy" in name and os.environ.get("HOOK_HANG"):
        open(told, "a").write("hangs\\n")
        time.sleep(600)
    opened(self, file, *rest, **more)

zipfile.ZipFile.__init__ = open_zip
"""


def hooked(folder: Path, **changes: str) -> dict[str, str]:
    """Return changes of an environment in which HOOK works, which tells in a file `told`."""
    (folder / "hook").mkdir(exist_ok=True)
    (folder / "hook/sitecustomize.py").write_text(HOOK, encoding="utf-8")
    search = f"{folder / 'hook'}:{ROOT}"
    return {"PYTHONPATH": search, "HOOK_TOLD": str(folder / "told"), **changes}
