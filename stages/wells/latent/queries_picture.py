"""A memory's items on the places of a photo whose queries are nearest to them."""

from typing import NamedTuple

import numpy as np
from PIL import Image, ImageColor, ImageDraw

from stages.common.pictures import (
    GAP,
    INK,
    MARGIN,
    PALE,
    PAPER,
    TEXT_SIZE,
    TITLE_SIZE,
    WIDTH,
    as_tiles,
    font,
    stack,
)
from stages.common.types import FloatArray, Images, Indices

# Paul Tol's muted colours, which the colour-blind tell apart, and a grey. More items repeat them.
COLOURS = (
    *("#88CCEE", "#CC6677", "#117733", "#DDCC77", "#332288"),
    *("#AA4499", "#44AA99", "#999933", "#882255", "#777777"),
)
# Brighter colours, of 255, are written on in INK.
BRIGHT = 125
# All lengths are pixels.
LINE_HEIGHT = 29
KEYS_A_ROW, KEY_SIZE = 10, 36


class Places(NamedTuple):
    """The item that each place of a photo is nearest to most often, and the share of photos.

    items, shares: `[rows, columns]`; numbers: of the M items, `[M]`, from 1 in the order of the
    places that they hold, from the top left, then those that hold none.
    """

    items: Indices
    shares: FloatArray
    numbers: Indices


def places_of(nearest: Indices, items: int) -> Places:
    """Return what holds each place, from each photo's nearest items `[N, rows, columns]`."""
    counts = (nearest[..., None] == np.arange(items)).sum(axis=0)
    held = counts.argmax(axis=-1)
    in_order = list(dict.fromkeys([*held.ravel().tolist(), *range(items)]))
    return Places(held, counts.max(axis=-1) / len(nearest), np.argsort(in_order) + 1)


def draw_queries(nearest: Indices, items: int, photo: Images) -> Image.Image:
    """Return a picture of the places of a photo `[3, H, W]`, each with the item it is nearest to.

    nearest: item of each photo's places, `[N, rows, columns]`, out of so many. On the left stands
    the grid with the items' numbers, on the right a photo in it, below how much each item is used.
    """
    places = places_of(nearest, items)
    width = (WIDTH - 2 * MARGIN - 2 * GAP) // 2
    height = round(width * photo.shape[1] / photo.shape[2])
    right = WIDTH - MARGIN - width
    both = Image.new("RGB", (WIDTH, LINE_HEIGHT + height + GAP), PAPER)
    draw = ImageDraw.Draw(both)
    bold = font(TEXT_SIZE, bold=True)
    draw.text((MARGIN, 0), "The item of each place, and in how many photos", INK, bold)
    draw.text((right, 0), "The same places on a training photo", INK, bold)
    both.paste(_draw_grid(places, width, height), (MARGIN, LINE_HEIGHT))
    both.paste(_draw_photo(places, photo, width, height), (right, LINE_HEIGHT))
    used = np.bincount(nearest.ravel(), minlength=items) / nearest.size
    return stack(both, _draw_keys(places.numbers, used))


def _draw_grid(places: Places, width: int, height: int) -> Image.Image:
    picture = Image.new("RGB", (width, height), PAPER)
    draw = ImageDraw.Draw(picture)
    for place, box in _boxes(places, width, height).items():
        number = int(places.numbers[places.items[place]])
        colour = colour_of(number)
        draw.rectangle(box, colour, PAPER)
        x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
        share, plain = f"{100 * places.shares[place]:.3g} %", font(TEXT_SIZE)
        # Of large photos, the places have room for the number alone.
        roomy = plain.getlength(share) < box[2] - box[0]
        bold, anchor = font(TITLE_SIZE, bold=True), "ms" if roomy else "mm"
        draw.text((x, y), str(number), ink_on(colour), bold, anchor=anchor)
        if roomy:
            draw.text((x, y + LINE_HEIGHT), share, ink_on(colour), plain, anchor="ms")
    return picture


def _draw_photo(places: Places, photo: Images, width: int, height: int) -> Image.Image:
    (tile,) = as_tiles(photo[None])
    picture = tile.resize((width, height), Image.Resampling.BICUBIC)
    draw = ImageDraw.Draw(picture)
    for place, box in _boxes(places, width, height).items():
        number = int(places.numbers[places.items[place]])
        colour, (left, top, _, _) = colour_of(number), box
        draw.rectangle(box, outline=PAPER)
        draw.rectangle((left, top, left + LINE_HEIGHT, top + LINE_HEIGHT), colour)
        middle = left + LINE_HEIGHT / 2, top + LINE_HEIGHT / 2
        draw.text(middle, str(number), ink_on(colour), font(TEXT_SIZE, bold=True), anchor="mm")
    return picture


def _boxes(
    places: Places, width: int, height: int
) -> dict[tuple[int, int], tuple[int, int, int, int]]:
    rows, columns = places.items.shape
    xs = np.linspace(0, width, columns + 1).round().astype(int).tolist()
    ys = np.linspace(0, height, rows + 1).round().astype(int).tolist()
    return {
        (row, column): (xs[column], ys[row], xs[column + 1] - 1, ys[row + 1] - 1)
        for row in range(rows)
        for column in range(columns)
    }


def _draw_keys(numbers: Indices, used: FloatArray) -> Image.Image:
    rows = -(-len(numbers) // KEYS_A_ROW)
    picture = Image.new("RGB", (WIDTH, LINE_HEIGHT + rows * (KEY_SIZE + GAP)), PAPER)
    draw = ImageDraw.Draw(picture)
    bold, plain = font(TEXT_SIZE, bold=True), font(TEXT_SIZE)
    draw.text((MARGIN, 0), "How many of all queries each item is nearest to", INK, bold)
    for index, item in enumerate(np.argsort(numbers)):
        row, column = divmod(index, KEYS_A_ROW)
        left = MARGIN + column * (WIDTH - 2 * MARGIN) // KEYS_A_ROW
        top = LINE_HEIGHT + row * (KEY_SIZE + GAP)
        colour = colour_of(index + 1) if used[item] else PALE
        draw.rectangle((left, top, left + KEY_SIZE - 1, top + KEY_SIZE - 1), colour)
        middle = left + KEY_SIZE / 2, top + KEY_SIZE / 2
        draw.text(middle, str(index + 1), ink_on(colour), bold, anchor="mm")
        share = f"{100 * used[item]:.1f} %" if used[item] else "unused"
        draw.text((left + KEY_SIZE + 5, middle[1]), share, INK, plain, anchor="lm")
    return picture


def colour_of(number: int) -> str:
    """Return the colour of the item of that number, from 1."""
    return COLOURS[(number - 1) % len(COLOURS)]


def ink_on(colour: str) -> str:
    """Return the colour that is read on another."""
    red, green, blue = ImageColor.getrgb(colour)[:3]
    return INK if 0.299 * red + 0.587 * green + 0.114 * blue > BRIGHT else PAPER
