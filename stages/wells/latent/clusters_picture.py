"""Clusters of a latent space: how large each is, how many spills it holds, and examples."""

import numpy as np
from PIL import Image, ImageDraw

from stages.common.pictures import (
    GAP,
    INK,
    MARGIN,
    NORMAL,
    PAPER,
    SPILL,
    TEXT_SIZE,
    WIDTH,
    as_tiles,
    evenly_spaced,
    fit_tile,
    font,
    height_at,
    stack,
)
from stages.common.types import Indices, Marks
from stages.wells.latent.shown import Shown

# All lengths are pixels.
EXAMPLES, TILE_WIDTH = 7, 126
# Where the examples begin, and how long the largest cluster's bar is.
FIRST = WIDTH - MARGIN - EXAMPLES * (TILE_WIDTH + GAP) + GAP
BAR_WIDTH, LEAST_WIDTH = FIRST - 3 * MARGIN, 3
BAR_HEIGHT, LINE_HEIGHT = 18, 26


def draw_clusters(photos: Shown, clusters: Indices) -> Image.Image:
    """Return a picture of photos by their clusters `[N]`, one row per cluster.

    A bar, as long as the cluster is large, shows its share of spills; examples show the same share.
    """
    members = [np.flatnonzero(clusters == cluster) for cluster in range(clusters.max() + 1)]
    pixels = BAR_WIDTH / max(len(mine) for mine in members)
    rows = []
    for number, mine in enumerate(members, 1):
        row = Image.new(
            "RGB", (WIDTH, height_at(TILE_WIDTH, *photos.images.shape[2:]) + GAP), PAPER
        )
        _draw_counts(row, f"Cluster {number}", photos.spills[mine], pixels)
        chosen = mine[choose_examples(photos.spills[mine], EXAMPLES)]
        _draw_examples(row, Shown(photos.images[chosen], photos.groups[chosen]))
        rows.append(row)
    return stack(*rows)


def choose_examples(spills: Marks, count: int) -> Indices:
    """Return up to `count` photos of those marked `[N]`, spills among them by their share in all.

    Each kind is evenly spaced; the normal ones stand first.
    """
    count = min(count, len(spills))
    of_spills = round(count * spills.mean())
    parts = [(np.flatnonzero(~spills), count - of_spills), (np.flatnonzero(spills), of_spills)]
    return np.concatenate([mine[evenly_spaced(len(mine), wanted)] for mine, wanted in parts])


def _draw_counts(row: Image.Image, name: str, spills: Marks, pixels: float) -> None:
    size, count = len(spills), int(spills.sum())
    draw, below = ImageDraw.Draw(row), LINE_HEIGHT + BAR_HEIGHT
    draw.text((MARGIN, 0), f"{name}: {size:,} photos", INK, font(TEXT_SIZE, bold=True))
    middle, end = (MARGIN + round(pixels * length) for length in (size - count, size))
    # A single spill among hundreds is still seen.
    middle = min(middle, end - LEAST_WIDTH) if count else end
    for colour, left, right in ((NORMAL, MARGIN, middle), (SPILL, middle, end)):
        if right > left:
            draw.rectangle((left, LINE_HEIGHT, right - 1, below - 1), colour)
    share = f"{count:,} ({100 * count / size:.1f} %)" if count else "none"
    draw.text((MARGIN, below + 4), f"spills: {share}", INK, font(TEXT_SIZE))


def _draw_examples(row: Image.Image, photos: Shown) -> None:
    for column, tile in enumerate(as_tiles(photos.images)):
        colour = SPILL if photos.spills[column] else NORMAL
        left = FIRST + column * (TILE_WIDTH + GAP)
        row.paste(fit_tile(tile, TILE_WIDTH, colour), (left, 0))
