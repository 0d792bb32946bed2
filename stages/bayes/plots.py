"""Charts of how styles are drawn, and of how well they are inferred."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.bayes.calibration import Group
from stages.bayes.inference import JOINED
from stages.bayes.labels import LINE, height_of, lay_out, write_names
from stages.bayes.styles import Counts, StyleModel, joint, marginals
from stages.common.charts import new_chart, render
from stages.common.pictures import BLUE, GREEN, ORANGE, PALE, save_picture

# By attribute and value.
Shares = Mapping[str, Mapping[str, float]]

COLUMNS = 3
RIGHT, SURE = "share that is right, with its 95 % Wilson interval", "P of the inferred style, mean"
MARKS: dict[str, dict[str, Any]] = {
    "seen": {"marker": "|", "color": GREEN, "markersize": 11, "markeredgewidth": 2.5},
    "fitted": {"marker": "o", "color": BLUE, "markersize": 9, "fillstyle": "none"},
    "drawn": {"marker": "o", "color": ORANGE, "markersize": 4},
}


def save_calibration(
    groups: Mapping[str, Sequence[Group]], report: Mapping[str, Any], path: Path
) -> None:
    """Draw how sure and how right guesses are, group by group, a panel for each way to infer.

    report: of `judge_inference`, with the weight of the evidence.
    """
    chart = new_chart(3.2)
    panels = chart.subplots(1, len(groups), sharey=True, squeeze=False)[0]
    for axes, (name, found) in zip(panels, groups.items(), strict=True):
        places = np.arange(1, len(found) + 1)
        shares = np.array([one.right / one.number for one in found])
        # Rounding may put a share of 0 or 1 a hair beyond its interval.
        lengths = np.abs(
            [shares - [one.low for one in found], [one.high for one in found] - shares]
        )
        axes.errorbar(places, shares, lengths, fmt="o", color=BLUE, capsize=3, label=RIGHT)
        sure = [one.confidence for one in found]
        axes.plot(places, sure, "_", color=ORANGE, ms=14, mew=3, label=SURE, zorder=3)
        axes.set_title(f"{name}: error {report[name]['calibration_error']:.3f}")
        axes.set_xlabel("group, the surest last")
        axes.set(ylim=(-0.03, 1.06), xticks=places)
    chart.legend(*axes.get_legend_handles_labels(), loc="outside upper left", ncols=2)
    how_sure, how_right = (
        {name: f"{100 * report[name][metric]:.0f} %" for name in groups}
        for metric in ("confidence", "accuracy")
    )
    sizes = sorted({one.number for one in found})
    save_picture(
        path,
        f"Inferences are {how_sure[JOINED]} sure and {how_right[JOINED]} right",
        f"{sum(one.number for one in found)} held-out avatars in groups of "
        f"{' or '.join(map(str, sizes))}, by how sure the inference is. Joined: each shape is seen "
        "given another one, as avatars are drawn. The others take shapes for independent: weighed, "
        f"the evidence is raised to the power of {report['weight_of_evidence']:.2g}. The error is "
        "the mean distance of both marks.",
        render(chart),
    )


def save_frequencies(
    counts: Counts, model: StyleModel, drawn: NDArray[np.int64], path: Path
) -> None:
    """Draw each value's share of what was seen, its fitted probability and its share of a sample.

    drawn: how often each style was drawn, an axis an attribute.
    """
    seen = {
        attribute: {value: count / max(1, sum(values.values())) for value, count in values.items()}
        for attribute, values in counts.items()
    }
    fitted, found = marginals(model, joint(model)), marginals(model, drawn / drawn.sum())
    columns = [
        lay_out({attribute: list(counts[attribute]) for attribute in column})
        for column in arrange(
            {name: height_of(lay_out({name: list(counts[name])})) for name in counts}
        )
    ]
    height = max(map(height_of, columns))
    chart = new_chart(LINE * height + 0.7)
    panels = chart.subplots(1, len(columns), sharex=True, squeeze=False)[0]
    for axes, names in zip(panels, columns, strict=True):
        values = [(one.attribute, one.value, one.middle) for one in names if one.value is not None]
        middles = [middle for _, _, middle in values]
        for middle in middles:
            axes.axhline(middle, color=PALE, linewidth=0.5, zorder=0)
        for (label, mark), shares in zip(MARKS.items(), (seen, fitted, found), strict=True):
            percent = [100 * shares[attribute][value] for attribute, value, _ in values]
            axes.plot(percent, middles, linestyle="", label=label, **mark)
        write_names(axes, names, height)
        axes.set_xlabel("share, %")
    chart.legend(*axes.get_legend_handles_labels(), loc="outside upper left", ncols=len(MARKS))
    far = math.ceil(10_000 * largest_distance(found, fitted)) / 100
    save_picture(
        path,
        f"No value is drawn more than {far:.2f} percentage points off its probability",
        "Each value's share of what was seen, its probability as fitted to that, and its share of "
        f"{drawn.sum():,} drawn styles.",
        render(chart),
    )


def largest_distance(some: Shares, others: Shares) -> float:
    """Return how far a value's share is at most from its other one."""
    return max(
        abs(share - others[attribute][value])
        for attribute, values in some.items()
        for value, share in values.items()
    )


def arrange(heights: Mapping[str, float]) -> list[list[str]]:
    """Return names in columns that are about as high, in their order as far as may be."""
    found: list[list[str]] = [[] for _ in range(min(COLUMNS, len(heights)))]
    for name in sorted(heights, key=lambda one: -heights[one]):
        min(found, key=lambda column: sum(heights[one] for one in column)).append(name)
    order = list(heights).index
    return sorted((sorted(column, key=order) for column in found), key=lambda one: order(one[0]))
