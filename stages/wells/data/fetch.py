"""Where the wells come from: Google Drive, any other URL, a local zip or folder, or drawn ones."""

import os
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from errno import EACCES, EDQUOT, EEXIST, EFBIG, ENOSPC, ENOTDIR, EROFS
from pathlib import Path
from typing import NamedTuple

import gdown
import requests
from gdown.exceptions import DownloadError

from stages.common import sources
from stages.common.errors import InputError
from stages.wells.data import archive, layouts
from stages.wells.synthetic.archive import MIN_TRAIN_COUNT, TRAIN_COUNT, draw_archive

STAND_IN = "WELLS_ARCHIVE"
SYNTHETIC = "synthetic"
RETRIES = 5
DISK_ERRORS = {EACCES, EDQUOT, EEXIST, EFBIG, ENOSPC, ENOTDIR, EROFS}
TIMEOUT_SECONDS = 60.0


class Opened(NamedTuple):
    """What a source holds: its files, and the paths of its folders, also of empty ones."""

    files: Mapping[str, sources.Reader]
    folders: frozenset[str]


def fetch_archive(source: str, target: Path, known: int = 0, additions: Sequence[str] = ()) -> None:
    """Write the canonical archive of a source, with additions, to `target`.

    source: a URL (a Google Drive link among them), the path of a zip or of a folder, `synthetic`,
    or `synthetic:N` for N training images; in one of two layouts (layouts.py), `known` of each kind
    of anomaly being known. Where the environment variable WELLS_ARCHIVE names a zip or folder, that
    is read in place of a URL. additions: paths of zips or folders. Raises InputError where one of
    all these can't be had.
    """
    with ExitStack() as opened:
        download = None
        if is_synthetic(source):
            drawn = draw_archive(_train_count(source))
            files = {path: lambda data=data: data for path, data in drawn.items()}
            found, place = Opened(files, frozenset()), source
        elif "://" not in source:
            place = source
            found = _open(Path(source), "dataset.source in params.yaml", opened)
        elif stand_in := os.environ.get(STAND_IN):
            place = stand_in
            found = _open(Path(stand_in), f"the environment variable {STAND_IN}", opened)
        else:
            download = target.with_name("download.zip")
            place = str(download)
            _download(source, download)
            found = _open(download, "the download", opened)
        more = [
            layouts.Addition(
                path, _open(Path(path), "dataset.additions in params.yaml", opened).files
            )
            for path in additions
        ]
        arranged = layouts.arrange(found.files, found.folders, known, place)
        archive.write_canonical(layouts.add(arranged, more), target, place)
    if download:
        download.unlink()


def is_synthetic(source: str) -> bool:
    """Tell whether a source is `synthetic` or `synthetic:N`."""
    return source.partition(":")[0] == SYNTHETIC


def _train_count(source: str) -> int:
    """Return the number of training images that `synthetic` or `synthetic:N` asks for."""
    if source == SYNTHETIC:
        return TRAIN_COUNT
    count = source.removeprefix(f"{SYNTHETIC}:")
    if not count.isdecimal() or int(count) < MIN_TRAIN_COUNT:
        raise InputError(
            f"dataset.source is {source!r}: after `{SYNTHETIC}:` stands the number of training "
            f"images, at least {MIN_TRAIN_COUNT}"
        )
    return int(count)


def _open(source: Path, named_by: str, opened: ExitStack) -> Opened:
    """Return what a folder or zip holds, which must be read before `opened` is closed."""
    source = source.expanduser()
    if source.is_dir():
        return Opened(sources.files_of_folder(source), sources.folders_of_folder(source))
    if source.is_file():
        packed = opened.enter_context(archive.open_zip(source))
        return Opened(sources.files_of_zip(packed), sources.folders_of_zip(packed))
    raise InputError(f"{source} is neither a file nor a folder: correct {named_by}")


def _download(url: str, target: Path) -> None:
    """Download a URL, going on where an earlier try broke off."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        # gdown takes a file of this name for one that is complete.
        target.unlink(missing_ok=True)
        gdown.download(url, str(target), resume=True, retries=RETRIES, timeout=TIMEOUT_SECONDS)
    except (DownloadError, requests.RequestException, OSError, ValueError) as error:
        if isinstance(error, OSError) and error.errno in DISK_ERRORS:
            raise InputError(f"{target} can't be written: {error.strerror}") from None
        then = "what has arrived is kept"
        # The server can't go on where an earlier try broke off. gdown has no exception of its own
        # for it, but a plain DownloadError: where the network is at fault, that has a cause, and
        # what fails before any byte of the file is a FileURLRetrievalError.
        if type(error) is DownloadError and error.__cause__ is None:
            then = "the next try begins anew"
            for partial in target.parent.glob(f"{target.name}*.part"):
                partial.unlink()
        raise InputError(
            f"{url} can't be downloaded: {' '.join(str(error).split())}\n"
            f"Check the network and the address, and try again ({then}), or fetch the file by a "
            f"browser and set {STAND_IN} to its path"
        ) from None
