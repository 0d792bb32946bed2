"""Pictures show every image in its place, and the same inputs give the same bytes."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from PIL import Image

from stages.common.charts import new_chart, render
from stages.common.pictures import (
    DPI,
    FRAME,
    MARGIN,
    SPILL,
    TEXT_SIZE,
    TITLE_SIZE,
    WIDTH,
    Row,
    as_tiles,
    draw_rows,
    evenly_spaced,
    fit_tile,
    font,
    head,
    save_picture,
    stack,
    wrap,
)
from tests.clones import ROOT
from tests.pictures import (
    BLUE,
    GREEN,
    PAINTS,
    RED,
    SIDE,
    assert_draws_the_same_bytes,
    box_of,
    plain,
)


def tiles(*paints: tuple[int, int, int]) -> list[Image.Image]:
    return as_tiles(plain(*paints))


def ink_rows(picture: Image.Image) -> int:
    """Return how many rows of pixels have dark ones."""
    return int((np.asarray(picture.convert("L")) < 140).any(axis=1).sum())


@pytest.mark.parametrize("captions", [(), list("abcde")], ids=["plain", "captions"])
def test_a_row_shows_every_tile_whole_and_goes_on_below(captions: list[str]) -> None:
    picture = draw_rows([Row("label", tiles(*PAINTS), captions)], columns=2)
    boxes = [box_of(picture, paint) for paint in PAINTS]
    ((width, height),) = {(right - left, bottom - top) for left, top, right, bottom in boxes}
    assert width == height >= SIDE
    for index, (left, top, _, _) in enumerate(boxes):
        assert left == boxes[index % 2][0]
        assert top == boxes[index - index % 2][1]
    assert boxes[1][0] > boxes[0][2]
    assert boxes[2][1] > boxes[0][3]
    assert boxes[4][1] > boxes[2][3]


def test_as_many_columns_as_asked_fill_the_width() -> None:
    for columns in (2, 3):
        picture = draw_rows([Row("", tiles(*PAINTS[:columns]))], columns)
        boxes = [box_of(picture, paint) for paint in PAINTS[:columns]]
        assert picture.width == WIDTH
        assert boxes[0][0] == MARGIN
        assert 0 <= WIDTH - MARGIN - boxes[-1][2] < columns


def test_a_tile_keeps_its_images_orientation() -> None:
    # Red above, blue below, and green to the left of both.
    image = plain(RED)
    image[0, :, SIDE // 2 :] = np.reshape(BLUE, (3, 1, 1))
    image[0, :, :, : SIDE // 2] = np.reshape(GREEN, (3, 1, 1))
    pixels = np.asarray(draw_rows([Row("", as_tiles(image))], 1))
    middles = {
        paint: np.argwhere((pixels == paint).all(axis=2)).mean(axis=0)
        for paint in (RED, GREEN, BLUE)
    }
    assert middles[RED][0] < middles[BLUE][0]
    assert middles[GREEN][1] < middles[RED][1]


def test_a_frame_lies_around_its_own_tile() -> None:
    picture = draw_rows([Row("", tiles(RED, BLUE), frames=["#00ff00", SPILL])], 2)
    pixels = np.asarray(picture).astype(int)
    for paint, frame in ((RED, (0, 255, 0)), (BLUE, (0xD5, 0x5E, 0x00))):
        left, top, right, bottom = box_of(picture, paint)
        around = pixels[top - FRAME : bottom + FRAME, left - FRAME : right + FRAME]
        assert (around[FRAME // 2] == frame).all()
        assert (around[:, -FRAME // 2] == frame).all()


def test_a_framed_tile_is_as_large_as_one_without_and_shows_all_of_it() -> None:
    image = plain(RED)
    image[0, :, 0, 0] = BLUE
    (tile,) = as_tiles(image)
    size = 10 * SIDE
    framed = fit_tile(tile, size, SPILL)
    assert framed.size == fit_tile(tile, size).size == (size, size)
    blue = np.argwhere(np.asarray(framed)[..., 2] > 150)
    assert blue.min() == FRAME


def test_a_caption_stands_below_its_own_tile_and_a_label_above_all() -> None:
    captioned = draw_rows([Row("", tiles(RED, BLUE), ["", "caption"])], 2)
    left, _, right, bottom = box_of(captioned, BLUE)
    ink = (np.asarray(captioned)[bottom:] < 128).all(axis=2)
    columns = np.flatnonzero(ink.any(axis=0))
    assert left <= columns.min() < columns.max() <= right

    labelled = draw_rows([Row("label", tiles(RED))], 2)
    above = labelled.crop((0, 0, WIDTH, box_of(labelled, RED)[1]))
    assert ink_rows(above) > 0


def test_a_long_caption_goes_on_below_within_its_tiles_width() -> None:
    def ink_of(caption: str) -> Image.Image:
        picture = draw_rows([Row("", tiles(RED, BLUE), ["", caption])], 2)
        return picture.crop((0, box_of(picture, BLUE)[3], WIDTH, picture.height))

    words = ink_of("word " * 60)
    columns = np.flatnonzero((np.asarray(words.convert("L")) < 140).any(axis=0))
    assert WIDTH / 2 < columns.min() < columns.max() < WIDTH - MARGIN
    assert words.height > ink_of("one\ntwo").height > ink_of("one").height


def test_rows_of_nothing_are_paper() -> None:
    assert (np.asarray(draw_rows([], 4)) == 255).all()


def test_a_head_writes_its_title_larger_than_its_subtitle() -> None:
    title, subtitle = ink_rows(head("Spill", "")), ink_rows(head("", "Spill"))
    assert title > subtitle > 0
    assert ink_rows(head("Spill", "Spill")) == title + subtitle


WEIGHTS = [(False, "Book"), (True, "Bold")]


@pytest.mark.parametrize(("bold", "weight"), WEIGHTS)
def test_texts_are_written_in_the_font_of_the_charts(bold: bool, weight: str) -> None:
    written = font(TEXT_SIZE, bold)
    assert written.getname() == ("DejaVu Sans", weight)
    assert Path(str(written.path)).is_relative_to(matplotlib.get_data_path())
    assert written.size == TEXT_SIZE * DPI / 72


@pytest.fixture
def system_fonts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """The folder where the system's fonts would lie, of which there are none, nor matplotlib."""
    monkeypatch.setattr("stages.common.pictures.find_spec", lambda _: None)
    for name in ("XDG_DATA_HOME", "XDG_DATA_DIRS"):
        monkeypatch.setenv(name, str(tmp_path))
    folder = tmp_path / "fonts"
    folder.mkdir()
    font.cache_clear()
    yield folder
    font.cache_clear()


@pytest.mark.parametrize(("bold", "weight"), WEIGHTS)
def test_without_matplotlib_the_systems_copy_of_its_font_is_taken(
    bold: bool, weight: str, system_fonts: Path
) -> None:
    own = Path(matplotlib.get_data_path(), "fonts/ttf")
    shutil.copytree(own, system_fonts / "below")
    written = font(TEXT_SIZE, bold)
    assert written.getname() == ("DejaVu Sans", weight)
    assert Path(str(written.path)).is_relative_to(system_fonts)
    assert written.size == TEXT_SIZE * DPI / 72


@pytest.mark.usefixtures("system_fonts")
@pytest.mark.parametrize("text", ["Spill", "пролив", "a\udcffb.jpg"])
def test_where_no_such_font_is_any_text_is_written_in_pillows_own(text: str) -> None:
    assert "DejaVu" not in str(font(TEXT_SIZE).getname())
    title, subtitle = ink_rows(head(text, "")), ink_rows(head("", text))
    assert title > subtitle > 0
    labelled = draw_rows([Row(text, tiles(RED), [text])], 2)
    _, top, _, bottom = box_of(labelled, RED)
    assert ink_rows(labelled.crop((0, 0, WIDTH, top))) > 0
    assert ink_rows(labelled.crop((0, bottom, WIDTH, labelled.height))) > 0


@pytest.mark.parametrize("size", [TITLE_SIZE, TEXT_SIZE])
def test_a_text_is_wrapped_where_the_next_word_would_not_fit(size: int) -> None:
    text = "the quick brown fox jumps over the lazy dog " * 8
    lines = wrap(text.strip(), font(size), 500)
    assert " ".join(lines) == text.strip()
    for line, following in pairwise(lines):
        assert font(size).getlength(line) <= 500
        assert font(size).getlength(f"{line} {following.split(' ')[0]}") > 500


def test_a_number_stays_with_its_unit() -> None:
    assert wrap("7.6\N{NO-BREAK SPACE}%", font(TEXT_SIZE), 1) == ["7.6\N{NO-BREAK SPACE}%"]


def test_parts_stand_one_below_the_other() -> None:
    parts = [Image.new("RGB", (10, 4 + i), paint) for i, paint in enumerate(PAINTS)]
    picture = stack(*parts)
    assert picture.size == (10, sum(part.height for part in parts))
    tops = [box_of(picture, paint)[1] for paint in PAINTS]
    assert tops == sorted(tops)


def test_a_chart_is_as_wide_as_all_pictures() -> None:
    assert render(new_chart(2)).size == (WIDTH, 300)


def draw(path: Path) -> None:
    chart = new_chart(2)
    chart.subplots().plot([0, 1])
    rows = [Row("label", tiles(*PAINTS), list("abcde"))]
    save_picture(path, "title", "subtitle", draw_rows(rows, 3), render(chart))


def test_the_same_inputs_give_the_same_png_bytes(tmp_path: Path) -> None:
    assert_draws_the_same_bytes(draw, tmp_path)


def test_a_users_own_settings_change_no_picture(tmp_path: Path) -> None:
    settings = tmp_path / "matplotlibrc"
    settings.write_text("font.size: 30\nlines.linewidth: 9\n", encoding="utf-8")
    code = (
        "import sys; from pathlib import Path; from tests.common.test_pictures import draw; "
        "draw(Path(sys.argv[1]))"
    )
    written = {}
    for name, own in (("plain", {}), ("own", {"MATPLOTLIBRC": str(settings)})):
        path = tmp_path / f"{name}.png"
        command = [sys.executable, "-c", code, str(path)]
        subprocess.run(command, cwd=ROOT, env={**os.environ, **own}, check=True)
        written[name] = path.read_bytes()
    assert written["own"] == written["plain"]


@pytest.mark.parametrize(("count", "wanted"), [(100, 7), (8, 7), (7, 7), (3, 7), (1, 7), (0, 7)])
def test_evenly_spaced_are_as_many_distinct_ascending_indices_as_there_can_be(
    count: int, wanted: int
) -> None:
    indices = evenly_spaced(count, wanted)
    assert len(indices) == min(count, wanted)
    assert (np.diff(indices) > 0).all()
    assert ((indices >= 0) & (indices < count)).all()


def test_evenly_spaced_reach_from_the_first_to_the_last_in_even_steps() -> None:
    assert evenly_spaced(101, 5).tolist() == [0, 25, 50, 75, 100]
