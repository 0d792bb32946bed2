"""Images of one colour, where they lie in a picture, and whether a picture is always the same."""

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from stages.common.types import Images

RED, GREEN, BLUE, YELLOW, CYAN = PAINTS = [
    (220, 20, 20),
    (20, 160, 40),
    (30, 60, 200),
    (230, 220, 0),
    (0, 200, 210),
]
SIDE = 16


def plain(*paints: tuple[int, int, int]) -> Images:
    """Return images of one colour each."""
    images = np.empty((len(paints), 3, SIDE, SIDE), dtype=np.uint8)
    images[:] = np.array(paints, dtype=np.uint8).reshape(-1, 3, 1, 1)
    return images


def box_of(picture: Image.Image, paint: tuple[int, int, int]) -> tuple[int, int, int, int]:
    """Return left, top, right and bottom of the filled rectangle of that colour."""
    found = (np.asarray(picture) == paint).all(axis=2)
    rows, columns = np.flatnonzero(found.any(axis=1)), np.flatnonzero(found.any(axis=0))
    left, top, right, bottom = columns[0], rows[0], columns[-1] + 1, rows[-1] + 1
    assert found[top:bottom, left:right].all(), "something lies over the tile"
    return int(left), int(top), int(right), int(bottom)


def assert_draws_the_same_bytes(draw: Callable[[Path], None], folder: Path) -> None:
    """Draw twice, once into a folder that isn't there, and compare the files."""
    one, other = folder / "new folder" / "one.png", folder / "other.png"
    draw(one)
    draw(other)
    assert one.read_bytes() == other.read_bytes()
    with Image.open(one) as picture:
        picture.load()
        assert picture.format == "PNG"
        assert "Software" not in picture.info, "a library's version would change the bytes"


def watch_chart(monkeypatch: pytest.MonkeyPatch, module: ModuleType) -> tuple[list[Any], list[Any]]:
    """Return two lists that fill as a module draws: the panels of its chart, and what it saves."""
    panels: list[Any] = []
    saved: list[Any] = []

    def render(chart: Figure) -> Image.Image:
        panels.extend(chart.axes)
        return Image.new("RGB", (1, 1))

    monkeypatch.setattr(module, "render", render)
    monkeypatch.setattr(module, "save_picture", lambda *given: saved.extend(given))
    return panels, saved
