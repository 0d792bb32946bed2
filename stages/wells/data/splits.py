"""Which images count: duplicates and leaks by content, and folds of images that look alike."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from stages.common.errors import InputError
from stages.common.types import FloatArray, Images, Indices, Marks

# Of photos that look alike; about one a clip, a light or a place of the table.
GROUPS = 60
# Pixels across and down.
THUMBNAIL = (6, 4)
MIN_TRAIN, MIN_HELD_OUT = 8, 2
# Of the images, those that `mark_far` marks.
FAR_SHARE = 0.1

Digests = NDArray[np.str_]


def mark_distinct(digests: Digests) -> Marks:
    """Return a mark on the first image of every content, `[N]`."""
    distinct: Marks = ~pd.Series(digests).duplicated().to_numpy()
    return distinct


def fold_by_groups(images: Images, digests: Digests, folds: int, seed: int) -> Indices:
    """Return the fold, 0 to folds - 1, of each distinct image `[N, 3, H, W]` uint8, `[N]`.

    Each fold is held out once, from a network that learns from the others; what that network makes
    of it stands for new photos when thresholds are placed. Photos of one clip are nearly alike:
    were they drawn at random, nearly every held-out photo would have a twin among those learnt
    from, its error would be far smaller than a new photo's, and the threshold too low. So photos
    that look alike (groups by k-means over thumbnails) stay together, and every fold holds views
    and lights that the others lack. All photos being held out once, no single draw decides. (Up to
    GROUPS photos, each is a group of its own.)

    Which image goes where depends on content and seed, not on names. Raises InputError where a fold
    or what is left of the others would be too small.
    """
    by_content = np.argsort(digests)
    found = np.empty(len(images), dtype=np.intp)
    found[by_content] = _cluster(shrink(images)[by_content], GROUPS, seed)
    sizes = np.bincount(found)
    fold_of, filled = np.zeros(len(sizes), dtype=np.intp), np.zeros(folds, dtype=np.intp)
    for group in np.random.default_rng(seed).permutation(len(sizes)):
        fold_of[group] = filled.argmin()
        filled[fold_of[group]] += sizes[group]
    if filled.min() < MIN_HELD_OUT or len(images) - filled.max() < MIN_TRAIN:
        raise InputError(
            f"{len(images)} distinct training images in {len(sizes)} groups of those that look "
            f"alike give {folds} folds (split.folds) of {', '.join(map(str, filled))}; each needs "
            f"at least {MIN_HELD_OUT}, the others together {MIN_TRAIN}. Add images to train or ask "
            "for fewer folds"
        )
    return fold_of[found]


def group_alike(images: Images, count: int, seed: int) -> Indices:
    """Return the group, from 0, of each of the images `[N, 3, H, W]` that look alike, `[N]`.

    By k-means over thumbnails, in `count` groups, or as many as there are different thumbnails.
    """
    return _cluster(shrink(images), count, seed)


def _cluster(thumbnails: FloatArray, count: int, seed: int) -> Indices:
    # Imported here, for what decodes and marks should not wait a second for scikit-learn.
    from sklearn.cluster import KMeans

    if not len(thumbnails):
        return np.empty(0, dtype=np.intp)
    count = min(count, len(np.unique(thumbnails, axis=0)))
    found: Indices = KMeans(count, n_init=1, random_state=seed).fit_predict(thumbnails)
    return found.astype(np.intp)


def mark_far(images: Images, folds: Indices) -> Marks:
    """Mark the FAR_SHARE of images that look least like any image of another fold, `[N]`."""
    # Imported here, as above.
    from sklearn.neighbors import NearestNeighbors

    thumbnails, distances = shrink(images), np.empty(len(images))
    for fold in np.unique(folds):
        held_out = folds == fold
        others = NearestNeighbors(n_neighbors=1).fit(thumbnails[~held_out])
        distances[held_out] = others.kneighbors(thumbnails[held_out])[0][:, 0]
    return distances > np.quantile(distances, 1 - FAR_SHARE)


def shrink(images: Images) -> FloatArray:
    """Return images `[N, 3, H, W]` as thumbnails of a few averaged pixels, `[N, D]` in [0, 1]."""
    width, height = THUMBNAIL
    shrunk = np.empty((len(images), height * width * 3))
    for index, image in enumerate(images.transpose(0, 2, 3, 1)):
        small = Image.fromarray(image).resize(THUMBNAIL, Image.Resampling.BOX)
        shrunk[index] = np.asarray(small).ravel() / 255
    return shrunk
