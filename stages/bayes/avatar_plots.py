"""Pictures of avatars and of what is said about them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure
from PIL import Image, ImageDraw, ImageFont

from stages.bayes.avatars import Avatar, Avatars
from stages.bayes.calibration import Calibration
from stages.common.pictures import BLUE, DPI, INK, ORANGE, SKY, VERMILION, save_figure

# Light enough to look white, dark enough to show white clothes.
BACKGROUND = "#dcdcdc"
GAP, TITLE_HEIGHT, CAPTION_HEIGHT = 8, 30, 24
TITLE_SIZE, CAPTION_SIZE = 18, 15
WIDEST = 264


class Row(NamedTuple):
    """Avatars `[N, H, W, 4]` side by side under a title, each over its caption if there are any."""

    title: str
    avatars: Avatars
    captions: Sequence[str] = ()


def lay_on_background(avatar: Avatar) -> Image.Image:
    """Return an avatar on the background, made smaller by a whole number where it is large."""
    layer = Image.fromarray(avatar)
    picture = Image.new("RGB", layer.size, BACKGROUND)
    picture.paste(layer, mask=layer)
    return picture.reduce(max(1, -(-picture.width // WIDEST)))


def sheet(rows: Sequence[Row]) -> Image.Image:
    """Return a picture of rows of avatars, one below the other."""
    tiles = [[lay_on_background(avatar) for avatar in row.avatars] for row in rows]
    width, height = tiles[0][0].size
    heights = [
        TITLE_HEIGHT + height + GAP + (CAPTION_HEIGHT if row.captions else 0) for row in rows
    ]
    columns = max(len(row) for row in tiles)
    picture = Image.new("RGB", (columns * (width + GAP) + GAP, sum(heights) + GAP), BACKGROUND)
    draw = ImageDraw.Draw(picture)
    title_font, font = (ImageFont.load_default(size) for size in (TITLE_SIZE, CAPTION_SIZE))
    top = 0
    for (title, _, captions), row, row_height in zip(rows, tiles, heights, strict=True):
        draw.text((GAP, top + GAP), title, INK, title_font)
        for column, tile in enumerate(row):
            left = GAP + column * (width + GAP)
            picture.paste(tile, (left, top + TITLE_HEIGHT))
            if captions:
                draw.text((left, top + TITLE_HEIGHT + height), captions[column], INK, font)
        top += row_height
    return picture


def save_posterior(
    avatar: Avatar,
    marginals: Mapping[str, Mapping[str, float]],
    truth: Mapping[str, str],
    path: Path,
) -> None:
    """Draw an avatar beside P(value | avatar) of each attribute, the true values marked.

    marginals: probabilities by attribute and value; truth: the true value of each attribute.
    """
    heights = [len(values) for values in marginals.values()]
    figure = Figure(figsize=(10, 1.1 + 0.26 * sum(heights)), dpi=DPI, layout="constrained")
    left, right = figure.subfigures(1, 2, squeeze=False, width_ratios=[2, 3])[0]
    axes = left.subplots()
    axes.imshow(np.asarray(lay_on_background(avatar)))
    axes.axis("off")
    panels = right.subplots(len(marginals), sharex=True, height_ratios=heights, squeeze=False)
    for axes, (attribute, values) in zip(panels[:, 0], marginals.items(), strict=True):
        rows = np.arange(len(values))
        colours = [VERMILION if value == truth[attribute] else SKY for value in values]
        axes.barh(rows, list(values.values()), 0.7, color=colours)
        axes.set_yticks(rows, list(values))
        axes.invert_yaxis()
        axes.set_title(attribute, loc="left", fontsize="medium")
        axes.set_xlim(0, 1)
        axes.grid(axis="x", alpha=0.3)
    panels[-1, 0].set_xlabel("P(value | avatar); the true value in vermilion")
    save_figure(figure, path)


def save_calibration(curves: Mapping[str, Calibration], path: Path) -> None:
    """Draw how often predictions were right by how sure they were, a curve a way to weigh."""
    figure = Figure(figsize=(7, 5), dpi=DPI, layout="constrained")
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color=INK, linewidth=1, linestyle=":", label="as sure as right")
    for colour, marker, (name, curve) in zip(
        (BLUE, ORANGE), ("o", "s"), curves.items(), strict=True
    ):
        filled = curve.number > 0
        axes.plot(
            curve.confidence[filled],
            curve.accuracy[filled],
            color=colour,
            marker=marker,
            label=f"{name}, calibration error {curve.error:.3f}",
        )
        for x, y, number in zip(*(column[filled] for column in curve[:3]), strict=True):
            axes.annotate(
                f"n={number}", (x, y), (4, 5), textcoords="offset points", color=colour, fontsize=8
            )
    axes.set(
        xlabel="confidence: probability of the most probable style",
        ylabel="share of predictions that are right",
        title="Held-out avatars: how sure and how often right",
    )
    axes.set(xlim=(0, 1.08), ylim=(-0.05, 1.1))
    figure.legend(loc="outside lower center", ncols=3, fontsize="small")
    axes.grid(alpha=0.3)
    save_figure(figure, path)
