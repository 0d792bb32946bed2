"""What is normal: a normal distribution of features at each position, and the distance from it.

The form of PaDiM (Defard et al. 2020, arXiv 2011.08785), on features of our own in place of those
of a pretrained network.
"""

from typing import Annotated, Self

import numpy as np
import torch
from pydantic import BaseModel, BeforeValidator, ConfigDict, PlainSerializer, model_validator
from torch import Tensor

from stages.common.types import FloatArray
from stages.wells.detection.features import Features

# Keeps the logarithm of nothing in excess within reach of other photos'.
LEAST_EXCESS = 1e-3


def _numbers(value: object) -> FloatArray:
    try:
        return np.asarray(value, dtype=np.float64)
    except TypeError as error:
        # The one exception that pydantic doesn't take for a wrong value.
        raise ValueError(str(error)) from None


Array = Annotated[FloatArray, BeforeValidator(_numbers), PlainSerializer(np.ndarray.tolist)]


class Gaussians(BaseModel):
    """P distributions over F features: means `[P, F]`, inverse covariances `[P, F, F]`."""

    model_config = ConfigDict(extra="forbid", arbitrary_types_allowed=True, frozen=True)

    means: Array
    precisions: Array

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        if self.means.ndim != 2 or self.precisions.shape != (
            *self.means.shape,
            self.means.shape[-1],
        ):
            raise ValueError("means must be [P, F] and precisions [P, F, F]")
        if not (np.isfinite(self.means).all() and np.isfinite(self.precisions).all()):
            raise ValueError("means and precisions must be finite")
        return self

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Gaussians)
            and np.array_equal(self.means, other.means)
            and np.array_equal(self.precisions, other.precisions)
        )

    __hash__ = None  # type: ignore[assignment]


def fit_gaussians(features: Features) -> Gaussians:
    """Fit a distribution to each position of `[N, P, F]`.

    The covariances are shrunk towards a multiple of the identity (Ledoit and Wolf 2004, Journal of
    Multivariate Analysis 88:365-411), so that few images give usable ones too.
    """
    # Imported here, for using what is fitted should not wait a second for scikit-learn.
    from sklearn.covariance import LedoitWolf

    fitted = [LedoitWolf().fit(one.numpy()) for one in features.unbind(1)]
    return Gaussians(
        means=np.stack([one.location_ for one in fitted]),
        precisions=np.stack([one.precision_ for one in fitted]),
    )


def squared_distances(gaussians: Gaussians, features: Features) -> Tensor:
    """Return the squared Mahalanobis distance of each position of `[N, P, F]`: `[N, P]`."""
    return _squared_lengths(_offsets(gaussians, features), gaussians)


def squared_excess(gaussians: Gaussians, features: Features) -> Tensor:
    """Return `squared_distances`, plus LEAST_EXCESS, where below the mean counts as the mean."""
    return _squared_lengths(_offsets(gaussians, features).clamp_min(0), gaussians) + LEAST_EXCESS


def _offsets(gaussians: Gaussians, features: Features) -> Features:
    return features - torch.from_numpy(gaussians.means)


def _squared_lengths(offsets: Features, gaussians: Gaussians) -> Tensor:
    """Return the squared Mahalanobis length of offsets `[N, P, F]`: `[N, P]`."""
    precisions = torch.from_numpy(gaussians.precisions)
    # Two at a time: for three, PyTorch asks opt_einsum where that happens to be installed, which
    # changes the last bits, and ties an exported file to the number of photos it was traced with.
    scaled = torch.einsum("npf,pfg->npg", offsets, precisions)
    return torch.einsum("npg,npg->np", scaled, offsets)
