"""A made-up archive of well photos with the layout, sizes and difficulty of the real one.

A *scene* is one well drawn on a canvas wider than a photo, twice as fine as a photo's pixels. A
*shot* is one photo of a scene: a jittered crop with its own exposure, tint, noise and JPEG coding.
Distances are in photo pixels of a 48 x 28 photo (x to the right, y down, from its top left corner).
"""

import io
import uuid
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import gaussian_filter

Array = NDArray[np.float64]
Rng = np.random.Generator
Draw = Callable[[Rng], Array]
Disturb = Callable[[Array, Rng], Array]
Kind = tuple[Draw, float, int]
Centre = tuple[float, float]

SEED = 20230301
TRAIN_COUNT, MIN_TRAIN_COUNT = 2000, 20
PROLIV_SHARE, TEST_NORMAL_SHARE, TEST_SPILL_SHARE = 0.05, 1 / 3, 0.06
DUPLICATE_SHARE, EMPTY_SHARE, LEAK_SHARE = 0.1, 0.25, 0.001
TRAIN_DISTURBED, TEST_DISTURBED, SPILL_DISTURBED = 0.02, 0.3, 0.08
NORMAL_SHOTS, SPILL_SHOTS = 8, 2
PROLIV_STRENGTH, TEST_STRENGTH = 1.05, 1.25

FINENESS = 2
WIDTH, HEIGHT = 48, 28
SMALLEST, LARGEST = (39, 23), (72, 40)
MARGIN_X, MARGIN_Y = 8, 6
JPEG_QUALITY = 95
ROWS = np.arange(0.5, (HEIGHT + 2 * MARGIN_Y) * FINENESS) / FINENESS - MARGIN_Y
COLUMNS = np.arange(0.5, (WIDTH + 2 * MARGIN_X) * FINENESS) / FINENESS - MARGIN_X
Y, X = np.meshgrid(ROWS, COLUMNS, indexing="ij")

TABLE, TABLE_LIGHT, TABLE_OLIVE = (
    np.array([[116, 147, 128], [125, 155, 139], [102, 128, 102]]) / 255
)
RIM, RIM_BROWN, RIM_LINE = np.array([[103, 130, 117], [106, 121, 98], [84, 108, 92]]) / 255
WALL_BLUE, WALL_TOP, WALL = np.array([[101, 126, 121], [89, 112, 101], [95, 121, 119]]) / 255
METAL, METAL_PALE, METAL_YELLOW = (
    np.array([[119, 146, 121], [152, 177, 150], [126, 148, 102]]) / 255
)
RING, SHADE, CHROME = np.array([[66, 84, 64], [74, 94, 76], [150, 178, 160]]) / 255
YELLOW, BLACK, BAR, BROWN = (
    np.array([[138, 144, 38], [36, 52, 38], [92, 120, 113], [88, 86, 54]]) / 255
)


def noise(rng: Rng, sigma_y: float, sigma_x: float) -> Array:
    """Smooth random field `[H, W]` of zero mean and unit deviation; sigmas in photo pixels."""
    sigmas = (sigma_y * FINENESS, sigma_x * FINENESS)
    field = gaussian_filter(rng.standard_normal(X.shape), sigmas, truncate=2.5)
    return np.asarray((field - field.mean()) / field.std())


def inside(distance: Array, softness: float = 1.0) -> Array:
    """Mask `[H, W]` in [0, 1] of negative signed distances; the edge is `softness` pixels wide."""
    return np.clip(0.5 - distance / softness, 0, 1)


def ridge(distance: Array, width: float) -> Array:
    """Mask `[H, W]` of a soft line where the distance is zero."""
    return np.asarray(np.exp(-((distance / width) ** 2)))


def blend(scene: Array, colour: Array, mask: Array) -> Array:
    """`scene` `[H, W, 3]` with `colour` (`[3]` or `[H, W, 3]`) over it where `mask` is one."""
    return scene + mask[..., None] * (colour - scene)


def blob(x: float, y: float, radius_x: float, radius_y: float) -> Array:
    """Gaussian spot `[H, W]` with peak one."""
    return np.asarray(np.exp(-(((X - x) / radius_x) ** 2) - ((Y - y) / radius_y) ** 2))


def dome(x: float, y: float, half_width: float, up: float, down: float) -> Array:
    """Rough signed distance `[H, W]` to an ellipse whose upper and lower half-heights differ."""
    radius = np.hypot((X - x) / half_width, (Y - y) / np.where(y > Y, up, down))
    return np.asarray((radius - 1) * up)


def table(rng: Rng, light: float = 1.0) -> Array:
    """Green table `[H, W, 3]`, olive above and lighter below, with the next well's rim beneath."""
    mottle = noise(rng, 5, 5)[..., None] * 0.008
    scene = TABLE + mottle + np.zeros((*X.shape, 3))
    scene = blend(scene, TABLE_OLIVE, np.clip(0.5 - Y / 9, 0, 1) * rng.uniform(0.1, 0.7))
    scene = blend(scene, TABLE_LIGHT, np.clip((Y - 14) / 8, 0, 1) * rng.uniform(0.2, 1.0))
    below = rng.uniform(26, 30) - 2.5 * np.cos((X - WIDTH / 2) / 14)
    scene = blend(scene, RIM_LINE, inside(below + 1.5 - Y, 2.5) * rng.uniform(0.2, 0.8))
    return scene * light


def rim(scene: Array, rng: Rng, centre: Centre) -> Array:
    """The well's bluish elliptic wall with its dark outline and paler lip, in `[H, W, 3]`."""
    x, y = centre
    distance = dome(x, y, rng.uniform(20.5, 22.5), rng.uniform(13, 15), rng.uniform(7, 9))
    colour = RIM_BROWN if rng.random() < 0.05 else RIM + rng.normal(0, 0.008)
    scene = blend(scene, colour, inside(distance, 2))
    upper = np.clip((y + 5 - Y) / 8, 0.25, 1)
    scene = blend(scene, colour + WALL_BLUE - RIM, inside(distance + 3.2, 2))
    line = ridge(distance, 1.1) + 0.45 * ridge(distance + 3.2, 0.8)
    return blend(scene, RIM_LINE, line * upper * rng.uniform(0.5, 0.9))


def metal_texture(rng: Rng) -> Array:
    """Metal `[H, W, 3]`: mottle, ripples, cracks and glints of varying strength."""
    mottle = noise(rng, 1.8, 2.8) * 0.02 + noise(rng, 0.5, 0.7) * rng.uniform(0.005, 0.022)
    cells = noise(rng, 1.0, 1.6)
    depth = rng.choice([0.0, 0.04, 0.08, 0.15], p=[0.35, 0.35, 0.2, 0.1])
    cracks = depth * ridge(cells, 0.3) * np.clip(0.6 + noise(rng, 4, 4), 0, 1)
    surface = METAL + (mottle - cracks)[..., None]
    stains = np.clip(noise(rng, 3, 4) - 0.4, 0, 1)
    surface = blend(surface, METAL_YELLOW, stains * rng.uniform(0, 0.6))
    spots = np.clip(noise(rng, 0.7, 0.7) - 0.9, 0, 1) * np.clip((Y - 12) / 8, 0, 1)
    surface = blend(surface, METAL_PALE, spots * rng.choice([0.1, 0.6, 1.2], p=[0.5, 0.3, 0.2]))
    dark = blob(rng.uniform(16, 32), rng.uniform(18, 28), rng.uniform(3, 7), rng.uniform(2, 6))
    return blend(surface, SHADE, dark * rng.choice([0.1, 0.4, 0.65], p=[0.5, 0.3, 0.2]))


def metal(scene: Array, rng: Rng, centre: Centre, top: float) -> Array:
    """A pool of metal whose upper edge is at row `top`, a dark ring above it, in `[H, W, 3]`."""
    x, y = centre[0] + rng.normal(0, 0.8), max(centre[1] + 2.0, top + 5)
    half_width = 20.5 - 0.4 * max(top - 5, 0)
    pool = dome(x, y, half_width, y - top, 9)
    stem = np.maximum(np.abs(X - x) - rng.uniform(11, 15), y - Y)
    distance = np.minimum(pool, stem)
    arc = ridge(distance - 0.6, 0.9) * np.clip((y + 1 - Y) / 4, 0, 1)
    distance = distance + noise(rng, 1.5, 2) * rng.uniform(0.1, 0.8)
    scene = blend(scene, RING, arc * rng.choice([0.05, 0.3, 0.75], p=[0.5, 0.3, 0.2]))
    surface = metal_texture(rng)
    return blend(scene, surface, inside(distance, rng.uniform(1.5, 4)))


def spout(scene: Array, rng: Rng, centre: Centre) -> Array:
    """Metal falling in from above, dark at the top and widening downwards, in `[H, W, 3]`."""
    x, foot = centre[0] + rng.normal(0, 1.0), rng.uniform(11, 17)
    widening = np.clip((Y - rng.uniform(2, 7)) / (foot - 2), 0, 1) ** 1.5
    distance = np.abs(X - x) - rng.uniform(7, 12) - widening * rng.uniform(6, 11)
    edges = ridge(distance - 0.8, 1.1) * np.clip((Y - 8) / 4, 0, 1) * inside(Y - foot, 3)
    scene = blend(scene, RING, edges * rng.choice([0.05, 0.3, 0.6], p=[0.5, 0.3, 0.2]))
    fall = noise(rng, 4, 0.8) * rng.uniform(0.004, 0.016) * np.clip((18 - Y) / 10, 0, 1)
    surface = metal_texture(rng) + fall[..., None]
    shadow = inside(Y - rng.uniform(-2, 5), rng.uniform(3, 8))
    surface = blend(surface, SHADE, shadow * rng.uniform(0.5, 1))
    mask = inside(distance + noise(rng, 2, 2) * 0.4, rng.uniform(1.5, 3)) * inside(Y - foot - 3, 6)
    scene = blend(scene, surface, mask)
    glint = blob(x, rng.uniform(6, 9), 6, 0.9)
    return blend(scene, METAL_PALE, glint * rng.choice([0, 0.6], p=[0.85, 0.15]))


def normal_well(rng: Rng) -> Array:
    """A well filled with metal, `[H, W, 3]`; four in ten show the spout."""
    centre = (24 + rng.normal(0, 0.7), 15 + rng.normal(0, 0.7))
    poured = rng.random() < 0.4
    scene = rim(table(rng), rng, centre)
    scene = metal(scene, rng, centre, rng.uniform(6, 10) if poured else rng.uniform(5.5, 15))
    return blur(spout(scene, rng, centre) if poured else scene, rng)


def hollow(rng: Rng, centre: Centre, light: float = 1.0) -> Array:
    """A well without metal, `[H, W, 3]`: a smooth blue-grey inside and a faint outline."""
    x, y = centre
    scene = table(rng, light)
    scene = blend(scene, TABLE_OLIVE * light, np.clip((9 - Y) / 9, 0, 1) * rng.uniform(0.3, 1))
    distance = dome(x, y, rng.uniform(21, 22.5), rng.uniform(13.5, 15), rng.uniform(12, 14))
    distance = np.minimum(distance, np.maximum(np.abs(X - x) - 10 - np.abs(Y - 25) / 2, 18 - Y))
    colour = (WALL_TOP + np.clip((Y - 3) / 14, 0, 1)[..., None] * (WALL - WALL_TOP)) * light**0.3
    scene = blend(scene, colour, inside(distance, 2.5))
    upper = np.clip((y + 2 - Y) / 6, 0, 1)
    scene = blend(scene, RING, ridge(distance, 1.2) * upper * rng.uniform(0.3, 0.8))
    scene = blend(scene, TABLE_LIGHT, ridge(distance - 1.5, 1.5) * (1 - upper) * 0.4)
    corner = inside(26 - Y, 2.5) * inside(-distance, 2)
    return blend(scene, RIM_LINE * light, corner * rng.uniform(0.3, 1))


def empty_well(rng: Rng) -> Array:
    """A well whose metal has run out, `[H, W, 3]`; some keep bright specks at the bottom."""
    centre = (24 + rng.normal(0, 1), 15.5 + rng.normal(0, 0.7))
    scene = blur(hollow(rng, centre, rng.uniform(0.88, 1.02)), rng)
    if rng.random() < 0.35:
        x, height = rng.uniform(20, 29), rng.uniform(1.5, 4)
        bed = blob(x, 28.5, rng.uniform(4, 9), height)
        scene = blend(scene, CHROME, bed * np.clip(noise(rng, 0.6, 0.7) * 0.7 + 0.2, 0, 1))
    return scene


def sheared(field: Array, slope: float) -> Array:
    """`field` `[H, W]` with each row moved by `slope` pixels for each pixel downwards."""
    columns = np.arange(field.shape[1]) - np.round(slope * Y * FINENESS).astype(int)
    return np.take_along_axis(field, columns % field.shape[1], axis=1)


def streaks(scene: Array, rng: Rng, strength: float) -> Array:
    """A column of sharp many-coloured metal streaks in the middle, laid on `[H, W, 3]`."""
    x, slope = rng.uniform(21, 26), rng.normal(-0.1, 0.2)
    funnel = np.clip((12 - Y) / 12, 0, 1.5)
    axis = x + slope * (Y - 14)
    distance = np.abs(X - axis) - rng.uniform(7.5, 10) - funnel * rng.uniform(2, 8)
    mask = inside(distance + noise(rng, 1.5, 1.2) * 1.2, 3)
    dull = METAL + noise(rng, 1.6, 1.0)[..., None] * 0.05
    dull = blend(dull, SHADE, inside(Y - rng.uniform(0, 5), 7) * 0.9)
    scene = blend(scene, dull, mask)
    long = rng.uniform(0.8, 1.7)
    light = sheared(noise(rng, long, 0.75), slope)
    yellow, red = (sheared(noise(rng, long, 1.0), slope) for _ in range(2))
    foot = x + slope * 5 + rng.normal(0, 1)
    hot = mask * blob(foot, rng.uniform(17, 22), rng.uniform(8, 12), rng.uniform(9, 13))
    lit = strength * (0.15 * light + 0.045 * light**2 - 0.02)
    colours = yellow[..., None] * [0.03, 0.02, -0.1] + red[..., None] * [0.05, -0.01, 0.01]
    return scene + hot[..., None] * (lit[..., None] + strength * colours)


def streak_well(rng: Rng, strength: float) -> Array:
    """A spill, `[H, W, 3]`: streaks in the middle, the empty blue-grey rim at both sides."""
    centre = (24 + rng.normal(0, 0.8), 15.5 + rng.normal(0, 0.7))
    scene = hollow(rng, centre, rng.uniform(0.97, 1.04))
    side = rng.choice([-1, 1], p=[0.15, 0.85])
    distance = np.abs(X - 24 - side * (4 + 0.9 * (Y - 6))) - rng.uniform(1, 2.5)
    scene = blend(scene, RING, inside(distance, 4) * inside(3 - Y, 6) * rng.uniform(0.1, 0.6))
    pile = dome(24 + side * 3, rng.uniform(22, 30), rng.uniform(10, 15), rng.uniform(8, 12), 9)
    heap = METAL + noise(rng, 1.2, 1.2)[..., None] * 0.03
    scene = blend(scene, heap, inside(pile, 4) * rng.choice([0, 0.8]))
    return streaks(blur(scene, rng), rng, strength * rng.uniform(0.6, 1.15))


def tool(scene: Array, rng: Rng) -> Array:
    """A yellow and black tool at the right edge of `[H, W, 3]`."""
    x, y = rng.uniform(42, 45), rng.uniform(8, 13)
    ragged = noise(rng, 1, 1)
    grip = np.hypot((X - x - 3) / 4.5, (Y - y - 7) / 9) * 4 - 4
    head = np.hypot((X - x - 5) / 6, (Y - y + 5) / 9) * 5 - 5
    scene = blend(scene, BLACK, inside(grip + ragged * 0.7, 2.5) * 0.95)
    return blend(scene, YELLOW, inside(head + ragged, 2.5) * np.clip(0.7 + 0.3 * ragged, 0, 0.9))


def bar(scene: Array, rng: Rng) -> Array:
    """A grey bar across the top or the middle of `[H, W, 3]`, darker where metal crosses it."""
    y, half = rng.choice([rng.uniform(2, 7), rng.uniform(17, 22)]), rng.uniform(2.5, 4.5)
    column = inside(np.abs(X - 24) - rng.uniform(8, 12), 4)
    scene = blend(scene, BAR, inside(np.abs(Y - y) - half, 2) * (1 - 0.8 * column) * 0.95)
    return blend(scene, SHADE, inside(np.abs(Y - y - half) - 2, 3) * column * rng.uniform(0.2, 0.9))


def wedge(scene: Array, rng: Rng) -> Array:
    """A brown or black wedge from a corner of `[H, W, 3]`."""
    across, down = rng.uniform(8, 32), rng.uniform(10, 44)
    x = X if rng.random() < 0.7 else WIDTH - X
    y = Y if rng.random() < 0.4 else HEIGHT - Y
    colour = BROWN if rng.random() < 0.6 else BLACK
    return blend(scene, colour, inside((x / across + y / down - 1) * min(across, down), 2) * 0.95)


def notch(scene: Array, rng: Rng) -> Array:
    """A dark object that just enters at the left edge of `[H, W, 3]`."""
    return blend(scene, BLACK, inside(X - 2.5 + (Y - 22) ** 2 / rng.uniform(15, 40), 2) * 0.8)


def shift(scene: Array, rng: Rng) -> Array:
    """`scene` `[H, W, 3]` off centre, as a badly placed crop shows it."""
    x, y = rng.choice([-1, 1], 2) * rng.integers([3, 2], [6, 5])
    return np.roll(scene, (FINENESS * y, FINENESS * x), (0, 1))


DISTURBANCES: tuple[Disturb, ...] = (tool, bar, wedge, notch, shift)
DISTURBANCE_SHARES = (0.33, 0.25, 0.16, 0.12, 0.14)


def disturbed(draw: Draw) -> Draw:
    """A drawing that is `draw` with one disturbance over its edges."""

    def draw_disturbed(rng: Rng) -> Array:
        scene = draw(rng)
        return DISTURBANCES[rng.choice(len(DISTURBANCES), p=DISTURBANCE_SHARES)](scene, rng)

    return draw_disturbed


def blur(scene: Array, rng: Rng) -> Array:
    """`scene` `[H, W, 3]` slightly out of focus."""
    sigma = rng.uniform(0.35, 0.7) * FINENESS
    return np.asarray(gaussian_filter(scene, sigma, axes=(0, 1)))


def photo(scene: Array, rng: Rng) -> bytes:
    """One shot of `scene` `[H, W, 3]`: a jittered crop, its exposure, tint and noise, as JPEG."""
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


def shots(rng: Rng, draw: Draw, count: int, per_scene: int) -> list[bytes]:
    """`count` photos, on average `per_scene` of one scene, as a filmed well gives them."""
    photos: list[bytes] = []
    while len(photos) < count:
        scene = draw(rng) * (1 + rng.normal(0, 0.03)) + rng.normal(0, 0.0035, 3)
        repeats = min(int(rng.integers(1, 2 * per_scene)), count - len(photos))
        photos += [photo(scene, rng) for _ in range(repeats)]
    return photos


def mixed(rng: Rng, count: int, kinds: Sequence[Kind]) -> list[bytes]:
    """`count` photos of `kinds` (drawing, share, shots a scene), a tenth of them exact copies."""
    copies = round(DUPLICATE_SHARE * count)
    bounds = np.cumsum([0.0] + [share for _, share, _ in kinds]) * (count - copies)
    sizes = np.diff(bounds.round().astype(int))
    photos: list[bytes] = []
    for (draw, _, per_scene), size in zip(kinds, sizes, strict=True):
        photos += shots(rng, draw, size, per_scene)
    photos += [photos[i] for i in rng.integers(len(photos), size=copies)]
    return [photos[i] for i in rng.permutation(count)]


def normal_kinds(share: float) -> list[Kind]:
    """The kinds of normal photos, of which `share` are disturbed."""
    return [
        (normal_well, 1 - share, NORMAL_SHOTS),
        (disturbed(normal_well), share, NORMAL_SHOTS),
    ]


def spill_kinds() -> list[Kind]:
    """The kinds of test spills: streaks and empty wells, a few of each disturbed."""
    strong = partial(streak_well, strength=TEST_STRENGTH)
    pairs: list[tuple[Draw, float]] = [(strong, 1 - EMPTY_SHARE), (empty_well, EMPTY_SHARE)]
    plain: list[Kind] = [(draw, s * (1 - SPILL_DISTURBED), SPILL_SHOTS) for draw, s in pairs]
    return plain + [(disturbed(draw), s * SPILL_DISTURBED, SPILL_SHOTS) for draw, s in pairs]


def unique_name(rng: Rng) -> str:
    """A file name like those of train and test: a random UUID."""
    return f"{uuid.UUID(bytes=rng.bytes(16), version=4)}.jpg"


def camera_names(rng: Rng, count: int) -> list[str]:
    """File names like those of the known spills: well, camera, date and time within 45 seconds."""
    times = 57_000 + rng.choice(45_000, count, replace=False)
    wells = rng.integers(8, 36, count)
    return [
        f"{well}_CAM_C_01-03-2023_05-{38 + t // 60_000}-{t // 1000 % 60:02d}-{t % 1000:03d}.jpg"
        for well, t in zip(wells, times, strict=True)
    ]


def draw_archive(train_count: int = TRAIN_COUNT) -> dict[str, bytes]:
    """The whole made-up data set, the same on each call: paths as in the real archive to contents.

    `train/` holds `train_count` normal photos, one in a thousand of them a leaked spill; `proliv/`
    known spills; `test/imgs/` both; `test/test_annotation.txt` lines `NAME LABEL`, 1 for a spill.
    """
    rng = np.random.default_rng(SEED)
    proliv_count = max(12, round(PROLIV_SHARE * train_count))
    normal_count = max(30, round(TEST_NORMAL_SHARE * train_count))
    spill_count = max(12, round(TEST_SPILL_SHARE * train_count))

    train = mixed(rng, train_count, normal_kinds(TRAIN_DISTURBED))
    known = partial(streak_well, strength=PROLIV_STRENGTH)
    proliv = mixed(rng, proliv_count, [(known, 1.0, SPILL_SHOTS)])
    for i in rng.choice(train_count, max(1, round(LEAK_SHARE * train_count)), replace=False):
        train[i] = proliv[rng.integers(proliv_count)]
    test = [(content, 0) for content in mixed(rng, normal_count, normal_kinds(TEST_DISTURBED))]
    test += [(content, 1) for content in mixed(rng, spill_count, spill_kinds())]
    named = [(unique_name(rng), *test[i]) for i in rng.permutation(len(test))]

    files = {f"train/{unique_name(rng)}": content for content in train}
    names = camera_names(rng, proliv_count)
    files |= {f"proliv/{name}": content for name, content in zip(names, proliv, strict=True)}
    files |= {f"test/imgs/{name}": content for name, content, _ in named}
    lines = "".join(f"{name} {label}\r\n" for name, _, label in named)
    return files | {"test/test_annotation.txt": lines.encode()}
