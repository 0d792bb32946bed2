"""The made-up archive has the layout of the real one and spills differ in the well's centre."""

import io
from collections.abc import Callable
from statistics import median

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from stages.wells import synthetic

TRAIN_COUNT = 60


@pytest.fixture(scope="module")
def archive() -> dict[str, bytes]:
    return synthetic.draw_archive(TRAIN_COUNT)


def part(archive: dict[str, bytes], folder: str) -> list[bytes]:
    return [data for path, data in archive.items() if path.startswith(folder + "/")]


def labels(archive: dict[str, bytes]) -> dict[str, int]:
    lines = archive["test/test_annotation.txt"].decode().split("\r\n")
    assert lines.pop() == "", "the last line ends like the others"
    pairs = [line.split(" ") for line in lines]
    assert len({name for name, _ in pairs}) == len(pairs), "an image is named twice"
    return {name: int(label) for name, label in pairs}


def centre(scene: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rows 10-22 and columns 16-32 of a 48 x 28 photo, cut from the wider and finer canvas."""
    top, left = synthetic.MARGIN_Y + 10, synthetic.MARGIN_X + 16
    k = synthetic.FINENESS
    return scene[k * top : k * (top + 12), k * left : k * (left + 16)]


def sharpness(scene: NDArray[np.float64]) -> float:
    return float(np.abs(np.diff(centre(scene).mean(axis=2), axis=1)).mean())


def blueness(scene: NDArray[np.float64]) -> float:
    return float((centre(scene)[..., 2] - centre(scene)[..., 0]).mean())


def typical(
    draw: Callable[[np.random.Generator], NDArray[np.float64]],
    measure: Callable[[NDArray[np.float64]], float],
) -> float:
    rng = np.random.default_rng(0)
    return median(measure(draw(rng)) for _ in range(20))


def test_same_bytes_on_each_call(archive: dict[str, bytes]) -> None:
    assert synthetic.draw_archive(TRAIN_COUNT) == archive


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


def test_empty_wells_are_smoother_and_bluer_in_the_centre_than_normal_ones() -> None:
    empty, normal = synthetic.empty_well, synthetic.normal_well
    assert typical(empty, sharpness) < 0.5 * typical(normal, sharpness)
    assert typical(empty, blueness) > typical(normal, blueness) + 0.03


def test_streaks_are_sharper_in_the_centre_than_normal_metal() -> None:
    def streaked(rng: np.random.Generator) -> NDArray[np.float64]:
        return synthetic.streak_well(rng, synthetic.PROLIV_STRENGTH)

    assert typical(streaked, sharpness) > 2 * typical(synthetic.normal_well, sharpness)


def test_a_tool_or_a_notch_leaves_the_centre_as_it_was() -> None:
    rng = np.random.default_rng(0)
    scene = synthetic.normal_well(rng)
    for disturb in (synthetic.tool, synthetic.notch):
        changed = disturb(scene, rng)
        assert not np.allclose(changed, scene)
        np.testing.assert_allclose(centre(changed), centre(scene))
