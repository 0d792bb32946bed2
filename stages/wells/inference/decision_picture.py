"""How a detector decides about a photo, as a picture: its blocks, its scores and the threshold."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw

from stages.common.pictures import (
    GAP,
    GREY,
    INK,
    MARGIN,
    NORMAL,
    PALE,
    PAPER,
    SPILL,
    TEXT_SIZE,
    WIDTH,
    as_tiles,
    fit_tile,
    font,
    line_height,
)
from stages.common.types import FloatArray, Images, Marks
from stages.wells.inference.heat import heat_of, lay_over
from stages.wells.inference.verdict import VIEWS, Verdict

# Pixels, of a photo magnified by a whole number.
PHOTO_WIDTH = 288
# A threshold may be set to 0 or below; bars need a scale.
LEAST_THRESHOLD = 1e-6
# Bars end at that many times the threshold; their numbers don't.
FULL_BAR = 3.0
BAR_HEIGHT = 14
LINE = line_height(font(TEXT_SIZE))


class Decision(NamedTuple):
    """What a detector says of a photo.

    image: `[3, H, W]` uint8; blocks: how strange each is, `[rows, columns]`; scores: each of the
    detector's, by name, standardised; score: their mean; threshold: from where on it is a spill;
    view: one of VIEWS.
    """

    image: Images
    blocks: FloatArray
    scores: Mapping[str, float]
    score: float
    threshold: float
    view: str


def list_decisions(
    images: Images, verdict: Verdict, names: Sequence[str], threshold: float
) -> list[Decision]:
    """Return what is said of each of images `[N, 3, H, W]` uint8, by scores of these names."""
    return [
        Decision(
            image,
            verdict.blocks[i],
            dict(zip(names, verdict.scores[i].tolist(), strict=True)),
            float(verdict.score[i]),
            threshold,
            VIEWS[verdict.view[i]],
        )
        for i, image in enumerate(images)
    ]


def draw_decision(label: str, decision: Decision, counted: Marks) -> Image.Image:
    """Return a photo, its blocks as strange as they are, and its scores, WIDTH wide.

    The blocks that count, `[rows, columns]`, are outlined; the frame has the colour of what the
    photo is called.
    """
    threshold = decision.threshold
    spill = decision.score >= threshold
    verdict, colour = ("spill", SPILL) if spill else ("normal", NORMAL)
    times = max(1, PHOTO_WIDTH // decision.image.shape[2])
    height, width = (times * side for side in decision.image.shape[1:])
    left = MARGIN, 2 * MARGIN + width, 3 * MARGIN + 2 * width
    top, bars = 2 * LINE, (LINE + BAR_HEIGHT + GAP) * (1 + len(decision.scores))
    size = WIDTH, top + max(height + LINE + BAR_HEIGHT + GAP, bars + LINE) + GAP
    picture = Image.new("RGB", size, PAPER)
    draw = ImageDraw.Draw(picture)
    bold, plain = font(TEXT_SIZE, bold=True), font(TEXT_SIZE)

    draw.text((MARGIN, GAP), _shorten(label, left[2] - left[0] - MARGIN), INK, bold)
    said = f"{verdict}, {decision.score:.2f} against {threshold:.2f}"
    draw.text((left[2], GAP), said, colour, bold)

    laid = lay_over(decision.image[None], decision.blocks[None])[0]
    photo, heat = as_tiles(np.stack([decision.image, laid]))
    picture.paste(fit_tile(photo, width, colour), (left[0], top))
    view = f"view {decision.view}" + ("" if decision.view == VIEWS[0] else ": please look")
    draw.text((left[0], top + height + GAP // 2), view, GREY, plain)

    picture.paste(heat.resize((width, height), Image.Resampling.NEAREST), (left[1], top))
    _outline(draw, counted, width // counted.shape[1], (left[1], top))
    _draw_key(picture, (left[1], top + height + GAP), width)
    _draw_bars(draw, decision, (left[2], top), WIDTH - MARGIN - left[2])
    return picture


def _outline(draw: ImageDraw.ImageDraw, counted: Marks, side: int, corner: tuple[int, int]) -> None:
    """Draw a line between blocks that count, `[rows, columns]`, and others; side: in pixels."""
    edges = np.pad(counted, 1)
    x, y = corner
    for row, column in np.argwhere(edges[:, 1:] != edges[:, :-1]) - (1, 0):
        start = x + side * column, y + side * row
        draw.line((*start, start[0], start[1] + side), PAPER, 2)
    for row, column in np.argwhere(edges[1:] != edges[:-1]) - (0, 1):
        start = x + side * column, y + side * row
        draw.line((*start, start[0] + side, start[1]), PAPER, 2)


def _draw_key(picture: Image.Image, corner: tuple[int, int], width: int) -> None:
    """Draw what the colours of blocks mean: from nothing strange to FULL_HEAT."""
    x, y = corner
    colours = heat_of(np.linspace(0, 1, width)[None]).repeat(BAR_HEIGHT, axis=0)
    picture.paste(Image.fromarray(colours), corner)
    draw, plain = ImageDraw.Draw(picture), font(TEXT_SIZE)
    for place, times in enumerate(("1", "2", "4 times")):
        at = x + place * width // 2, y + BAR_HEIGHT
        draw.text(at, times, GREY, plain, anchor=f"{'lmr'[place]}a")


def _draw_bars(
    draw: ImageDraw.ImageDraw, decision: Decision, corner: tuple[int, int], width: int
) -> None:
    """Draw each score and, last, their mean; a line through each is the threshold."""
    threshold = decision.threshold
    x, y = corner
    full = FULL_BAR * max(threshold, LEAST_THRESHOLD)

    def end(score: float) -> int:
        return x + round(width * min(max(score / full, 0), 1))

    colour = SPILL if decision.score >= threshold else NORMAL
    bars = [(name, score, GREY, font(TEXT_SIZE)) for name, score in decision.scores.items()]
    bars.append(("mean, which decides", decision.score, colour, font(TEXT_SIZE, bold=True)))
    for name, score, filled, written in bars:
        draw.text((x, y), name, INK, written)
        draw.text((x + width, y), f"{score:.2f}", INK, written, anchor="ra")
        y += LINE
        draw.rectangle((x, y, x + width, y + BAR_HEIGHT), outline=PALE)
        draw.rectangle((x, y, end(score), y + BAR_HEIGHT), fill=filled)
        draw.line((end(threshold), y, end(threshold), y + BAR_HEIGHT + 6), INK, 3)
        y += BAR_HEIGHT + GAP
    text = f"threshold {threshold:.2f}"
    draw.text((end(threshold), y), text, INK, font(TEXT_SIZE), anchor="ma")


def _shorten(text: str, width: int) -> str:
    """Return as much of a text's end as fits the width, in bold letters."""
    while font(TEXT_SIZE, bold=True).getlength(text) > width:
        text = f"…{text[2:]}"
    return text
