"""Symbols that a colour replaces are one role, which shows each of them in its own colour."""

from collections.abc import Sequence
from itertools import product

import numpy as np
import pytest

from stages.bayes.generators import recolouring
from stages.bayes.generators.contexts import Codes
from stages.bayes.generators.recolouring import Roles, guess, link, take_out_colours
from stages.bayes.generators.votes import Votes
from stages.common.types import Indices

WHITE, BLUE, BLACK, SKIN = range(4)
SMOOTHING = 0.2
# RGBA of symbols; the next one looks most alike.
PAINTS = np.repeat(np.arange(12, dtype=np.uint8)[:, None], 4, axis=1)


def take_out(
    columns: Indices, codes: Codes, sizes: Sequence[int], pixels: Sequence[int] | None = None
) -> Roles:
    """Return the roles of columns that stand for so many pixels each, one unless told."""
    number = np.array(pixels or [1] * columns.shape[1])
    return take_out_colours(columns, PAINTS, number, codes, sizes, SMOOTHING)


def show(roles: Roles, avatar: int, combination: int) -> list[int]:
    """Return the symbols of a training avatar in a combination of colours."""
    return [int(one) for one in roles.symbols[roles.roles[avatar], combination]]


def knows(roles: Roles, avatar: int, combination: int) -> list[bool]:
    return [bool(one) for one in roles.known[roles.roles[avatar], combination]]


def by_hand(*votes: tuple[int, int, int, int, int]) -> Votes:
    return Votes(*np.array(votes, dtype=np.intp).reshape(-1, 5).T)


def linked(*votes: tuple[int, int, int, int, int]) -> list[list[int]]:
    return [[int(one) for one in found] for found in zip(*link(by_hand(*votes), 4, 3), strict=True)]


def test_symbols_that_most_votes_replace_both_ways_are_linked() -> None:
    there, back = (0, 0, 1, 1, 3), (1, 1, 0, 0, 2)
    assert linked(there, back) == [list(there), list(back)]
    fewer = (0, 0, 2, 1, 2), (2, 1, 0, 0, 2)
    assert linked(there, back, *fewer) == [list(there), list(back)]
    assert linked(there, (1, 1, 2, 0, 3)) == []
    assert linked(there, (0, 0, 2, 1, 3), back) == []


def test_symbols_that_mostly_stay_are_not_linked() -> None:
    there, back = (0, 0, 1, 1, 3), (1, 1, 0, 0, 3)
    assert linked((0, 0, 0, 2, 4), there, back) == []
    assert linked((1, 1, 1, 2, 4), there, back) == []
    assert linked((0, 0, 0, 2, 2), (1, 1, 1, 2, 2), there, back) == [list(there), list(back)]


def test_a_symbol_is_not_linked_to_itself() -> None:
    # It is the same with values 0 and 1, and another one with 2.
    stays = (0, 0, 0, 1, 2), (0, 1, 0, 0, 2)
    goes = (0, 0, 1, 2, 5), (1, 2, 0, 0, 5), (0, 1, 1, 2, 5), (1, 2, 0, 1, 5)
    assert linked(*stays, *goes) == list(map(list, goes))


def test_an_avatar_shows_its_own_symbols_in_its_own_colours() -> None:
    codes = np.array(list(product(range(3), range(2))) * 2)
    columns = np.array([[c, SKIN, 4] if form else [SKIN, c, c] for c, form in codes])
    roles = take_out(columns, codes, (3, 2))
    assert roles.colours == (0,)
    for avatar, ((colour, _), row) in enumerate(zip(codes, columns, strict=True)):
        assert show(roles, avatar, colour) == row.tolist()
        assert all(knows(roles, avatar, colour))


def test_an_avatar_is_recoloured_to_what_others_show() -> None:
    codes = np.array([[WHITE], [BLUE], [BLACK]] * 2)
    columns = np.array([[code, SKIN] for (code,) in codes])
    roles = take_out(columns, codes, [3])
    assert (roles.roles == roles.roles[0]).all()
    for colour in (WHITE, BLUE, BLACK):
        assert show(roles, 0, colour) == [colour, SKIN]


def test_two_colours_never_seen_together_are_known_through_a_third() -> None:
    # A long dress is white or blue, a wide one blue or black.
    codes = np.array([[WHITE, 0], [BLUE, 0], [BLUE, 1], [BLACK, 1]] * 3)
    columns = np.array([[SKIN, c, 4, c] if wide else [c, SKIN, c, 4] for c, wide in codes])
    roles = take_out(columns, codes, (3, 2))
    assert roles.colours == (0,)
    assert show(roles, 0, BLACK) == [BLACK, SKIN, BLACK, 4]
    assert show(roles, 3, WHITE) == [SKIN, WHITE, 4, WHITE]
    assert all(knows(roles, 0, BLACK))
    assert all(knows(roles, 3, WHITE))


def test_what_looks_like_a_colour_but_never_changes_keeps_its_look() -> None:
    # White clothes, and the white of an eye.
    codes = np.array([[WHITE], [BLUE], [BLACK]] * 2)
    roles = take_out(np.array([[code, WHITE] for (code,) in codes]), codes, [3], pixels=[20, 1])
    assert roles.colours == (0,)
    for avatar, colour in product(range(6), (WHITE, BLUE, BLACK)):
        assert show(roles, avatar, colour) == [colour, WHITE]


def test_what_was_never_seen_in_a_colour_shows_its_most_usual_symbol() -> None:
    codes = np.array([[WHITE], [BLUE], [BLUE], [WHITE], [BLUE]])
    columns = np.array([[code, SKIN] for (code,) in codes])
    roles = take_out(columns, codes, [3])
    assert show(roles, 0, BLACK) == [BLUE, SKIN]
    assert knows(roles, 0, BLACK) == [False, True]
    assert knows(roles, 0, BLUE) == [True, True]
    assert show(take_out(columns[:, ::-1], codes, [3]), 0, BLACK) == [SKIN, BLUE]


def test_what_is_not_known_is_guessed_from_the_role_that_looks_most_alike() -> None:
    symbols = np.array([[4, 5, 4], [7, 7, 1], [3, 9, 2], [4, 8, 8], [0, 0, 0], [7, 0, 9]])
    known = np.array([[1, 1, 0], [1, 1, 1], [1, 1, 1], [1, 0, 0], [0, 0, 1], [1, 0, 1]], dtype=bool)
    # From the first, the next two and the last are 6.5, 8.5 and 9 away, by the mean square.
    expected = [[4, 5, 1], [7, 7, 1], [3, 9, 2], [4, 5, 2], [7, 7, 0], [7, 5, 9]]
    assert guess(symbols, known, PAINTS).tolist() == expected
    assert guess(symbols[:1], known[:1], PAINTS).tolist() == symbols[:1].tolist()


def test_what_changes_in_no_colour_is_known_in_all() -> None:
    codes = np.array([[WHITE], [BLUE], [BLUE], [WHITE]])
    roles = take_out(np.array([[code, SKIN] for (code,) in codes]), codes, [3])
    assert roles.known.all(axis=1).sum() == 1
    assert [knows(roles, 0, colour)[1] for colour in range(3)] == [True] * 3


def test_two_colours_are_taken_out_at_once() -> None:
    codes = np.array(list(product(range(3), range(2))) * 2)
    columns = np.array([[one, 3 + other, 5] for one, other in codes])
    roles = take_out(columns, codes, (3, 2))
    assert roles.colours == (0, 1)
    assert (roles.roles == roles.roles[0]).all()
    combinations = list(product(range(3), range(2)))
    shown = [show(roles, 0, combination) for combination in range(6)]
    assert shown == [[one, 3 + other, 5] for one, other in combinations]
    assert roles.known.all()


def test_colours_that_no_avatar_has_together_are_known_each_where_it_shows() -> None:
    codes = np.array([pair for pair in product(range(3), range(2)) if pair != (2, 1)] * 2)
    roles = take_out(np.array([[one, 3 + other] for one, other in codes]), codes, (3, 2))
    assert show(roles, 0, combination=5) == [2, 4]
    assert roles.known.all()


def test_a_mixture_of_two_colours_is_of_the_one_with_most_votes() -> None:
    codes = np.array(list(product(range(3), range(2))) * 2)
    columns = np.array([[one, 3 + other, 5 + 2 * one + other] for one, other in codes])
    roles = take_out(columns, codes, (3, 2))
    assert roles.colours == (0, 1)
    # The first has two other values, so that each of its symbols is replaced more often.
    shown = [show(roles, 1, combination) for combination in range(6)]
    assert shown == [[one, 3 + other, 6 + 2 * one] for one, other in product(range(3), range(2))]


def test_without_colours_each_symbol_is_a_role() -> None:
    codes = np.array([[0], [1]] * 3)
    columns = np.array([[2, 2, 3] if form else [0, 1, 0] for (form,) in codes])
    columns[:, 2] = [0, 1, 2, 0, 1, 2]
    columns[0, 0] = 3
    roles = take_out(columns, codes, [2])
    assert roles.colours == ()
    assert roles.symbols.shape == (4, 1)
    assert (roles.symbols[roles.roles, 0] == columns).all()
    assert roles.known.all()


def test_colours_beyond_the_largest_number_of_combinations_are_no_colours(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    codes = np.array(list(product(range(3), range(2), range(2))) * 2)
    columns = np.array([[one, 3 + two, 5 + three] for one, two, three in codes])
    found = []
    for most in (12, 11, 6, 5, 4, 3, 1):
        monkeypatch.setattr(recolouring, "MAX_COMBINATIONS", most)
        roles = take_out(columns, codes, (3, 2, 2))
        assert roles.symbols.shape[1] <= most
        found.append(roles.colours)
    assert found == [(0, 1, 2), (0, 1), (0, 1), (0,), (0,), (0,), ()]


def test_roles_that_show_the_same_are_one() -> None:
    # Both are white in one colour of theirs or the other, and the skin is of no colour.
    codes = np.array([[WHITE], [BLUE]] * 2)
    columns = np.array([[code, code, SKIN, SKIN] for (code,) in codes])
    roles = take_out(columns, codes, [2])
    assert roles.symbols.tolist() == [[WHITE, BLUE], [SKIN, SKIN]]
    assert roles.roles.tolist() == [[0, 0, 1, 1]] * 4


def test_what_swaps_symbols_one_way_only_is_no_colour() -> None:
    # A cap is white where skin would be, but most skin stays whether there is a cap or not.
    codes = np.array([[0], [1]] * 6)
    columns = np.array([[SKIN if bare else WHITE, SKIN, SKIN] for (bare,) in codes])
    assert take_out(columns, codes, [2]).colours == ()


def test_an_attribute_is_a_colour_if_its_replacements_explain_most_changes() -> None:
    # What the last two columns show does not depend on what was there alone.
    codes = np.array([[0], [1]] * 4)
    columns = np.array([[1, 4, 5] if other else [0, 3, 3] for (other,) in codes])
    assert take_out(columns, codes, [2], pixels=[3, 1, 1]).colours == (0,)
    assert take_out(columns, codes, [2], pixels=[1, 1, 1]).colours == ()
