"""Copies and leaks are taken out and counted, and photos held out, whatever size they have."""

import json
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from stages.common.errors import InputError
from stages.common.files import read_arrays
from stages.wells.data.archive import Wells
from stages.wells.data.preparation import (
    Parts,
    Photos,
    count_photos,
    decode_photos,
    find_copies,
    split_photos,
)
from tests.wells_files import encoded, message_of, run_stage, unpack, zip_of

SHARE, SEED = 0.2, 0
COUNTS = {
    "files": {"train": 24, "proliv": 4, "test": 8, "test_normal": 4, "test_spill": 4},
    "distinct": {"train": 21, "proliv": 3, "test": 4, "test_normal": 2, "test_spill": 2},
    "leaks": {"train_in_proliv": 1, "test_in_train": 1, "test_in_proliv": 1},
    # Of 20 distinct training images that aren't spills, a fifth is held out.
    "split": {"train": 16, "holdout": 4, "spills": 3},
}


def well(number: int, kind: str = "PNG") -> bytes:
    """A made-up well that only this number gives."""
    pixels = np.random.default_rng(number).integers(0, 256, (28, 48, 3), dtype=np.uint8)
    return encoded(Image.fromarray(pixels), kind)


def copied_wells() -> Wells:
    """Wells with copies within each part, and copies of one part in another."""
    train = [well(0), well(0, "BMP"), well(100), *map(well, range(1, 20)), well(1), well(1, "BMP")]
    spills = [well(100), well(101), well(101, "BMP"), well(102)]
    test = {"n0": well(200), "n1": well(200, "BMP"), "n2": well(5, "BMP"), "n3": well(201)}
    test |= {"s0": well(300), "s1": well(102, "BMP"), "s2": well(301), "s3": well(301)}
    return Wells(
        {f"{number:02d}": data for number, data in enumerate(train)},
        {f"{number}": data for number, data in enumerate(spills)},
        test,
        {name: name.startswith("s") for name in test},
    )


WELLS = copied_wells()


@pytest.fixture(scope="module")
def photos() -> Photos:
    return decode_photos(WELLS, 32, 48)


@pytest.fixture(scope="module")
def parts(photos: Photos) -> Parts:
    return split_photos(photos, WELLS.labels, SHARE, SEED)


def places(parts: Parts, photos: Photos) -> list[list[int]]:
    """Return where the images of train and of the held-out part stand in the archive's train."""
    everything = [image.tobytes() for image in photos.train.images]
    return [
        [everything.index(image.tobytes()) for image in part]
        for part in (parts.train, parts.holdout)
    ]


def test_the_first_of_every_content_is_distinct_and_leaks_are_marked(photos: Photos) -> None:
    copies = find_copies(photos)
    assert np.flatnonzero(~copies.distinct_train).tolist() == [1, 22, 23]
    assert np.flatnonzero(~copies.distinct_spills).tolist() == [2]
    assert photos.test.names[copies.distinct_test].tolist() == ["n0", "n3", "s0", "s2"]
    assert np.flatnonzero(copies.train_in_spills).tolist() == [2]
    assert photos.test.names[copies.test_in_train].tolist() == ["n2"]
    assert photos.test.names[copies.test_in_spills].tolist() == ["s1"]


def test_the_parts_hold_no_copies_and_no_leaks(photos: Photos, parts: Parts) -> None:
    train, holdout = places(parts, photos)
    assert sorted(train + holdout) == [0, *range(3, 22)]
    assert len(holdout) == 4
    np.testing.assert_array_equal(parts.spills, photos.spills.images[[0, 1, 3]])


def test_all_test_photos_are_kept_with_names_labels_and_marks(photos: Photos, parts: Parts) -> None:
    np.testing.assert_array_equal(parts.test, photos.test.images)
    assert parts.test_names.tolist() == ["n0", "n1", "n2", "n3", "s0", "s1", "s2", "s3"]
    assert parts.test_labels.tolist() == [False] * 4 + [True] * 4
    assert parts.test_labels.dtype == parts.test_distinct.dtype == np.bool_
    assert parts.test_names[parts.test_distinct].tolist() == ["n0", "n3", "s0", "s2"]


@pytest.mark.parametrize(("height", "width"), [(28, 28), (64, 96)])
def test_the_same_photos_are_chosen_at_another_size(
    height: int, width: int, photos: Photos, parts: Parts
) -> None:
    resized = decode_photos(WELLS, height, width)
    others = split_photos(resized, WELLS.labels, SHARE, SEED)
    assert others.train.shape == (16, 3, height, width)
    assert places(others, resized) == places(parts, photos)


def test_the_same_photos_are_chosen_in_grey(photos: Photos, parts: Parts) -> None:
    grey = Photos(*(part._replace(images=part.images[:, :1]) for part in photos))
    others = split_photos(grey, WELLS.labels, SHARE, SEED)
    for of_grey, of_colour in zip(others[:4], parts[:4], strict=True):
        np.testing.assert_array_equal(of_grey, of_colour[:, :1])


def test_the_seed_draws_what_is_held_out(photos: Photos, parts: Parts) -> None:
    other = split_photos(photos, WELLS.labels, SHARE, SEED + 1)
    assert places(other, photos) != places(parts, photos)
    np.testing.assert_array_equal(other.spills, parts.spills)


def test_too_few_training_photos_are_refused(photos: Photos) -> None:
    with pytest.raises(InputError, match=r"split\.holdout"):
        split_photos(photos, WELLS.labels, 0.9, SEED)


def test_photos_are_counted_by_part_and_label(photos: Photos, parts: Parts) -> None:
    assert count_photos(photos, parts) == COUNTS


def test_where_no_spill_is_known_that_part_is_empty_and_keeps_its_shape() -> None:
    wells = WELLS._replace(spills={})
    photos = decode_photos(wells, 32, 48)
    parts = split_photos(photos, wells.labels, SHARE, SEED)
    assert parts.spills.shape == (0, 3, 32, 48)
    counts = count_photos(photos, parts)
    assert counts["leaks"] == {"train_in_proliv": 0, "test_in_train": 1, "test_in_proliv": 0}
    assert (counts["files"]["proliv"], counts["distinct"]["proliv"]) == (0, 0)
    assert counts["split"] == {"train": 17, "holdout": 4, "spills": 0}


def files_of(wells: Wells) -> dict[str, bytes]:
    """Return wells as the files of an archive."""
    files = {f"train/{name}": data for name, data in wells.train.items()}
    files |= {f"proliv/{name}": data for name, data in wells.spills.items()}
    files |= {f"test/imgs/{name}": data for name, data in wells.test.items()}
    labels = "".join(f"{name} {int(label)}\n" for name, label in wells.labels.items())
    return files | {"test/test_annotation.txt": labels.encode()}


def preprocess(
    folder: Path, wells: Wells, changes: dict[str, Any] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run preprocess on an archive of these wells."""
    unpack([("data/raw/wells.zip", zip_of(files_of(wells).items()))], folder)
    return run_stage("preprocess", folder, {"split.holdout": SHARE} | (changes or {}))


def report_of(folder: Path) -> Any:
    return json.loads((folder / "metrics/reports/dataset.json").read_text(encoding="utf-8"))


def test_the_stage_counts_copies_and_leaks_and_keeps_them_out(tmp_path: Path) -> None:
    done = preprocess(tmp_path, WELLS)
    assert done.returncode == 0, done.stderr
    report = report_of(tmp_path)
    assert list(report) == ["sha256", "known_copy", *COUNTS]
    assert not report["known_copy"]
    assert {key: report[key] for key in COUNTS} == COUNTS
    for part, count in COUNTS["split"].items():
        (found,) = read_arrays(tmp_path / f"data/wells/{part}.npz", "images")
        assert found.shape == (count, 3, 32, 48)
        assert len(np.unique(found, axis=0)) == count
    test = tmp_path / "data/wells/test.npz"
    found, names, labels, distinct = read_arrays(test, "images", "names", "labels", "distinct")
    assert found.shape == (8, 3, 32, 48)
    assert names[labels].tolist() == ["s0", "s1", "s2", "s3"]
    assert names[distinct].tolist() == ["n0", "n3", "s0", "s2"]
    galleries = {path.stem for path in (tmp_path / "plots/dataset").iterdir()}
    assert galleries == {"train", "holdout", "spills", "test_normal", "test_spill"}


def test_the_stage_writes_an_empty_part_where_no_spill_is_known(tmp_path: Path) -> None:
    done = preprocess(tmp_path, WELLS._replace(spills={}))
    assert done.returncode == 0, done.stderr
    (spills,) = read_arrays(tmp_path / "data/wells/spills.npz", "images")
    assert spills.shape == (0, 3, 32, 48)
    assert spills.dtype == np.uint8
    assert report_of(tmp_path)["split"] == {"train": 17, "holdout": 4, "spills": 0}
    with Image.open(tmp_path / "plots/dataset/spills.png") as picture:
        assert np.asarray(picture)[28:].min() == 255, "a title over paper"


def test_the_stage_ends_with_one_message_that_names_broken_images(tmp_path: Path) -> None:
    broken = WELLS._replace(spills=WELLS.spills | {"cut.png": well(9)[:-100]})
    message = message_of(preprocess(tmp_path, broken))
    assert message.startswith("1 of 5 images of proliv can't be decoded")
    assert "\n  cut.png: " in message
    assert not (tmp_path / "metrics/reports/dataset.json").exists()


def test_the_stage_ends_with_one_message_where_the_archive_is_missing(tmp_path: Path) -> None:
    message = message_of(run_stage("preprocess", tmp_path, {}))
    assert message.startswith("data/raw/wells.zip can't be read")
