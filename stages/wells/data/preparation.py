"""From an archive to the parts that are learnt from and measured on.

Copies of a photo count once, a photo of the training set that is a known spill counts not at all,
and the rest is divided into folds, each of which is held out once. In the test set, copies and
photos that stand elsewhere too are only marked.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from stages.common.types import Images, Indices, Marks
from stages.wells.data.archive import Wells
from stages.wells.data.images import Decoded, decode_all
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

    The distinct training photos come in that many folds, drawn by the seed. Raises InputError where
    one would be too small.
    """
    train, spills, test = (part.digests for part in photos)
    usable = mark_distinct(train) & ~np.isin(train, spills)
    images = photos.train.images[usable]
    return Parts(
        train=images,
        folds=fold_by_groups(images, train[usable], folds, seed),
        spills=photos.spills.images[mark_distinct(spills)],
        test=photos.test.images,
        test_names=photos.test.names,
        test_labels=np.array([labels[name] for name in photos.test.names], dtype=np.bool_),
        test_distinct=mark_distinct(test) & ~np.isin(test, np.concatenate([train, spills])),
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
        "split": {
            "train": len(parts.train),
            "folds": np.bincount(parts.folds).tolist(),
            "spills": len(parts.spills),
        },
    }
