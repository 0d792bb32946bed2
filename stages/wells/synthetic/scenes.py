"""What is drawn: wells with metal, spilt and empty ones, and what may lie over them.

A *scene* `[H, W, 3]`, mostly within [0, 1], is one well drawn on the canvas. A function that begins
with a scene returns it with something more on it.
"""

import numpy as np

from stages.common.types import FloatArray
from stages.wells.synthetic.canvas import (
    FINENESS,
    HEIGHT,
    WIDTH,
    Rng,
    X,
    Y,
    blend,
    blob,
    blur,
    dome,
    inside,
    noise,
    ridge,
    shear,
)

# Where the middle of a well's lip lies.
Centre = tuple[float, float]

# Colours, each `[3]` in [0, 1].
TABLE, TABLE_LIGHT = np.array([[116, 147, 128], [125, 155, 139]]) / 255
TABLE_OLIVE = np.array([102, 128, 102]) / 255
RIM, RIM_BROWN, RIM_LINE = np.array([[103, 130, 117], [106, 121, 98], [84, 108, 92]]) / 255
WALL, WALL_BLUE, WALL_TOP = np.array([[95, 121, 119], [101, 126, 121], [89, 112, 101]]) / 255
METAL, METAL_PALE = np.array([[119, 146, 121], [152, 177, 150]]) / 255
METAL_YELLOW = np.array([126, 148, 102]) / 255
RING, SHADE, CHROME = np.array([[66, 84, 64], [74, 94, 76], [150, 178, 160]]) / 255
YELLOW, BLACK, BAR = np.array([[138, 144, 38], [36, 52, 38], [92, 120, 113]]) / 255
BROWN = np.array([88, 86, 54]) / 255
# Of empty wells, those that keep some metal.
SPECKLED_SHARE = 0.35


def draw_table(rng: Rng, light: float = 1.0) -> FloatArray:
    """Return the green table, olive above and lighter below, with the next well's rim beneath."""
    scene = TABLE + noise(rng, 5, 5)[..., None] * 0.008
    scene = blend(scene, TABLE_OLIVE, np.clip(0.5 - Y / 9, 0, 1) * rng.uniform(0.1, 0.7))
    scene = blend(scene, TABLE_LIGHT, np.clip((Y - 14) / 8, 0, 1) * rng.uniform(0.2, 1.0))
    below = rng.uniform(26, 30) - 2.5 * np.cos((X - WIDTH / 2) / 14)
    scene = blend(scene, RIM_LINE, inside(below + 1.5 - Y, 2.5) * rng.uniform(0.2, 0.8))
    return scene * light


def lay_rim(scene: FloatArray, rng: Rng, centre: Centre) -> FloatArray:
    """Return a scene with the well's bluish elliptic wall, its dark outline and its paler lip."""
    x, y = centre
    distance = dome(x, y, rng.uniform(20.5, 22.5), rng.uniform(13, 15), rng.uniform(7, 9))
    colour = RIM_BROWN if rng.random() < 0.05 else RIM + rng.normal(0, 0.008)
    scene = blend(scene, colour, inside(distance, 2))
    upper = np.clip((y + 5 - Y) / 8, 0.25, 1)
    scene = blend(scene, colour + WALL_BLUE - RIM, inside(distance + 3.2, 2))
    line = ridge(distance, 1.1) + 0.45 * ridge(distance + 3.2, 0.8)
    return blend(scene, RIM_LINE, line * upper * rng.uniform(0.5, 0.9))


def draw_metal_texture(rng: Rng) -> FloatArray:
    """Return metal all over the canvas: mottle, ripples, cracks and glints of varying strength."""
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


def lay_metal(scene: FloatArray, rng: Rng, centre: Centre, top: float) -> FloatArray:
    """Return a scene with a pool of metal from the height `top` downwards, a dark ring above it."""
    x, y = centre[0] + rng.normal(0, 0.8), max(centre[1] + 2.0, top + 5)
    half_width = 20.5 - 0.4 * max(top - 5, 0)
    stem = np.maximum(np.abs(X - x) - rng.uniform(11, 15), y - Y)
    distance = np.minimum(dome(x, y, half_width, y - top, 9), stem)
    arc = ridge(distance - 0.6, 0.9) * np.clip((y + 1 - Y) / 4, 0, 1)
    distance = distance + noise(rng, 1.5, 2) * rng.uniform(0.1, 0.8)
    scene = blend(scene, RING, arc * rng.choice([0.05, 0.3, 0.75], p=[0.5, 0.3, 0.2]))
    return blend(scene, draw_metal_texture(rng), inside(distance, rng.uniform(1.5, 4)))


def lay_spout(scene: FloatArray, rng: Rng, centre: Centre) -> FloatArray:
    """Return a scene with metal falling in from above, dark at the top and widening downwards."""
    x, foot = centre[0] + rng.normal(0, 1.0), rng.uniform(11, 17)
    widening = np.clip((Y - rng.uniform(2, 7)) / (foot - 2), 0, 1) ** 1.5
    distance = np.abs(X - x) - rng.uniform(7, 12) - widening * rng.uniform(6, 11)
    edges = ridge(distance - 0.8, 1.1) * np.clip((Y - 8) / 4, 0, 1) * inside(Y - foot, 3)
    scene = blend(scene, RING, edges * rng.choice([0.05, 0.3, 0.6], p=[0.5, 0.3, 0.2]))
    fall = noise(rng, 4, 0.8) * rng.uniform(0.004, 0.016) * np.clip((18 - Y) / 10, 0, 1)
    surface = draw_metal_texture(rng) + fall[..., None]
    shadow = inside(Y - rng.uniform(-2, 5), rng.uniform(3, 8))
    surface = blend(surface, SHADE, shadow * rng.uniform(0.5, 1))
    mask = inside(distance + noise(rng, 2, 2) * 0.4, rng.uniform(1.5, 3)) * inside(Y - foot - 3, 6)
    scene = blend(scene, surface, mask)
    glint = blob(x, rng.uniform(6, 9), 6, 0.9)
    return blend(scene, METAL_PALE, glint * rng.choice([0, 0.6], p=[0.85, 0.15]))


def draw_normal_well(rng: Rng) -> FloatArray:
    """Return a well filled with metal; four in ten show the spout."""
    centre = (24 + rng.normal(0, 0.7), 15 + rng.normal(0, 0.7))
    poured = rng.random() < 0.4
    scene = lay_rim(draw_table(rng), rng, centre)
    scene = lay_metal(scene, rng, centre, rng.uniform(6, 10) if poured else rng.uniform(5.5, 15))
    return blur(lay_spout(scene, rng, centre) if poured else scene, rng)


def draw_hollow(rng: Rng, centre: Centre, light: float = 1.0) -> FloatArray:
    """Return a well without metal on its table: a smooth blue-grey inside and a faint outline."""
    scene = draw_table(rng, light)
    scene = blend(scene, TABLE_OLIVE * light, np.clip((9 - Y) / 9, 0, 1) * rng.uniform(0.3, 1))
    colour = (WALL_TOP + np.clip((Y - 3) / 14, 0, 1)[..., None] * (WALL - WALL_TOP)) * light**0.3
    return lay_hollow(scene, rng, centre, colour, light)


def lay_hollow(
    scene: FloatArray, rng: Rng, centre: Centre, colour: FloatArray, light: float = 1.0
) -> FloatArray:
    """Return a scene with an empty well: necked below, outlined darkly above, with a pale lip."""
    x, y = centre
    distance = dome(x, y, rng.uniform(21, 22.5), rng.uniform(13.5, 15), rng.uniform(12, 14))
    distance = np.minimum(distance, np.maximum(np.abs(X - x) - 10 - np.abs(Y - 25) / 2, 18 - Y))
    scene = blend(scene, colour, inside(distance, 2.5))
    upper = np.clip((y + 2 - Y) / 6, 0, 1)
    scene = blend(scene, RING, ridge(distance, 1.2) * upper * rng.uniform(0.3, 0.8))
    scene = blend(scene, TABLE_LIGHT, ridge(distance - 1.5, 1.5) * (1 - upper) * 0.4)
    corner = inside(26 - Y, 2.5) * inside(-distance, 2)
    return blend(scene, RIM_LINE * light, corner * rng.uniform(0.3, 1))


def draw_empty_well(rng: Rng) -> FloatArray:
    """Return a well whose metal has run out; some keep bright specks at the bottom."""
    centre = (24 + rng.normal(0, 1), 15.5 + rng.normal(0, 0.7))
    scene = blur(draw_hollow(rng, centre, rng.uniform(0.88, 1.02)), rng)
    return lay_specks(scene, rng) if rng.random() < SPECKLED_SHARE else scene


def lay_specks(scene: FloatArray, rng: Rng) -> FloatArray:
    """Return a scene with bright specks of metal left at the bottom of the well."""
    x, height, half_width = rng.uniform(20, 29), rng.uniform(1.5, 4), rng.uniform(4, 9)
    bed = blob(x, 28.5, half_width, height)
    return blend(scene, CHROME, bed * np.clip(noise(rng, 0.6, 0.7) * 0.7 + 0.2, 0, 1))


def lay_streaks(scene: FloatArray, rng: Rng, strength: float) -> FloatArray:
    """Return a scene with a column of sharp many-coloured streaks of metal in the middle."""
    x, slope = rng.uniform(21, 26), rng.normal(-0.1, 0.2)
    funnel = np.clip((12 - Y) / 12, 0, 1.5)
    axis = x + slope * (Y - 14)
    distance = np.abs(X - axis) - rng.uniform(7.5, 10) - funnel * rng.uniform(2, 8)
    mask = inside(distance + noise(rng, 1.5, 1.2) * 1.2, 3)
    dull = METAL + noise(rng, 1.6, 1.0)[..., None] * 0.05
    dull = blend(dull, SHADE, inside(Y - rng.uniform(0, 5), 7) * 0.9)
    scene = blend(scene, dull, mask)
    long = rng.uniform(0.8, 1.7)
    light = shear(noise(rng, long, 0.75), slope)
    yellow, red = (shear(noise(rng, long, 1.0), slope) for _ in range(2))
    foot = x + slope * 5 + rng.normal(0, 1)
    hot = mask * blob(foot, rng.uniform(17, 22), rng.uniform(8, 12), rng.uniform(9, 13))
    lit = strength * (0.15 * light + 0.045 * light**2 - 0.02)
    colours = yellow[..., None] * [0.03, 0.02, -0.1] + red[..., None] * [0.05, -0.01, 0.01]
    return scene + hot[..., None] * (lit[..., None] + strength * colours)


def draw_streak_well(rng: Rng, strength: float) -> FloatArray:
    """Return a spill: streaks in the middle, the empty blue-grey rim at both sides."""
    centre = (24 + rng.normal(0, 0.8), 15.5 + rng.normal(0, 0.7))
    scene = draw_hollow(rng, centre, rng.uniform(0.97, 1.04))
    side = rng.choice([-1, 1], p=[0.15, 0.85])
    distance = np.abs(X - 24 - side * (4 + 0.9 * (Y - 6))) - rng.uniform(1, 2.5)
    scene = blend(scene, RING, inside(distance, 4) * inside(3 - Y, 6) * rng.uniform(0.1, 0.6))
    pile = dome(24 + side * 3, rng.uniform(22, 30), rng.uniform(10, 15), rng.uniform(8, 12), 9)
    heap = METAL + noise(rng, 1.2, 1.2)[..., None] * 0.03
    scene = blend(scene, heap, inside(pile, 4) * rng.choice([0, 0.8]))
    return lay_streaks(blur(scene, rng), rng, strength * rng.uniform(0.6, 1.15))


def lay_tool(scene: FloatArray, rng: Rng) -> FloatArray:
    """Return a scene with a yellow and black tool at its right edge."""
    x, y = rng.uniform(42, 45), rng.uniform(8, 13)
    ragged = noise(rng, 1, 1)
    grip = np.hypot((X - x - 3) / 4.5, (Y - y - 7) / 9) * 4 - 4
    head = np.hypot((X - x - 5) / 6, (Y - y + 5) / 9) * 5 - 5
    scene = blend(scene, BLACK, inside(grip + ragged * 0.7, 2.5) * 0.95)
    return blend(scene, YELLOW, inside(head + ragged, 2.5) * np.clip(0.7 + 0.3 * ragged, 0, 0.9))


def lay_bar(scene: FloatArray, rng: Rng) -> FloatArray:
    """Return a scene with a grey bar across its top or middle, darker where metal crosses it."""
    y, half = rng.choice([rng.uniform(2, 7), rng.uniform(17, 22)]), rng.uniform(2.5, 4.5)
    column = inside(np.abs(X - 24) - rng.uniform(8, 12), 4)
    scene = blend(scene, BAR, inside(np.abs(Y - y) - half, 2) * (1 - 0.8 * column) * 0.95)
    return blend(scene, SHADE, inside(np.abs(Y - y - half) - 2, 3) * column * rng.uniform(0.2, 0.9))


def lay_wedge(scene: FloatArray, rng: Rng) -> FloatArray:
    """Return a scene with a brown or black wedge from a corner."""
    across, down = rng.uniform(8, 32), rng.uniform(10, 44)
    x = X if rng.random() < 0.7 else WIDTH - X
    y = Y if rng.random() < 0.4 else HEIGHT - Y
    colour = BROWN if rng.random() < 0.6 else BLACK
    return blend(scene, colour, inside((x / across + y / down - 1) * min(across, down), 2) * 0.95)


def lay_notch(scene: FloatArray, rng: Rng) -> FloatArray:
    """Return a scene with a dark object that just enters at its left edge."""
    return blend(scene, BLACK, inside(X - 2.5 + (Y - 22) ** 2 / rng.uniform(15, 40), 2) * 0.8)


def shift(scene: FloatArray, rng: Rng) -> FloatArray:
    """Return a scene off centre, as a badly placed crop shows it."""
    x, y = rng.choice([-1, 1], 2) * rng.integers([3, 2], [6, 5])
    return np.roll(scene, (FINENESS * y, FINENESS * x), (0, 1))


DISTURBANCES = {lay_tool: 0.33, lay_bar: 0.25, lay_wedge: 0.16, lay_notch: 0.12, shift: 0.14}


def disturb(scene: FloatArray, rng: Rng) -> FloatArray:
    """Return a scene with one disturbance over its edges."""
    chosen = rng.choice(len(DISTURBANCES), p=list(DISTURBANCES.values()))
    return list(DISTURBANCES)[chosen](scene, rng)
