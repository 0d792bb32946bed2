"""Fields and masks are what they are called, in pixels of a photo."""

import numpy as np
import pytest

from stages.wells.synthetic.canvas import (
    FINENESS,
    HEIGHT,
    MARGIN_X,
    MARGIN_Y,
    WIDTH,
    X,
    Y,
    blend,
    blob,
    dome,
    inside,
    noise,
    ridge,
    shear,
)

SHAPE = (FINENESS * (HEIGHT + 2 * MARGIN_Y), FINENESS * (WIDTH + 2 * MARGIN_X))


def test_a_photo_lies_in_the_middle_of_the_canvas() -> None:
    assert X.shape == Y.shape == SHAPE
    top, left = FINENESS * MARGIN_Y, FINENESS * MARGIN_X
    photo = np.s_[top : top + FINENESS * HEIGHT, left : left + FINENESS * WIDTH]
    half = 0.5 / FINENESS
    assert (Y[photo].min(), Y[photo].max()) == (half, HEIGHT - half)
    assert (X[photo].min(), X[photo].max()) == (half, WIDTH - half)


def test_noise_has_zero_mean_and_unit_deviation_and_is_smoother_along_the_larger_sigma() -> None:
    field = noise(np.random.default_rng(0), 4, 1)
    assert field.shape == SHAPE
    assert field.mean() == pytest.approx(0, abs=1e-9)
    assert field.std() == pytest.approx(1)
    assert np.abs(np.diff(field, axis=0)).mean() < np.abs(np.diff(field, axis=1)).mean() / 2


def test_a_dome_is_an_ellipse_higher_above_its_middle_than_below() -> None:
    filled = dome(24, 14, 10, up=8, down=4) < 0
    half = 1 / FINENESS
    assert (X[filled].min(), X[filled].max()) == pytest.approx((14, 34), abs=half)
    assert (Y[filled].min(), Y[filled].max()) == pytest.approx((6, 18), abs=half)


def test_the_edge_of_a_mask_is_as_wide_as_its_softness() -> None:
    distance = np.array([-9.0, -2, -1, 0, 1, 2, 9])
    assert inside(distance, 4).tolist() == [1, 1, 0.75, 0.5, 0.25, 0, 0]


def test_a_ridge_and_a_blob_are_one_where_they_are_and_nothing_far_off() -> None:
    assert ridge(np.array([0.0, 9]), 2).tolist() == pytest.approx([1, 0], abs=1e-6)
    spot = blob(20, 10, 4, 2)
    assert spot.max() == pytest.approx(1, abs=0.05)
    assert X.flat[spot.argmax()] == pytest.approx(20, abs=0.5)
    assert Y.flat[spot.argmax()] == pytest.approx(10, abs=0.5)
    assert (spot > 0.5).sum() == pytest.approx(np.pi * np.log(2) * 8 * FINENESS**2, rel=0.1)


def test_a_colour_replaces_a_scene_where_the_mask_is_one() -> None:
    scene, colour = np.full((*SHAPE, 3), 0.2), np.array([1.0, 0.6, 0])
    mask = np.zeros(SHAPE)
    mask[0, :2] = 1, 0.5
    blended = blend(scene, colour, mask)
    np.testing.assert_allclose(blended[0, :3], [[1, 0.6, 0], [0.6, 0.4, 0.1], [0.2, 0.2, 0.2]])
    assert (scene == 0.2).all()


def test_shearing_moves_a_row_by_its_height_times_the_slope() -> None:
    moved = shear(X, 0.5)
    rows = [np.abs(Y[:, 0] - y).argmin() for y in (0, 8, 20)]
    middle = SHAPE[1] // 2
    shifts = [moved[row, middle] - X[row, middle] for row in rows]
    assert shifts == pytest.approx([0, -4, -10], abs=0.5)
