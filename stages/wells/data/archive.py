"""The canonical archive of wells: one layout and one sequence of bytes for the same content.

train/NAME                  normal wells
proliv/NAME                 known spills, of which there may be none
test/imgs/NAME              wells of either kind
test/test_annotation.txt    a line `NAME LABEL` for each of test/imgs; 1 = spill, 0 = normal
layout.txt                  in which layout they came, where that was another
"""

import stat
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from stages.common.errors import InputError
from stages.common.files import replacing
from stages.common.sources import Reader, files_of_zip

# Of the canonical archive that the known copy gives, which the committed results are from.
KNOWN_SHA256 = "ca7238d84bf0df66140fe12d08d7bb9613f20d7df58c1561c57d78c34a830735"
PHOTOS = TRAIN, SPILLS, TEST = "train/", "proliv/", "test/imgs/"
ANNOTATION, LAYOUT = "test/test_annotation.txt", "layout.txt"
REQUIRED = (TRAIN, TEST, ANNOTATION)
NAMES_SHOWN = 20


class Wells(NamedTuple):
    """What an archive holds: encoded images by name in sorted order, and the test labels.

    layout: in which they came.
    """

    train: dict[str, bytes]
    spills: dict[str, bytes]
    test: dict[str, bytes]
    labels: dict[str, bool]
    layout: str = "own"


def write_canonical(files: Mapping[str, Reader], target: Path, source: str) -> None:
    """Write files, given by their paths in it and readers, as the canonical archive.

    Whatever lies outside the layout is dropped; entries are sorted, stored, and carry no time.
    Raises InputError, naming `source`, where a required part of the layout is missing or empty, or
    a file can't be read.
    """
    kept = sorted(path for path in files if path.startswith(PHOTOS) or path in (ANNOTATION, LAYOUT))
    if missing := [part for part in REQUIRED if not any(path.startswith(part) for path in kept)]:
        top = shorten(sorted({path.split("/")[0] for path in files})) or "nothing"
        raise InputError(
            f"{source}: {', '.join(missing)} missing or empty. An archive of wells holds "
            f"{', '.join(REQUIRED)} and, where spills are known, {SPILLS}, or else MVTec's layout "
            f"(train/good/, test/good/, test/KIND/); this one holds {top}"
        )
    with replacing(target) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        for path in kept:
            entry = zipfile.ZipInfo(path)
            entry.create_system = 3
            entry.external_attr = (stat.S_IFREG | 0o644) << 16
            archive.writestr(entry, files[path]())


def open_zip(path: Path) -> zipfile.ZipFile:
    """Open a zip for reading; raises InputError where it is missing, a web page, or broken."""
    try:
        with path.open("rb") as file:
            start = file.read(512).lstrip()
        if start[:1] == b"<":
            raise InputError(
                f"{path} is a web page, not a zip: the address leads to a page about the file (on "
                "Google Drive: a missing permission or a used-up quota, which lasts up to a day). "
                "Fetch the file by a browser and set WELLS_ARCHIVE to its path"
            )
        return zipfile.ZipFile(path)
    except OSError as error:
        raise InputError(f"{path} can't be read: {error.strerror}") from None
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        raise InputError(f"{path} is no whole zip file ({error}): fetch it again") from None


def read_wells(path: Path) -> Wells:
    """Read a canonical archive.

    Raises InputError where it is broken, or the annotation doesn't fit the test images.
    """
    with open_zip(path) as archive:
        files = {name: read() for name, read in sorted(files_of_zip(archive).items())}
    train, spills, test = (
        {name.removeprefix(part): data for name, data in files.items() if name.startswith(part)}
        for part in PHOTOS
    )
    if ANNOTATION not in files:
        raise InputError(f"{path}: {ANNOTATION} is missing; `dvc repro -f download` makes it anew")
    layout = files.get(LAYOUT, b"own").decode("utf-8", "replace").strip()
    return Wells(train, spills, test, parse_annotation(files[ANNOTATION], test), layout)


def has_known_spills(path: Path) -> bool:
    """Tell whether a canonical archive holds a known spill; raises InputError if it is broken."""
    with open_zip(path) as archive:
        return any(name.startswith(SPILLS) for name in archive.namelist())


def parse_annotation(content: bytes, names: Iterable[str]) -> dict[str, bool]:
    """Read the labels of the test images; True = spill.

    Lines end in LF or CRLF. Raises InputError, naming line or file, for a line that isn't
    `NAME LABEL`, a label other than 0 or 1, a name that stands twice or has no image, an image
    without a label, and where either class is empty, for then a rate can't be measured.
    """
    try:
        lines = content.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise InputError(f"{ANNOTATION} isn't UTF-8 text: {error}") from None
    images = set(names)
    labels: dict[str, bool] = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        where = f"{ANNOTATION}, line {number}"
        words = line.strip().rsplit(maxsplit=1)
        if len(words) != 2:
            raise InputError(f"{where}: {line!r:.80} isn't `NAME LABEL`")
        name, label = words
        if label not in ("0", "1"):
            raise InputError(f"{where}: the label of {name} is {label!r:.80}; it must be 0 or 1")
        if name in labels:
            raise InputError(f"{where}: {name} stands a second time; keep one line of it")
        if name not in images:
            raise InputError(f"{where}: {name} isn't in {TEST}; add the image or drop the line")
        labels[name] = label == "1"
    if unlabelled := sorted(images - labels.keys()):
        raise InputError(f"{ANNOTATION} has no line for {shorten(unlabelled)}")
    for kind, present in (("spill", True), ("normal", False)):
        if present not in labels.values():
            raise InputError(f"{ANNOTATION} has no {kind}: its rate could not be measured")
    return labels


def shorten(names: list[str]) -> str:
    """Return names in a line, the first NAMES_SHOWN of them and how many more there are."""
    more = len(names) - NAMES_SHOWN
    return ", ".join(names[:NAMES_SHOWN]) + (f" and {more} more" if more > 0 else "")
