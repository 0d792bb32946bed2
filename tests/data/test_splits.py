"""Duplicates are found, and images that look alike share a fold, by content and not by order."""

from hashlib import sha256
from itertools import pairwise

import numpy as np
import pytest

from stages.common.errors import InputError
from stages.common.types import Images, Indices
from stages.wells.data.splits import (
    THUMBNAIL,
    Digests,
    fold_by_groups,
    group_alike,
    mark_distinct,
    mark_far,
    shrink,
)
from tests.small_wells import in_turn, noise

DIGESTS: Digests = np.array([f"{number * 7919 % 1000:03d}" for number in range(100)])


@pytest.mark.parametrize(
    ("digests", "expected"),
    [
        (["b", "a", "b", "c", "a", "b"], [True, True, False, True, False, False]),
        (["a", "b", "c"], [True, True, True]),
        (["a", "a", "a"], [True, False, False]),
        ([], []),
    ],
)
def test_the_first_image_of_each_content_is_marked(
    digests: list[str], expected: list[bool]
) -> None:
    assert mark_distinct(np.array(digests, dtype=np.str_)).tolist() == expected


def scenes(count: int, seed: int = 0) -> Images:
    """Return images of 32 x 48 that look unlike each other: each in 4 x 6 plain squares."""
    width, height = THUMBNAIL
    return noise(count, seed, height, width).repeat(8, axis=2).repeat(8, axis=3)


def near_copies(images: Images, seed: int) -> Images:
    """Return the images with a little noise, as the next photos of the same clips."""
    grain = np.random.default_rng(seed).integers(-4, 5, images.shape)
    return (images + grain).clip(0, 255).astype(np.uint8)


def folds_of(images: Images, folds: int = 2, seed: int = 0) -> Indices:
    """Return the images' folds, whose digests are of what they show."""
    digests = np.array([sha256(image.tobytes()).hexdigest() for image in images], dtype=np.str_)
    return fold_by_groups(images, digests, folds, seed)


@pytest.mark.parametrize("folds", [2, 3, 10])
def test_every_image_has_one_of_the_folds_and_the_folds_are_about_equally_large(folds: int) -> None:
    found = folds_of(scenes(600), folds)
    sizes = np.bincount(found)
    assert found.shape == (600,)
    assert len(sizes) == folds
    np.testing.assert_allclose(sizes, 600 / folds, rtol=0.3)


@pytest.mark.parametrize("folds", [2, 5])
def test_images_that_look_alike_share_a_fold(folds: int) -> None:
    clips = [near_copies(scenes(100), seed) for seed in range(3)]
    first, second, third = folds_of(np.concatenate(clips), folds).reshape(3, 100)
    np.testing.assert_array_equal(second, first)
    np.testing.assert_array_equal(third, first)


def test_an_image_has_the_same_fold_in_any_order() -> None:
    images = scenes(200)
    order = np.random.default_rng(1).permutation(200)
    np.testing.assert_array_equal(folds_of(images[order]), folds_of(images)[order])


def test_another_seed_draws_other_folds() -> None:
    images = scenes(200)
    # Two folds that are the same but for their numbers would agree on none.
    for one, other in pairwise(folds_of(images, seed=seed) for seed in range(5)):
        assert 0.2 < (one == other).mean() < 0.8


@pytest.mark.parametrize(
    ("count", "folds", "sizes"),
    [(0, 2, "0, 0"), (15, 2, "8, 7"), (19, 10, "2, 2, 2, 2, 2, 2, 2, 2, 2, 1")],
)
def test_too_few_images_are_refused_with_the_key_to_change(
    count: int, folds: int, sizes: str
) -> None:
    message = rf"^{count} distinct.* {folds} folds \(split\.folds\) of {sizes};.*Add images"
    with pytest.raises(InputError, match=message):
        folds_of(scenes(count), folds)


@pytest.mark.parametrize(("count", "folds"), [(16, 2), (10, 5)])
def test_the_fewest_images_allowed_leave_eight_to_learn_from_and_two_in_a_fold(
    count: int, folds: int
) -> None:
    assert np.bincount(folds_of(scenes(count), folds)).tolist() == [count // folds] * folds


def test_images_that_all_look_alike_are_refused_with_the_key_to_change() -> None:
    alike = np.full((50, 3, 32, 48), 90, dtype=np.uint8)
    # Each has another pixel that is a grey level lighter.
    alike.reshape(50, -1)[np.arange(50), np.arange(50)] += 1
    with pytest.raises(InputError, match=r"50 .* in 1 groups .*split\.folds.* of 50, 0;"):
        folds_of(alike)


# What k-means says where it is asked for more groups than there are.
@pytest.mark.filterwarnings("error")
def test_images_of_one_thumbnail_are_of_one_group_and_no_others() -> None:
    groups = group_alike(np.concatenate([scenes(5)] * 4), 10, seed=0).reshape(4, 5)
    assert sorted(groups[0]) == [0, 1, 2, 3, 4]
    assert (groups == groups[0]).all()


def test_there_are_no_more_groups_than_asked_for() -> None:
    assert np.unique(group_alike(scenes(50), 6, seed=0)).tolist() == list(range(6))


def test_no_images_are_of_no_group() -> None:
    groups = group_alike(scenes(0), 6, seed=0)
    assert groups.shape == (0,)
    assert groups.dtype == np.intp


def test_a_tenth_is_far_from_all_images_of_other_folds() -> None:
    assert mark_far(scenes(300), in_turn(300, 3)).sum() == 30


def test_far_are_the_images_without_a_look_alike_in_another_fold() -> None:
    # The last ten have theirs in their own fold, so it doesn't count.
    twice, alone = scenes(45), scenes(5, seed=1)
    images = np.concatenate([twice, near_copies(twice, 2), alone, near_copies(alone, 3)])
    folds = np.repeat([0, 1, 0], [45, 45, 10])
    assert np.flatnonzero(mark_far(images, folds)).tolist() == list(range(90, 100))


def test_a_thumbnail_holds_the_means_of_its_squares_in_zero_to_one() -> None:
    images = scenes(3)
    checks = 20 * (np.indices((32, 48)).sum(axis=0) % 2) - 10
    thumbnails = shrink(np.clip(images, 10, 245) + checks.astype(np.uint8))
    expected = images.clip(10, 245)[..., ::8, ::8].transpose(0, 2, 3, 1).reshape(3, -1) / 255
    np.testing.assert_allclose(thumbnails, expected)


@pytest.mark.parametrize("grey", [0, 51, 255])
@pytest.mark.parametrize(("height", "width"), [(16, 16), (32, 48), (40, 24)])
def test_thumbnails_of_all_sizes_are_alike_in_shape_and_range(
    height: int, width: int, grey: int
) -> None:
    thumbnails = shrink(np.full((2, 3, height, width), grey, dtype=np.uint8))
    assert thumbnails.shape == (2, 72)
    np.testing.assert_allclose(thumbnails, grey / 255)
