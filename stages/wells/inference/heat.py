"""Colours for how strange each block of a photo is."""

import numpy as np
from numpy.typing import NDArray
from PIL import ImageColor

from stages.common.types import FloatArray, Images

# From black through red to yellow, each lighter than the one before: matplotlib's `inferno` (Smith
# and van der Walt 2015) at nine places, between which is interpolated.
COLOURS = [
    *("#000004", "#210C4A", "#57106E", "#8A226A", "#BC3754"),
    *("#E35933", "#F98C0A", "#F9C932", "#FCFFA4"),
]
PLACES = np.linspace(0, 1, len(COLOURS))
CHANNELS = np.array([ImageColor.getrgb(colour) for colour in COLOURS], dtype=np.float64).T
# A block so strange, four times as strange as 99 of 100 normal ones, hides the photo below it.
FULL_HEAT = 2.0


def lay_over(images: Images, blocks: FloatArray) -> Images:
    """Return images `[N, 3, H, W]` uint8 with their blocks `[N, rows, columns]` laid over them.

    The photo shows where nothing is strange, and only heat from FULL_HEAT on.
    """
    share = np.clip(blocks / FULL_HEAT, 0, 1)
    for axis in (1, 2):
        share = share.repeat(images.shape[axis + 1] // blocks.shape[axis], axis=axis)
    heat = heat_of(share).transpose(0, 3, 1, 2)
    blended = images + share[:, None] * (heat.astype(np.float64) - images)
    laid: Images = blended.round().astype(np.uint8)
    return laid


def heat_of(share: FloatArray) -> NDArray[np.uint8]:
    """Return the colours of shares of full heat, 0 to 1, as RGB: `[…]` to `[…, 3]`."""
    colours = np.stack([np.interp(share, PLACES, channel) for channel in CHANNELS], axis=-1)
    rounded: NDArray[np.uint8] = colours.round().astype(np.uint8)
    return rounded
