"""Charts of scores and rates, each a part of a picture."""

from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import NamedTuple

import numpy as np
from matplotlib.ticker import FuncFormatter
from PIL import Image
from sklearn.metrics import roc_curve

from stages.common.charts import new_chart, render
from stages.common.pictures import INK, NORMAL, ORANGE, PAPER, SKY, SPILL, VERMILION
from stages.common.types import FloatArray, Marks

# By the first word of a group's name.
COLOURS = {"normal": NORMAL, "streaks": VERMILION, "empty": ORANGE, "spills": SPILL}
VIEWS = {"clear": SKY, "obstructed": INK}
BINS = 70
# Shares from which on a table's cells are light.
LIGHT = 0.8
PER_CENT = FuncFormatter(lambda share, _: f"{100 * share:g} %")
LEAST_FALSE, LEAST_FOUND = 3e-4, 0.7
# Of a rule's line: how far the threshold may be moved in a chart, in standard deviations.
AROUND = 1.5


class Curve(NamedTuple):
    """A score `[N]`, what it calls spills where it has a threshold, its colour and width."""

    scores: FloatArray
    called: Marks | None
    colour: str
    width: float


def chart_scores(
    panels: Mapping[str, Mapping[str, FloatArray]],
    threshold: float,
    notes: Mapping[str, str],
    height: float,
) -> Image.Image:
    """Return histograms on an axis of counts that shows single photos, a panel above the other.

    panels: by title, scores `[N]` by the name of their group, whose first word is in COLOURS.
    notes: what the last panel says left and right of the threshold, each with its colour; height:
    in inches.
    """
    everything = np.concatenate([[threshold], *(s for p in panels.values() for s in p.values())])
    # The threshold is an edge, so that no bar lies on both its sides.
    bin_width = max(np.ptp(everything) / BINS, 1e-9)
    first = np.floor((everything.min() - threshold) / bin_width)
    edges = threshold + bin_width * (first + np.arange(BINS + 2))
    chart = new_chart(height)
    axes = chart.subplots(len(panels), sharex=True, squeeze=False)[:, 0]
    for panel, (title, groups) in zip(axes, panels.items(), strict=True):
        for name, scores in groups.items():
            label, colour = f"{name} ({len(scores):,})", COLOURS[name.split()[0]]
            # Spills are lines, for filled bars that overlap would mix their colours.
            filled = name.startswith("normal")
            style = {"alpha": 0.8} if filled else {"histtype": "step", "linewidth": 2.5}
            panel.hist(scores, edges, color=colour, label=label, **style)
        panel.axvline(threshold, color=INK, linewidth=1.5)
        panel.set(yscale="log", ylim=(0.7, None), ylabel="photos", title=title)
        panel.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        panel.legend(loc="upper left", bbox_to_anchor=(1, 1))
    # Of a log axis, a quarter more room, for the notes.
    low, high = axes[-1].get_ylim()
    axes[-1].set_ylim(low, high**1.25)
    for side, (text, colour) in zip((-1, 1), notes.items(), strict=True):
        axes[-1].annotate(
            text,
            (threshold, high**1.2),
            (8 * side, 0),
            textcoords="offset points",
            ha="right" if side < 0 else "left",
            va="top",
            color=colour,
            weight="bold",
        )
    axes[-1].set_xlabel(
        f"score, in standard deviations of held-out normal wells; threshold {threshold:.2f}"
    )
    return render(chart)


def chart_thresholds(
    rates: Mapping[str, tuple[str, Mapping[str, FloatArray]]], rules: Mapping[str, float]
) -> Image.Image:
    """Return rates by the threshold, and where rules place it.

    rates: TPR, of spills, and TNR: the colour of each, and scores `[N]` by where they come from,
    the first of which are drawn thick.
    """
    chart = new_chart(3.6)
    axes = chart.subplots()
    places = list(rules.values())
    thresholds = np.linspace(min(places) - AROUND, max(places) + AROUND, 400)
    lowest = 0.9
    for rate, (colour, sources) in rates.items():
        for index, (source, scores) in enumerate(sources.items()):
            below = np.searchsorted(np.sort(scores), thresholds)
            shares = (len(scores) - below) / len(scores)
            if rate == "TNR":
                shares = 1 - shares
            width, style = (1.2, "--") if index else (2.5, "-")
            label = f"{rate}, {source}"
            axes.plot(thresholds, shares, style, color=colour, linewidth=width, label=label)
            lowest = min(lowest, np.interp(places, thresholds, shares).min() - 0.05)
    for rule, place in rules.items():
        axes.axvline(place, color=INK, linewidth=1)
        # On the outer side of its line, for two rules may agree.
        outwards = -1 if place < max(places) else 1
        axes.annotate(
            f"{rule} {place:.2f}",
            (place, 0),
            (4 * outwards, 6),
            xycoords=("data", "axes fraction"),
            textcoords="offset points",
            rotation=90,
            ha="left" if outwards > 0 else "right",
            va="bottom",
            bbox={"facecolor": PAPER, "linewidth": 0, "pad": 1},
        )
    axes.set(ylim=(lowest, 1.004), xlim=(thresholds[0], thresholds[-1]))
    axes.set(xlabel="threshold", ylabel="share called rightly")
    axes.grid(visible=True)
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1))
    return render(chart)


def chart_roc(labels: Marks, curves: Mapping[str, Curve]) -> Image.Image:
    """Return ROC curves with false alarms on a log axis, and a dot where each is cut.

    labels: of the photos, `[N]`, True = spill.
    """
    chart = new_chart(4)
    axes, dashes = chart.subplots(), cycle(("--", ":", "-."))
    for name, (scores, called, colour, width) in curves.items():
        fpr, tpr, _ = roc_curve(labels, scores)
        style = "-" if called is not None else next(dashes)
        x = np.maximum(fpr, LEAST_FALSE)
        axes.plot(x, tpr, style, color=colour, linewidth=width, label=name)
        if called is not None:
            dot = max(called[~labels].mean(), LEAST_FALSE), called[labels].mean()
            axes.plot(*dot, "o", color=colour, mec=INK, markersize=8, zorder=3)
    axes.set(xscale="log", xlim=(LEAST_FALSE, 1), ylim=(LEAST_FOUND, 1.01))
    axes.set(xlabel="false alarms, share of normal wells", ylabel="spills found")
    axes.xaxis.set_major_formatter(PER_CENT)
    axes.yaxis.set_major_formatter(PER_CENT)
    axes.grid(visible=True)
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1), title="area under the curve")
    return render(chart)


def chart_views(wrong: Mapping[str, Mapping[str, Mapping[str, Marks]]]) -> Image.Image:
    """Return the shares of mistakes by view as bars.

    wrong: by kind of mistake, detector and view, a mark on each photo that could be one, `[N]`.
    """
    names = list(next(iter(wrong.values())))
    chart = new_chart(0.8 + 0.55 * len(names))
    panels = chart.subplots(1, len(wrong), sharey=True, squeeze=False)[0]
    for axes, (mistake, detectors) in zip(panels, wrong.items(), strict=True):
        for row, views in enumerate(detectors.values()):
            for offset, (view, marks) in zip((-0.2, 0.2), views.items(), strict=True):
                share = marks.mean() if len(marks) else 0.0
                axes.barh(row + offset, share, 0.38, color=VIEWS[view], label=view)
                text = f" {marks.sum():,} of {len(marks):,}"
                axes.text(share, row + offset, text, va="center")
        axes.set(title=mistake, xlim=(0, axes.get_xlim()[1] * 1.2))
        axes.xaxis.set_major_formatter(PER_CENT)
    panels[0].set_yticks(range(len(names)), names)
    panels[0].invert_yaxis()
    handles, labels = panels[0].get_legend_handles_labels()
    panels[-1].legend(handles[:2], labels[:2], title="view", loc="lower right")
    return render(chart)


def chart_table(shares: FloatArray, rows: Sequence[str], columns: Sequence[str]) -> Image.Image:
    """Return a table of shares `[R, C]` in per cent, rounded down, the darker the lower they are.

    A row whose name begins with a blank belongs to the one above it.
    """
    chart = new_chart(1.1 + 0.26 * len(rows))
    axes = chart.subplots()
    axes.imshow(shares, cmap="Blues_r", vmin=0.5, vmax=1.15, aspect="auto")
    for (row, column), share in np.ndenumerate(shares):
        colour = "white" if share < LIGHT else INK
        text = f"{np.floor(100 * share):.0f}"
        axes.text(column, row, text, ha="center", va="center", color=colour)
    axes.set_yticks(range(len(rows)), rows)
    for label, row in zip(axes.get_yticklabels(), rows, strict=True):
        label.set(weight="normal" if row.startswith(" ") else "bold")
    axes.set_xticks(range(len(columns)), [name.replace(" ", "\n") for name in columns])
    axes.tick_params(length=0, labeltop=True, labelbottom=False)
    axes.spines[:].set_visible(False)
    return render(chart)
