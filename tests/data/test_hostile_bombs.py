"""What would unpack to more than any memory holds is refused, in little memory."""

from pathlib import Path

import pytest

from tests.hostile import (
    GOOD,
    MIB,
    ROWS,
    assert_takes_little_memory,
    big_png,
    bomb,
    png_chunk,
    png_of,
    stated_zip,
    with_scans,
    written,
    zeros,
)

pytestmark = pytest.mark.slow


def overlapping(count: int, size: int) -> bytes:
    """Return a zip of many entries that all unpack the same data."""
    one = bomb(size)
    others = [
        one._replace(name=b"train/%d.png" % number, data=b"", offset=0, packed=len(one.data))
        for number in range(1, count)
    ]
    return stated_zip([one, *others])


BOMBS: dict[str, tuple[str, bytes, str | None, int]] = {
    "as many pixels as are read": (".png", big_png(7000, 7000, 8, 2), None, 650),
    "as many of sixteen bits": (".png", big_png(7000, 7000, 16, 0), None, 650),
    "a billion pixels": (".png", big_png(32_000, 32_000, 8, 2), "pixels", 150),
    "more pixels than are read": (
        ".png",
        big_png(7500, 7500, 8, 2),
        "7500 x 7500 pixels, over 50,000,000",
        150,
    ),
    "a tower": (".png", big_png(1, 50_000_000, 8, 0), "a side over 65,535", 150),
    "a gigabyte of text": (
        ".png",
        png_of(4, 3, ROWS, before=png_chunk(b"zTXt", b"a\0\0\x78\x01" + zeros(1024 * MIB))),
        "too large",
        150,
    ),
    "a gigabyte of pixels for twelve": (
        ".png",
        png_of(4, 3, b"\x78\x01" + zeros(1024 * MIB)),
        None,
        150,
    ),
    "scans": (".jpg", with_scans(9999, 7000), "over 500 scans", 150),
    "a stated two gigabytes": (
        ".zip",
        stated_zip([*GOOD, bomb(2048 * MIB)]),
        "over the limits",
        150,
    ),
    "two gigabytes stated as five bytes": (
        ".zip",
        stated_zip([*GOOD, bomb(2048 * MIB)._replace(size=5)]),
        "can't be read",
        150,
    ),
    "many entries on the same data": (".zip", overlapping(99, 32 * MIB), "over the limits", 150),
}


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux tells the peak")
@pytest.mark.parametrize(("ending", "data", "refused", "limit"), BOMBS.values(), ids=list(BOMBS))
def test_a_bomb_takes_neither_memory_nor_time(
    ending: str, data: bytes, refused: str | None, limit: int, tmp_path: Path
) -> None:
    assert_takes_little_memory(written(tmp_path / f"bomb{ending}", data), refused, limit)
