"""What is computed in batches is the same as at once, and holds no more than it must."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from stages.wells.detection.batches import TOGETHER, in_batches
from tests.small_wells import noise


def red_and_blue(images: Tensor) -> Tensor:
    """Return numbers that are whole, so that no rounding hides what differs, `[N, 2]`."""
    return images[:, [0, 2]].long().sum((2, 3))


@pytest.mark.parametrize("count", [0, 1, TOGETHER, TOGETHER + 1])
def test_batches_give_what_all_give_at_once_in_their_order(count: int) -> None:
    images = noise(count)
    found, expected = in_batches(red_and_blue, images), red_and_blue(torch.from_numpy(images))
    assert found.dtype == expected.dtype
    np.testing.assert_array_equal(found, expected, strict=True)


@pytest.mark.parametrize(
    ("count", "expected"),
    [
        # What comes of no photo has a shape too, which only the function knows.
        (0, [0]),
        (1, [1]),
        (TOGETHER, [TOGETHER]),
        (TOGETHER + 1, [TOGETHER, 1]),
        (2 * TOGETHER + 5, [TOGETHER, TOGETHER, 5]),
    ],
)
def test_no_more_photos_than_told_are_together(count: int, expected: list[int]) -> None:
    seen = []

    def count_photos(images: Tensor) -> Tensor:
        seen.append(len(images))
        return red_and_blue(images)

    in_batches(count_photos, noise(count))
    assert seen == expected


def test_nothing_is_kept_for_gradients() -> None:
    layer = nn.Linear(2, 1)

    def compute(images: Tensor) -> Tensor:
        found: Tensor = layer(red_and_blue(images).float())
        return found

    images = noise(3)
    assert compute(torch.from_numpy(images)).requires_grad
    assert not in_batches(compute, images).requires_grad
