"""How few wells are enough is measured with fewer of them, and drawn as measured."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.pictures import watch_chart
from tests.small_wells import in_turn, noise
from tools import small_sets
from tools.small_sets import Wells, draw_fewer, mean_over_draws

WELLS = Wells(noise(40, seed=1), in_turn(40), noise(20, seed=2))
TABLE = pd.DataFrame(
    {
        "train": [100, 50, 50, 25, 25, 100, 100],
        "spills": [20, 20, 20, 20, 20, 4, 4],
        "draw": [0, 0, 1, 0, 1, 0, 1],
        "tpr": [1.0, 0.99, 0.97, 0.9, 0.8, 1.0, 0.9],
        "tnr": [0.99, 0.98, 0.98, 0.99, 0.97, 0.99, 0.99],
        "auroc": [0.999, 0.99, 0.98, 0.97, 0.95, 0.99, 0.99],
    }
)


def test_fewer_wells_keep_their_folds_and_are_drawn_without_repeating() -> None:
    some = draw_fewer(WELLS, 0.25, 5, np.random.default_rng(0))
    assert (len(some.train), len(some.folds), len(some.spills)) == (10, 10, 5)
    everything = [image.tobytes() for image in WELLS.train]
    places = [everything.index(image.tobytes()) for image in some.train]
    assert len(set(places)) == 10
    np.testing.assert_array_equal(some.folds, WELLS.folds[places])
    other = draw_fewer(WELLS, 0.25, 5, np.random.default_rng(1))
    assert not np.array_equal(some.train, other.train)
    assert not np.array_equal(some.spills, other.spills)


def test_none_and_more_than_there_are_stand_for_all() -> None:
    for train, spills in ((None, None), (1000, 60)):
        some = draw_fewer(WELLS, train, spills, np.random.default_rng(0))
        for one, whole in zip(some, WELLS, strict=True):
            np.testing.assert_array_equal(one, whole)


def test_means_and_worst_draws_come_with_the_most_wells_first() -> None:
    means = mean_over_draws(TABLE)
    assert means[["train", "spills"]].to_numpy().tolist() == [
        [100, 20],
        [100, 4],
        [50, 20],
        [25, 20],
    ]
    assert means["tpr"].tolist() == pytest.approx([1, 0.95, 0.98, 0.85])
    assert means["tpr_min"].tolist() == [1, 0.9, 0.97, 0.8]


def test_the_picture_shows_each_draw_and_tells_what_is_enough(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    panels, saved = watch_chart(monkeypatch, small_sets)
    small_sets.draw_small(tmp_path / "small.png", TABLE)
    by_train, by_spills = panels
    dots, line, *_ = by_train.lines
    assert dots.get_xdata().tolist() == [100, 50, 50, 25, 25]
    assert line.get_ydata().tolist() == pytest.approx([1, 0.98, 0.85])
    assert by_spills.lines[1].get_xdata().tolist() == [20, 4]
    assert saved[1] == "Both rates stay at 98 % or more with 50 training wells or 20 known spills"


@pytest.mark.parametrize(
    ("lowest", "enough"), [([0.99, 0.99, 0.99], 25), ([0.99, 0.9, 0.99], 100), ([0.9] * 3, None)]
)
def test_what_is_enough_is_enough_with_more_too(lowest: list[float], enough: int | None) -> None:
    means = pd.DataFrame({"train": [100, 50, 25], "tpr": 1.0, "tnr": lowest})
    assert small_sets._enough(means, "train") == enough
