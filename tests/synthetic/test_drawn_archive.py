"""The made-up archive has the layout and the proportions of the real one, and its copies."""

import io

import numpy as np
import pytest
from PIL import Image

from stages.common.types import FloatArray
from stages.wells.synthetic.archive import draw_archive, draw_photos
from stages.wells.synthetic.canvas import Rng, X

TRAIN_COUNT = 60


@pytest.fixture(scope="module")
def archive() -> dict[str, bytes]:
    return draw_archive(TRAIN_COUNT)


def part(archive: dict[str, bytes], folder: str) -> list[bytes]:
    return [data for path, data in archive.items() if path.startswith(folder + "/")]


def labels(archive: dict[str, bytes]) -> dict[str, int]:
    lines = archive["test/test_annotation.txt"].decode().split("\r\n")
    assert lines.pop() == "", "the last line ends like the others"
    pairs = [line.split(" ") for line in lines]
    assert len({name for name, _ in pairs}) == len(pairs), "an image is named twice"
    return {name: int(label) for name, label in pairs}


def test_same_bytes_on_each_call(archive: dict[str, bytes]) -> None:
    assert draw_archive(TRAIN_COUNT) == archive


def test_parts_have_their_proportions(archive: dict[str, bytes]) -> None:
    assert len(part(archive, "train")) == TRAIN_COUNT
    assert len(part(archive, "proliv")) == 12
    found = list(labels(archive).values())
    assert (found.count(0), found.count(1)) == (30, 12)


def test_annotation_names_each_test_image(archive: dict[str, bytes]) -> None:
    images = {p.removeprefix("test/imgs/") for p in archive if p.startswith("test/imgs/")}
    assert set(labels(archive)) == images


def test_images_are_rgb_jpegs_of_the_stated_sizes(archive: dict[str, bytes]) -> None:
    for path, data in archive.items():
        if path.endswith(".jpg"):
            image = Image.open(io.BytesIO(data))
            image.load()
            assert (image.format, image.mode) == ("JPEG", "RGB"), path
            assert 39 <= image.width <= 72, path
            assert 23 <= image.height <= 40, path


@pytest.mark.parametrize("folder", ["train", "proliv", "test/imgs"])
def test_some_files_are_exact_copies(archive: dict[str, bytes], folder: str) -> None:
    files = part(archive, folder)
    assert 0.8 * len(files) <= len(set(files)) < len(files)


def test_a_known_spill_is_leaked_into_train_but_nothing_into_test(
    archive: dict[str, bytes],
) -> None:
    train, proliv = set(part(archive, "train")), set(part(archive, "proliv"))
    assert train & proliv
    assert not (train | proliv) & set(part(archive, "test/imgs"))


def test_copies_in_test_agree_in_their_label(archive: dict[str, bytes]) -> None:
    found: dict[bytes, set[int]] = {}
    for name, label in labels(archive).items():
        found.setdefault(archive[f"test/imgs/{name}"], set()).add(label)
    assert all(len(kinds) == 1 for kinds in found.values())


def test_a_kinds_share_is_disturbed() -> None:
    def plain(rng: Rng) -> FloatArray:
        return np.full((*X.shape, 3), 0.5)

    photos = draw_photos(np.random.default_rng(0), 40, [(plain, 1)], disturbed=0.25, shots=1)
    ranges = [np.ptp(np.asarray(Image.open(io.BytesIO(photo)).convert("L"))) for photo in photos]
    assert len(photos) == 40
    # What lies over a plain scene is seen, but not the shift of one; copies are of either kind.
    assert 6 <= sum(value > 15 for value in ranges) <= 13
