"""Pictures of the styles' distribution."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from stages.bayes.styles import Counts, StyleModel, marginal
from stages.common.pictures import BLUE, DPI, GREEN, ORANGE, save_figure

COLOURS = {"seen": BLUE, "fitted": ORANGE, "drawn": GREEN}


def save_frequencies(
    counts: Counts, model: StyleModel, drawn: NDArray[np.int64], path: Path
) -> None:
    """Draw each value's share of what was seen, its fitted probability and its share of a sample.

    drawn: how often each style was drawn, an axis an attribute.
    """
    heights = [len(values) for values in counts.values()]
    figure = Figure(figsize=(8, 1.2 + 0.38 * sum(heights)), dpi=DPI, layout="constrained")
    panels = figure.subplots(len(counts), sharex=True, height_ratios=heights, squeeze=False)[:, 0]
    for axes, (attribute, values) in zip(panels, counts.items(), strict=True):
        seen = np.array(list(values.values()))
        shares = {
            "seen": seen / max(1, seen.sum()),
            "fitted": model.probabilities[attribute],
            "drawn": list(marginal(model, drawn / drawn.sum(), attribute).values()),
        }
        rows = np.arange(len(values))
        for index, (name, share) in enumerate(shares.items()):
            axes.barh(rows + (index - 1) * 0.27, share, 0.25, color=COLOURS[name], label=name)
        axes.set_yticks(rows, list(values))
        axes.invert_yaxis()
        axes.set_title(attribute, loc="left", fontsize="medium")
        axes.grid(axis="x", alpha=0.3)
    panels[0].legend(loc="lower right", ncols=3)
    panels[-1].set_xlabel("share, or probability")
    figure.suptitle(f"Values of styles: seen, fitted, and of {drawn.sum():,} drawn styles")
    save_figure(figure, path)
