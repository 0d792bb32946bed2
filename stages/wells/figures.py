"""Pictures of the wells and of what the detector makes of them."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from sklearn.metrics import auc, roc_curve

from stages.common.pictures import save_figure
from stages.wells.images import Images

MAGNIFICATION = 3
OVERLAY_LARGEST, OVERLAY_MAGNIFICATION = 0.25, 8
GAP, CAPTION_HEIGHT, TITLE_HEIGHT = 6, 18, 30
CAPTION_SIZE, TITLE_SIZE = 13, 16
ROC_CORNER_FPR, ROC_CORNER_TPR = (-0.002, 0.1), (0.9, 1.002)
INK, PAPER = "#222222", "#ffffff"
HEAT_MAP = "inferno"
DPI = 110
# Okabe and Ito's colour-blind-safe palette.
COLOURS = {
    "held-out normal": "#0072B2",
    "known spill": "#E69F00",
    "test normal": "#56B4E9",
    "test spill": "#D55E00",
}
CURVE_COLOURS = ("#0072B2", "#E69F00", "#56B4E9", "#D55E00", "#009E73", "#CC79A7", "#000000")


def gallery(
    images: Images, title: str, columns: int, captions: Sequence[str] | None = None
) -> Image.Image:
    """Lay images `[N, 3, H, W]` uint8 out in rows, magnified, each over its caption."""
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


def heat_maps(errors: NDArray[np.floating], largest: float) -> Images:
    """Colour errors `[N, H, W]` from 0 (dark) to `largest` and more (bright)."""
    coloured = mpl.colormaps[HEAT_MAP](np.clip(errors / largest, 0, 1), bytes=True)
    return np.ascontiguousarray(coloured[..., :3].transpose(0, 3, 1, 2))


def overlay(image: Images, error: NDArray[np.floating]) -> Image.Image:
    """Lay squared errors `[H, W]` over their image `[3, H, W]` uint8, magnified.

    The scale is the same for all images: roots from 0 (the image shows) to OVERLAY_LARGEST and more
    (only the heat shows).
    """
    share = np.clip(np.sqrt(error) / OVERLAY_LARGEST, 0, 1)
    heat = heat_maps(share[None], 1.0)[0]
    blended = image + share * (heat.astype(np.float64) - image)
    picture = Image.fromarray(blended.round().astype(np.uint8).transpose(1, 2, 0))
    height, width = (OVERLAY_MAGNIFICATION * side for side in image.shape[1:])
    return picture.resize((width, height), Image.Resampling.BICUBIC)


def reconstruction_panels(
    images: Images,
    reconstructions: Images,
    errors: NDArray[np.floating],
    captions: Sequence[str],
    title: str,
) -> Image.Image:
    """Show each image over its reconstruction over its error, a column an image.

    errors: squared, `[N, H, W]`; shown are their roots, on one scale up to the 99.5th percentile.
    """
    root = np.sqrt(errors)
    largest = float(np.quantile(root, 0.995))
    tiles = np.concatenate([images, reconstructions, heat_maps(root, largest)])
    scale = f"error, 0 to {largest:.2f}"
    labels = [*captions, *["reconstruction"] * len(images), *[scale] * len(images)]
    return gallery(tiles, title, columns=len(images), captions=labels)


def save_histogram(
    groups: Mapping[str, NDArray[np.floating]], threshold: float, title: str, path: Path
) -> None:
    """Draw the distribution of each group's standardised scores, and the threshold.

    Groups are named as in COLOURS. Each is drawn as a share of its own images, for their numbers
    differ a hundredfold.
    """
    everything = np.concatenate([[threshold], *groups.values()])
    edges = np.linspace(everything.min(), everything.max(), 81)
    figure = Figure(figsize=(8, 4.5), dpi=DPI, layout="constrained")
    upper, lower = figure.subplots(2, sharex=True)
    for name, scores in groups.items():
        axes = lower if name.startswith("test") else upper
        share = np.full(len(scores), 1 / len(scores))
        label = f"{name} ({len(scores):,})"
        axes.hist(scores, edges, weights=share, color=COLOURS[name], alpha=0.75, label=label)
    for axes in (upper, lower):
        axes.axvline(threshold, color=INK, linestyle="--", label=f"threshold {threshold:.2f}")
        axes.set_ylabel("share of the group")
        axes.set_ylim(top=1.3 * axes.get_ylim()[1])
        axes.legend(loc="upper center", ncols=3)
    upper.set_title(title)
    lower.set_xlabel("score, in standard deviations of the held-out normals' log score")
    save_figure(figure, path)


def save_roc(
    scored: Mapping[str, tuple[NDArray[np.bool_], NDArray[np.floating], float]],
    title: str,
    path: Path,
) -> None:
    """Draw the ROC curve of each score, (labels, scores, threshold) by name, and its threshold."""
    figure = Figure(figsize=(6.5, 5.5), dpi=DPI, layout="constrained")
    axes = figure.subplots()
    corner = axes.inset_axes((0.4, 0.45, 0.57, 0.47), xlim=ROC_CORNER_FPR, ylim=ROC_CORNER_TPR)
    # Thinner and thinner, so that a curve that lies on an earlier one hides nothing.
    widths = np.linspace(5, 1.5, len(scored))
    for colour, width, (name, (labels, scores, threshold)) in zip(
        CURVE_COLOURS, widths, scored.items(), strict=False
    ):
        fpr, tpr, _ = roc_curve(labels, scores)
        called = scores >= threshold
        label = f"{name} (area {auc(fpr, tpr):.3f})"
        for place in (axes, corner):
            place.plot(fpr, tpr, color=colour, linewidth=width, label=label)
            dot = called[~labels].mean(), called[labels].mean()
            place.plot(*dot, "o", color=colour, mec=INK, zorder=3)
    axes.set(xlabel="false positive rate", ylabel="true positive rate", title=title)
    axes.indicate_inset_zoom(corner, edgecolor=INK)
    axes.legend(title="dot: at the threshold", loc="lower right")
    axes.grid(alpha=0.3)
    corner.grid(alpha=0.3)
    save_figure(figure, path)
