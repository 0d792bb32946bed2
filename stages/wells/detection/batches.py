"""What is computed of photos, in batches, so that memory does not grow with their number."""

from collections.abc import Callable

import torch
from torch import Tensor

from stages.common.types import Images

# Photos together, what a processor keeps at hand: larger batches take a quarter longer.
TOGETHER = 128


def in_batches(compute: Callable[[Tensor], Tensor], photos: Images | Tensor) -> Tensor:
    """Return what `compute` makes of photos, or of what was computed of them: `[N, …]`."""
    with torch.no_grad():
        return torch.cat([compute(batch) for batch in as_batches(photos)])


def as_batches(photos: Images | Tensor) -> tuple[Tensor, ...]:
    """Return photos, or what was computed of them, in tensors of up to TOGETHER, at least one."""
    return torch.as_tensor(photos).split(TOGETHER)  # type: ignore[no-untyped-call,no-any-return]
