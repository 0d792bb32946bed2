"""Whatever bytes come, a photo is read or refused by its name, and soon."""

import struct
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from stages.wells.data.images import Decoded, decode_all
from tests.hostile import (
    MIB,
    ROWS,
    broken,
    few,
    png_chunk,
    png_of,
    read_or_refused,
    with_scans,
    zeros,
)
from tests.wells_files import encoded

pytestmark = pytest.mark.slow

NOISE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (12, 20, 3), dtype=np.uint8))
WIDE = Image.new("RGB", (200, 120), (9, 99, 199))


def stated_size(jpeg: bytes, width: int, height: int) -> bytes:
    """Return a JPEG that states another size in its frame header."""
    frame = jpeg.index(b"\xff\xc0") + 5
    return jpeg[:frame] + struct.pack(">HH", height, width) + jpeg[frame + 4 :]


JPEG, PNG = encoded(NOISE, "JPEG"), encoded(NOISE)
GREY = Image.fromarray(np.full((3, 4), 9 * 257, dtype=np.uint16))
FRAMES = {"save_all": True, "append_images": [WIDE.rotate(9)]}
MUCH = b"\x78\x01" + zeros(64 * MIB)
ANY_KIND = [
    encoded(NOISE, kind) for kind in ("JPEG", "PNG", "BMP", "GIF", "PPM", "TIFF", "WEBP")
] + [encoded(NOISE, "JPEG", progressive=True), encoded(GREY), encoded(WIDE, "PNG", **FRAMES)]

READ = {
    "sixteen bits": encoded(GREY),
    "CMYK": encoded(NOISE.convert("CMYK"), "JPEG"),
    "animated PNG": encoded(WIDE, "PNG", **FRAMES),
    "JPEG named PNG": JPEG,
    "garbage behind a PNG": PNG + b"\xff\xd8garbage" * 99,
    "garbage behind a JPEG": JPEG + b"\x89PNG garbage" * 99,
    "an unknown chunk": png_of(4, 3, ROWS, before=png_chunk(b"heLo", b"?" * 99)),
    "more pixels than it has room for": png_of(4, 3, MUCH),
    "fewer rows than it states": png_of(4, 300, ROWS),
    "an endless chunk of pixels": PNG[:33] + struct.pack(">I", 2**31 - 1) + PNG[37:],
    "forty scans": with_scans(40, 16),
}
REFUSED = {
    "wrong CRC of the header": PNG[:29] + b"\0\0\0\0" + PNG[33:],
    "wrong colour type": png_of(4, 3, ROWS, colour=5),
    "wrong depth": png_of(4, 3, ROWS, depth=3),
    "no width": png_of(0, 3, ROWS),
    "no height": png_of(4, 0, ROWS),
    "no width of a JPEG": stated_size(JPEG, 0, 12),
    "huge": png_of(2**31 - 1, 2**31 - 1, ROWS),
    "large": png_of(7500, 7500, ROWS),
    "long": png_of(65_536, 2, ROWS),
    "tall": png_of(2, 65_536, ROWS),
    "huge JPEG": stated_size(JPEG, 65_500, 65_500),
    "broken interlacing": png_of(400, 300, ROWS, interlaced=1),
    "an endless chunk": PNG[:33] + struct.pack(">I", 2**31 - 1) + b"heLo" + PNG[33:],
    "chunks without end": PNG[:33] + png_chunk(b"heLo", b"") * 9999,
    "headers again": PNG[:33] + png_chunk(b"IHDR", PNG[16:24]) + PNG[33:],
    "texts without end": png_of(4, 3, ROWS, before=png_chunk(b"tEXt", b"a\0" + b"b" * MIB) * 70),
    "a bomb of text": png_of(4, 3, ROWS, before=png_chunk(b"iTXt", b"a\0\1\0\0\0" + MUCH)),
    "a bomb of text behind": png_of(4, 3, ROWS, after=png_chunk(b"zTXt", b"a\0\0" + MUCH)),
    "two thousand scans": with_scans(2000, 16),
}


def decoded(data: bytes) -> Decoded:
    return decode_all({"broken.jpg": data, "whole.png": PNG}, 8, 16, "train")


@pytest.mark.parametrize("data", READ.values(), ids=list(READ))
def test_an_unusual_photo_is_read(data: bytes) -> None:
    assert read_or_refused(lambda: decoded(data), Decoded) is None


@pytest.mark.parametrize("data", REFUSED.values(), ids=list(REFUSED))
def test_a_broken_photo_is_refused_by_its_name(data: bytes) -> None:
    reason = read_or_refused(lambda: decoded(data), Decoded)
    assert reason is not None
    assert reason.startswith("1 of 2 images of train can't be decoded")
    assert "\n  broken.jpg: " in reason


@settings(few, max_examples=150)
@given(st.binary(max_size=60) | broken(*ANY_KIND))
def test_any_bytes_are_a_photo_or_refused_by_name(content: bytes) -> None:
    reason = read_or_refused(lambda: decoded(content), Decoded)
    assert reason is None or "\n  broken.jpg: " in reason


@pytest.mark.parametrize("whole", [JPEG, PNG, READ["forty scans"]], ids=["JPEG", "PNG", "scans"])
def test_a_photo_cut_anywhere_is_read_whole_or_refused(whole: bytes) -> None:
    expected = decoded(whole).digests.tolist()
    read = 0
    for cut in (whole[:end] for end in range(0, len(whole), 5)):
        reason = read_or_refused(partial(decoded, cut), Decoded)
        if reason is None:
            assert decoded(cut).digests.tolist() == expected
            read += 1
        else:
            assert "\n  broken.jpg: " in reason
    assert read < 5, "only what lies behind the pixels may be missing"
