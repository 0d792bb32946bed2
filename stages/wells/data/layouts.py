"""The layouts in which wells come: this project's own, MVTec's, and additions to either.

MVTec's (Bergmann et al. 2019, CVPR, The MVTec anomaly detection dataset), of any surface:

train/good/NAME             normals
test/good/NAME              normals
test/KIND/NAME              anomalies of a kind
ground_truth/…              masks, which aren't needed
"""

import hashlib
from collections.abc import Mapping, Sequence, Set
from pathlib import PurePosixPath
from typing import NamedTuple

from stages.common.errors import InputError
from stages.common.sources import Reader, is_junk
from stages.wells.data.archive import ANNOTATION, LAYOUT, SPILLS, TEST, TRAIN, shorten

MVTEC = "mvtec"
# Whatever folders hold all files are dropped, but not these, which are parts of a layout.
PARTS = {"", "train", "proliv", "test", "ground_truth"}
# Of MVTec's layout.
TRAIN_GOOD, GOOD, MASKS, MASK = "train/good/", "good", "ground_truth/", "_mask"
# Below train/ and proliv/, with its number: what an addition brought.
ADDITION = "addition-"

Files = Mapping[str, Reader]


class Found(NamedTuple):
    """What a folder or zip holds.

    place: what it is called in a message; files: readers by path; folders: paths of all of them,
    also of empty ones.
    """

    place: str
    files: Files
    folders: Set[str]


def arrange(source: Found, known: int) -> dict[str, Reader]:
    """Return the files of a source by their paths in the canonical archive.

    known: of each kind of anomaly in MVTec's layout, how many are taken out of the test set to
    calibrate with, by content and not by name. Raises InputError, naming the place, where the files
    are in both layouts, or MVTec's is not whole.
    """
    found = _without_common_folders(source.files)
    if not any(path.startswith(TRAIN_GOOD) for path in found):
        return found
    if own := [path for path in found if path.startswith((TEST, SPILLS)) or path == ANNOTATION]:
        raise InputError(
            f"{source.place} holds two layouts, MVTec's ({TRAIN_GOOD}) and this project's "
            f"({shorten(own)}): keep one"
        )
    paths = map(PurePosixPath, source.folders)
    kinds = {path.name for path in paths if path.parent.name == "test"}
    return _arrange_mvtec(found, kinds, known, source.place)


def add(files: dict[str, Reader], additions: Sequence[Found]) -> dict[str, Reader]:
    """Return files with the normals (train/) and known anomalies (proliv/) of additions.

    Raises InputError, naming the addition, where it holds neither, or a test set: what is measured
    on must not change with what is learnt.
    """
    together = dict(files)
    for number, (place, more, _) in enumerate(additions, start=1):
        found = _without_common_folders(more)
        if any(path.startswith("test/") for path in found):
            raise InputError(
                f"{place} (dataset.additions) holds test/: an addition has {TRAIN} and {SPILLS} "
                "alone; name a folder without test photos"
            )
        parts = [part for part in (TRAIN, SPILLS) if any(p.startswith(part) for p in found)]
        if not parts:
            raise InputError(
                f"{place} (dataset.additions) holds neither {TRAIN} nor {SPILLS}: put normals "
                "below the one, known anomalies below the other"
            )
        for part in parts:
            together |= {
                f"{part}{ADDITION}{number}/{path.removeprefix(part)}": read
                for path, read in found.items()
                if path.startswith(part)
            }
    return together


def _arrange_mvtec(files: Files, folders: Set[str], known: int, place: str) -> dict[str, Reader]:
    kinds: dict[str, dict[str, Reader]] = {}
    for path, read in files.items():
        part, _, rest = path.partition("/")
        kind, _, name = rest.partition("/")
        if part == "test" and name:
            kinds.setdefault(kind, {})[name] = read
    _refuse_lone_masks(files, kinds, place)
    lacking = [f"test/{kind}/" for kind in sorted({GOOD, *folders} - kinds.keys())]
    lacking += [] if {*kinds, *folders} - {GOOD} else ["test/KIND/"]
    if lacking:
        raise InputError(
            f"{place}: {', '.join(lacking)} without a photo; in MVTec's layout each kind has some"
        )

    arranged = {
        f"{TRAIN}{path.removeprefix(TRAIN_GOOD)}": read
        for path, read in files.items()
        if path.startswith(TRAIN_GOOD)
    }
    lines = []
    for kind, photos in sorted(kinds.items()):
        taken = set() if kind == GOOD else _take(photos, known, f"{place}: test/{kind}")
        for name, read in sorted(photos.items()):
            arranged[f"{SPILLS if name in taken else TEST}{kind}/{name}"] = read
            if name not in taken:
                lines.append(f"{kind}/{name} {int(kind != GOOD)}\n")
    annotation = "".join(lines).encode()
    return {**arranged, ANNOTATION: lambda: annotation, LAYOUT: lambda: MVTEC.encode()}


def _take(photos: Files, known: int, where: str) -> set[str]:
    """Return the names of so many photos of a kind, chosen by content; at least one is left."""
    if known >= len(photos):
        raise InputError(
            f"{where} has {len(photos)} photos, and {known} of each kind are to be known "
            "(dataset.known) while one at least is left to measure on: add photos or lower it"
        )
    digests = {hashlib.sha256(read()).digest(): name for name, read in sorted(photos.items())}
    return {digests[digest] for digest in sorted(digests)[:known]}


def _refuse_lone_masks(files: Files, kinds: Mapping[str, Mapping[str, Reader]], place: str) -> None:
    """Raise InputError where a mask has no photo, for then photos are missing."""
    lone = []
    for path in files:
        if path.startswith(MASKS):
            kind, _, name = path.removeprefix(MASKS).partition("/")
            stems = {PurePosixPath(photo).stem for photo in kinds.get(kind, ())}
            if PurePosixPath(name).stem.removesuffix(MASK) not in stems:
                lone.append(path)
    if lone:
        raise InputError(
            f"{place}: masks without a photo in test/: {shorten(sorted(lone))}; add the photos or "
            "remove the masks"
        )


def _without_common_folders(files: Files) -> dict[str, Reader]:
    """Return the files that aren't junk by their paths below the folders that hold all of them."""
    kept = {path: read for path, read in files.items() if not is_junk(path)}
    while True:
        # Empty for a file that lies in no folder.
        folders = {path.split("/")[0] if "/" in path else "" for path in kept}
        if len(folders) != 1 or folders <= PARTS:
            return kept
        kept = {path.partition("/")[2]: read for path, read in kept.items()}
