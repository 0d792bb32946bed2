"""Whether the view of a well is clear, or something lies over it and a person should look."""

from typing import Self

import numpy as np
from pydantic import BaseModel, ConfigDict

from stages.common.types import FloatArray, Images, Marks
from stages.wells.detection.features import describe_sides
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
        normality = fit_gaussians(describe_sides(train))
        strangeness = score_sides(train, normality)
        return cls(
            normality=normality, threshold=float(np.quantile(strangeness, 1 - OCCLUDED_SHARE))
        )

    def find(self, images: Images) -> Marks:
        """Mark images `[N, 3, H, W]` uint8 whose view is occluded, `[N]`."""
        return score_sides(images, self.normality) > self.threshold


def score_sides(images: Images, normality: Gaussians) -> FloatArray:
    """Return how unlike training wells the strangest blocks at the frame's sides are, `[N]`."""
    distances = np.sort(squared_distances(normality, describe_sides(images)), axis=1)
    strangest: FloatArray = distances[:, -SIDE_BLOCKS:].mean(axis=1)
    return strangest
