"""What all pictures share: one look, a head with the finding, and PNG files of the same bytes.

A picture is a head over parts, all WIDTH pixels wide: charts (charts.py), and rows of tiles. Its
title is the finding, as a sentence; its subtitle says what is drawn.
"""

from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from importlib.util import find_spec
from itertools import zip_longest
from pathlib import Path
from typing import NamedTuple, cast

import numpy as np
from PIL import Image, ImageDraw, ImageFont, ImageOps

from stages.common.files import replacing
from stages.common.types import Images, Indices

INK, GREY, PALE, PAPER = "#222222", "#666666", "#BBBBBB", "#FFFFFF"
# Okabe and Ito's palette, which the colour-blind tell apart.
BLUE, ORANGE, GREEN = "#0072B2", "#E69F00", "#009E73"
SKY, VERMILION = "#56B4E9", "#D55E00"
NORMAL, SPILL = BLUE, VERMILION

# A page shows pictures 846 pixels wide, finer screens with half as many again.
WIDTH, DPI = 1269, 150
# In points, 72 to an inch.
TITLE_SIZE, TEXT_SIZE = 13, 9
MARGIN, GAP, FRAME = 18, 9, 6
PHOTOS_A_ROW = 8
LINE_HEIGHT = 1.3


class Row(NamedTuple):
    """Tiles side by side, all of one size, under a label; captions and frames, where there are any.

    captions: of each tile, paragraphs divided by line breaks; frames: a colour for each tile.
    """

    label: str
    tiles: Sequence[Image.Image]
    captions: Sequence[str] = ()
    frames: Sequence[str] = ()


def save_picture(path: Path, title: str, subtitle: str, *parts: Image.Image) -> None:
    """Write parts, one below the other under their head, as a PNG file."""
    save_image(stack(head(title, subtitle), *parts), path)


def save_image(picture: Image.Image, path: Path, optimize: bool = False) -> None:
    """Write an image as a PNG file, where told as small as may be, which takes longer."""
    with replacing(path) as temporary:
        picture.save(temporary, format="PNG", optimize=optimize)


def head(title: str, subtitle: str) -> Image.Image:
    """Return a picture's title over its subtitle, in lines as long as fit."""
    bold, plain = font(TITLE_SIZE, bold=True), font(TEXT_SIZE)
    lines = [(line, bold, INK) for line in wrap(title, bold)]
    lines += [(line, plain, GREY) for line in wrap(subtitle, plain)]
    heights = [line_height(one) for _, one, _ in lines]
    picture = Image.new("RGB", (WIDTH, MARGIN + sum(heights) + GAP), PAPER)
    draw, top = ImageDraw.Draw(picture), MARGIN
    for (line, one, colour), height in zip(lines, heights, strict=True):
        draw.text((MARGIN, top), line, colour, one)
        top += height
    return picture


def stack(*parts: Image.Image) -> Image.Image:
    """Return pictures one below the other, on paper."""
    size = max(part.width for part in parts), sum(part.height for part in parts)
    picture, top = Image.new("RGB", size, PAPER), 0
    for part in parts:
        picture.paste(part, (0, top))
        top += part.height
    return picture


def draw_rows(rows: Sequence[Row], columns: int) -> Image.Image:
    """Return rows of tiles, `columns` of which fill the width; longer rows go on below.

    Tiles are magnified or made smaller to fit, captions wrapped.
    """
    width = (WIDTH - 2 * MARGIN + GAP) // columns - GAP
    parts = []
    for row in rows:
        if row.label:
            parts.append(_write_label(row.label))
        for start in range(0, len(row.tiles), columns):
            part = slice(start, start + columns)
            parts.append(_draw_strip(row.tiles[part], row.captions[part], row.frames[part], width))
    return stack(*parts, Image.new("RGB", (WIDTH, GAP), PAPER))


def fit_tile(tile: Image.Image, width: int, frame: str | None = None) -> Image.Image:
    """Return a tile magnified or made smaller to a width, in a frame of a colour where told."""
    size = width, height_at(width, tile.height, tile.width)
    if frame is None:
        return tile.resize(size, Image.Resampling.BICUBIC)
    inner = tile.resize((size[0] - 2 * FRAME, size[1] - 2 * FRAME), Image.Resampling.BICUBIC)
    return ImageOps.expand(inner, FRAME, frame)


def height_at(width: int, rows: int, columns: int) -> int:
    """Return the height at a width, in pixels, of what has so many rows and columns."""
    return round(width * rows / columns)


def framed_row(label: str, images: Images, colour: str) -> Row:
    """Return a row of images `[N, 3, H, W]` uint8, all in frames of one colour."""
    return Row(label, as_tiles(images), frames=[colour] * len(images))


def as_tiles(images: Images) -> list[Image.Image]:
    """Return images `[N, 3, H, W]` uint8 as pictures."""
    return [Image.fromarray(image.transpose(1, 2, 0)) for image in images]


@cache
def font(size: float, bold: bool = False) -> ImageFont.FreeTypeFont:
    """Return the font of the charts, for what is written beside them; size in points.

    matplotlib brings it. Where that isn't installed, as beside an exported detector, the system's
    copy is taken or, where it has none, Pillow's own font, which knows no Cyrillic.
    """
    name, pixels = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf", size * DPI / 72
    matplotlib = find_spec("matplotlib")
    folders = list(matplotlib.submodule_search_locations or ()) if matplotlib else []
    for path in (*(Path(folder, "mpl-data/fonts/ttf", name) for folder in folders), Path(name)):
        with suppress(OSError):
            return ImageFont.truetype(path, pixels, layout_engine=ImageFont.Layout.BASIC)
    return cast(ImageFont.FreeTypeFont, ImageFont.load_default(pixels))


def wrap(
    text: str, written: ImageFont.FreeTypeFont, width: float = WIDTH - 2 * MARGIN
) -> list[str]:
    """Return the lines of a text that is written in a font, each as long as fits the width."""
    lines: list[str] = []
    for word in text.split(" "):
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and written.getlength(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


def line_height(written: ImageFont.FreeTypeFont) -> int:
    """Return the pixels from one line of a font to the next."""
    return round(LINE_HEIGHT * written.size)


def evenly_spaced(count: int, wanted: int) -> Indices:
    """Return up to `wanted` indices spread evenly over `count`."""
    return np.linspace(0, count - 1, min(wanted, count)).round().astype(np.intp)


def _write_label(text: str) -> Image.Image:
    bold = font(TEXT_SIZE, bold=True)
    picture = Image.new("RGB", (WIDTH, line_height(bold) + GAP), PAPER)
    ImageDraw.Draw(picture).text((MARGIN, GAP // 2), text, INK, bold)
    return picture


def _draw_strip(
    tiles: Sequence[Image.Image], captions: Sequence[str], frames: Sequence[str], width: int
) -> Image.Image:
    """Return tiles of a width side by side, each in its frame over its caption, if it has any."""
    plain, height = font(TEXT_SIZE), height_at(width, tiles[0].height, tiles[0].width)
    texts = [
        [line for part in caption.split("\n") for line in wrap(part, plain, width)]
        for caption in captions
    ]
    below = line_height(plain) * max(map(len, texts), default=0)
    strip = Image.new("RGB", (WIDTH, height + below + GAP), PAPER)
    draw = ImageDraw.Draw(strip)
    for tile, frame, lines, column in zip_longest(tiles, frames, texts, range(len(tiles))):
        left = MARGIN + column * (width + GAP)
        strip.paste(fit_tile(tile, width, frame), (left, 0))
        for number, text in enumerate(lines or ()):
            draw.text((left, height + number * line_height(plain)), text, INK, plain)
    return strip
