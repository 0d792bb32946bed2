"""Charts show what they are given in its place."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.patches import Polygon
from PIL import Image

from stages.common.pictures import NORMAL, SPILL
from stages.wells.evaluation import charts
from stages.wells.evaluation.charts import (
    LEAST_FALSE,
    Curve,
    chart_roc,
    chart_scores,
    chart_table,
    chart_thresholds,
    chart_views,
)
from tests.pictures import assert_draws_the_same_bytes

pytestmark = pytest.mark.slow

RNG = np.random.default_rng(0)
NOTES = {"1 missed": SPILL, "2 false alarms": NORMAL}
GROUPS = {"normal wells": RNG.normal(0, 1, 500), "empty wells": RNG.normal(4, 1, 9)}
LABELS = np.arange(60) % 3 == 0
SCORES = LABELS + RNG.normal(size=60)
CURVES = {
    "one": Curve(SCORES, SCORES > 1, SPILL, 4),
    "other": Curve(SCORES[::-1], None, NORMAL, 1),
}
WRONG = {
    "spills missed": {"mine": {"clear": LABELS, "obstructed": LABELS[:0]}},
    "false alarms": {"mine": {"clear": ~LABELS, "obstructed": LABELS}},
}


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Return a list of the figures that are drawn from now on."""
    figures: list[Any] = []

    def render(figure: Figure) -> Image.Image:
        figures.append(figure)
        return Image.new("RGB", (1, 1))

    monkeypatch.setattr(charts, "render", render)
    return figures


def legend_of(axes: Any) -> list[str]:
    legend = axes.get_legend()
    assert legend is not None
    return [text.get_text() for text in legend.get_texts()]


def texts_of(axes: Any) -> list[str]:
    return [text.get_text() for text in axes.texts]


@pytest.mark.parametrize(
    "draw",
    [
        lambda: chart_scores({"a": GROUPS, "b": GROUPS}, 2.0, NOTES, 4),
        lambda: chart_scores({"": {"normal wells": np.ones(1)}}, 1.0, NOTES, 2),
        lambda: chart_thresholds({"TPR": (SPILL, {"test set": SCORES})}, {"sigma": 1.0}),
        lambda: chart_roc(LABELS, CURVES),
        lambda: chart_roc(LABELS, {"perfect": Curve(LABELS.astype(float), LABELS, SPILL, 1)}),
        lambda: chart_views(WRONG),
        lambda: chart_table(np.eye(3), ["a", "  b", "c"], ["x", "y", "z"]),
    ],
    ids=["two panels", "one photo", "thresholds", "roc", "perfect roc", "views", "table"],
)
def test_the_same_inputs_give_the_same_png_bytes(
    draw: Callable[[], Image.Image], tmp_path: Path
) -> None:
    def write(path: Path) -> None:
        path.parent.mkdir(exist_ok=True)
        draw().save(path, format="PNG")

    assert_draws_the_same_bytes(write, tmp_path)


def test_a_histogram_counts_each_photo_on_its_side_of_the_threshold(drawn: list[Any]) -> None:
    threshold = 1.2345
    near = threshold + np.array([-1e-3] * 3 + [0] * 4 + [1e-3] * 5)
    groups = {name: np.append(scores, near) for name, scores in GROUPS.items()}
    chart_scores({"": groups}, threshold, NOTES, 3)
    (axes,) = drawn[0].axes
    (bars,), (line,) = axes.containers, [p for p in axes.patches if isinstance(p, Polygon)]
    filled = [(bar.get_x(), bar.get_height()) for bar in bars]
    # A step at each edge: its foot, its height, and along it.
    outlined = line.get_xy()[1:-1:2]
    for (name, scores), steps in zip(groups.items(), (filled, outlined), strict=True):
        left, height = np.array(steps).T
        assert height.sum() == len(scores), name
        assert height[left >= threshold - 1e-9].sum() == (scores >= threshold).sum(), name
    assert legend_of(axes) == [f"{name} ({len(scores)})" for name, scores in groups.items()]


def test_a_single_photo_is_seen_among_thousands(drawn: list[Any]) -> None:
    many = {"normal wells": np.append(np.zeros(4000), 5.0)}
    chart_scores({"": many}, 3.0, NOTES, 3)
    (axes,) = drawn[0].axes
    low, high = axes.get_ylim()
    height = axes.transAxes.inverted().transform(axes.transData.transform((0, 1)))[1]
    assert low < 1 < high
    assert height > 0.03


def test_notes_stand_on_their_side_of_the_threshold_in_the_last_panel(
    drawn: list[Any],
) -> None:
    chart_scores({"a": GROUPS, "b": GROUPS}, 2.0, NOTES, 4)
    upper, lower = drawn[0].axes
    assert texts_of(upper) == []
    assert {text.get_text(): text.get_ha() for text in lower.texts} == {
        "1 missed": "right",
        "2 false alarms": "left",
    }


def test_rates_are_those_of_each_threshold(drawn: list[Any]) -> None:
    normals, spills = np.array([0.0, 1, 2, 3]), np.array([2.5, 4.0])
    rates = {"TNR": (NORMAL, {"test set": normals}), "TPR": (SPILL, {"test set": spills})}
    chart_thresholds(rates, {"sigma": 2.25})
    (axes,) = drawn[0].axes
    curves = {line.get_label(): line for line in axes.lines}
    for label, expected in (("TNR, test set", 0.75), ("TPR, test set", 1.0)):
        x, y = curves[label].get_data()
        assert np.interp(2.25, x, y) == expected


def test_a_score_at_the_threshold_is_called_a_spill(drawn: list[Any]) -> None:
    # The first threshold of the curve, AROUND below the rule's.
    lowest = 2.25 - charts.AROUND
    rates = {"TPR": (SPILL, {"test set": np.array([lowest, lowest - 1e-9])})}
    chart_thresholds(rates, {"sigma": 2.25})
    (curve,) = (line for line in drawn[0].axes[0].lines if line.get_label() == "TPR, test set")
    assert curve.get_ydata()[0] == 0.5


def test_each_rule_is_named_at_its_place_and_rates_there_are_in_sight(
    drawn: list[Any],
) -> None:
    bad = np.linspace(0, 4, 50)
    rates = {rate: (SPILL, {"test set": bad, "known": bad}) for rate in ("TPR", "TNR")}
    chart_thresholds(rates, {"sigma": 1.0, "equal_error": 3.0})
    (axes,) = drawn[0].axes
    assert texts_of(axes) == ["sigma 1.00", "equal_error 3.00"]
    assert [text.xy[0] for text in axes.texts] == [1.0, 3.0]
    assert axes.get_ylim()[0] < 0.25


def test_names_of_rules_that_nearly_agree_do_not_meet(drawn: list[Any]) -> None:
    rates = {"TPR": (SPILL, {"test set": SCORES})}
    chart_thresholds(rates, {"equal_error": 2.96, "sigma": 3.0})
    (axes,) = drawn[0].axes
    drawn[0].canvas.draw()
    left, right = (text.get_window_extent() for text in axes.texts)
    assert left.x1 <= right.x0


def test_a_roc_dot_stands_at_the_rates_of_what_is_called(drawn: list[Any]) -> None:
    called = np.zeros(60, dtype=np.bool_)
    called[:30] = True
    chart_roc(LABELS, {"mine": Curve(SCORES, called, SPILL, 1)})
    (axes,) = drawn[0].axes
    dot = axes.lines[-1].get_xydata()
    assert dot.tolist() == [[20 / 40, 10 / 20]]


def test_a_roc_shows_few_false_alarms_and_none(drawn: list[Any]) -> None:
    chart_roc(LABELS, {"perfect": Curve(LABELS.astype(float), LABELS, SPILL, 1)})
    (axes,) = drawn[0].axes
    assert axes.get_xscale() == "log"
    assert axes.lines[-1].get_xydata().tolist() == [[LEAST_FALSE, 1]]


def test_a_curve_without_threshold_has_no_dot(drawn: list[Any]) -> None:
    chart_roc(LABELS, CURVES)
    (axes,) = drawn[0].axes
    assert len(axes.lines) == 3
    assert legend_of(axes) == ["one", "other"]


def test_views_are_counted_and_drawn_as_shares(drawn: list[Any]) -> None:
    chart_views(WRONG)
    missed, alarms = drawn[0].axes
    assert [text.strip() for text in texts_of(missed)] == ["20 of 60", "0 of 0"]
    assert [text.strip() for text in texts_of(alarms)] == ["40 of 60", "20 of 60"]
    assert [bar.get_width() for bar in alarms.patches] == pytest.approx([40 / 60, 20 / 60])
    assert legend_of(alarms) == ["clear", "obstructed"]


def test_a_table_writes_per_cent_and_never_rounds_up_to_all(drawn: list[Any]) -> None:
    chart_table(np.array([[1.0, 0.984], [0.998, 0.0]]), ["a", "  b"], ["x", "y z"])
    (axes,) = drawn[0].axes
    assert texts_of(axes) == ["100", "98", "99", "0"]
    assert [label.get_fontweight() for label in axes.get_yticklabels()] == ["bold", "normal"]
