"""What a photo looks like in a few numbers: in the well's middle, block by block, at the sides.

A block is BLOCK x BLOCK pixels. Images are `[N, 3, H, W]` uint8, H and W multiples of BLOCK;
colours are in [0, 1].
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stages.wells.gaussians import Features
from stages.wells.images import Images

BLOCK = 4
# Of the frame's width, at the left and at the right: what reaches over a well crosses it.
SIDE = 1 / 6
# Keeps logarithms finite where an image is flat; half a grey level.
FLAT = 2e-3

Colours = NDArray[np.float32]


class Box(NamedTuple):
    """A rectangle of a frame, in shares of its sides from the top and from the left."""

    top: float
    bottom: float
    left: float
    right: float


def appearance(images: Images, box: Box) -> Features:
    """Describe the box as a whole, `[N, 1, 6]`.

    Its median colour relative to the frame's (3), its median red minus blue, the log of its median
    horizontal gradient, its median deviation from the median colour. Medians, so that a thing that
    covers less than half of it changes little.
    """
    colours = _colours(images)
    rows, columns = _pixels(box, colours)
    inside = colours[:, :, rows, columns]
    colour, frame = np.median(inside, axis=(2, 3)), np.median(colours, axis=(2, 3))
    gradient = np.median(_gradients(colours)[1][:, rows, columns], axis=(1, 2))
    deviation = np.median(np.abs(inside - colour[:, :, None, None]), axis=(1, 2, 3))
    features = np.column_stack(
        [colour - frame, colour[:, 0] - colour[:, 2], np.log(gradient + FLAT), deviation]
    )
    return features[:, None].astype(np.float64)


def texture(images: Images, box: Box) -> Features:
    """Describe the roughness of each block in the box, `[N, blocks, 3]`.

    Logs of the deviation of its colours, of its mean horizontal and mean vertical gradient.
    """
    colours = _colours(images)
    rows, columns = _pixels(box, colours)
    vertical, horizontal = _gradients(colours)
    features = [
        _deviation(colours[:, :, rows, columns]),
        _in_blocks(horizontal[:, rows, columns]).mean((2, 4)),
        _in_blocks(vertical[:, rows, columns]).mean((2, 4)),
    ]
    return _by_block(np.stack([np.log(feature + FLAT) for feature in features], axis=-1))


def sides(images: Images) -> Features:
    """Describe each block of the frame's left and right side, `[N, blocks, 4]`.

    Its mean colour (3) and the log of its deviation.
    """
    colours = _colours(images)
    width = BLOCK * max(1, round(SIDE * colours.shape[-1] / BLOCK))
    edges = np.concatenate([colours[..., :width], colours[..., -width:]], axis=-1)
    means = _in_blocks(edges).mean((3, 5)).transpose(0, 2, 3, 1)
    deviation = np.log(_deviation(edges) + FLAT)
    return _by_block(np.concatenate([means, deviation[..., None]], axis=-1))


def _colours(images: Images) -> Colours:
    return images.astype(np.float32) / np.float32(255)


def _pixels(box: Box, colours: Colours) -> tuple[slice, slice]:
    """Give the box's rows and columns in whole blocks, at least one."""
    height, width = colours.shape[-2:]
    return _span(box.top, box.bottom, height), _span(box.left, box.right, width)


def _span(start: float, stop: float, pixels: int) -> slice:
    blocks = pixels // BLOCK
    first = min(round(start * blocks), blocks - 1)
    return slice(BLOCK * first, BLOCK * max(first + 1, round(stop * blocks)))


def _gradients(colours: Colours) -> tuple[Colours, Colours]:
    """Give absolute vertical and horizontal differences of the grey image, `[N, H, W]` each."""
    grey: Colours = colours.mean(axis=1)
    return (
        np.abs(np.diff(grey, axis=1, prepend=grey[:, :1])),
        np.abs(np.diff(grey, axis=2, prepend=grey[:, :, :1])),
    )


def _in_blocks(pixels: Colours) -> Colours:
    """Turn `[…, H, W]` into `[…, H / BLOCK, BLOCK, W / BLOCK, BLOCK]`."""
    *others, height, width = pixels.shape
    return pixels.reshape(*others, height // BLOCK, BLOCK, width // BLOCK, BLOCK)


def _deviation(colours: Colours) -> Colours:
    """Give each block's deviation, mean of the channels: `[N, h, w]`."""
    deviation: Colours = _in_blocks(colours).std((3, 5)).mean(1)
    return deviation


def _by_block(features: Colours) -> Features:
    """Turn `[N, h, w, F]` into `[N, h * w, F]`."""
    count, height, width, kinds = features.shape
    return features.reshape(count, height * width, kinds).astype(np.float64)
