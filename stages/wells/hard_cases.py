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

from stages.wells import synthetic
from stages.wells.images import Images
from stages.wells.synthetic import Array, Rng

CONTRAST = 0.5, 1.5
SPECKLED_SHARE = 0.5
# Where the rim of a well shows its colour, in photo pixels: at both sides, above the middle.
RIM_X, RIM_Y, RIM_HALF_WIDTH, RIM_HALF_HEIGHT = 17.5, 13, 1.2, 3


class HardCases(NamedTuple):
    """Images `[N, 3, H, W]` uint8, their kinds and labels (True = spill), `[N]` each."""

    images: Images
    kinds: NDArray[np.str_]
    labels: NDArray[np.bool_]


def draw_hard_cases(holdout: Images, spills: Images, seed: int) -> HardCases:
    """Give held-out normals and known spills as they are, and drawn variants of them.

    normal; covered (something lies over it); contrast (another one); spill; spill_covered; empty (a
    held-out well without its metal); empty_covered.
    """
    rng = np.random.default_rng(seed)
    empty = _each(holdout, emptied, rng, "empty wells")
    normal: Mapping[str, Images] = {
        "normal": holdout,
        "covered": _each(holdout, covered, rng, "covered wells"),
        "contrast": with_contrast(holdout, rng),
    }
    spilled: Mapping[str, Images] = {
        "spill": spills,
        "spill_covered": _each(spills, covered, rng, "covered spills"),
        "empty": empty,
        "empty_covered": _each(empty, covered, rng, "covered empty wells"),
    }
    parts = {**normal, **spilled}
    sizes = [len(part) for part in parts.values()]
    return HardCases(
        np.concatenate(list(parts.values())),
        np.repeat(np.array(list(parts)), sizes),
        np.repeat([name in spilled for name in parts], sizes),
    )


def covered(scene: Array, rng: Rng) -> Array:
    """Lay a thing over a scene, or shift it, as in the made-up archive."""
    chosen = rng.choice(len(synthetic.DISTURBANCES), p=synthetic.DISTURBANCE_SHARES)
    return synthetic.DISTURBANCES[chosen](scene, rng)


def emptied(scene: Array, rng: Rng) -> Array:
    """Fill the well smoothly in the colours of its own rim; bright specks lie in every other."""
    x, y = 24 + rng.normal(0, 0.7), 15 + rng.normal(0, 0.7)
    beside = np.abs(np.abs(synthetic.X - x) - RIM_X) < RIM_HALF_WIDTH
    rim = beside & (np.abs(synthetic.Y - RIM_Y) < RIM_HALF_HEIGHT)
    left, right = scene[rim & (x > synthetic.X)].mean(0), scene[rim & (x < synthetic.X)].mean(0)
    across = np.clip((synthetic.X - 6) / 36, 0, 1)[..., None]
    down = (synthetic.Y[..., None] - 14) / 14
    fill = (left + across * (right - left)) * (1 + rng.uniform(-0.06, 0.06) * down)
    fill = fill + synthetic.noise(rng, 2, 3)[..., None] * rng.uniform(0.002, 0.012)
    edge = synthetic.dome(x, y, rng.uniform(18, 20.5), rng.uniform(9, 12), rng.uniform(9, 14))
    scene = synthetic.blend(scene, fill, synthetic.inside(edge, rng.uniform(2, 4)))
    if rng.random() < SPECKLED_SHARE:
        bed = synthetic.blob(rng.uniform(20, 29), 28.5, rng.uniform(4, 9), rng.uniform(1.5, 4))
        grain = np.clip(synthetic.noise(rng, 0.6, 0.7) * 0.7 + 0.2, 0, 1)
        scene = synthetic.blend(scene, synthetic.CHROME, bed * grain)
    return scene


def with_contrast(images: Images, rng: Rng) -> Images:
    """Stretch each image's colours about their mean by a factor within CONTRAST."""
    least, most = np.log(CONTRAST)
    factors = np.exp(rng.uniform(least, most, (len(images), 1, 1, 1)))
    means = images.mean(axis=(2, 3), keepdims=True)
    stretched: Array = means + factors * (images - means)
    return stretched.clip(0, 255).round().astype(np.uint8)


def _each(images: Images, change: Callable[[Array, Rng], Array], rng: Rng, title: str) -> Images:
    progress = tqdm(images, desc=f"draw {title}", unit="image", disable=None)
    return np.stack([_from_scene(change(_to_scene(image), rng), image) for image in progress])


def _to_scene(image: NDArray[np.uint8]) -> Array:
    """Give an image `[3, H, W]` as a scene of the made-up archive, its edges repeated outwards."""
    size = (synthetic.WIDTH * synthetic.FINENESS, synthetic.HEIGHT * synthetic.FINENESS)
    photo = Image.fromarray(image.transpose(1, 2, 0)).resize(size, Image.Resampling.BICUBIC)
    margins = (synthetic.MARGIN_Y, synthetic.MARGIN_X)
    padding = [(margin * synthetic.FINENESS,) * 2 for margin in margins]
    return np.pad(np.asarray(photo) / 255, [*padding, (0, 0)], mode="edge")


def _from_scene(scene: Array, like: NDArray[np.uint8]) -> Images:
    """Give a scene's photo in the size of another `[3, H, W]`."""
    top, left = (m * synthetic.FINENESS for m in (synthetic.MARGIN_Y, synthetic.MARGIN_X))
    photo = Image.fromarray((scene[top:-top, left:-left].clip(0, 1) * 255).round().astype(np.uint8))
    height, width = like.shape[1:]
    return np.asarray(photo.resize((width, height), Image.Resampling.BILINEAR)).transpose(2, 0, 1)
