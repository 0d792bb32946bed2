"""Plots show what they are given in its place, and the same inputs give the same bytes."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from stages.common.pictures import INK
from stages.common.types import Images
from stages.wells.evaluation import plots
from stages.wells.evaluation.plots import (
    COLOURS,
    CURVE_COLOURS,
    rows_of_panels,
    save_histogram,
    save_roc,
)
from tests.pictures import (
    BLUE,
    CYAN,
    GREEN,
    RED,
    YELLOW,
    assert_draws_the_same_bytes,
    box_of,
    plain,
)

pytestmark = pytest.mark.slow

PINK = 200, 100, 160


def test_panels_stand_below_their_image() -> None:
    rows = [plain(RED, GREEN), plain(BLUE, YELLOW), plain(PINK, CYAN)]
    picture = rows_of_panels(rows, [["", ""]] * 3, "", columns=2)
    for paints in ((RED, BLUE, PINK), (GREEN, YELLOW, CYAN)):
        boxes = [box_of(picture, paint) for paint in paints]
        assert len({left for left, _, _, _ in boxes}) == 1
        assert boxes[0][1] < boxes[1][1] < boxes[2][1]
    assert box_of(picture, RED)[0] < box_of(picture, GREEN)[0]


def test_more_images_than_columns_go_on_below_what_was_made_of_the_first() -> None:
    rows = [plain(RED, GREEN, PINK), plain(BLUE, YELLOW, CYAN)]
    picture = rows_of_panels(rows, [["", "", ""]] * 2, "", columns=2)
    left, right = (box_of(picture, paint)[0] for paint in (RED, GREEN))
    columns = {paint: box_of(picture, paint)[0] for paint in (BLUE, YELLOW, PINK, CYAN)}
    assert columns == {BLUE: left, YELLOW: right, PINK: left, CYAN: left}
    tops = [box_of(picture, paint)[1] for paint in (RED, BLUE, PINK, CYAN)]
    assert tops == sorted(set(tops))


@pytest.mark.parametrize(("count", "columns"), [(2, 8), (3, 2)])
def test_each_panel_has_its_caption(
    count: int, columns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    paints, below = [RED, GREEN, PINK][:count], [BLUE, YELLOW, CYAN][:count]
    given: list[tuple[Images, str, int, list[str]]] = []

    def gallery(*arguments: Any) -> Image.Image:
        given.append(arguments)
        return Image.new("RGB", (1, 1))

    monkeypatch.setattr(plots, "gallery", gallery)
    names = [[f"{row} {index}" for index in range(count)] for row in ("photo", "map")]
    rows_of_panels([plain(*paints), plain(*below)], names, "title", columns)
    ((tiles, title, given_columns, captions),) = given
    assert (title, given_columns) == ("title", columns)
    found = dict(zip(captions, map(tuple, tiles[:, :, 0, 0].tolist()), strict=True))
    blank = {"": (255, 255, 255)} if count > columns else {}
    assert found == dict(zip([*names[0], *names[1]], [*paints, *below], strict=True)) | blank


def test_no_images_give_a_picture_without_tiles() -> None:
    none = plain(RED)[:0]
    pixels = np.asarray(rows_of_panels([none, none], [[], []], "", columns=4))
    assert pixels.size
    assert (pixels == 255).all()


GROUPS = {
    name: np.random.default_rng(seed).normal(2 * seed, 1, 40) for seed, name in enumerate(COLOURS)
}
LABELS = np.arange(60) % 3 == 0
ROC = {
    "mse": (LABELS, LABELS + np.random.default_rng(0).normal(size=60), 0.5),
    "detector": (LABELS, LABELS + np.random.default_rng(1).normal(size=60), 0.7),
}


def draw_histogram(path: Path) -> None:
    save_histogram(GROUPS, 1.5, "title", path)


def draw_narrow_histogram(path: Path) -> None:
    save_histogram(GROUPS | {"test spill": np.full(5, 2.5)}, 1.5, "title", path)


def draw_histogram_of_one_value(path: Path) -> None:
    save_histogram({name: np.ones(1) for name in COLOURS}, 1.0, "title", path)


def draw_histogram_without_known_spills(path: Path) -> None:
    save_histogram(GROUPS | {"known spill": np.empty(0)}, 1.5, "title", path)


def draw_roc(path: Path) -> None:
    save_roc(ROC, "title", path)


def draw_roc_of_perfect_scores(path: Path) -> None:
    save_roc({"mse": (LABELS, LABELS.astype(float), 0.5)}, "title", path)


@pytest.mark.parametrize(
    "draw",
    [
        draw_histogram,
        draw_narrow_histogram,
        draw_histogram_of_one_value,
        draw_histogram_without_known_spills,
        draw_roc,
        draw_roc_of_perfect_scores,
    ],
)
def test_the_same_inputs_give_the_same_png_bytes(
    draw: Callable[[Path], None], tmp_path: Path
) -> None:
    assert_draws_the_same_bytes(draw, tmp_path)


def pixels_with(path: Path, paint: str) -> NDArray[np.intp]:
    """Return row and column of the pixels of that colour, `#rrggbb`, within a hair."""
    with Image.open(path) as picture:
        pixels = np.asarray(picture.convert("RGB")).astype(int)
    wanted = [int(paint[start : start + 2], 16) for start in (1, 3, 5)]
    return np.argwhere((abs(pixels - wanted) <= 2).all(axis=2))


def test_a_histograms_threshold_moves_with_its_value(tmp_path: Path) -> None:
    middles = []
    for threshold in (0.0, 3.0):
        save_histogram(GROUPS, threshold, "", tmp_path / "histogram.png")
        ink = pixels_with(tmp_path / "histogram.png", INK)
        columns = np.bincount(ink[:, 1])
        middles.append(int(columns.argmax()))
    assert middles[0] < middles[1]


def test_a_histogram_shows_test_groups_below_and_the_others_above(tmp_path: Path) -> None:
    save_histogram(GROUPS, 1.5, "", tmp_path / "histogram.png")
    with Image.open(tmp_path / "histogram.png") as picture:
        middle = picture.height / 2
    for name, paint in COLOURS.items():
        # Bars are drawn with an opacity of 3/4 on white.
        levels = [int(paint[start : start + 2], 16) for start in (1, 3, 5)]
        paler = "#" + "".join(f"{round(0.75 * level + 0.25 * 255):02x}" for level in levels)
        rows = pixels_with(tmp_path / "histogram.png", paler)[:, 0]
        assert len(rows) > 100, name
        assert (np.median(rows) > middle) == name.startswith("test"), name


def test_a_roc_plot_shows_every_score_in_its_colour(tmp_path: Path) -> None:
    save_roc(ROC, "", tmp_path / "roc.png")
    for paint, _ in zip(COLOURS.values(), ROC, strict=False):
        assert len(pixels_with(tmp_path / "roc.png", paint)) > 100


@pytest.mark.parametrize(
    ("threshold", "elsewhere", "down", "right"),
    [(-1.0, 0.5, -1, 1), (0.5, -1.0, -1, -1), (9.0, 0.5, 1, -1)],
    ids=["all called spills", "all right", "all called normal"],
)
def test_a_roc_plots_dot_stands_at_the_rates_of_the_threshold(
    tmp_path: Path, threshold: float, elsewhere: float, down: int, right: int
) -> None:
    # Perfect scores: both rates are 1, only the true one is, both are 0.
    scores = LABELS.astype(float)
    save_roc({"mse": (LABELS, scores, threshold)}, "", tmp_path / "dot.png")
    save_roc({"mse": (LABELS, scores, elsewhere)}, "", tmp_path / "elsewhere.png")
    with Image.open(tmp_path / "dot.png") as one, Image.open(tmp_path / "elsewhere.png") as other:
        changed = np.argwhere((np.asarray(one) != np.asarray(other)).any(axis=2))
        from_middle = changed - np.array(one.size[::-1]) / 2
    assert (from_middle * (down, right) > 0).all(axis=1).any()


def curve_in_inset(path: Path) -> NDArray[np.float64]:
    """Return the columns, as shares of the width, of the first curve's pixels in a ROC's inset."""
    with Image.open(path) as picture:
        size = picture.size[::-1]
    row, column = (pixels_with(path, CURVE_COLOURS[0]) / size).T
    shares: NDArray[np.float64] = column[(row > 0.15) & (row < 0.45) & (abs(column - 0.7) < 0.25)]
    return shares


@pytest.mark.parametrize(("sign", "in_corner"), [(1, True), (-1, False)], ids=["right", "inverted"])
def test_a_roc_plots_inset_shows_the_corner_of_few_errors_and_no_other(
    tmp_path: Path, sign: int, in_corner: bool
) -> None:
    save_roc({"mse": (LABELS, sign * LABELS.astype(float), 0.5)}, "", tmp_path / "roc.png")
    assert (len(curve_in_inset(tmp_path / "roc.png")) > 200) == in_corner


def test_a_roc_plots_inset_magnifies(tmp_path: Path) -> None:
    # Of 1,000 normals 10 are above all spills, or 40: 3 % of the plot's width between them.
    labels, columns = np.arange(1100) < 100, []
    for wrong in (10, 40):
        scores = np.where(labels, 1.0, np.where(np.arange(1100) < 100 + wrong, 2.0, 0.0))
        save_roc({"mse": (labels, scores, 0.5)}, "", tmp_path / "roc.png")
        columns.append(np.median(curve_in_inset(tmp_path / "roc.png")))
    assert columns[1] - columns[0] > 0.1


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """Return a list of the figures that are saved from now on."""
    figures: list[Figure] = []
    monkeypatch.setattr(plots, "save_figure", lambda figure, path: figures.append(figure))
    return figures


def legend_of(axes: Axes) -> list[str]:
    legend = axes.get_legend()
    assert legend is not None
    return [text.get_text() for text in legend.get_texts()]


def test_a_group_without_images_is_left_out_of_a_histogram(drawn: list[Figure]) -> None:
    draw_histogram_without_known_spills(Path("unused"))
    upper, lower = drawn[0].axes
    assert set(legend_of(upper)) == {"held-out normal (40)", "threshold 1.50"}
    assert len(legend_of(lower)) == 3


def test_a_roc_plot_shows_all_scores_however_many_there_are(drawn: list[Figure]) -> None:
    names = [f"score {index}" for index in range(len(CURVE_COLOURS) + 3)]
    save_roc(dict.fromkeys(names, ROC["mse"]), "", Path("unused"))
    assert [label.partition(" (area")[0] for label in legend_of(drawn[0].axes[0])] == names
