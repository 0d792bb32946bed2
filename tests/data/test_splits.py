"""Duplicates are found and images held out by what they show, not by their names or order."""

from itertools import pairwise

import numpy as np
import pytest

from stages.common.errors import InputError
from stages.wells.data.splits import Digests, hold_out, mark_distinct, mark_seen

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


def test_images_that_stand_among_the_others_are_marked() -> None:
    marked = mark_seen(np.array(["a", "b", "a", "c"]), np.array(["a", "d", "c"]))
    assert marked.tolist() == [True, False, True, True]


def test_nothing_is_seen_among_no_others() -> None:
    assert not mark_seen(DIGESTS, np.array([], dtype=np.str_)).any()


@pytest.mark.parametrize("share", [0.05, 0.1, 0.25])
def test_held_out_part_has_its_share_and_both_parts_are_all_images(share: float) -> None:
    training, holdout = hold_out(DIGESTS, share, seed=0)
    assert len(holdout) == share * 100
    assert sorted([*training, *holdout]) == list(range(100))


def test_indices_of_both_parts_ascend() -> None:
    for part in hold_out(DIGESTS, 0.3, seed=0):
        assert (np.diff(part) > 0).all()


def test_same_contents_are_held_out_whatever_their_order() -> None:
    shuffled = np.random.default_rng(1).permutation(DIGESTS)
    held_out = DIGESTS[hold_out(DIGESTS, 0.2, seed=3)[1]]
    again = shuffled[hold_out(shuffled, 0.2, seed=3)[1]]
    assert set(held_out) == set(again)


def test_another_seed_holds_out_other_images() -> None:
    held_out = [set(hold_out(DIGESTS, 0.2, seed)[1]) for seed in range(5)]
    assert all(one != other for one, other in pairwise(held_out))


def test_held_out_images_are_not_the_first_contents_in_order() -> None:
    holdout = hold_out(DIGESTS, 0.2, seed=0)[1]
    assert set(DIGESTS[holdout]) != set(np.sort(DIGESTS)[:20])


@pytest.mark.parametrize(("count", "share"), [(9, 0.25), (100, 0.01), (12, 0.5), (0, 0.1)])
def test_too_few_images_in_a_part_are_refused_with_the_key_to_change(
    count: int, share: float
) -> None:
    with pytest.raises(InputError, match=r"split\.holdout"):
        hold_out(DIGESTS[:count], share, seed=0)


def test_the_smallest_parts_allowed_are_eight_and_two() -> None:
    training, holdout = hold_out(DIGESTS[:10], 0.2, seed=0)
    assert (len(training), len(holdout)) == (8, 2)
