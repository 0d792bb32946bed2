"""What all pictures share: colours, rows of tiles, and PNG files of the same bytes."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from PIL import Image, ImageDraw, ImageFont

from stages.common.files import replacing
from stages.common.types import Images, Indices

INK, PAPER = "#222222", "#ffffff"
# Okabe and Ito's colour-blind-safe palette.
BLUE, ORANGE, GREEN, PINK = "#0072B2", "#E69F00", "#009E73", "#CC79A7"
SKY, VERMILION, BLACK = "#56B4E9", "#D55E00", "#000000"
DPI = 110
MAGNIFICATION = 3
GAP, CAPTION_HEIGHT, TITLE_HEIGHT = 6, 18, 30
CAPTION_SIZE, TITLE_SIZE = 13, 16


def save_picture(picture: Image.Image, path: Path) -> None:
    """Write a picture as PNG."""
    with replacing(path) as temporary:
        picture.save(temporary, format="PNG", optimize=True)


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure as PNG, without the drawing library's version in it."""
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", metadata={"Software": None})


def evenly_spaced(count: int, wanted: int) -> Indices:
    """Return up to `wanted` indices spread evenly over `count`."""
    return np.linspace(0, count - 1, min(wanted, count)).round().astype(np.intp)


def gallery(
    images: Images, title: str, columns: int, captions: Sequence[str] | None = None
) -> Image.Image:
    """Lay images `[N, 3, H, W]` out in rows, magnified, each over its caption."""
    height, width = (MAGNIFICATION * side for side in images.shape[-2:])
    caption_height = CAPTION_HEIGHT if captions else 0
    rows = max(1, -(-len(images) // columns))
    cell_width, cell_height = width + GAP, height + caption_height + GAP
    size = (columns * cell_width + GAP, TITLE_HEIGHT + rows * cell_height + GAP)
    picture = Image.new("RGB", size, PAPER)
    draw = ImageDraw.Draw(picture)
    draw.text((GAP, GAP), title, INK, ImageFont.load_default(TITLE_SIZE))
    font = ImageFont.load_default(CAPTION_SIZE)
    for index, image in enumerate(images):
        left = GAP + index % columns * cell_width
        top = TITLE_HEIGHT + index // columns * cell_height
        tile = Image.fromarray(image.transpose(1, 2, 0))
        picture.paste(tile.resize((width, height), Image.Resampling.BICUBIC), (left, top))
        if captions:
            draw.text((left, top + height), captions[index], INK, font)
    return picture
