"""Positions, and the share of them that counts, are those that tell known spills best."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from stages.common.types import FloatArray
from stages.wells.detection import regions
from stages.wells.detection.regions import SHARES, area_under_roc, learn_where
from tests.arrays import on_arrays

pool = on_arrays(regions.pool)

ROWS, COLUMNS = 6, 9
GRID = np.arange(ROWS * COLUMNS).reshape(ROWS, COLUMNS)


def draw(count: int, seed: int, positions: int = ROWS * COLUMNS) -> FloatArray:
    """Return distances of photos whose positions are all alike."""
    return np.random.default_rng(seed).normal(10, 1, (count, positions))


def stranger(distances: FloatArray, positions: object, by: float = 20) -> FloatArray:
    """Return distances that are larger at some positions."""
    changed = distances.copy()
    changed[:, positions] += by  # type: ignore[index]
    return changed


def block(row: int, column: int) -> list[int]:
    """Return the 3 x 3 positions around one."""
    found: list[int] = GRID[row - 1 : row + 2, column - 1 : column + 2].ravel().tolist()
    return found


@pytest.mark.parametrize("digits", [0, 1, 9], ids=lambda digits: f"{digits} digits")
def test_the_area_is_that_under_the_roc_curve_of_each_position(digits: int) -> None:
    # With fewer digits, many pairs are equal.
    normals, spills = draw(40, seed=0, positions=5).round(digits), draw(9, seed=1, positions=5)
    spills = (spills + np.arange(5) - 2).round(digits)
    expected = [
        roc_auc_score([0] * 40 + [1] * 9, np.concatenate([normals[:, one], spills[:, one]]))
        for one in range(5)
    ]
    np.testing.assert_allclose(area_under_roc(normals, spills), expected, rtol=1e-12)


@pytest.mark.parametrize(
    ("normals", "spills", "area"),
    [
        ([1, 2], [3], 1),
        ([1, 2], [0], 0),
        ([1, 3], [2, 2], 0.5),
        ([1, 1], [1], 0.5),
        ([1, 2], [2], 0.75),
    ],
)
def test_the_area_is_the_share_of_pairs_in_which_the_spill_is_stranger(
    normals: list[float], spills: list[float], area: float
) -> None:
    assert area_under_roc(np.array([normals]).T, np.array([spills]).T).tolist() == [area]


def test_it_looks_where_spills_differ() -> None:
    # The middle column is its own mirror image.
    normals, spills = draw(200, seed=0), stranger(draw(20, seed=1), block(2, 4))
    found = learn_where(normals, spills, ROWS).tolist()
    assert GRID[2, 4] in found
    assert set(found) <= set(block(2, 4))
    assert found == sorted(found)


@pytest.mark.parametrize("column", [1, 7])
def test_where_spills_lean_to_one_side_it_looks_at_the_other_too(column: int) -> None:
    normals, spills = draw(200, seed=0), stranger(draw(20, seed=1), block(2, column))
    found = set(learn_where(normals, spills, ROWS).tolist())
    assert {GRID[2, 1], GRID[2, 7]} <= found
    assert found <= {*block(2, 1), *block(2, 7)}
    assert found == {int(GRID[:, ::-1].ravel()[position]) for position in found}


def test_the_neighbours_of_a_position_count_for_as_much_as_itself() -> None:
    # One position between others that differ, and one alone.
    around = [position for position in block(3, 4) if position != GRID[3, 4]]
    normals, spills = draw(200, seed=0), stranger(draw(20, seed=1), [*around, GRID[0, 4]])
    found = learn_where(normals, spills, ROWS)
    assert GRID[3, 4] in found
    assert GRID[0, 4] not in found


def test_positions_that_tell_almost_as_much_as_the_best_are_taken_too() -> None:
    # By columns: areas of 1, about 0.98 and about 0.76 for shifts of 20, 3 and 1 deviations.
    shifts = np.repeat([20.0, 3, 1, 0], [3, 3, 3, 3])
    shifts = np.concatenate([shifts, shifts[::-1]])
    normals, spills = draw(500, seed=0, positions=6 * 24), draw(500, seed=1, positions=6 * 24)
    spills += np.tile(shifts, 6)
    found = learn_where(normals, spills, 6) % 24
    assert {0, 1, 2, 3, 4} <= set(found.tolist())
    assert not {6, 7, 8, 9} & set(found.tolist())


def test_what_is_less_strange_in_spills_tells_nothing() -> None:
    normals, spills = draw(200, seed=0), stranger(draw(20, seed=1), block(2, 4))
    spills = stranger(spills, block(4, 4), by=-40)
    assert GRID[5, 4] not in learn_where(normals, spills, ROWS)


@pytest.mark.parametrize("by", [0, -20])
def test_it_looks_everywhere_where_no_position_tells(by: float) -> None:
    normals = draw(50, seed=0)
    found = learn_where(normals, normals + by, ROWS)
    assert found.tolist() == list(range(ROWS * COLUMNS))


def test_pools_are_means_of_all_of_the_less_strange_half_and_of_the_strangest_tenth() -> None:
    distances = np.random.default_rng(0).permuted(np.tile(np.arange(20.0), (3, 1)), axis=1)
    for share, expected in (("all", 9.5), ("half", 4.5), ("tenth", 18.5)):
        assert pool(distances, share).tolist() == [expected] * 3


def test_a_pool_of_few_positions_has_at_least_one() -> None:
    for share in SHARES:
        assert pool(np.array([[3.0], [7]]), share).tolist() == [3, 7]
    assert pool(np.array([[3.0, 8, 4]]), "half").tolist() == [3]
    assert pool(np.array([[3.0, 8, 4]]), "tenth").tolist() == [8]
    assert pool(np.arange(19.0)[None], "tenth").tolist() == [18]


def test_pooling_leaves_distances_as_they_were() -> None:
    distances = draw(5, seed=0)
    before = distances.copy()
    for share in SHARES:
        pool(distances, share)
    np.testing.assert_array_equal(distances, before)
