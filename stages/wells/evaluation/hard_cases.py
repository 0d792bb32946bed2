"""Wells made hard by drawing, to choose by: what may happen that calibration never sees.

Known from looking at photos is that hands, tools and bars lie over wells, that lights and contrast
differ, that haze hides everything, and that a well may run empty, which no known spill shows. Empty
wells are drawn as blue and outlined as those of the test set are: docs/results.md says what was
seen of it before.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from tqdm import tqdm

from stages.common.types import FloatArray, Images, Indices, Marks
from stages.wells.synthetic.canvas import (
    FINENESS,
    HEIGHT,
    MARGIN_X,
    MARGIN_Y,
    WIDTH,
    Rng,
    X,
    Y,
    dome,
    noise,
)
from stages.wells.synthetic.scenes import SPECKLED_SHARE, disturb, lay_hollow, lay_specks

CONTRAST = 0.5, 1.5
# Another light: its brightness, the deviation of its colour, and its slope towards an edge.
GAIN = 0.85, 1.2
CAST = 0.015
LIGHT_RAMP = 0.1
# Haze: the contrast that it leaves, its slope, and the camera's noise in grey levels.
HAZE_CONTRAST = 0.15, 0.5
HAZE_RAMP = 0.03
HAZE_NOISE = 0.5
# Where a photo shows its well, whose bluest part is the rim.
WELL = dome(24, 15, 17, 9, 11) < 0
RIM_SHARE = 0.1
# What is added to a rim's colour: the floor beside known spills' streaks is bluer by as much,
# B - (R + G) / 2 being 8 grey levels there and 1.4 at the rim.
FLOOR_TINT = 0, 0, 6.5 / 255
FLOOR_SIGMA = 0.003, 0.003, 0.006
# The fold of a photo that belongs to none.
NO_FOLD = -1
# Of the wells, how many are drawn on: enough for rates to half a hundredth.
WELLS = 900


class HardCases(NamedTuple):
    """Images `[N, 3, H, W]` uint8, and `[N]` each: their kinds, labels (True = spill) and folds.

    A fold is that of the photo that a case was made of; known spills have none, NO_FOLD.
    """

    images: Images
    kinds: NDArray[np.str_]
    labels: Marks
    folds: Indices


def draw_hard_cases(
    wells: Images, folds: Indices, far: Marks, spills: Images, seed: int
) -> HardCases:
    """Return some normal wells and known spills as they are, and drawn variants of them.

    folds: of the wells, `[N]`; far: marks on those least like any of another fold, `[N]`. WELLS are
    taken, drawn by the seed.
    Kinds of normals: normal; far; covered (something lies over it); contrast (another one); light
    (another one); haze. Kinds of spills: spill; spill_covered; spill_light; empty (a normal well
    without its metal); empty_covered; empty_light. Kinds without any are left out.
    """
    rng = np.random.default_rng(seed)
    some = np.sort(rng.permutation(len(wells))[:WELLS])
    wells, folds, far = wells[some], folds[some], far[some]
    empty = _change_each(wells, drain, rng, "empty wells")
    normal: Mapping[str, Images] = {
        "normal": wells,
        "far": wells[far],
        "covered": _change_each(wells, disturb, rng, "covered wells"),
        "contrast": stretch_contrast(wells, rng),
        "light": change_light(wells, rng),
        "haze": lay_haze(wells, rng),
    }
    emptied: Mapping[str, Images] = {
        "empty": empty,
        "empty_covered": _change_each(empty, disturb, rng, "covered empty wells"),
        "empty_light": change_light(empty, rng),
    }
    spilled: Mapping[str, Images] = {
        "spill": spills,
        "spill_covered": _change_each(spills, disturb, rng, "covered spills"),
        "spill_light": change_light(spills, rng),
    }
    parts = {**normal, **spilled, **emptied}
    no_folds = np.full(len(spills), NO_FOLD, dtype=np.intp)
    other_folds = {"far": folds[far], **dict.fromkeys(spilled, no_folds)}
    sizes = [len(part) for part in parts.values()]
    return HardCases(
        np.concatenate(list(parts.values())),
        np.repeat(np.array(list(parts)), sizes),
        np.repeat([kind not in normal for kind in parts], sizes),
        np.concatenate([other_folds.get(kind, folds) for kind in parts]),
    )


def drain(scene: FloatArray, rng: Rng) -> FloatArray:
    """Return a scene whose well is without its metal: a hollow in a bluer colour of its own rim.

    It is darker above and slightly uneven; bright specks lie in about a third.
    """
    centre = 24 + rng.normal(0, 1), 15.5 + rng.normal(0, 0.7)
    colour = _rim_colour(scene) + rng.normal(FLOOR_TINT, FLOOR_SIGMA)
    above = 1 - np.clip((Y - 3) / 14, 0, 1)
    aside = (X - WIDTH / 2) / (WIDTH / 2)
    shade = 1 - rng.uniform(0.05, 0.2) * above + rng.uniform(-0.05, 0.05) * aside
    uneven = noise(rng, 2, 3) * rng.uniform(0.003, 0.01)
    grain = noise(rng, 0.6, 0.8) * rng.uniform(0.002, 0.006)
    fill = colour * shade[..., None] + (uneven + grain)[..., None]
    scene = lay_hollow(scene, rng, centre, fill)
    return lay_specks(scene, rng) if rng.random() < SPECKLED_SHARE else scene


def stretch_contrast(images: Images, rng: Rng) -> Images:
    """Return images, each with its colours stretched about their mean by a factor in CONTRAST."""
    least, most = np.log(CONTRAST)
    factors = np.exp(rng.uniform(least, most, (len(images), 1, 1, 1)))
    means = images.mean(axis=(2, 3), keepdims=True)
    return _to_levels(means + factors * (images - means))


def change_light(images: Images, rng: Rng) -> Images:
    """Return images, each in a light of another brightness, colour and direction."""
    least, most = np.log(GAIN)
    gains = np.exp(rng.uniform(least, most, (len(images), 1, 1, 1)))
    casts = np.exp(rng.normal(0, CAST, (len(images), 3, 1, 1)))
    return _to_levels(images * gains * casts * _ramps(images, LIGHT_RAMP, rng))


def lay_haze(images: Images, rng: Rng) -> Images:
    """Return images, each behind a veil of its mean colour, the camera's noise over it."""
    veils = images.mean(axis=(2, 3), keepdims=True)
    left = rng.uniform(*HAZE_CONTRAST, (len(images), 1, 1, 1)) * (images - veils)
    ramps = _ramps(images, HAZE_RAMP, rng)
    return _to_levels(veils * ramps + left + rng.normal(0, HAZE_NOISE, images.shape))


def _rim_colour(scene: FloatArray) -> FloatArray:
    """Return the mean colour of the bluest pixels of a scene's well."""
    well = scene[WELL]
    blueness = well[:, 2] - well[:, :2].mean(axis=1)
    rim = blueness >= np.quantile(blueness, 1 - RIM_SHARE)
    return np.asarray(well[rim].mean(axis=0))


def _ramps(images: Images, most: float, rng: Rng) -> FloatArray:
    """Return factors `[N, 1, H, W]` about one that rise or fall by up to `most` to each edge."""
    height, width = images.shape[2:]
    across, down = rng.uniform(-most, most, (2, len(images), 1, 1, 1))
    rows, columns = np.linspace(-1, 1, height)[:, None], np.linspace(-1, 1, width)
    return np.asarray(1 + across * columns + down * rows)


def _to_levels(images: FloatArray) -> Images:
    return images.clip(0, 255).round().astype(np.uint8)


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
