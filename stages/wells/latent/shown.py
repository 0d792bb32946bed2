"""The photos whose latents are shown, and what each one is."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stages.common.pictures import evenly_spaced
from stages.common.types import Images, Marks

TRAIN, HOLDOUT, KNOWN_SPILL = "train", "held-out normal", "known spill"
TEST_NORMAL, TEST_SPILL = "test normal", "test spill"
SPILLS = (KNOWN_SPILL, TEST_SPILL)
# At most so many photos of a group; of spills all.
MOST = {TRAIN: 400, HOLDOUT: 400, TEST_NORMAL: 400}


class Shown(NamedTuple):
    """Photos `[N, 3, H, W]` uint8, and each one's group, `[N]`, one of the names above."""

    images: Images
    groups: NDArray[np.str_]

    @property
    def spills(self) -> Marks:
        """Which of them are spills, `[N]`."""
        return np.isin(self.groups, SPILLS)


def choose_shown(parts: Mapping[str, Images]) -> Shown:
    """Return some photos of each group, by its name, evenly spaced over it."""
    chosen = {
        name: part[evenly_spaced(len(part), MOST.get(name, len(part)))]
        for name, part in parts.items()
    }
    names, sizes = np.array(list(chosen)), [len(part) for part in chosen.values()]
    return Shown(np.concatenate(list(chosen.values())), np.repeat(names, sizes))
