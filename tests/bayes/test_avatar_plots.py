"""Pictures of avatars show each in its place, and the same inputs give the same bytes."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from stages.bayes.calibration import calibrate
from stages.bayes.plots import (
    COLOURS,
    Row,
    save_calibration,
    save_frequencies,
    save_posterior,
    sheet,
)
from stages.bayes.styles import draw_frequencies, joint
from stages.common.pictures import SKY, VERMILION
from tests.avatar_files import COUNTS, fit_model
from tests.pictures import assert_draws_the_same_bytes

RED, GREEN, BLUE = (220, 20, 20), (20, 160, 40), (30, 60, 200)
SIDE = 20


def plain(*paints: tuple[int, int, int], side: int = SIDE) -> NDArray[np.uint8]:
    """Return avatars of one colour each, the upper half transparent."""
    avatars = np.zeros((len(paints), side, side, 4), dtype=np.uint8)
    for avatar, paint in zip(avatars, paints, strict=True):
        avatar[side // 2 :] = (*paint, 255)
    return avatars


def pixels_of(path: Path, paint: str) -> NDArray[np.intp]:
    """Return row and column of the pixels of that colour, `#rrggbb`."""
    with Image.open(path) as picture:
        pixels = np.asarray(picture.convert("RGB"))
    wanted = [int(paint[start : start + 2], 16) for start in (1, 3, 5)]
    return np.argwhere((pixels == wanted).all(axis=2))


def box_of(picture: Image.Image, paint: tuple[int, int, int]) -> tuple[int, int, int, int]:
    """Return left, top, right and bottom of what has that colour."""
    rows, columns = np.nonzero((np.asarray(picture) == paint).all(axis=2))
    return int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1


def test_a_sheet_shows_rows_of_avatars_below_their_titles() -> None:
    picture = sheet([Row("two", plain(RED, GREEN)), Row("one", plain(BLUE), ["caption"])])
    red, green, blue = (box_of(picture, paint) for paint in (RED, GREEN, BLUE))
    for left, top, right, bottom in (red, green, blue):
        assert (right - left, bottom - top) == (SIDE, SIDE // 2)
    assert red[1] == green[1] < blue[1]
    assert red[0] == blue[0] < green[0]
    ink = np.any(np.asarray(picture).max(axis=2) < 128, axis=1)
    assert ink[: red[1] - SIDE // 2].any()
    assert ink[red[3] : blue[1] - SIDE // 2].any()
    assert ink[blue[3] :].any()


def test_a_large_avatar_is_made_smaller_by_a_whole_number() -> None:
    left, top, right, bottom = box_of(sheet([Row("", plain(RED, side=600))]), RED)
    assert (right - left, bottom - top) == (200, 100)


def test_a_posterior_marks_the_true_values(tmp_path: Path) -> None:
    (avatar,) = plain(RED, side=100)
    marginals = {"hat": {"cap": 0.9, "none": 0.1}, "coat": {"red": 0.2, "green": 0.8}}
    save_posterior(avatar, marginals, {"hat": "cap", "coat": "red"}, tmp_path / "one.png")
    # Bars are as long as values are probable: 0.9 + 0.2 of the true ones, 0.1 + 0.8 of the others.
    true, other = (len(pixels_of(tmp_path / "one.png", paint)) for paint in (VERMILION, SKY))
    assert true / other == pytest.approx(1.1 / 0.9, rel=0.05)


def draw_posterior(path: Path) -> None:
    save_posterior(plain(RED)[0], {"hat": {"cap": 0.9, "none": 0.1}}, {"hat": "cap"}, path)


def draw_calibration(path: Path) -> None:
    confidence, right = np.array([0.95, 0.95, 0.55, 0.2]), np.array([True, True, True, False])
    curves = {"weighed": calibrate(confidence, right), "plain": calibrate(1 - confidence, right)}
    save_calibration(curves, path)


def draw_styles_frequencies(path: Path) -> None:
    model = fit_model()
    drawn = draw_frequencies(joint(model), 1000, np.random.default_rng(0))
    save_frequencies(COUNTS, model, drawn, path)


@pytest.mark.parametrize("draw", [draw_posterior, draw_calibration, draw_styles_frequencies])
def test_the_same_inputs_give_the_same_png_bytes(
    draw: Callable[[Path], None], tmp_path: Path
) -> None:
    assert_draws_the_same_bytes(draw, tmp_path)


def test_frequencies_show_what_was_seen_fitted_and_drawn(tmp_path: Path) -> None:
    draw_styles_frequencies(tmp_path / "one.png")
    areas = [len(pixels_of(tmp_path / "one.png", colour)) for colour in COLOURS.values()]
    # Shares sum to one for each attribute, whichever way they are told.
    assert max(areas) / min(areas) == pytest.approx(1, rel=0.15)
    assert min(areas) > 1000
