"""Pictures of avatars, of their styles, and of what is said about them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from stages.bayes.avatars import Avatar, Avatars
from stages.bayes.calibration import Calibration
from stages.bayes.styles import Counts, StyleModel, marginals
from stages.common.pictures import BLUE, DPI, GREEN, INK, ORANGE, SKY, VERMILION, save_figure

# Light enough to look white, dark enough to show white clothes.
BACKGROUND = "#dcdcdc"
GAP, TITLE_HEIGHT, CAPTION_HEIGHT = 8, 30, 24
TITLE_SIZE, CAPTION_SIZE = 18, 15
WIDEST = 264
COLOURS = {"seen": BLUE, "fitted": ORANGE, "drawn": GREEN}


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
    columns, captioned = max(map(len, tiles)), sum(bool(row.captions) for row in rows)
    total = len(rows) * (TITLE_HEIGHT + height + GAP) + captioned * CAPTION_HEIGHT + GAP
    picture = Image.new("RGB", (columns * (width + GAP) + GAP, total), BACKGROUND)
    draw = ImageDraw.Draw(picture)
    title_font, font = (ImageFont.load_default(size) for size in (TITLE_SIZE, CAPTION_SIZE))
    top = 0
    for (title, _, captions), row in zip(rows, tiles, strict=True):
        draw.text((GAP, top + GAP), title, INK, title_font)
        for column, tile in enumerate(row):
            left = GAP + column * (width + GAP)
            picture.paste(tile, (left, top + TITLE_HEIGHT))
            if captions:
                draw.text((left, top + TITLE_HEIGHT + height), captions[column], INK, font)
        top += TITLE_HEIGHT + height + GAP + (CAPTION_HEIGHT if captions else 0)
    return picture


def save_posterior(
    avatar: Avatar,
    probabilities: Mapping[str, Mapping[str, float]],
    truth: Mapping[str, str],
    path: Path,
) -> None:
    """Draw an avatar beside P(value | avatar) of each attribute, the true values marked.

    probabilities: by attribute and value; truth: the true value of each attribute.
    """
    heights = [len(values) for values in probabilities.values()]
    figure = Figure(figsize=(10, 1.1 + 0.26 * sum(heights)), dpi=DPI, layout="constrained")
    left, right = figure.subfigures(1, 2, squeeze=False, width_ratios=[2, 3])[0]
    axes = left.subplots()
    axes.imshow(np.asarray(lay_on_background(avatar)))
    axes.axis("off")
    panels = right.subplots(len(heights), sharex=True, height_ratios=heights, squeeze=False)
    for axes, (attribute, values) in zip(panels[:, 0], probabilities.items(), strict=True):
        colours = [VERMILION if value == truth[attribute] else SKY for value in values]
        axes.barh(np.arange(len(values)), list(values.values()), 0.7, color=colours)
        _label(axes, attribute, list(values))
        axes.set_xlim(0, 1)
    panels[-1, 0].set_xlabel("P(value | avatar); the true value in vermilion")
    save_figure(figure, path)


def save_calibration(curves: Mapping[str, Calibration], path: Path) -> None:
    """Draw how often predictions were right by how sure they were, a curve a way to weigh."""
    figure = Figure(figsize=(7, 5), dpi=DPI, layout="constrained")
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color=INK, linewidth=1, linestyle=":", label="as sure as right")
    for colour, marker, (name, curve) in zip((BLUE, ORANGE), "os", curves.items(), strict=True):
        confidence, accuracy, numbers = (column[curve.number > 0] for column in curve[:3])
        label = f"{name}, calibration error {curve.error:.3f}"
        axes.plot(confidence, accuracy, color=colour, marker=marker, label=label)
        for x, y, number in zip(confidence, accuracy, numbers, strict=True):
            axes.annotate(
                f"n={number}", (x, y), (4, 5), textcoords="offset points", color=colour, fontsize=8
            )
    axes.set(
        xlabel="confidence: probability of the most probable style",
        ylabel="share of predictions that are right",
        title="Held-out avatars: how sure and how often right",
        xlim=(0, 1.08),
        ylim=(-0.05, 1.1),
    )
    figure.legend(loc="outside lower center", ncols=3, fontsize="small")
    axes.grid(alpha=0.3)
    save_figure(figure, path)


def save_frequencies(
    counts: Counts, model: StyleModel, drawn: NDArray[np.int64], path: Path
) -> None:
    """Draw each value's share of what was seen, its fitted probability and its share of a sample.

    drawn: how often each style was drawn, an axis an attribute.
    """
    heights = [len(values) for values in counts.values()]
    figure = Figure(figsize=(8, 1.2 + 0.38 * sum(heights)), dpi=DPI, layout="constrained")
    panels = figure.subplots(len(counts), sharex=True, height_ratios=heights, squeeze=False)[:, 0]
    found = marginals(model, drawn / drawn.sum())
    for axes, (attribute, values) in zip(panels, counts.items(), strict=True):
        seen = np.array(list(values.values()))
        shares = {
            "seen": seen / max(1, seen.sum()),
            "fitted": model.probabilities[attribute],
            "drawn": list(found[attribute].values()),
        }
        rows = np.arange(len(values))
        for index, (name, share) in enumerate(shares.items()):
            axes.barh(rows + (index - 1) * 0.27, share, 0.25, color=COLOURS[name], label=name)
        _label(axes, attribute, list(values))
    panels[0].legend(loc="lower right", ncols=3)
    panels[-1].set_xlabel("share, or probability")
    figure.suptitle(f"Values of styles: seen, fitted, and of {drawn.sum():,} drawn styles")
    save_figure(figure, path)


def _label(axes: Axes, attribute: str, values: Sequence[str]) -> None:
    """Name an attribute and its values, from above, in a panel of bars."""
    axes.set_yticks(np.arange(len(values)), values)
    axes.invert_yaxis()
    axes.set_title(attribute, loc="left", fontsize="medium")
    axes.grid(axis="x", alpha=0.3)
