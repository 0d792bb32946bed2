"""Pictures of the wells and of what a detector makes of them."""

from collections.abc import Mapping, Sequence
from itertools import cycle
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from PIL import Image
from sklearn.metrics import auc, roc_curve

from stages.common.pictures import (
    BLACK,
    BLUE,
    DPI,
    GREEN,
    INK,
    ORANGE,
    PINK,
    SKY,
    VERMILION,
    gallery,
    save_figure,
)
from stages.common.types import FloatArray, Images, Marks

ROC_CORNER_FPR, ROC_CORNER_TPR = (-0.002, 0.1), (0.9, 1.002)
COLOURS = {
    "held-out normal": BLUE,
    "known spill": ORANGE,
    "test normal": SKY,
    "test spill": VERMILION,
}
CURVE_COLOURS = (BLUE, ORANGE, SKY, VERMILION, GREEN, PINK, BLACK)


def rows_of_panels(
    rows: Sequence[Images], captions: Sequence[Sequence[str]], title: str, columns: int
) -> Image.Image:
    """Return a picture of images `[N, 3, H, W]` over what was made of each, in columns.

    rows, captions: one each of the images and of all that stands below them. More than `columns`
    images go on below.
    """
    count, blank = len(rows[0]), np.full_like(rows[0][:1], 255)
    tiles, labels = [], []
    for start in range(0, count, columns):
        for images, names in zip(rows, captions, strict=True):
            some = images[start : start + columns]
            missing = columns - len(some) if count > columns else 0
            tiles.append(np.concatenate([some, *[blank] * missing]))
            labels += [*names[start : start + columns], *[""] * missing]
    return gallery(np.concatenate([rows[0][:0], *tiles]), title, columns, labels)


def save_histogram(
    groups: Mapping[str, FloatArray], threshold: float, title: str, path: Path
) -> None:
    """Draw the distribution of each group's standardised scores, and the threshold.

    Groups are named as in COLOURS. Each is drawn as a share of its own images, for their numbers
    differ a hundredfold.
    """
    groups = {name: scores for name, scores in groups.items() if len(scores)}
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
    scored: Mapping[str, tuple[Marks, FloatArray, float]],
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
        cycle(CURVE_COLOURS), widths, scored.items(), strict=False
    ):
        fpr, tpr, _ = roc_curve(labels, scores)
        called = scores >= threshold
        label = f"{name} (area {auc(fpr, tpr):.3f})"
        for panel in (axes, corner):
            panel.plot(fpr, tpr, color=colour, linewidth=width, label=label)
            dot = called[~labels].mean(), called[labels].mean()
            panel.plot(*dot, "o", color=colour, mec=INK, zorder=3)
    axes.set(xlabel="false positive rate", ylabel="true positive rate", title=title)
    axes.indicate_inset_zoom(corner, edgecolor=INK)
    axes.legend(title="dot: at the threshold", loc="lower right")
    axes.grid(alpha=0.3)
    corner.grid(alpha=0.3)
    save_figure(figure, path)
