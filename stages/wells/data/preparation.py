"""From an archive to the parts that are learnt from and measured on.

Copies of a photo count once, a photo of the training set that is a known spill counts not at all,
and the rest is divided into folds, each of which is held out once. In the test set, copies and
photos that stand elsewhere too are only marked.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stages.common.errors import InputError
from stages.common.types import Images, Indices, Marks
from stages.wells.data.archive import NAMES_SHOWN, Wells
from stages.wells.data.images import Decoded, decode_all
from stages.wells.data.layouts import ADDITION
from stages.wells.data.splits import fold_by_groups, mark_distinct


class Photos(NamedTuple):
    """An archive's photos, decoded at one size."""

    train: Decoded
    spills: Decoded
    test: Decoded


class Parts(NamedTuple):
    """Images of each part, `[N, 3, H, W]`, and names, labels and marks of the test set's, `[N]`.

    folds: the fold in which each training image is held out, `[N]`. Labels: True = spill. Distinct
    test images are no copies of others, in test or elsewhere.
    """

    train: Images
    folds: Indices
    spills: Images
    test: Images
    test_names: NDArray[np.str_]
    test_labels: Marks
    test_distinct: Marks


def decode_photos(wells: Wells, height: int, width: int) -> Photos:
    """Decode all photos of an archive at one size in pixels.

    Raises InputError that names images that can't be decoded.
    """
    return Photos(
        decode_all(wells.train, height, width, "train"),
        decode_all(wells.spills, height, width, "proliv"),
        decode_all(wells.test, height, width, "test"),
    )


def split_photos(photos: Photos, labels: Mapping[str, bool], folds: int, seed: int) -> Parts:
    """Return the parts of an archive's photos, whose test labels are given by name; True = spill.

    The distinct training photos come in that many folds, drawn by the seed. What additions repeat
    of the test set is left out. Raises InputError where a fold would be too small, and where an
    addition contradicts what a photo is called elsewhere.
    """
    train, spills, test = (part.digests for part in photos)
    test_labels = np.array([labels[name] for name in photos.test.names], dtype=np.bool_)
    _refuse_contradictions(photos, test_labels)
    repeated, repeated_spills = mark_repeats(photos)
    usable = mark_distinct(train) & ~np.isin(train, spills) & ~repeated
    images = photos.train.images[usable]
    return Parts(
        train=images,
        folds=fold_by_groups(images, train[usable], folds, seed),
        spills=photos.spills.images[mark_distinct(spills) & ~repeated_spills],
        test=photos.test.images,
        test_names=photos.test.names,
        test_labels=test_labels,
        test_distinct=mark_distinct(test) & ~np.isin(test, np.concatenate([train, spills])),
    )


def mark_added(photos: Decoded) -> Marks:
    """Mark the photos that additions brought, `[N]`."""
    added: Marks = np.char.startswith(photos.names, ADDITION)
    return added


def mark_repeats(photos: Photos) -> tuple[Marks, Marks]:
    """Mark the training photos and the known spills of additions that stand in the test set."""
    train, spills = (
        mark_added(part) & np.isin(part.digests, photos.test.digests)
        for part in (photos.train, photos.spills)
    )
    return train, spills


def _refuse_contradictions(photos: Photos, test_labels: Marks) -> None:
    """Raise InputError, naming the files, where an addition calls a photo other than it is called.

    The source itself may: of its training photos, those that are known spills are left out.
    """
    called = [
        pd.DataFrame({"file": np.char.add(f"{part}/", one.names), "digest": one.digests})
        for part, one in zip(("train", "proliv", "test"), photos, strict=True)
    ]
    called[0]["spill"], called[1]["spill"], called[2]["spill"] = False, True, test_labels
    together = pd.concat(called)
    added = together["file"].str.split("/").str[1].str.startswith(ADDITION)
    disputed = together[together["digest"].isin(together["digest"][added])]
    said = []
    for _, one in disputed.groupby("digest", sort=False):
        if one["spill"].nunique() > 1:
            normal, spill = (one.loc[one["spill"] == kind, "file"].iloc[0] for kind in (0, 1))
            said.append(f"  {normal} is called normal, {spill} a spill")
    if said:
        raise InputError(
            f"{len(said)} photos are called both normal and a spill, by dataset.additions or "
            "against them; correct or remove them there:\n" + "\n".join(said[:NAMES_SHOWN])
        )


def count_photos(photos: Photos, parts: Parts) -> dict[str, dict[str, Any]]:
    """Return how many photos there are: `files`, `distinct` ones, `leaks`, and in each `split`."""
    train, spills, test = (part.digests for part in photos)
    distinct, labels = parts.test_distinct, parts.test_labels
    kinds = {"test": np.ones_like(labels), "test_normal": ~labels, "test_spill": labels}
    files = {"train": len(train), "proliv": len(spills)}
    first = {"train": len(np.unique(train)), "proliv": len(parts.spills)}
    return {
        "files": files | {kind: int(marks.sum()) for kind, marks in kinds.items()},
        "distinct": first | {kind: int((marks & distinct).sum()) for kind, marks in kinds.items()},
        "leaks": {
            "train_in_proliv": int(np.isin(train, spills).sum()),
            "test_in_train": int(np.isin(test, train).sum()),
            "test_in_proliv": int(np.isin(test, spills).sum()),
        },
        "additions": {
            "train": int(mark_added(photos.train).sum()),
            "proliv": int(mark_added(photos.spills).sum()),
            "left_out_as_in_test": int(sum(marks.sum() for marks in mark_repeats(photos))),
        },
        "split": {
            "train": len(parts.train),
            "folds": np.bincount(parts.folds).tolist(),
            "spills": len(parts.spills),
        },
    }
