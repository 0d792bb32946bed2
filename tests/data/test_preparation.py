"""Copies and leaks are taken out and counted, and the rest comes in folds, at any size."""

import json
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from stages.common.errors import InputError
from stages.common.files import read_arrays
from stages.common.pictures import draw_rows, head, stack
from stages.wells.data.archive import Wells
from stages.wells.data.preparation import (
    Parts,
    Photos,
    count_photos,
    decode_photos,
    split_photos,
)
from tests.wells_files import encoded, message_of, run_stage, unpack, zip_of

FOLDS, SEED = 2, 0
COUNTS: dict[str, Any] = {
    "files": {"train": 24, "proliv": 4, "test": 8, "test_normal": 4, "test_spill": 4},
    "distinct": {"train": 21, "proliv": 3, "test": 4, "test_normal": 2, "test_spill": 2},
    "leaks": {"train_in_proliv": 1, "test_in_train": 1, "test_in_proliv": 1},
    "additions": {"train": 0, "proliv": 0, "left_out_as_in_test": 0},
    # Of the distinct training images one is a spill.
    "split": {"train": 20, "folds": [10, 10], "spills": 3},
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
    return split_photos(photos, WELLS.labels, FOLDS, SEED)


def split(wells: Wells, seed: int = SEED) -> Parts:
    return split_photos(decode_photos(wells, 32, 48), wells.labels, FOLDS, seed)


def places(parts: Parts, photos: Photos) -> list[int]:
    """Return where the images of train stand in the archive's train."""
    everything = [image.tobytes() for image in photos.train.images]
    return [everything.index(image.tobytes()) for image in parts.train]


def folds_by_content(parts: Parts) -> dict[bytes, int]:
    folds = zip(parts.train, parts.folds.tolist(), strict=True)
    return {image.tobytes(): fold for image, fold in folds}


def test_the_parts_hold_no_copies_and_no_leaks(photos: Photos, parts: Parts) -> None:
    assert places(parts, photos) == [0, *range(3, 22)]
    np.testing.assert_array_equal(parts.spills, photos.spills.images[[0, 1, 3]])


def test_all_test_photos_are_kept_with_names_labels_and_marks(photos: Photos, parts: Parts) -> None:
    np.testing.assert_array_equal(parts.test, photos.test.images)
    assert parts.test_names.tolist() == ["n0", "n1", "n2", "n3", "s0", "s1", "s2", "s3"]
    assert parts.test_labels.tolist() == [False] * 4 + [True] * 4
    assert parts.test_labels.dtype == parts.test_distinct.dtype == np.bool_
    assert parts.test_names[parts.test_distinct].tolist() == ["n0", "n3", "s0", "s2"]


def with_additions(train: dict[str, bytes], spills: dict[str, bytes]) -> Wells:
    """The wells with photos that additions brought."""
    return WELLS._replace(train=WELLS.train | train, spills=WELLS.spills | spills)


def test_additions_are_learnt_from_but_what_repeats_the_test_set_is_left_out(
    photos: Photos, parts: Parts
) -> None:
    # Of the normals one is new, one known already, and one is the test photo n3; of the known
    # spills one is new, and one is s0.
    train = {"addition-1/a": well(400), "addition-1/b": well(7), "addition-2/a": well(201, "BMP")}
    spills = {"addition-1/a": well(500), "addition-1/b": well(300)}
    wells = with_additions(train, spills)
    more = decode_photos(wells, 32, 48)
    found = split_photos(more, wells.labels, FOLDS, SEED)
    new = {image.tobytes() for image in found.train} - {image.tobytes() for image in parts.train}
    assert new == {more.train.images[more.train.names == "addition-1/a"][0].tobytes()}
    assert len(found.spills) == len(parts.spills) + 1
    np.testing.assert_array_equal(found.test, parts.test)
    np.testing.assert_array_equal(found.test_labels, parts.test_labels)
    assert count_photos(more, found)["additions"] == {
        "train": 3,
        "proliv": 2,
        "left_out_as_in_test": 2,
    }


@pytest.mark.parametrize(
    ("train", "spills", "said"),
    [
        ({"addition-1/a": well(101)}, {}, "train/addition-1/a is called normal, proliv/1 a spill"),
        ({}, {"addition-1/a": well(3)}, "train/05 is called normal, proliv/addition-1/a a spill"),
        ({"addition-1/a": well(300)}, {}, "train/addition-1/a is called normal, test/s0 a spill"),
        ({}, {"addition-3/a": well(201)}, "test/n3 is called normal, proliv/addition-3/a a spill"),
        (
            {"addition-1/a": well(400)},
            {"addition-2/b": well(400, "BMP")},
            "train/addition-1/a is called normal, proliv/addition-2/b a spill",
        ),
    ],
)
def test_an_addition_that_contradicts_what_a_photo_is_called_is_refused(
    train: dict[str, bytes], spills: dict[str, bytes], said: str
) -> None:
    wells = with_additions(train, spills)
    with pytest.raises(InputError, match=r"1 photos are called both .*dataset\.additions") as told:
        split(wells)
    assert said in str(told.value)


@pytest.mark.parametrize(("height", "width"), [(28, 28), (64, 96)])
def test_the_same_photos_are_chosen_at_another_size(
    height: int, width: int, photos: Photos, parts: Parts
) -> None:
    resized = decode_photos(WELLS, height, width)
    others = split_photos(resized, WELLS.labels, FOLDS, SEED)
    assert others.train.shape == (20, 3, height, width)
    assert places(others, resized) == places(parts, photos)


def test_a_photo_that_stands_often_is_in_one_fold_as_if_it_stood_once(parts: Parts) -> None:
    again = {f"z{name}": data for name, data in reversed(WELLS.train.items())}
    others = split(WELLS._replace(train=WELLS.train | again))
    np.testing.assert_array_equal(others.train, parts.train)
    np.testing.assert_array_equal(others.folds, parts.folds)


def test_a_photo_is_in_the_same_fold_under_another_name(parts: Parts) -> None:
    names = reversed(WELLS.train)
    others = split(WELLS._replace(train=dict(zip(names, WELLS.train.values(), strict=True))))
    assert not np.array_equal(others.train, parts.train)
    assert folds_by_content(others) == folds_by_content(parts)


def test_the_seed_draws_the_folds_and_nothing_else(parts: Parts) -> None:
    other = split(WELLS, SEED + 1)
    assert not np.array_equal(other.folds, parts.folds)
    for same, part in zip(other._replace(folds=parts.folds), parts, strict=True):
        np.testing.assert_array_equal(same, part)


def test_too_few_training_photos_are_refused() -> None:
    # Seventeen files, of which fifteen are distinct and no spills.
    with pytest.raises(InputError, match=r"^15 .*split\.folds"):
        split(WELLS._replace(train=dict(list(WELLS.train.items())[:17])))


def test_photos_are_counted_by_part_and_label(photos: Photos, parts: Parts) -> None:
    assert count_photos(photos, parts) == COUNTS


def test_where_no_spill_is_known_that_part_is_empty_and_keeps_its_shape() -> None:
    wells = WELLS._replace(spills={})
    photos, parts = decode_photos(wells, 32, 48), split(wells)
    assert parts.spills.shape == (0, 3, 32, 48)
    counts = count_photos(photos, parts)
    assert counts["leaks"] == {"train_in_proliv": 0, "test_in_train": 1, "test_in_proliv": 0}
    assert (counts["files"]["proliv"], counts["distinct"]["proliv"]) == (0, 0)
    assert counts["split"] == {"train": 21, "folds": [11, 10], "spills": 0}


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
    return run_stage("preprocess", folder, {"split.folds": FOLDS} | (changes or {}))


def report_of(folder: Path) -> Any:
    return json.loads((folder / "metrics/reports/dataset.json").read_text(encoding="utf-8"))


def test_the_stage_counts_copies_and_leaks_and_keeps_them_out(tmp_path: Path) -> None:
    done = preprocess(tmp_path, WELLS)
    assert done.returncode == 0, done.stderr
    report = report_of(tmp_path)
    assert list(report) == ["sha256", "known_copy", "layout", *COUNTS]
    assert not report["known_copy"]
    assert {key: report[key] for key in COUNTS} == COUNTS
    data = tmp_path / "data/wells"
    assert {path.name for path in data.iterdir()} == {"train.npz", "spills.npz", "test.npz"}
    for part, count in ("train", 20), ("spills", 3):
        (found,) = read_arrays(data / f"{part}.npz", "images")
        assert found.shape == (count, 3, 32, 48)
        assert len(np.unique(found, axis=0)) == count
    (folds,) = read_arrays(data / "train.npz", "folds")
    assert np.bincount(folds).tolist() == COUNTS["split"]["folds"]
    test = data / "test.npz"
    found, names, labels, distinct = read_arrays(test, "images", "names", "labels", "distinct")
    assert found.shape == (8, 3, 32, 48)
    assert names[labels].tolist() == ["s0", "s1", "s2", "s3"]
    assert names[distinct].tolist() == ["n0", "n3", "s0", "s2"]
    galleries = {path.stem for path in (tmp_path / "plots/dataset").iterdir()}
    assert galleries == {"train", "spills", "test_normal", "test_spill"}


def test_the_stage_writes_an_empty_part_where_no_spill_is_known(tmp_path: Path) -> None:
    done = preprocess(tmp_path, WELLS._replace(spills={}))
    assert done.returncode == 0, done.stderr
    (spills,) = read_arrays(tmp_path / "data/wells/spills.npz", "images")
    assert spills.shape == (0, 3, 32, 48)
    assert spills.dtype == np.uint8
    assert report_of(tmp_path)["split"] == {"train": 21, "folds": [11, 10], "spills": 0}
    with Image.open(tmp_path / "plots/dataset/spills.png") as picture:
        expected = stack(head("Known spills, which place thresholds", "None."), draw_rows([], 8))
        np.testing.assert_array_equal(np.asarray(picture), np.asarray(expected))


def test_the_stage_ends_with_one_message_that_names_broken_images(tmp_path: Path) -> None:
    broken = WELLS._replace(spills=WELLS.spills | {"cut.png": well(9)[:-100]})
    message = message_of(preprocess(tmp_path, broken))
    assert message.startswith("1 of 5 images of proliv can't be decoded")
    assert "\n  cut.png: " in message
    assert not (tmp_path / "metrics/reports/dataset.json").exists()


def test_the_stage_ends_with_one_message_where_the_archive_is_missing(tmp_path: Path) -> None:
    message = message_of(run_stage("preprocess", tmp_path, {}))
    assert message.startswith("data/raw/wells.zip can't be read")
