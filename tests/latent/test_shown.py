"""Of each group some photos are shown, and of spills all."""

import numpy as np
import pytest

from stages.common.types import Images
from stages.wells.latent import shown
from stages.wells.latent.shown import (
    HOLDOUT,
    KNOWN_SPILL,
    TEST_NORMAL,
    TEST_SPILL,
    TRAIN,
    choose_shown,
)


def numbered(count: int) -> Images:
    return np.arange(count, dtype=np.uint8).reshape(count, 1, 1, 1).repeat(3, axis=1)


def test_some_of_each_group_are_shown_evenly_and_of_spills_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(shown, "MOST", {TRAIN: 3, HOLDOUT: 4})
    parts = {TRAIN: 101, HOLDOUT: 2, KNOWN_SPILL: 30, TEST_SPILL: 0}
    photos = choose_shown({name: numbered(count) for name, count in parts.items()})
    names, counts = np.unique(photos.groups, return_counts=True)
    assert dict(zip(names.tolist(), counts.tolist(), strict=True)) == {
        TRAIN: 3,
        HOLDOUT: 2,
        KNOWN_SPILL: 30,
    }
    assert len(photos.images) == 35
    assert photos.images[photos.groups == TRAIN][:, 0, 0, 0].tolist() == [0, 50, 100]
    assert photos.images[photos.groups == KNOWN_SPILL][:, 0, 0, 0].tolist() == list(range(30))


def test_known_spills_and_those_of_the_test_set_are_spills() -> None:
    names = [TRAIN, HOLDOUT, TEST_NORMAL, KNOWN_SPILL, TEST_SPILL]
    photos = choose_shown({name: numbered(1) for name in names})
    assert photos.spills.tolist() == [False, False, False, True, True]
