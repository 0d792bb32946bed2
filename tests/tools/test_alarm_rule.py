"""A rule of alarms is chosen by what it does with normal wells and with spills in their order."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tools import alarm_rule
from tools.alarm_rule import AFTER, DAY, LASTS, TABLE, Clip, choose, measure, play, walk
from tools.watch.alarms import OBSTRUCTED, Rule
from tools.watch.rule import RULE

ONE = Rule(k=1, n=1, lower=0, off_delay=5, obstructed_after=10, silent_after=10)
TWO = ONE._replace(k=2, n=2)
NORMAL, SPILLED = -2.0, 2.0


def clip(*margins: float, obstructed: int = 0) -> Clip:
    """Return photos, of which the first so many are obstructed."""
    return Clip(np.array(margins), np.arange(len(margins)) < obstructed)


def event(*first: float, rest: float = SPILLED, obstructed: int = 0) -> Clip:
    """Return a spill that begins with these margins, and a normal well after it."""
    spill = [*first, *[rest] * (LASTS - len(first))]
    return clip(*spill, *[NORMAL] * AFTER, obstructed=obstructed)


def test_a_walk_goes_on_to_the_most_alike_of_its_group_and_visits_each_once() -> None:
    thumbnails = np.array([[0.0], [5.0], [2.0], [1.0], [2.1]])
    groups = np.array([0, 0, 0, 0, 1])
    assert walk(thumbnails, groups, 3).tolist() == [3, 0, 2, 1]
    assert walk(thumbnails, groups, 4).tolist() == [4]


def test_alarms_are_played_photo_by_photo_and_acknowledged() -> None:
    told = play(ONE, clip(NORMAL, SPILLED, *[NORMAL] * 6, SPILLED))
    assert [(at, what) for at, what, _ in told] == [
        (1, "raised"),
        (7, "cleared"),
        (7, "gone"),
        (8, "raised"),
    ]
    assert (10, "raised", OBSTRUCTED) in play(ONE, clip(*[SPILLED] * 12, obstructed=12))


def test_delay_counts_clear_photos_and_all_seconds() -> None:
    measured = measure(TWO, [clip(NORMAL)], [event(), event(obstructed=3)])
    assert measured["photos"] == 2
    assert measured["seconds"] == pytest.approx((2 + 5) / 2)
    assert measured["after"] == 5
    assert measured["missed"] == measured["early"] == measured["false_a_day"] == 0


def test_spills_are_missed_only_where_no_alarm_of_any_kind_comes() -> None:
    unseen, hidden = event(rest=NORMAL), event(obstructed=LASTS)
    measured = measure(ONE, [clip(NORMAL)], [unseen, hidden, event(), event()])
    assert measured["missed"] == 250
    assert measured["seconds"] == (2 * LASTS + 2) / 4


def test_an_alarm_that_ends_before_its_spill_ends_early() -> None:
    wavering = event(SPILLED, *[NORMAL] * 7)
    assert measure(ONE, [clip(NORMAL)], [wavering, event()])["early"] == 500
    patient = ONE._replace(lower=-3)
    assert measure(patient, [clip(NORMAL)], [wavering, event()])["early"] == 0
    assert measure(patient, [clip(NORMAL)], [event()])["after"] == AFTER


def test_false_alarms_are_those_of_clips_of_normals_by_the_day() -> None:
    clips = [clip(*[NORMAL] * 95, *[SPILLED] * 5), clip(*[NORMAL] * 99, SPILLED)]
    assert measure(ONE, clips, [event()])["false_a_day"] == round(DAY * 2 / 200, 1)
    assert measure(TWO, clips, [event()])["false_a_day"] == round(DAY * 1 / 200, 1)


def table(*rows: tuple[int, float, float, float, float]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["k", "seconds", "early", "false_a_day", "after"])


@pytest.mark.parametrize(
    ("rows", "k"),
    [
        ([(1, 1, 0, 1.1, 9), (2, 3, 0, 1.0, 9), (3, 4, 0, 0, 1)], 2),
        ([(1, 2, 5, 0, 9), (2, 2, 4, 1, 9)], 2),
        ([(1, 2, 4, 1, 8), (2, 2, 4, 0, 9), (3, 2, 4, 0, 8)], 3),
        ([(1, 1, 0, 30, 9), (2, 2, 0, 20, 9)], 2),
    ],
    ids=["fewest seconds within the limit", "early ends", "then alarms, then after", "nearest"],
)
def test_the_chosen_is_the_fastest_with_few_false_alarms(
    rows: list[tuple[int, float, float, float, float]], k: int
) -> None:
    assert choose(table(*rows))["k"] == k


def test_the_rule_in_use_is_the_one_that_the_table_chooses() -> None:
    chosen = choose(pd.read_csv(TABLE))
    assert (RULE.k, RULE.n, RULE.lower) == (chosen["k"], chosen["n"], chosen["lower"])


def test_nothing_comes_from_the_test_set() -> None:
    read = re.findall(r"WELLS / \"(\w+)", Path(alarm_rule.__file__).read_text(encoding="utf-8"))
    assert set(read) == {"train", "spills"}
