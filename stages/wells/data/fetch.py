"""Where the wells come from: Google Drive, any other URL, a local zip or folder, or drawn ones."""

import os
from collections.abc import Sequence
from contextlib import ExitStack
from errno import EACCES, EDQUOT, EEXIST, EFBIG, ENOSPC, ENOTDIR, EROFS
from pathlib import Path

import gdown
import requests
from gdown.exceptions import DownloadError

from stages.common import sources
from stages.common.errors import InputError
from stages.wells.data import archive, layouts
from stages.wells.data.layouts import Found
from stages.wells.synthetic.archive import MIN_TRAIN_COUNT, TRAIN_COUNT, draw_archive

STAND_IN = "WELLS_ARCHIVE"
# Beside the archive, until that is written.
DOWNLOAD = "download.zip"
SYNTHETIC = "synthetic"
RETRIES = 5
DISK_ERRORS = {EACCES, EDQUOT, EEXIST, EFBIG, ENOSPC, ENOTDIR, EROFS}
TIMEOUT_SECONDS = 60.0


def fetch_archive(source: str, target: Path, known: int = 0, additions: Sequence[str] = ()) -> None:
    """Write the canonical archive of a source, with additions, to `target`.

    source: a URL (a Google Drive link among them), the path of a zip or of a folder, `synthetic`,
    or `synthetic:N` for N training images; in one of two layouts (layouts.py), `known` of each kind
    of anomaly being known. Where the environment variable WELLS_ARCHIVE names a zip or folder, that
    is read in place of a URL. additions: paths of zips or folders. Raises InputError where one of
    all these can't be had.
    """
    download = target.with_name(DOWNLOAD)
    with ExitStack() as opened:
        found = _find(source, download, opened)
        more = [_open(Path(path), "dataset.additions in params.yaml", opened) for path in additions]
        arranged = layouts.add(layouts.arrange(found, known), more)
        archive.write_canonical(arranged, target, found.place)
    if "://" in found.place:
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


def _find(source: str, download: Path, opened: ExitStack) -> Found:
    """Return what a source holds, which must be read before `opened` is closed.

    download: where a URL is downloaded to; only then is the place that URL.
    """
    if is_synthetic(source):
        drawn = draw_archive(_train_count(source))
        files = {path: lambda data=data: data for path, data in drawn.items()}
        return Found(source, files, frozenset())
    if "://" not in source:
        return _open(Path(source), "dataset.source in params.yaml", opened)
    if stand_in := os.environ.get(STAND_IN):
        return _open(Path(stand_in), f"the environment variable {STAND_IN}", opened)
    _download(source, download)
    return _open(download, "the download", opened)._replace(place=source)


def _open(path: Path, named_by: str, opened: ExitStack) -> Found:
    """Return what a folder or zip holds, as `_find` does."""
    path = path.expanduser()
    if path.is_dir():
        files, folders = sources.files_of_folder(path), sources.folders_of_folder(path)
    elif path.is_file():
        packed = opened.enter_context(archive.open_zip(path))
        files, folders = sources.files_of_zip(packed), sources.folders_of_zip(packed)
    else:
        raise InputError(f"{path} is neither a file nor a folder: correct {named_by}")
    return Found(str(path), files, folders)


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
