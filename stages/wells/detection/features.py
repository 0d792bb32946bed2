"""What a photo looks like in a few numbers: in the well's middle, block by block, at the sides.

A block is BLOCK x BLOCK pixels. Images are `[N, 3, H, W]` uint8, H and W multiples of BLOCK;
colours are in [0, 1].
"""

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from stages.common.types import FloatArray, Images, Marks

BLOCK = 4
# The middle of the well, in shares of the frame's sides: rows from the top, columns from the left.
BOX_ROWS, BOX_COLUMNS = (0.375, 0.875), (0.25, 0.75)
# Of the frame's width, at the left and at the right: what reaches over a well crosses it.
SIDE = 1 / 6
# Keeps logarithms finite where an image is flat; half a grey level.
FLAT = 2e-3

# Features `[N, P, F]`: F numbers at each of P positions.
Features = FloatArray
Colours = NDArray[np.float32]
Pixels = TypeVar("Pixels", Colours, FloatArray, Marks)


def describe_appearance(images: Images) -> Features:
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
    gradient = _gradients(images, rows, columns)[1].mean((1, 2))
    deviation = np.abs(inside - colour[:, :, None, None]).mean((1, 2, 3))
    features = np.column_stack(
        [colour - frame, colour[:, 0] - colour[:, 2], np.log(gradient + FLAT), deviation]
    )
    return features[:, None].astype(np.float64)


def describe_texture(images: Images) -> Features:
    """Describe the roughness of each block of the middle, `[N, blocks, 3]`.

    Logs of the deviation of its colours, of its mean horizontal and mean vertical gradient.
    """
    rows, columns = middle(*images.shape[-2:])
    vertical, horizontal = _gradients(images, rows, columns)
    features = [
        _deviation(_colours(images[:, :, rows, columns])),
        in_blocks(horizontal).mean((2, 4)),
        in_blocks(vertical).mean((2, 4)),
    ]
    return _by_block(np.stack([np.log(feature + FLAT) for feature in features], axis=-1))


def describe_sides(images: Images) -> Features:
    """Describe each block of the frame's left and right side, `[N, blocks, 4]`.

    Its mean colour (3) and the log of its deviation.
    """
    width = BLOCK * max(1, round(SIDE * images.shape[-1] / BLOCK))
    edges = _colours(np.concatenate([images[..., :width], images[..., -width:]], axis=-1))
    means = in_blocks(edges).mean((3, 5)).transpose(0, 2, 3, 1)
    deviation = np.log(_deviation(edges) + FLAT)
    return _by_block(np.concatenate([means, deviation[..., None]], axis=-1))


def middle(height: int, width: int) -> tuple[slice, slice]:
    """Return the rows and columns of the middle in a frame, in whole blocks, at least one."""
    return _whole_blocks(*BOX_ROWS, height), _whole_blocks(*BOX_COLUMNS, width)


def in_blocks(pixels: Pixels) -> Pixels:
    """Return pixels `[…, H, W]` as `[…, H / BLOCK, BLOCK, W / BLOCK, BLOCK]`."""
    *others, height, width = pixels.shape
    return pixels.reshape(*others, height // BLOCK, BLOCK, width // BLOCK, BLOCK)


def _whole_blocks(start: float, stop: float, pixels: int) -> slice:
    blocks = pixels // BLOCK
    first = min(round(start * blocks), blocks - 1)
    return slice(BLOCK * first, BLOCK * max(first + 1, round(stop * blocks)))


def _colours(images: Images) -> Colours:
    return images.astype(np.float32) / np.float32(255)


def _gradients(images: Images, rows: slice, columns: slice) -> tuple[Colours, Colours]:
    """Return absolute vertical and horizontal differences of the grey images there.

    `[N, h, w]` each; from the pixel before, or 0 at the frame's edge.
    """
    top, left = max(0, rows.start - 1), max(0, columns.start - 1)
    grey: Colours = _colours(images[:, :, top : rows.stop, left : columns.stop]).mean(axis=1)
    vertical = np.abs(np.diff(grey, axis=1, prepend=grey[:, :1]))
    horizontal = np.abs(np.diff(grey, axis=2, prepend=grey[:, :, :1]))
    here = (slice(None), slice(rows.start - top, None), slice(columns.start - left, None))
    return vertical[here], horizontal[here]


def _deviation(colours: Colours) -> Colours:
    """Return each block's deviation, mean of the channels: `[N, h, w]`."""
    deviation: Colours = in_blocks(colours).std((3, 5)).mean(1)
    return deviation


def _by_block(features: Colours) -> Features:
    """Turn `[N, h, w, F]` into `[N, h * w, F]`."""
    count, height, width, kinds = features.shape
    return features.reshape(count, height * width, kinds).astype(np.float64)
