"""Whether the view of a well is clear, or something lies over it and a person should look."""

from typing import Self

import numpy as np
from pydantic import BaseModel, ConfigDict
from torch import Tensor

from stages.common.types import Images, Marks
from stages.wells.detection.batches import in_batches
from stages.wells.detection.features import Features, describe_sides, exact
from stages.wells.detection.gaussians import Gaussians, fit_gaussians, squared_distances

# Side blocks that must be strange together, for one alone may be a reflection.
SIDE_BLOCKS = 3
# Of training wells, whose view is called occluded.
OCCLUDED_SHARE = 0.01


class Occlusion(BaseModel):
    """What the sides of training wells show, and how strange they may be in a clear view.

    No spill score: metal leaves a well at the front, what lies over it comes from the sides.
    """

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    normality: Gaussians
    threshold: float

    @classmethod
    def fit(cls, train: Images) -> Self:
        """Fit to training wells `[N, 3, H, W]` uint8, of which OCCLUDED_SHARE is called occluded.

        Nothing is held out: a block's distribution has few numbers beside thousands of wells.
        """
        sides = in_batches(describe_sides, train)
        normality = fit_gaussians(sides)
        strangeness = strangest(sides, normality).numpy()
        return cls(
            normality=normality, threshold=float(np.quantile(strangeness, 1 - OCCLUDED_SHARE))
        )

    def mark(self, images: Tensor) -> Tensor:
        """Mark images `[N, 3, H, W]` uint8 whose view is occluded, `[N]`."""
        return strangest(describe_sides(images), self.normality) > exact(self.threshold)

    def find(self, images: Images) -> Marks:
        """Return the marks of any number of images `[N, 3, H, W]`, as `mark` does, `[N]`."""
        found: Marks = in_batches(self.mark, images).numpy()
        return found


def strangest(sides: Features, normality: Gaussians) -> Tensor:
    """Return how unlike training wells the strangest of `[N, blocks, 4]` are together, `[N]`."""
    distances = squared_distances(normality, sides).sort(dim=1).values
    return distances[:, -SIDE_BLOCKS:].mean(1)
