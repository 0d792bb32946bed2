"""What a photo looks like in a few numbers: in the well's middle, block by block, at the sides.

A block is BLOCK x BLOCK pixels. Images are `[N, 3, H, W]` uint8, H and W multiples of BLOCK;
colours are in [0, 1]. All is PyTorch's, so that the very same can be exported.
"""

import math

import torch
from torch import Tensor

BLOCK = 4
# The middle of the well, in shares of the frame's sides: rows from the top, columns from the left.
BOX_ROWS, BOX_COLUMNS = (0.375, 0.875), (0.25, 0.75)
# Of the frame's width, at the left and at the right: what reaches over a well crosses it.
SIDE = 1 / 6
# Keeps logarithms finite where an image is flat; half a grey level.
FLAT = 2e-3
# Keeps a photo without contrast in reach when it is standardised; five grey levels.
LEAST_CONTRAST = 0.02

# Features `[N, P, F]` float64: F numbers at each of P positions.
Features = Tensor


def describe_appearance(images: Tensor) -> Features:
    """Describe the middle as a whole, `[N, 1, 6]`.

    Its mean colour relative to the frame's (3), its mean red minus blue, the log of its mean
    horizontal gradient, its mean absolute deviation from the mean colour. Means: medians, which a
    thing that covers less than half changes little, took three times as long and found fewer of the
    drawn empty wells.
    """
    colours = _colours(images)
    rows, columns = middle(*images.shape[-2:])
    inside = colours[:, :, rows, columns]
    colour, frame = inside.mean((2, 3)), colours.mean((2, 3))
    gradient = _gradients(colours, rows, columns)[1].mean((1, 2))
    deviation = (inside - colour[:, :, None, None]).abs().mean((1, 2, 3))
    features = [
        *(colour - frame).unbind(1),
        colour[:, 0] - colour[:, 2],
        log(gradient + FLAT),
        deviation,
    ]
    return torch.stack(features, dim=1)[:, None]


def describe_texture(images: Tensor) -> Features:
    """Describe the roughness of each block of the middle, `[N, blocks, 3]`.

    Logs of the deviation of its colours, of its mean horizontal and mean vertical gradient.
    """
    return _roughness(_colours(images), *middle(*images.shape[-2:]))


def describe_roughness(images: Tensor) -> Features:
    """Describe the roughness of each block of the frame as `describe_texture`, `[N, blocks, 3]`.

    In units of the photo's own deviation, so that its contrast and its light don't count.
    """
    colours = _colours(images)
    offsets = colours - colours.mean((1, 2, 3), keepdim=True)
    norms = torch.linalg.vector_norm(offsets, dim=(1, 2, 3), keepdim=True)
    deviations = norms / exact(math.sqrt(math.prod(images.shape[1:])))
    height, width = images.shape[-2:]
    standard = offsets / (deviations + exact(LEAST_CONTRAST))
    return _roughness(standard, slice(0, height), slice(0, width))


def subtract_own_median(features: Features) -> Features:
    """Return features `[N, P, F]` less each one's median over its photo's positions."""
    count = features.shape[1]
    ordered = features.sort(dim=1).values
    return features - ordered[:, [(count - 1) // 2, count // 2]].mean(1, keepdim=True)


def describe_sides(images: Tensor) -> Features:
    """Describe each block of the frame's left and right side, `[N, blocks, 4]`.

    Its mean colour (3) and the log of its deviation.
    """
    width = BLOCK * max(1, round(SIDE * images.shape[-1] / BLOCK))
    edges = _colours(torch.cat([images[..., :width], images[..., -width:]], dim=-1))
    means = in_blocks(edges).mean((3, 5)).permute(0, 2, 3, 1)
    deviation = log(_deviation(edges) + FLAT)
    return _by_block(torch.cat([means, deviation[..., None]], dim=-1))


def log(values: Tensor) -> Tensor:
    """Return natural logarithms, the same on every processor.

    `Tensor.log` and `Tensor.sqrt` take MKL's, whose last digits are each maker's own.
    """
    logs: Tensor = torch.xlogy(1, values)
    return logs


def exact(number: float) -> Tensor:
    """Return a number as float64, for what is exported would round Python's own to float32."""
    return torch.tensor(number, dtype=torch.float64)


def middle(height: int, width: int) -> tuple[slice, slice]:
    """Return the rows and columns of the middle in a frame, in whole blocks, at least one."""
    return _whole_blocks(*BOX_ROWS, height), _whole_blocks(*BOX_COLUMNS, width)


def in_blocks(pixels: Tensor) -> Tensor:
    """Return pixels `[…, H, W]` as `[…, H / BLOCK, BLOCK, W / BLOCK, BLOCK]`."""
    *others, height, width = pixels.shape
    return pixels.reshape(*others, height // BLOCK, BLOCK, width // BLOCK, BLOCK)


def _whole_blocks(start: float, stop: float, pixels: int) -> slice:
    blocks = pixels // BLOCK
    first = min(round(start * blocks), blocks - 1)
    return slice(BLOCK * first, BLOCK * max(first + 1, round(stop * blocks)))


def _colours(images: Tensor) -> Tensor:
    """Return colours in [0, 1], float64: so much hangs on a mean's last digits."""
    return images.double() / 255


def _roughness(colours: Tensor, rows: slice, columns: slice) -> Features:
    vertical, horizontal = _gradients(colours, rows, columns)
    features = [
        _deviation(colours[:, :, rows, columns]),
        in_blocks(horizontal).mean((2, 4)),
        in_blocks(vertical).mean((2, 4)),
    ]
    return _by_block(torch.stack([log(feature + FLAT) for feature in features], dim=-1))


def _gradients(colours: Tensor, rows: slice, columns: slice) -> tuple[Tensor, Tensor]:
    """Return absolute vertical and horizontal differences of the grey images there.

    `[N, h, w]` each; from the pixel before, or 0 at the frame's edge.
    """
    top, left = max(0, rows.start - 1), max(0, columns.start - 1)
    grey = colours[:, :, top : rows.stop, left : columns.stop].mean(1)
    vertical = grey.diff(dim=1, prepend=grey[:, :1]).abs()
    horizontal = grey.diff(dim=2, prepend=grey[:, :, :1]).abs()
    here = (slice(None), slice(rows.start - top, None), slice(columns.start - left, None))
    return vertical[here], horizontal[here]


def _deviation(colours: Tensor) -> Tensor:
    """Return each block's deviation, mean of the channels: `[N, h, w]`."""
    blocks = in_blocks(colours)
    offsets = blocks - blocks.mean((3, 5), keepdim=True)
    norms: Tensor = torch.linalg.vector_norm(offsets, dim=(3, 5))
    return norms.mean(1) / BLOCK


def _by_block(features: Tensor) -> Features:
    """Turn `[N, h, w, F]` into `[N, h * w, F]`."""
    return features.flatten(1, 2)
