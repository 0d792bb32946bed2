"""Pairs of avatars that differ in one attribute tell what becomes of symbols, where it matters."""

from itertools import product

import numpy as np
from numpy.typing import NDArray

from stages.bayes.generators.contexts import Codes
from stages.bayes.generators.votes import Votes, count_votes
from stages.common.types import Indices

# Symbols 0 to 2 are the paints of a dress; the background and skin are always the same.
BACKGROUND, SKIN = 3, 4
COLOUR, SHAPE = 0, 1
SIZES = [3, 2]
EVERY = np.array(list(product(range(3), range(2))) * 2)
# Of a long dress and of a wide one.
LONG, WIDE = [0, 0, BACKGROUND, SKIN, SKIN], [BACKGROUND, SKIN, 0, 0, SKIN]


def paint_dresses(codes: Codes) -> Indices:
    rows = [WIDE if shape else LONG for _, shape in codes]
    return np.array(
        [
            [colour if symbol == 0 else symbol for symbol in row]
            for row, (colour, _) in zip(rows, codes, strict=True)
        ]
    )


def count(
    columns: Indices, codes: Codes = EVERY, pixels: Indices | None = None
) -> tuple[NDArray[np.bool_], list[Votes]]:
    weights = np.ones(columns.shape[1], dtype=np.intp) if pixels is None else pixels
    return count_votes(columns, weights, codes, SIZES, 0.2)


def replacements(votes: Votes) -> dict[tuple[int, ...], int]:
    """Return how often a symbol with a value became one with another, by the four of them."""
    kinds = np.array(votes[:4]).T.tolist()
    return dict(zip(map(tuple, kinds), votes.number.tolist(), strict=True))


def agree(votes: Votes) -> bool:
    """Return whether each symbol becomes a single one in each change of the value."""
    changes = {(old, value, other) for old, value, _, other in replacements(votes)}
    return len(changes) == len(votes.number)


IDLE, VOTES = count(paint_dresses(EVERY))


def test_votes_on_a_colour_agree_and_those_on_a_shape_do_not() -> None:
    assert agree(VOTES[COLOUR])
    assert not agree(VOTES[SHAPE])


def test_a_colour_replaces_its_paints_and_nothing_else() -> None:
    found = replacements(VOTES[COLOUR])
    assert {kind for kind in found if kind[0] != kind[2]} == {
        (one, one, other, other) for one in range(3) for other in range(3) if one != other
    }
    assert {kind[0] for kind in found if kind[0] == kind[2]} == {BACKGROUND, SKIN}


def test_pairs_vote_both_ways() -> None:
    for votes in VOTES:
        found = replacements(votes)
        assert found == {
            (new, other, old, value): number for (old, value, new, other), number in found.items()
        }


def test_pairs_that_also_differ_in_what_matters_do_not_vote() -> None:
    # No two avatars differ in the colour alone, so that the dresses tell nothing of it.
    codes = np.array([[0, 0], [1, 1]] * 3)
    _, votes = count(paint_dresses(codes), codes)
    assert {old for old, *_ in replacements(votes[COLOUR])} == {SKIN}
    assert all(old == new for old, _, new, _ in replacements(votes[COLOUR]))


def test_pairs_that_differ_in_what_is_idle_vote() -> None:
    codes = np.array([[0, 0], [0, 1], [0, 1], [1, 0], [1, 1]] * 2)
    # The shape shows nowhere: any two of different colours vote.
    _, votes = count(codes[:, [COLOUR]], codes)
    assert replacements(votes[COLOUR]) == {(0, 0, 1, 1): 24, (1, 1, 0, 0): 24}


def test_pairs_that_would_be_in_different_contexts_do_not_vote() -> None:
    # The shape matters only in the second colour, so that it is idle in the first.
    codes = np.array(list(product(range(2), range(2))) * 3)
    _, votes = count(np.array([[colour + colour * shape] for colour, shape in codes]), codes)
    forth = {kind: number for kind, number in replacements(votes[COLOUR]).items() if kind[0] == 0}
    assert forth == {(0, 0, 1, 1): 9, (0, 0, 2, 1): 9}


def test_every_pixel_votes() -> None:
    columns = paint_dresses(EVERY)
    many = np.array([5, 1, 1, 1, 1])
    once, often = (
        replacements(count(columns, pixels=pixels)[1][COLOUR])
        for pixels in (np.ones(5, dtype=np.intp), many)
    )
    first = replacements(count(columns[:, :1])[1][COLOUR])
    assert often == {kind: number + 4 * first.get(kind, 0) for kind, number in once.items()}


def test_an_attribute_is_idle_where_another_value_shows_the_same() -> None:
    long = EVERY[:, SHAPE] == 0
    assert (IDLE[COLOUR, long] == [False, False, True, True, True]).all()
    assert (IDLE[COLOUR, ~long] == [True, True, False, False, True]).all()
    assert not IDLE[SHAPE, :, :4].any()
    assert IDLE[SHAPE, :, 4].all()
