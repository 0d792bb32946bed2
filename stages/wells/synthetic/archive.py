"""A made-up archive of well photos with the layout, sizes and difficulty of the real one.

A *shot* is one photo of a scene: a jittered crop with its own exposure, tint, noise and coding.
"""

import io
import uuid
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter

from stages.common.types import FloatArray
from stages.wells.synthetic.canvas import FINENESS, HEIGHT, MARGIN_X, MARGIN_Y, WIDTH, Rng
from stages.wells.synthetic.scenes import (
    disturb,
    draw_empty_well,
    draw_normal_well,
    draw_streak_well,
)

SEED = 20230301
TRAIN_COUNT, MIN_TRAIN_COUNT = 2000, 20
# Photos of the other parts for each of train.
PROLIV_SHARE, TEST_NORMAL_SHARE, TEST_SPILL_SHARE = 0.05, 1 / 3, 0.06
MIN_PROLIV_COUNT, MIN_TEST_NORMAL_COUNT, MIN_TEST_SPILL_COUNT = 12, 30, 12
DUPLICATE_SHARE, EMPTY_SHARE, LEAK_SHARE = 0.1, 0.25, 0.001
TRAIN_DISTURBED, TEST_DISTURBED, SPILL_DISTURBED = 0.02, 0.3, 0.08
NORMAL_SHOTS, SPILL_SHOTS = 8, 2
PROLIV_STRENGTH, TEST_STRENGTH = 1.05, 1.25
# Width and height of a photo in pixels.
SMALLEST, LARGEST = (39, 23), (72, 40)
JPEG_QUALITY = 95


class Kind(NamedTuple):
    """A kind of photos: what draws its scenes, and whether a disturbance lies over them.

    share: of a part's photos; shots: photos of one scene, on average.
    """

    draw: Callable[[Rng], FloatArray]
    share: float
    shots: int
    disturbed: bool = False


def draw_archive(train_count: int) -> dict[str, bytes]:
    """Return a whole data set, the same on each call: contents by paths as in the real archive.

    `train/` holds `train_count` normal photos, one in a thousand of them a leaked spill; `proliv/`
    known spills; `test/imgs/` both; `test/test_annotation.txt` lines `NAME LABEL`, 1 for a spill.
    """
    rng = np.random.default_rng(SEED)
    proliv_count = max(MIN_PROLIV_COUNT, round(PROLIV_SHARE * train_count))
    normal_count = max(MIN_TEST_NORMAL_COUNT, round(TEST_NORMAL_SHARE * train_count))
    spill_count = max(MIN_TEST_SPILL_COUNT, round(TEST_SPILL_SHARE * train_count))

    train = draw_photos(rng, train_count, normal_kinds(TRAIN_DISTURBED))
    known = Kind(partial(draw_streak_well, strength=PROLIV_STRENGTH), 1.0, SPILL_SHOTS)
    proliv = draw_photos(rng, proliv_count, [known])
    for i in rng.choice(train_count, max(1, round(LEAK_SHARE * train_count)), replace=False):
        train[i] = proliv[rng.integers(proliv_count)]
    test = [(photo, 0) for photo in draw_photos(rng, normal_count, normal_kinds(TEST_DISTURBED))]
    test += [(photo, 1) for photo in draw_photos(rng, spill_count, spill_kinds())]
    named = [(draw_name(rng), *test[i]) for i in rng.permutation(len(test))]

    files = {f"train/{draw_name(rng)}": photo for photo in train}
    names = draw_camera_names(rng, proliv_count)
    files |= {f"proliv/{name}": photo for name, photo in zip(names, proliv, strict=True)}
    files |= {f"test/imgs/{name}": photo for name, photo, _ in named}
    lines = "".join(f"{name} {label}\r\n" for name, _, label in named)
    return files | {"test/test_annotation.txt": lines.encode()}


def normal_kinds(disturbed_share: float) -> list[Kind]:
    """Return the kinds of normal photos."""
    return [
        Kind(draw_normal_well, 1 - disturbed_share, NORMAL_SHOTS),
        Kind(draw_normal_well, disturbed_share, NORMAL_SHOTS, disturbed=True),
    ]


def spill_kinds() -> list[Kind]:
    """Return the kinds of test spills: streaks and empty wells, a few of each disturbed."""
    draw_streaks = partial(draw_streak_well, strength=TEST_STRENGTH)
    return [
        Kind(draw, share * part, SPILL_SHOTS, disturbed)
        for part, disturbed in ((1 - SPILL_DISTURBED, False), (SPILL_DISTURBED, True))
        for draw, share in ((draw_streaks, 1 - EMPTY_SHARE), (draw_empty_well, EMPTY_SHARE))
    ]


def draw_photos(rng: Rng, count: int, kinds: Sequence[Kind]) -> list[bytes]:
    """Return `count` photos of some kinds in random order, a tenth of them exact copies."""
    copies = round(DUPLICATE_SHARE * count)
    bounds = np.cumsum([0.0] + [kind.share for kind in kinds]) * (count - copies)
    sizes = np.diff(bounds.round().astype(int))
    photos: list[bytes] = []
    for kind, size in zip(kinds, sizes, strict=True):
        photos += draw_shots(rng, kind, size)
    photos += [photos[i] for i in rng.integers(len(photos), size=copies)]
    return [photos[i] for i in rng.permutation(count)]


def draw_shots(rng: Rng, kind: Kind, count: int) -> list[bytes]:
    """Return `count` photos of a kind, several of one scene, as a filmed well gives them."""
    photos: list[bytes] = []
    while len(photos) < count:
        scene = kind.draw(rng)
        if kind.disturbed:
            scene = disturb(scene, rng)
        scene = scene * (1 + rng.normal(0, 0.03)) + rng.normal(0, 0.0035, 3)
        repeats = min(int(rng.integers(1, 2 * kind.shots)), count - len(photos))
        photos += [shoot(scene, rng) for _ in range(repeats)]
    return photos


def shoot(scene: FloatArray, rng: Rng) -> bytes:
    """Return one shot of a scene `[H, W, 3]` as JPEG."""
    size = rng.normal((48.5, 27.5), (1.3, 1.7)).round()
    if rng.random() < 0.01:
        size = rng.uniform(SMALLEST, LARGEST).round()
    width, height = size.clip(SMALLEST, LARGEST).astype(int).tolist()
    left, top = rng.normal((MARGIN_X, MARGIN_Y), 0.35) * FINENESS
    right, bottom = (left, top) + rng.normal((WIDTH, HEIGHT), 0.3) * FINENESS
    box = (float(left), float(top), float(right), float(bottom))
    canvas = Image.fromarray((scene.clip(0, 1) * 255).round().astype(np.uint8))
    crop = canvas.resize((width, height), Image.Resampling.BICUBIC, box)
    pixels = np.asarray(crop, np.float64) * rng.normal(1, 0.012) + rng.normal(0, 0.8, 3)
    grain = gaussian_filter(rng.normal(0, 2.8, pixels.shape), 0.6, axes=(0, 1))
    buffer = io.BytesIO()
    image = Image.fromarray((pixels + grain).clip(0, 255).round().astype(np.uint8))
    image.save(buffer, "JPEG", quality=JPEG_QUALITY)
    return buffer.getvalue()


def draw_name(rng: Rng) -> str:
    """Return a file name like those of train and test: a random UUID."""
    return f"{uuid.UUID(bytes=rng.bytes(16), version=4)}.jpg"


def draw_camera_names(rng: Rng, count: int) -> list[str]:
    """Return file names like those of the known spills: well, camera, and a time within 45 s."""
    times = 57_000 + rng.choice(45_000, count, replace=False)
    wells = rng.integers(8, 36, count)
    return [
        f"{well}_CAM_C_01-03-2023_05-{38 + t // 60_000}-{t // 1000 % 60:02d}-{t % 1000:03d}.jpg"
        for well, t in zip(wells, times, strict=True)
    ]
