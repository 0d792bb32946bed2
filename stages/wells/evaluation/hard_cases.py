"""Held-out wells made hard by drawing, to choose by: what may happen that calibration never sees.

Known beforehand, from looking at photos, is that hands, tools and bars lie over normal wells, that
photos differ in contrast, and that a well may have run empty, which no known spill has. Nothing
here is measured on a photo of the test set.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from tqdm import tqdm

from stages.common.types import FloatArray, Images, Marks
from stages.wells.synthetic.canvas import (
    FINENESS,
    HEIGHT,
    MARGIN_X,
    MARGIN_Y,
    WIDTH,
    Rng,
    X,
    Y,
    blend,
    dome,
    inside,
    noise,
)
from stages.wells.synthetic.scenes import disturb, lay_specks

CONTRAST = 0.5, 1.5
SPECKLED_SHARE = 0.5
# Where the rim of a well shows its colour, in photo pixels: at both sides, above the middle.
RIM_X, RIM_Y, RIM_HALF_WIDTH, RIM_HALF_HEIGHT = 17.5, 13, 1.2, 3


class HardCases(NamedTuple):
    """Images `[N, 3, H, W]` uint8, their kinds and labels (True = spill), `[N]` each."""

    images: Images
    kinds: NDArray[np.str_]
    labels: Marks


def draw_hard_cases(holdout: Images, spills: Images, seed: int) -> HardCases:
    """Return held-out normals and known spills as they are, and drawn variants of them.

    Kinds: normal; covered (something lies over it); contrast (another one); spill; spill_covered;
    empty (a held-out well without its metal); empty_covered. Where no spill is known, those of
    spills aren't among them.
    """
    rng = np.random.default_rng(seed)
    empty = _change_each(holdout, drain, rng, "empty wells")
    normal: Mapping[str, Images] = {
        "normal": holdout,
        "covered": _change_each(holdout, disturb, rng, "covered wells"),
        "contrast": stretch_contrast(holdout, rng),
    }
    spilled: Mapping[str, Images] = {
        "spill": spills,
        "spill_covered": _change_each(spills, disturb, rng, "covered spills"),
        "empty": empty,
        "empty_covered": _change_each(empty, disturb, rng, "covered empty wells"),
    }
    parts = {**normal, **spilled}
    sizes = [len(part) for part in parts.values()]
    return HardCases(
        np.concatenate(list(parts.values())),
        np.repeat(np.array(list(parts)), sizes),
        np.repeat([name in spilled for name in parts], sizes),
    )


def drain(scene: FloatArray, rng: Rng) -> FloatArray:
    """Return a scene whose well is filled smoothly in the colours of its own rim.

    Bright specks lie in every other.
    """
    x, y = 24 + rng.normal(0, 0.7), 15 + rng.normal(0, 0.7)
    beside = np.abs(np.abs(X - x) - RIM_X) < RIM_HALF_WIDTH
    rim = beside & (np.abs(Y - RIM_Y) < RIM_HALF_HEIGHT)
    left, right = scene[rim & (x > X)].mean(0), scene[rim & (x < X)].mean(0)
    across = np.clip((X - 6) / 36, 0, 1)[..., None]
    down = (Y[..., None] - 14) / 14
    fill = (left + across * (right - left)) * (1 + rng.uniform(-0.06, 0.06) * down)
    fill = fill + noise(rng, 2, 3)[..., None] * rng.uniform(0.002, 0.012)
    edge = dome(x, y, rng.uniform(18, 20.5), rng.uniform(9, 12), rng.uniform(9, 14))
    scene = blend(scene, fill, inside(edge, rng.uniform(2, 4)))
    if rng.random() < SPECKLED_SHARE:
        x, half_width, height = rng.uniform(20, 29), rng.uniform(4, 9), rng.uniform(1.5, 4)
        scene = lay_specks(scene, rng, x, half_width, height)
    return scene


def stretch_contrast(images: Images, rng: Rng) -> Images:
    """Return images, each with its colours stretched about their mean by a factor in CONTRAST."""
    least, most = np.log(CONTRAST)
    factors = np.exp(rng.uniform(least, most, (len(images), 1, 1, 1)))
    means = images.mean(axis=(2, 3), keepdims=True)
    stretched: FloatArray = means + factors * (images - means)
    return stretched.clip(0, 255).round().astype(np.uint8)


def _change_each(
    images: Images, change: Callable[[FloatArray, Rng], FloatArray], rng: Rng, title: str
) -> Images:
    changed = np.empty_like(images)
    for index, image in enumerate(tqdm(images, desc=f"draw {title}", unit="image", disable=None)):
        changed[index] = _from_scene(change(_to_scene(image), rng), image)
    return changed


def _to_scene(image: Images) -> FloatArray:
    """Return an image `[3, H, W]` as a scene of the canvas, its edges repeated outwards."""
    size = (WIDTH * FINENESS, HEIGHT * FINENESS)
    photo = Image.fromarray(image.transpose(1, 2, 0)).resize(size, Image.Resampling.BICUBIC)
    margins = [(margin * FINENESS,) * 2 for margin in (MARGIN_Y, MARGIN_X)]
    return np.pad(np.asarray(photo) / 255, [*margins, (0, 0)], mode="edge")


def _from_scene(scene: FloatArray, like: Images) -> Images:
    """Return a scene's photo in the size of another `[3, H, W]`."""
    top, left = MARGIN_Y * FINENESS, MARGIN_X * FINENESS
    photo = Image.fromarray((scene[top:-top, left:-left].clip(0, 1) * 255).round().astype(np.uint8))
    height, width = like.shape[1:]
    return np.asarray(photo.resize((width, height), Image.Resampling.BILINEAR)).transpose(2, 0, 1)
