"""Charts of styles show each value in its place, and the same inputs give the same bytes."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from stages.bayes.calibration import group_by_confidence
from stages.bayes.gallery import BACKGROUND
from stages.bayes.generators.styled import style_codes
from stages.bayes.guesses import (
    GUESSED,
    OTHER,
    TRUE,
    Guess,
    choose_values,
    draw_guesses,
    save_guesses,
    tell_mistakes,
)
from stages.bayes.inference import indices_in_table
from stages.bayes.labels import height_of, lay_out
from stages.bayes.plots import (
    MARKS,
    arrange,
    largest_distance,
    save_calibration,
    save_frequencies,
)
from stages.bayes.styles import draw_frequencies, joint
from stages.common.pictures import BLUE, ORANGE
from tests.avatar_files import COUNTS, dress_avatars, fit_model, paint_rows
from tests.pictures import assert_draws_the_same_bytes

MODEL = fit_model()
(AVATAR,) = paint_rows("wr")
PROBABILITIES = {
    "hat": {"cap": 0.9, "none": 0.1},
    "coat": {"red": 0.4, "green": 0.597, "blue": 0.003},
}


def pixels_of(picture: Image.Image, paint: str) -> NDArray[np.intp]:
    """Return row and column of the pixels of that colour, `#rrggbb`."""
    wanted = [int(paint[start : start + 2], 16) for start in (1, 3, 5)]
    return np.argwhere((np.asarray(picture.convert("RGB")) == wanted).all(axis=2))


def test_bars_are_as_long_as_values_are_probable_and_tell_true_from_guessed() -> None:
    picture = draw_guesses([Guess(AVATAR, PROBABILITIES, ("cap", "green"), ("cap", "red"))])
    true, guessed, other = (len(pixels_of(picture, paint)) for paint in (TRUE, GUESSED, OTHER))
    assert true / guessed == pytest.approx((0.9 + 0.4) / 0.597, rel=0.05)
    # What is as improbable as blue is left out.
    assert other / guessed == pytest.approx(0.1 / 0.597, rel=0.1)


def test_an_improbable_value_is_shown_where_it_is_true_or_guessed() -> None:
    right = Guess(AVATAR, PROBABILITIES, ("cap", "green"), ("cap", "green"))
    assert choose_values(right) == {"hat": ["cap", "none"], "coat": ["red", "green"]}
    every = {"hat": ["cap", "none"], "coat": ["red", "green", "blue"]}
    assert choose_values(right._replace(true=("cap", "blue"))) == every
    assert choose_values(right._replace(guessed=("cap", "blue"))) == every


def test_a_guess_says_what_is_wrong_about_it() -> None:
    right = Guess(AVATAR, PROBABILITIES, ("cap", "green"), ("cap", "green"))
    assert tell_mistakes(right) == "Guessed rightly"
    one = right._replace(true=("cap", "red"))
    assert tell_mistakes(one) == "Guessed wrongly: coat green (P 0.60), it is red"
    both = right._replace(true=("none", "red"))
    assert tell_mistakes(both) == (
        "Guessed wrongly: hat cap (P 0.90), it is none; coat green (P 0.60), it is red"
    )


@pytest.mark.parametrize(("share", "parts"), [(1, 1), (0, 1), (0.5, 2)])
def test_guesses_are_shown_as_far_as_some_are_right_or_wrong(
    share: float, parts: int, tmp_path: Path
) -> None:
    holdout = dress_avatars(4, 0)
    truth = indices_in_table(style_codes(holdout, MODEL), joint(MODEL))
    guessed = np.where(np.arange(4) < 4 * share, truth, (truth + 1) % 6)
    logs = np.log(np.where(np.arange(6) == guessed[:, None], 0.9, 0.02))
    save_guesses(logs, holdout, MODEL, tmp_path / "one.png")
    with Image.open(tmp_path / "one.png") as picture:
        wide = np.bincount(pixels_of(picture, BACKGROUND)[:, 0]) > 100
        assert (np.diff(wide.astype(int)) == 1).sum() == parts


def test_a_column_has_each_attribute_over_its_values() -> None:
    names = lay_out({attribute: list(values) for attribute, values in COUNTS.items()})
    assert [one.text for one in names] == ["hat", "cap", "none", "coat", "red", "green", "blue"]
    assert [one.value is None for one in names] == [True, False, False, True, False, False, False]
    assert [one.middle for one in names] == [0.5, 1.5, 2.5, 4, 5, 6, 7]
    assert height_of(names) == 8


def test_a_long_name_takes_a_line_more() -> None:
    (_, long, short) = lay_out({"coat": ["a shirt with a collar cut round and low", "red"]})
    assert long.text.count("\n") == 1
    assert (long.middle, short.middle) == (2, 3.5)


def test_the_largest_distance_is_over_all_values_in_either_direction() -> None:
    some = {"hat": {"cap": 0.5, "none": 0.5}, "coat": {"red": 0.25, "green": 0.5, "blue": 0.25}}
    others = {
        "hat": {"cap": 0.625, "none": 0.375},
        "coat": {"red": 0.5, "green": 0.375, "blue": 0.125},
    }
    assert largest_distance(some, others) == largest_distance(others, some) == 0.25
    assert largest_distance(some, some) == 0


def test_attributes_are_arranged_in_columns_that_are_about_as_high() -> None:
    heights = {"a": 7, "b": 6, "c": 3, "d": 4, "e": 8}
    assert arrange(heights) == [["a", "c"], ["b", "d"], ["e"]]
    assert arrange({"a": 2, "b": 9, "c": 8, "d": 7}) == [["a", "d"], ["b"], ["c"]]
    assert arrange({"a": 7, "b": 6}) == [["a"], ["b"]]


def test_calibration_draws_a_dot_and_a_line_for_each_group(tmp_path: Path) -> None:
    draw_calibration(tmp_path / "one.png")
    with Image.open(tmp_path / "one.png") as picture:
        for paint in (BLUE, ORANGE):
            found = pixels_of(picture, paint)
            # Below the key.
            columns = np.unique(found[found[:, 0] > picture.height / 2.5][:, 1])
            assert (np.diff(columns) > 5).sum() + 1 == 4 + 2


def draw_the_guesses(path: Path) -> None:
    holdout = dress_avatars(3, 0)
    save_guesses(np.log(np.eye(3, 6) * 0.7 + 0.05), holdout, MODEL, path)


def draw_calibration(path: Path) -> None:
    confidence, right = np.array([0.95, 0.6, 0.55, 0.2]), np.array([True, True, True, False])
    groups = {
        "joined": group_by_confidence(confidence, right),
        "weighed": group_by_confidence(confidence[:2], right[:2]),
    }
    judged = {"confidence": 0.7, "accuracy": 0.75, "calibration_error": 0.1}
    report = {"weight_of_evidence": 0.045, "joined": judged, "weighed": judged}
    save_calibration(groups, report, path)


def draw_styles_frequencies(path: Path) -> None:
    drawn = draw_frequencies(joint(MODEL), 1000, np.random.default_rng(0))
    save_frequencies(COUNTS, MODEL, drawn, path)


@pytest.mark.parametrize("draw", [draw_the_guesses, draw_calibration, draw_styles_frequencies])
def test_the_same_inputs_give_the_same_png_bytes(
    draw: Callable[[Path], None], tmp_path: Path
) -> None:
    assert_draws_the_same_bytes(draw, tmp_path)


def test_frequencies_mark_what_was_seen_fitted_and_drawn_of_each_value(tmp_path: Path) -> None:
    draw_styles_frequencies(tmp_path / "one.png")
    with Image.open(tmp_path / "one.png") as picture:
        for mark in MARKS.values():
            rows = np.unique(pixels_of(picture, mark["color"])[:, 0])
            # Two hats, three coats beside them in the same lines, and the key.
            assert (np.diff(rows) > 1).sum() + 1 == 3 + 1
