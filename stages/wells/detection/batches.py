"""What is computed of photos, in batches, so that memory does not grow with their number."""

from collections.abc import Callable

import torch
from torch import Tensor

from stages.common.types import Images

# Photos together, what a processor keeps at hand: larger batches take a quarter longer.
TOGETHER = 128


def in_batches(compute: Callable[[Tensor], Tensor], photos: Images | Tensor) -> Tensor:
    """Return what `compute` makes of photos, or of what was computed of them: `[N, …]`."""
    batches = as_batches(photos)
    with torch.no_grad():
        first = compute(batches[0])
        # Kept in one piece: many small ones would scatter over the memory that each batch needs for
        # a moment, which then grows with them.
        found = first.new_empty((len(photos), *first.shape[1:]))
        for place, batch in zip(as_batches(found), batches, strict=True):
            place.copy_(first if batch is batches[0] else compute(batch))
    return found


def as_batches(photos: Images | Tensor) -> tuple[Tensor, ...]:
    """Return photos, or what was computed of them, in tensors of up to TOGETHER, at least one."""
    return torch.as_tensor(photos).split(TOGETHER)  # type: ignore[no-untyped-call,no-any-return]
