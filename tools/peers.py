"""A picture of this project's detectors beside what others print for the same photos."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.axes import Axes

from stages.common.charts import new_chart, render
from stages.common.pictures import GREY, INK, SPILL, save_picture
from stages.common.statistics import wilson_interval
from stages.wells.evaluation.charts import PER_CENT

PEERS, PICTURE = Path("docs/peers.csv"), Path("docs/compared.png")
# What the account of an honest threshold begins with.
HONEST = "honest"
# Shares below it, nothing missed among them, are drawn at it.
LEAST = 2e-3
MOST = 0.4


def read_peers(folder: Path) -> pd.DataFrame:
    """Return what others print: who, method, tpr, tnr and how the threshold was chosen."""
    return pd.read_csv(folder / PEERS, dtype={"tpr": float, "tnr": float})


def draw_compared(path: Path, metrics: Mapping[str, Any], peers: pd.DataFrame) -> None:
    """Draw the shares missed and of false alarms, ours as means over seeds.

    metrics: what `tools.docs` reads of metrics/.
    """
    detection, seeds = metrics["reports"]["detection"], metrics["seeds"]
    numbers = detection["detector"]["spills"], detection["detector"]["normals"]
    chart = new_chart(5)
    axes, key = chart.subplots(1, 2, width_ratios=[5, 3])
    ranked = peers.assign(worse=-peers["tpr"] - peers["tnr"]).sort_values("worse")
    lines = []
    for number, one in enumerate(ranked.itertuples(), start=1):
        honest = one.threshold.startswith(HONEST)
        fill = GREY if honest else "white"
        dot = {"color": GREY, "markerfacecolor": fill, "markersize": 12}
        x, y = _draw_point(axes, one.tpr, one.tnr, numbers, dot)
        colour = "white" if honest else INK
        axes.annotate(str(number), (x, y), ha="center", va="center", color=colour, fontsize=7.5)
        lines.append(f"{number:>2}  {one.who}: {one.tpr:.3f} / {one.tnr:.3f}")
    for name, found in detection.items():
        tpr, tnr = (seeds[name][rate]["mean"] for rate in ("tpr", "tnr"))
        dot = {"color": SPILL, "markersize": 9}
        x, y = _draw_point(axes, tpr, tnr, numbers, dot)
        axes.annotate(
            found["name"],
            (x, y),
            (-8, -13 if y > LEAST else 5),
            textcoords="offset points",
            ha="right",
            color=SPILL,
            weight="bold",
        )
    axes.set(xscale="log", yscale="log", xlim=(LEAST, MOST), ylim=(LEAST * 0.85, MOST))
    axes.set(xlabel="false alarms, share of normal wells", ylabel="spills missed")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(PER_CENT)
    axes.grid(visible=True)
    key.axis("off")
    text = "others, printed TPR / TNR:\n" + "\n".join(lines)
    key.text(0, 1, text, va="top", linespacing=1.6)

    ours, best = seeds["detector"], ranked[ranked["threshold"].str.startswith(HONEST)].iloc[0]
    title = (
        f"The detector in use misses {_told(ours['tpr']['mean'], ours['tnr']['mean'])}; the best "
        f"honest one of others misses {_told(best['tpr'], best['tnr'])}"
    )
    subtitle = (
        f"The same {sum(numbers):,} test photos. Orange: this project, means of {seeds['seeds']} "
        "seeds; grey: what authors print; hollow: the threshold has seen the test set, or may "
        f"have. Bars: 95 % Wilson intervals. No spill missed is drawn at {100 * LEAST:g} %."
    )
    save_picture(path, title, subtitle, render(chart))


def _draw_point(
    axes: Axes, tpr: float, tnr: float, numbers: tuple[int, int], dot: Mapping[str, Any]
) -> tuple[float, float]:
    """Draw both mistakes with their intervals; return where."""
    found, passed = (
        wilson_interval(round(rate * of), of) for rate, of in zip((tpr, tnr), numbers, strict=True)
    )
    x, y = max(1 - tnr, LEAST), max(1 - tpr, LEAST)
    line = {"color": dot["color"], "linewidth": 1, "alpha": 0.5}
    axes.plot([1 - passed["high"], 1 - passed["low"]], [y, y], **line)
    axes.plot([x, x], [max(1 - found["high"], LEAST), 1 - found["low"]], **line)
    axes.plot(x, y, "o", **dot)
    return x, y


def _told(tpr: float, tnr: float) -> str:
    return f"{_share(1 - tpr)} of the spills at {_share(1 - tnr)} of false alarms"


def _share(share: float) -> str:
    """Return a share in per cent, in one word."""
    return f"{100 * share:.1f}\N{NO-BREAK SPACE}%"
