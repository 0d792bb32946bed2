"""No file of a folder is lost; what systems and editors leave behind is no photo and no avatar."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from stages.bayes.avatars import read_avatars
from stages.common.errors import InputError
from stages.common.sources import files_of_folder, folders_of_folder, is_junk
from tests.processes import public_folder, run_as_nobody
from tests.wells_files import encoded, unpack, zip_of
from tools.photos import find_photos

JUNK = [
    ".DS_Store",
    "._a.png",
    ".a.png",
    "__MACOSX/a.png",
    "Thumbs.db",
    ".ipynb_checkpoints/a.png",
    "more/.ipynb_checkpoints/a.png",
    ".thumbnails/large/a.png",
    "more/.a.png",
    "lost+found/a.png",
]
RED, BLUE = (
    encoded(Image.fromarray(np.full((4, 4, 3), colour, dtype=np.uint8)))
    for colour in ((220, 20, 20), (30, 60, 200))
)
PHOTOS = {"a.png": RED, "more/b.png": BLUE, "more/c..png": BLUE}


def source_of(files: dict[str, bytes], packed: bool, folder: Path) -> Path:
    """Write files as a zip or a folder, whose own name begins with a dot."""
    if packed:
        (folder / ".given.zip").write_bytes(zip_of(files.items()))
        return folder / ".given.zip"
    return unpack(files.items(), folder / ".given")


@pytest.mark.parametrize("path", JUNK)
def test_whatever_begins_with_a_dot_or_is_known_as_junk_is_junk(path: str) -> None:
    assert is_junk(path)


@pytest.mark.parametrize("path", ["a.png", "a/b.c/d.png", "./a.png", "a..png", "DS_Store/a.png"])
def test_a_dot_elsewhere_in_a_name_makes_no_junk(path: str) -> None:
    assert not is_junk(path)


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("junk", JUNK)
def test_junk_beside_photos_to_classify_is_passed_over(
    junk: str, packed: bool, tmp_path: Path
) -> None:
    source = source_of(PHOTOS | {junk: b"junk"}, packed, tmp_path)
    found = {photo.name: photo.read() for photo in find_photos([str(source)])}
    assert found == {f"{source}/{name}": data for name, data in PHOTOS.items()}


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("junk", JUNK)
def test_junk_beside_avatars_is_passed_over(junk: str, packed: bool, tmp_path: Path) -> None:
    source = source_of(PHOTOS | {junk: b"junk"}, packed, tmp_path)
    train, holdout = read_avatars(source)
    assert train.avatars.shape == (3, 4, 4, 4)
    assert len(holdout.avatars) == 0


def test_every_file_of_a_folder_is_found_by_its_path(tmp_path: Path) -> None:
    folder = unpack(PHOTOS.items(), tmp_path / "given")
    (folder / "more/linked.png").symlink_to("b.png")
    (folder / "empty").mkdir()
    found = {name: read() for name, read in files_of_folder(folder).items()}
    assert found == PHOTOS | {"more/linked.png": BLUE}
    assert folders_of_folder(folder) == {"more", "empty"}


@pytest.mark.parametrize(
    ("mode", "problem"),
    [(0o000, "more can't be listed"), (0o444, "more/.*png can't be read")],
)
def test_a_folder_that_may_not_be_looked_into_is_refused(mode: int, problem: str) -> None:
    with public_folder() as folder:
        unpack(PHOTOS.items(), folder / "given")
        (folder / "given/more").chmod(mode)

        def check() -> None:
            with pytest.raises(InputError, match=f"given/{problem}: Permission denied"):
                files_of_folder(folder / "given")

        run_as_nobody(check)


def test_a_closed_folder_of_the_system_is_passed_over() -> None:
    with public_folder() as folder:
        unpack(PHOTOS.items(), folder / "given")
        (folder / "given/lost+found").mkdir(mode=0o000)

        def check() -> None:
            assert files_of_folder(folder / "given").keys() == PHOTOS.keys()

        run_as_nobody(check)


@pytest.mark.parametrize(
    ("leads_to", "problem"),
    [("nowhere", "link can't be read: No such file"), ("more", "link is a link to a folder")],
)
def test_a_link_that_hides_files_is_refused(leads_to: str, problem: str, tmp_path: Path) -> None:
    folder = unpack(PHOTOS.items(), tmp_path / "given")
    (folder / "link").symlink_to(leads_to)
    with pytest.raises(InputError, match=f"given/{problem}"):
        files_of_folder(folder)
