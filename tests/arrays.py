"""Functions of tensors called with arrays, which are easier to make and to compare."""

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from stages.common.types import FloatArray

Result = TypeVar("Result")


def on_arrays(function: Callable[..., Tensor]) -> Callable[..., FloatArray]:
    """Return a function that takes arrays where this one takes tensors, and returns an array.

    All else that it takes stays as it is.
    """
    compute = from_arrays(function)
    return lambda *args: compute(*args).detach().numpy()


def from_arrays(function: Callable[..., Result]) -> Callable[..., Result]:
    """Return a function that takes arrays where this one takes tensors, and returns the same."""
    return lambda *args: function(*map(_as_tensor, args))


def _as_tensor(value: Any) -> Any:
    """Return an array as a tensor, of the same memory where it can be, and all else as it is.

    So that a function that changed what it is given would change the array too.
    """
    if isinstance(value, np.ndarray):
        return torch.from_numpy(np.ascontiguousarray(value))
    return value
