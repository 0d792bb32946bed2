"""A made-up archive of well photos with the layout, sizes and difficulty of the real one.

A *shot* is one photo of a scene: a jittered crop with its own exposure, tint, noise and coding.
"""

import io
import uuid
from collections.abc import Callable, Sequence
from functools import partial

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
# Photos of the other parts: how many for each of train, and the least.
PROLIV, TEST_NORMAL, TEST_SPILL = (0.05, 12), (1 / 3, 30), (0.06, 12)
DUPLICATE_SHARE, EMPTY_SHARE, LEAK_SHARE = 0.1, 0.25, 0.001
TRAIN_DISTURBED, TEST_DISTURBED, SPILL_DISTURBED = 0.02, 0.3, 0.08
NORMAL_SHOTS, SPILL_SHOTS = 8, 2
PROLIV_STRENGTH, TEST_STRENGTH = 1.05, 1.25
# Width and height of a photo in pixels.
SMALLEST, LARGEST = (39, 23), (72, 40)
JPEG_QUALITY = 95

# What draws scenes, and its share of the photos.
Kinds = Sequence[tuple[Callable[[Rng], FloatArray], float]]


def draw_archive(train_count: int) -> dict[str, bytes]:
    """Return a whole data set, the same on each call: contents by paths as in the real archive.

    `train/` holds `train_count` normal photos, one in a thousand of them a leaked spill; `proliv/`
    known spills; `test/imgs/` both; `test/test_annotation.txt` lines `NAME LABEL`, 1 for a spill.
    """
    rng = np.random.default_rng(SEED)
    proliv_count, normal_count, spill_count = (
        max(least, round(share * train_count)) for share, least in (PROLIV, TEST_NORMAL, TEST_SPILL)
    )
    normal: Kinds = [(draw_normal_well, 1)]
    known: Kinds = [(partial(draw_streak_well, strength=PROLIV_STRENGTH), 1)]
    streaks = partial(draw_streak_well, strength=TEST_STRENGTH)
    spilt: Kinds = [(streaks, 1 - EMPTY_SHARE), (draw_empty_well, EMPTY_SHARE)]
    train = draw_photos(rng, train_count, normal, TRAIN_DISTURBED, NORMAL_SHOTS)
    proliv = draw_photos(rng, proliv_count, known, 0, SPILL_SHOTS)
    for i in rng.choice(train_count, max(1, round(LEAK_SHARE * train_count)), replace=False):
        train[i] = proliv[rng.integers(proliv_count)]
    normals = draw_photos(rng, normal_count, normal, TEST_DISTURBED, NORMAL_SHOTS)
    spills = draw_photos(rng, spill_count, spilt, SPILL_DISTURBED, SPILL_SHOTS)
    test = [(photo, 0) for photo in normals] + [(photo, 1) for photo in spills]
    named = [(draw_name(rng), *test[i]) for i in rng.permutation(len(test))]

    files = {f"train/{draw_name(rng)}": photo for photo in train}
    names = draw_camera_names(rng, proliv_count)
    files |= {f"proliv/{name}": photo for name, photo in zip(names, proliv, strict=True)}
    files |= {f"test/imgs/{name}": photo for name, photo, _ in named}
    lines = "".join(f"{name} {label}\r\n" for name, _, label in named)
    return files | {"test/test_annotation.txt": lines.encode()}


def draw_photos(rng: Rng, count: int, kinds: Kinds, disturbed: float, shots: int) -> list[bytes]:
    """Return `count` photos of some kinds in random order, a tenth of them exact copies.

    disturbed: the share of each kind that a disturbance lies over; shots: photos of one scene, on
    average, for a filmed well gives several.
    """
    new = count - round(DUPLICATE_SHARE * count)
    photos: list[bytes] = []
    reached = 0.0
    for part, over in (1 - disturbed, False), (disturbed, True):
        for draw, share in kinds:
            reached += share * part
            wanted = round(reached * new)
            while len(photos) < wanted:
                scene = disturb(draw(rng), rng) if over else draw(rng)
                scene = scene * (1 + rng.normal(0, 0.03)) + rng.normal(0, 0.0035, 3)
                repeats = min(int(rng.integers(1, 2 * shots)), wanted - len(photos))
                photos += [shoot(scene, rng) for _ in range(repeats)]
    photos += [photos[i] for i in rng.integers(new, size=count - new)]
    return [photos[i] for i in rng.permutation(count)]


def shoot(scene: FloatArray, rng: Rng) -> bytes:
    """Return one shot of a scene `[H, W, 3]` as JPEG."""
    size = rng.normal((48.5, 27.5), (1.3, 1.7)).round()
    if rng.random() < 0.01:
        size = rng.uniform(SMALLEST, LARGEST).round()
    width, height = size.clip(SMALLEST, LARGEST).astype(int).tolist()
    left, top = rng.normal((MARGIN_X, MARGIN_Y), 0.35) * FINENESS
    right, bottom = (left, top) + rng.normal((WIDTH, HEIGHT), 0.3) * FINENESS
    canvas = Image.fromarray((scene.clip(0, 1) * 255).round().astype(np.uint8))
    crop = canvas.resize((width, height), Image.Resampling.BICUBIC, (left, top, right, bottom))
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
