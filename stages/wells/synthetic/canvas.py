"""The canvas that scenes are drawn on, and the fields and masks that they are drawn with.

A canvas is wider than a photo and FINENESS times as fine. Positions, distances and sizes are in
pixels of a photo of WIDTH x HEIGHT: x to the right, y down, from its top left corner. A field or
mask is `[H, W]` and a scene `[H, W, 3]`, of the whole canvas.
"""

import numpy as np
from scipy.ndimage import gaussian_filter

from stages.common.types import FloatArray

Rng = np.random.Generator

FINENESS = 2
WIDTH, HEIGHT = 48, 28
MARGIN_X, MARGIN_Y = 8, 6
ROWS = np.arange(0.5, (HEIGHT + 2 * MARGIN_Y) * FINENESS) / FINENESS - MARGIN_Y
COLUMNS = np.arange(0.5, (WIDTH + 2 * MARGIN_X) * FINENESS) / FINENESS - MARGIN_X
# Where each pixel of the canvas lies.
Y, X = np.meshgrid(ROWS, COLUMNS, indexing="ij")


def noise(rng: Rng, sigma_y: float, sigma_x: float) -> FloatArray:
    """Return a smooth random field of zero mean and unit deviation."""
    sigmas = (sigma_y * FINENESS, sigma_x * FINENESS)
    field = gaussian_filter(rng.standard_normal(X.shape), sigmas, truncate=2.5)
    return np.asarray((field - field.mean()) / field.std())


def shear(field: FloatArray, slope: float) -> FloatArray:
    """Return a field with each row moved by `slope` pixels for each pixel downwards."""
    columns = np.arange(field.shape[1]) - np.round(slope * Y * FINENESS).astype(int)
    return np.take_along_axis(field, columns % field.shape[1], axis=1)


def dome(x: float, y: float, half_width: float, up: float, down: float) -> FloatArray:
    """Return the rough signed distance to an ellipse whose upper and lower half-heights differ."""
    radius = np.hypot((X - x) / half_width, (Y - y) / np.where(y > Y, up, down))
    return np.asarray((radius - 1) * up)


def inside(distance: FloatArray, softness: float = 1.0) -> FloatArray:
    """Return the mask in [0, 1] of negative distances; its edge is `softness` pixels wide."""
    return np.clip(0.5 - distance / softness, 0, 1)


def ridge(distance: FloatArray, width: float) -> FloatArray:
    """Return the mask of a soft line where the distance is zero."""
    return np.asarray(np.exp(-((distance / width) ** 2)))


def blob(x: float, y: float, radius_x: float, radius_y: float) -> FloatArray:
    """Return the mask of a Gaussian spot with peak one."""
    return np.asarray(np.exp(-(((X - x) / radius_x) ** 2) - ((Y - y) / radius_y) ** 2))


def blend(scene: FloatArray, colour: FloatArray, mask: FloatArray) -> FloatArray:
    """Return a scene with `colour` (`[3]`, or `[H, W, 3]`) over it where the mask is one."""
    return scene + mask[..., None] * (colour - scene)


def blur(scene: FloatArray, rng: Rng) -> FloatArray:
    """Return a scene slightly out of focus."""
    return np.asarray(gaussian_filter(scene, rng.uniform(0.35, 0.7) * FINENESS, axes=(0, 1)))
