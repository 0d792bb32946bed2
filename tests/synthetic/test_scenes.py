"""Spills differ from normal wells in the middle, and disturbances lie over the edges."""

from collections.abc import Callable
from functools import partial
from statistics import median

import numpy as np
import pytest

from stages.common.types import FloatArray
from stages.wells.synthetic.archive import PROLIV_STRENGTH
from stages.wells.synthetic.canvas import FINENESS, MARGIN_X, MARGIN_Y, Rng, X, Y
from stages.wells.synthetic.scenes import (
    disturb,
    draw_empty_well,
    draw_normal_well,
    draw_streak_well,
    lay_hollow,
    lay_notch,
    lay_specks,
    lay_tool,
)


def centre(scene: FloatArray) -> FloatArray:
    """Rows 10-22 and columns 16-32 of a 48 x 28 photo, cut from the wider and finer canvas."""
    top, left = MARGIN_Y + 10, MARGIN_X + 16
    k = FINENESS
    return scene[k * top : k * (top + 12), k * left : k * (left + 16)]


def sharpness(scene: FloatArray) -> float:
    return float(np.abs(np.diff(centre(scene).mean(axis=2), axis=1)).mean())


def blueness(scene: FloatArray) -> float:
    return float((centre(scene)[..., 2] - centre(scene)[..., 0]).mean())


def typical(draw: Callable[[Rng], FloatArray], measure: Callable[[FloatArray], float]) -> float:
    rng = np.random.default_rng(0)
    return median(measure(draw(rng)) for _ in range(20))


def test_empty_wells_are_smoother_and_bluer_in_the_centre_than_normal_ones() -> None:
    empty, normal = draw_empty_well, draw_normal_well
    assert typical(empty, sharpness) < 0.5 * typical(normal, sharpness)
    assert typical(empty, blueness) > typical(normal, blueness) + 0.03


def test_streaks_are_sharper_in_the_centre_than_normal_metal() -> None:
    streaked = partial(draw_streak_well, strength=PROLIV_STRENGTH)
    assert typical(streaked, sharpness) > 2 * typical(draw_normal_well, sharpness)


def test_a_tool_or_a_notch_leaves_the_centre_as_it_was() -> None:
    rng = np.random.default_rng(0)
    scene = draw_normal_well(rng)
    for disturb_by in (lay_tool, lay_notch):
        changed = disturb_by(scene, rng)
        assert not np.allclose(changed, scene)
        np.testing.assert_allclose(centre(changed), centre(scene))


def test_specks_brighten_the_bottom_of_a_well_and_nothing_else() -> None:
    dark = np.full((*X.shape, 3), 0.2)
    for seed in range(10):
        changed = lay_specks(dark, np.random.default_rng(seed))
        assert changed.min() >= 0.2
        assert changed[np.abs(Y - 28.5) < 2].max() > 0.35
        np.testing.assert_allclose(changed[Y < 18], 0.2, atol=0.01)


def test_a_hollow_hides_the_middle_in_its_colour_and_leaves_the_upper_corners() -> None:
    rng = np.random.default_rng(0)
    table, colour = np.full((*X.shape, 3), 0.7), np.array([0.5, 0.55, 0.6])
    scene = lay_hollow(table, rng, (24, 15), colour)
    np.testing.assert_allclose(
        centre(scene), np.broadcast_to(colour, centre(scene).shape), atol=0.01
    )
    corners = (Y < 2) & (np.abs(X - 24) > 22)
    np.testing.assert_allclose(scene[corners], 0.7, atol=0.01)
    outline = scene[(np.abs(X - 24) < 1) & (Y > -3) & (Y < 5)]
    assert (outline.min(axis=0) < colour - 0.01).all()
    assert (table == 0.7).all()


def test_the_colour_of_a_hollow_may_differ_from_place_to_place() -> None:
    colours = np.stack([X / 48, Y / 28, np.full(X.shape, 0.5)], axis=2)
    scene = lay_hollow(np.zeros((*X.shape, 3)), np.random.default_rng(0), (24, 15), colours)
    np.testing.assert_allclose(centre(scene), centre(colours), atol=0.01)


@pytest.mark.parametrize("seed", range(30))
def test_a_disturbance_leaves_the_scene_around_it_as_it_was_or_moves_all_of_it(seed: int) -> None:
    scene = draw_normal_well(np.random.default_rng(99))
    before = scene.copy()
    after = disturb(scene, np.random.default_rng(seed))
    np.testing.assert_array_equal(scene, before)
    assert not np.allclose(after, before, atol=0.05)
    shifted = np.array_equal(np.sort(after, axis=None), np.sort(before, axis=None))
    assert shifted or (after == before).all(axis=2).mean() > 0.25


def test_disturbances_are_of_several_kinds() -> None:
    scene = np.full((*X.shape, 3), 0.5)
    changed = {
        (disturb(scene, np.random.default_rng(seed)) != scene).any(axis=2).tobytes()
        for seed in range(30)
    }
    assert len(changed) > 20
