"""Whatever styles and avatars are given, they are read or refused with a reason, and soon."""

import zlib
from pathlib import Path

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image

from stages.bayes.avatars import AvatarSet, read_avatars
from stages.bayes.styles import StyleModel, fit_styles, joint, load_counts
from stages.common.errors import InputError
from tests.avatar_files import paint_rows
from tests.hostile import (
    MIB,
    Entry,
    anything,
    assert_takes_little_memory,
    big_png,
    bomb,
    broken,
    encoded_text,
    few,
    png_of,
    read_or_refused,
    scalars,
    stated_zip,
    tagged,
    written,
    yaml_text,
)
from tests.wells_files import ROOT, encoded

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("hostile")


def model_of(path: Path) -> StyleModel:
    model = fit_styles(load_counts(path), 1)
    assert joint(model).sum() == pytest.approx(1)
    return model


MANY_STYLES = {f"a{i}": dict.fromkeys("xyz", 1) for i in range(13)}
MANY_ATTRIBUTES = {f"a{i}": {"x": 1} for i in range(65)}


@few
@given(
    st.binary(max_size=30)
    | (yaml_text | tagged).map(encoded_text)
    | broken((ROOT / "data/styles.yaml").read_bytes())
    | (anything | st.dictionaries(st.text(max_size=2), st.dictionaries(scalars, scalars))).map(
        lambda value: encoded_text(yaml.safe_dump(value))
    )
)
@example(b"a: {b: " + b"9" * 400 + b"}")
@example(yaml.safe_dump(MANY_STYLES).encode())
@example(yaml.safe_dump(MANY_ATTRIBUTES).encode())
def test_any_text_is_counts_of_styles_or_refused(folder: Path, content: bytes) -> None:
    path = written(folder / "styles.yaml", content)
    read_or_refused(lambda: model_of(path), StyleModel)


@pytest.mark.parametrize(
    ("counts", "reason"),
    [
        ({"a": {"b": 2**53 + 1}}, "from 0 to 9,007,199,254,740,992"),
        (MANY_STYLES, "1.59e.06 styles of 13 attributes, over"),
        (MANY_ATTRIBUTES, "1 styles of 65 attributes, over"),
    ],
)
def test_counts_that_no_table_holds_are_refused(
    counts: object, reason: str, tmp_path: Path
) -> None:
    path = written(tmp_path / "styles.yaml", yaml.safe_dump(counts).encode())
    with pytest.raises(InputError, match=reason):
        load_counts(path)


# Avatars and their styles.

RED, BLUE = (encoded(Image.fromarray(paint_rows(pair)[0])) for pair in ("rr", "bb"))
TABLE = b"name,hat\na.png,cap\nb.png,none\n"


@few
@given(
    st.binary(max_size=40)
    | broken(TABLE)
    | st.text('name,ht\n\r"a.pngb;\0', max_size=30).map(lambda text: b"name,hat\n" + text.encode())
)
@example(b"name,hat\na.png,cap,red\nb.png,none\n")
@example(b"name,hat\na.png,cap,red\nb.png,none,red\n")
@example(b"name,hat\na.png,cap\nb.png,none,red\n")
def test_any_table_is_of_styles_or_refused(folder: Path, content: bytes) -> None:
    source = folder / "styled"
    for name, data in (("a.png", RED), ("b.png", BLUE), ("styles.csv", content)):
        written(source / name, data)
    if read_or_refused(lambda: read_avatars(source), tuple) is None:
        train, _ = read_avatars(source)
        assert len(train.styles) == 2
        cells = [train.attributes, *train.styles]
        assert all(isinstance(cell, str) for row in cells for cell in row)


def test_a_table_with_more_cells_than_columns_or_too_large_is_refused(tmp_path: Path) -> None:
    for name, data in (("a.png", RED), ("b.png", BLUE)):
        written(tmp_path / name, data)
    for table, reason in (
        (TABLE + b"c.png,cap,red\n", "more cells than columns"),
        (TABLE + b"c.png,cap\n" * 200_000, "styles.csv has more than 1,048,576 bytes"),
    ):
        written(tmp_path / "styles.csv", table)
        with pytest.raises(InputError, match=reason):
            read_avatars(tmp_path)


@few
@given(broken(RED))
def test_any_bytes_are_an_avatar_or_refused_by_name(folder: Path, content: bytes) -> None:
    source = folder / "avatars"
    for name, data in (("a.png", RED), ("b.png", content)):
        written(source / name, data)
    reason = read_or_refused(lambda: read_avatars(source), tuple)
    assert reason is None or "b.png" in reason


def test_avatars_of_too_many_pixels_in_all_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in "abcd":
        written(tmp_path / f"{name}.png", RED)
    monkeypatch.setattr("stages.bayes.avatars.MAX_PIXEL_BYTES", 4 * 2 * 4)
    assert isinstance(read_avatars(tmp_path)[0], AvatarSet)
    monkeypatch.setattr("stages.bayes.avatars.MAX_PIXEL_BYTES", 4 * 2 * 4 - 1)
    with pytest.raises(InputError, match=r"d\.png and the avatars before it"):
        read_avatars(tmp_path)


@pytest.mark.parametrize("size", [(2049, 1), (1, 2049), (10_000, 10_000)])
def test_an_avatar_with_too_long_a_side_is_refused_without_a_warning(
    size: tuple[int, int], tmp_path: Path
) -> None:
    for name in ("a.png", "b.png"):
        written(tmp_path / name, png_of(*size, zlib.compress(b"\0" * (size[1] + 3 * 2049))))
    reason = read_or_refused(lambda: read_avatars(tmp_path), tuple)
    assert "a.png can't be read as a PNG image: it has more than 2048 pixels" in str(reason)


# Bombs, each read in a process that may take only so much.

BOMBS: dict[str, tuple[str, bytes, str | None, int]] = {
    "an avatar of two gigabytes": (
        ".avatars",
        stated_zip([bomb(2048 * MIB)]),
        "over the limits",
        150,
    ),
    "an avatar of gigabytes stated as five bytes": (
        ".avatars",
        stated_zip([bomb(2048 * MIB)._replace(size=5)]),
        "can't be read",
        150,
    ),
    "an avatar of a billion pixels": (
        ".avatars",
        stated_zip([Entry(b"a.png", big_png(32_000, 32_000, 8, 6))]),
        "can't be read as a PNG image",
        150,
    ),
}


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux tells the peak")
@pytest.mark.parametrize(("ending", "data", "refused", "limit"), BOMBS.values(), ids=list(BOMBS))
def test_a_bomb_of_avatars_takes_neither_memory_nor_time(
    ending: str, data: bytes, refused: str | None, limit: int, tmp_path: Path
) -> None:
    assert_takes_little_memory(written(tmp_path / f"bomb{ending}", data), refused, limit)
