"""Avatars fall into shapes and colours and come together again; what shows, shapes may explain."""

import math

import numpy as np
import pytest

from stages.bayes.avatars import as_symbols
from stages.bayes.generators.palette import probability
from stages.bayes.generators.shapes import find_shapes, log_emission, paint
from stages.bayes.generators.styled import style_codes, value_counts
from stages.bayes.styles import fit_styles
from stages.common.types import FloatArray
from tests.avatar_files import OUTFITS, dress_outfits, paint_outfit, paint_rows

MODEL = fit_styles(OUTFITS, 1)
OUTFIT_SET = dress_outfits()
CODES = style_codes(OUTFIT_SET, MODEL)
SHAPES, ROLES = find_shapes(OUTFIT_SET.avatars, CODES, value_counts(MODEL), 0.2)
# The pixels of `paint_outfit`.
HAT, COAT, EYES, BROW, MOUTH = [0, 1, 8], [2, 3], [4, 5], [6], [7]
RED, GREEN, BLUE = range(3)


def compute_emission(row: str, mass: float) -> tuple[FloatArray, FloatArray]:
    """Return what `log_emission` does of a row of paints, pixel by pixel."""
    pixels = as_symbols(paint_rows(row), np.uint32)[0]
    chances = probability(SHAPES.palette, pixels)
    states = [
        (group, example)
        for group, row in enumerate(SHAPES.states)
        for example in np.unique(row).tolist()
    ]
    emission = np.ones((len(states), SHAPES.looks.shape[1]))
    new = np.ones(len(SHAPES.groups))
    for symbol, column, chance in zip(pixels, SHAPES.column_of, chances, strict=True):
        own = [
            group for group, part in enumerate(SHAPES.groups) if part.start <= column < part.stop
        ]
        new[own] *= chance
        for index, (group, example) in enumerate(states):
            role = SHAPES.roles[example, column]
            for colour in range(emission.shape[1]) if group in own else ():
                if mass and not SHAPES.known[role, colour]:
                    factor = chance
                else:
                    same = SHAPES.looks[role, colour] == symbol
                    factor = (1 - mass) * same + mass * chance
                emission[index, colour] *= factor
    with np.errstate(divide="ignore"):
        return np.log(emission), np.log(new)


def test_painting_puts_columns_back_to_their_pixels() -> None:
    for avatar, roles, code in zip(OUTFIT_SET.avatars, SHAPES.roles, CODES, strict=True):
        assert paint(SHAPES, SHAPES.looks[roles, code[0]]).tobytes() == avatar.tobytes()


def test_an_avatar_is_painted_in_another_coat() -> None:
    (red_cap,) = np.flatnonzero((CODES == [RED, 0, 0]).all(axis=1))
    shown = SHAPES.looks[SHAPES.roles[red_cap], BLUE]
    expected = paint_rows(paint_outfit(("blue", "cap", "open"), "w", "w"))
    assert paint(SHAPES, shown).tobytes() == expected.tobytes()


def test_pixels_that_look_alike_in_all_are_one_column() -> None:
    shapes, _ = find_shapes(paint_rows("rwrw", "gwgs", "bwbw"), np.array([[0], [1], [2]]), [3], 1)
    assert shapes.column_of[0] == shapes.column_of[2]
    assert len(set(shapes.column_of.tolist())) == 3


def test_what_changes_together_without_colours_is_a_group() -> None:
    group_of = np.searchsorted(SHAPES.starts, SHAPES.column_of, side="right") - 1
    for part in (HAT, COAT, EYES, BROW, MOUTH):
        assert len(set(group_of[part].tolist())) == 1
    assert len(SHAPES.groups) == len(set(group_of.tolist())) == 5
    assert len(set(SHAPES.states[group_of[COAT]].ravel().tolist())) == 1


@pytest.mark.parametrize("mass", [0, 0.1])
@pytest.mark.parametrize("row", ["rrrrwswww", "wsbb wwss", "ggbgbsrgs", "         "])
def test_emission_is_the_product_over_pixels(row: str, mass: float) -> None:
    emission, new = log_emission(SHAPES, paint_rows(row)[0], mass)
    expected, anything = compute_emission(row, mass)
    assert emission == pytest.approx(expected, rel=1e-12)
    assert new == pytest.approx(anything, rel=1e-12)


def test_a_role_never_seen_in_a_colour_may_show_anything_where_smoothed() -> None:
    codes = np.array([[RED], [GREEN], [GREEN]])
    shapes, _ = find_shapes(paint_rows("rs", "gs", "gs"), codes, [3], 0.2)
    avatars = paint_rows("rs", "gs", "bs")
    smoothed, plain = (
        [float(log_emission(shapes, avatar, mass)[0][0, BLUE]) for avatar in avatars]
        for mass in (0.1, 0)
    )
    chances = probability(shapes.palette, as_symbols(paint_rows("rgbs"), np.uint32)[0])
    skin = 0.9 + 0.1 * chances[3]
    assert np.exp(smoothed) == pytest.approx(chances[:3] * skin, rel=1e-12)
    assert plain == [-math.inf, 0, -math.inf]


def test_cells_name_the_state_of_each_avatar() -> None:
    emission, _ = log_emission(SHAPES, OUTFIT_SET.avatars[0], 0)
    for group, (states, own) in enumerate(zip(SHAPES.states, SHAPES.cells.of_state, strict=True)):
        found = np.exp(emission[own, CODES[0, 0]])
        assert found.tolist() == (states == states[0]).tolist(), group
