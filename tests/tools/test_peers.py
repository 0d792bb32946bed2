"""A picture beside others shows each mistake where it is, and who may have seen the test set."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from stages.common.pictures import GREY, SPILL
from tests.pictures import watch_chart
from tools import peers
from tools.peers import LEAST, draw_compared

COUNTS = {"spills": 100, "normals": 1000}
METRICS = {
    "reports": {"detection": {"detector": {"name": "mine", **COUNTS}}},
    "seeds": {"seeds": 3, "detector": {"tpr": {"mean": 1.0}, "tnr": {"mean": 0.99}}},
}
OTHERS = pd.DataFrame(
    {
        "who": ["a", "b"],
        "method": ["", ""],
        "tpr": [0.9, 0.99],
        "tnr": [0.95, 0.96],
        "threshold": ["honest", "chosen on test"],
    }
)


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> tuple[list[Any], list[Any]]:
    """Return the panels that are drawn, and what is saved."""
    watched = watch_chart(monkeypatch, peers)
    draw_compared(Path("x.png"), METRICS, OTHERS)
    return watched


def test_each_is_drawn_at_its_share_of_both_mistakes(drawn: tuple[list[Any], list[Any]]) -> None:
    dots = [line for line in drawn[0][0].lines if line.get_marker() == "o"]
    places = [tuple(round(float(end), 4) for end in line.get_xydata()[0]) for line in dots]
    # The best of both rates together first, ours last; nothing missed is drawn at the edge.
    assert places == [(0.04, 0.01), (0.05, 0.1), (0.01, LEAST)]
    assert [line.get_markerfacecolor() for line in dots] == ["white", GREY, SPILL]


def test_intervals_lie_around_their_dot(drawn: tuple[list[Any], list[Any]]) -> None:
    lines = iter(drawn[0][0].lines)
    for across, up, dot in zip(lines, lines, lines, strict=True):
        x, y = dot.get_xydata()[0]
        assert across.get_xdata()[0] < x < across.get_xdata()[1]
        assert up.get_ydata()[0] <= y < up.get_ydata()[1]


def test_the_title_compares_with_the_best_honest_one(drawn: tuple[list[Any], list[Any]]) -> None:
    title = drawn[1][1].replace("\N{NO-BREAK SPACE}", " ")
    assert title == (
        "The detector in use misses 0.0 % of the spills at 1.0 % of false alarms; the best honest "
        "one of others misses 10.0 % of the spills at 5.0 % of false alarms"
    )


def test_everyone_is_named_with_what_they_print(drawn: tuple[list[Any], list[Any]]) -> None:
    (text,) = drawn[0][1].texts
    assert text.get_text().splitlines()[1:] == [
        " 1  b: 0.990 / 0.960",
        " 2  a: 0.900 / 0.950",
    ]
