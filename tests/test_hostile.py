"""Whatever bytes come, a reader gives what it promises or refuses them with a reason, and soon."""

import ast
import json
import struct
import subprocess
import sys
import warnings
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from PIL import Image

from stages.bayes.avatars import AvatarSet, read_avatars
from stages.bayes.styles import StyleModel, fit_styles, joint, load_counts
from stages.common import sources
from stages.common.errors import InputError
from stages.common.files import MAX_YAML_BYTES
from stages.common.params import Params, load_params
from stages.wells import archive, images
from stages.wells.archive import Wells, parse_annotation, read_wells
from stages.wells.images import Decoded, decode_all
from tests.avatar_files import painted
from tests.wells_files import LAYOUT, ROOT, encoded, params_with, zip_of
from tools.photos import find_photos

pytestmark = pytest.mark.slow

few = settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
MIB = 2**20


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("hostile")


def read_or_refused(read: Callable[[], object], promised: type) -> str | None:
    """Give why it was refused; any other exception, also a warning, fails the test."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            value = read()
        except InputError as error:
            return str(error)
    assert isinstance(value, promised)
    return None


def written(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


@st.composite
def broken(draw: st.DrawFn, *wholes: bytes) -> bytes:
    """One of some whole files, overwritten, lengthened and shortened here and there, or cut."""
    data = bytearray(draw(st.sampled_from(wholes)))
    pieces = st.sampled_from([b"\0" * 4, b"\xff" * 4, b"\xff" * 8]) | st.binary(max_size=4)
    for _ in range(draw(st.integers(1, 5))):
        start, length = draw(st.integers(0, len(data))), draw(st.integers(0, 8))
        data[start : start + length] = draw(pieces)
    if draw(st.booleans()):
        del data[draw(st.integers(0, len(data))) :]
    return bytes(data)


# Zips.


class Entry(NamedTuple):
    """A file in a zip, as the zip states it."""

    name: bytes
    data: bytes = b"a well"
    flags: int = 0
    method: int = 0
    size: int | None = None
    packed: int | None = None
    mode: int = 0o100644
    extra: bytes = b""
    offset: int | None = None


def stated_zip(entries: list[Entry]) -> bytes:
    """Put entries in a zip that states what they state, true or not (APPNOTE.TXT, 4.3)."""
    files, table = bytearray(), bytearray()
    for entry in entries:
        size = len(entry.data) if entry.size is None else entry.size
        packed = len(entry.data) if entry.packed is None else entry.packed
        method, crc = entry.method, zlib.crc32(entry.data)
        common = struct.pack("<HHHHIIIHH", entry.flags, method, 0, 33, crc, packed, size,
                             len(entry.name), len(entry.extra))  # fmt: skip
        offset = len(files) if entry.offset is None else entry.offset
        rest = struct.pack("<HHHII", 0, 0, 0, entry.mode << 16, offset)
        table += b"PK\1\2" + b"\x14\x03\x14\0" + common + rest + entry.name + entry.extra
        files += b"PK\3\4" + b"\x14\0" + common + entry.name + entry.extra + entry.data
    count = len(entries)
    end = struct.pack("<HHHHIIH", 0, 0, count, count, len(table), len(files), 0)
    return bytes(files + table + b"PK\5\6" + end)


def zeros(size: int) -> bytes:
    """Give so many zero bytes, a whole number of MiB, as a stream of deflate."""
    packer = zlib.compressobj(9, wbits=-15)
    block = packer.compress(b"\0" * MIB) + packer.flush(zlib.Z_FULL_FLUSH)
    return block * (size // MIB) + b"\3\0"


GOOD = [Entry(name.encode(), data) for name, data in LAYOUT.items()]
TOO_FAR = Entry(b"train/z.jpg", extra=struct.pack("<HHQ", 1, 8, 2**64 - 1), offset=2**32 - 1)
MANY_DISKS = b"PK\6\7" + struct.pack("<LQL", 1, 0, 5) + b"PK\5\6" + b"\0" * 18
HOSTILE_NAMES = [
    "train/a.jpg",
    "TRAIN/A.JPG",
    "train/A.jpg",
    "..",
    "train/../../x",
    "/train/x",
    "C:\\x",
    "train\\x",
    "train",
    "train/x/",
    "//x/y",
    "./train/x",
    "__MACOSX/x",
]
names = st.one_of(
    st.sampled_from([b"", b"train/\0x", b"train/\n", b"\xff\xfe", b"train/" + b"\xe9" * 40_000]),
    st.sampled_from([b"a/" * 20_000, *(name.encode() for name in HOSTILE_NAMES)]),
    st.binary(max_size=12).map(b"train/".__add__),
)
numbers = st.sampled_from([0, 1, 5, 2**31 - 1, 2**31, 2**32 - 1])
entries = st.builds(
    Entry,
    names,
    st.sampled_from([b"", b"a well", b"\xff" * 40, zeros(MIB), zip_of(LAYOUT.items())]),
    st.sampled_from([0, 1, 8, 0x20, 0x40, 0x800, 0x2000]),
    st.sampled_from([0, 0, 8, 8, 1, 9, 12, 14, 93, 99]),
    st.none() | numbers,
    st.none() | numbers,
    st.sampled_from([0o100644, 0o120777, 0, 0o040755, 0o020000]),
    st.sampled_from([b"", b"\1\0\0\0", b"\1\0\4\0", b"up\1\0\1", struct.pack("<HHQ", 1, 8, 2**63)]),
    st.none() | numbers,
)


def wells_of(source: Path) -> Wells:
    target = source.with_name("wells.zip")
    with archive.open_zip(source) as opened:
        archive.write_canonical(sources.files_of_zip(opened), target, str(source))
    return read_wells(target)


@few
@given(st.binary(max_size=60) | broken(stated_zip(GOOD), zip_of(LAYOUT.items())))
@example(MANY_DISKS)
@example(stated_zip([*GOOD, TOO_FAR]))
def test_any_bytes_are_an_archive_or_refused(folder: Path, content: bytes) -> None:
    source = written(folder / "source.zip", content)
    read_or_refused(lambda: wells_of(source), Wells)
    read_or_refused(lambda: [len(photo.read()) for photo in find_photos([str(source)])], list)
    read_or_refused(lambda: read_avatars(source), tuple)


@few
@given(st.lists(entries, min_size=1, max_size=3))
@example([Entry(b"train/" + b"\xe9" * 40_000)])
@example([Entry(b"train/" + "й".encode() * 20_000, flags=0x800)])
def test_any_entries_are_an_archive_or_refused(folder: Path, content: list[Entry]) -> None:
    source = written(folder / "source.zip", stated_zip([*GOOD, *content]))
    read_or_refused(lambda: wells_of(source), Wells)


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        (Entry(b"train/" + b"\xe9" * 40_000), "path 'train/.* is too long"),
        (Entry(b"train/../../z"), "leaves the archive's folder"),
        (Entry(b"train/a.jpg"), "stands in it twice"),
        (Entry(b"train/z", mode=0o120777), "symbolic link"),
        (Entry(b"train/z", flags=1), "encrypted"),
        (Entry(b"train/z", method=99), "isn't packed by deflate"),
        (Entry(b"train/z", flags=0x40), "can't be read"),
        (Entry(b"train/\xff", flags=0x800), "no whole zip"),
        (TOO_FAR, "can't be read"),
        (Entry(b"train/z", size=5), "can't be read"),
        (Entry(b"train/z", size=2**32 - 2), "over the limits"),
    ],
)
def test_a_lying_entry_is_refused_with_the_reason(
    entry: Entry, reason: str, tmp_path: Path
) -> None:
    source = written(tmp_path / "source.zip", stated_zip([*GOOD, entry]))
    with pytest.raises(InputError, match=reason):
        wells_of(source)


def test_names_that_differ_in_case_and_zips_within_a_zip_are_kept_as_they_are(
    tmp_path: Path,
) -> None:
    nested = zip_of(LAYOUT.items())
    more = [Entry(b"train/A.jpg", b"another well"), Entry(b"train/more.zip", nested)]
    wells = wells_of(written(tmp_path / "source.zip", stated_zip([*GOOD, *more])))
    assert list(wells.train) == ["A.jpg", "a.jpg", "b.jpg", "more.zip"]
    assert (wells.train["A.jpg"], wells.train["more.zip"]) == (b"another well", nested)


@few
@given(
    st.binary(max_size=60)
    | broken(LAYOUT["test/test_annotation.txt"])
    | st.text("cd.jpg 01\r\n\t\0\x1c\x85\u2028\ufeff", max_size=40).map(str.encode)
)
def test_any_bytes_are_labels_or_refused(content: bytes) -> None:
    if read_or_refused(lambda: parse_annotation(content, ["c.jpg", "d.jpg"]), dict) is None:
        assert set(parse_annotation(content, ["c.jpg", "d.jpg"]).values()) == {True, False}


# YAML.

LAUGHS = "a0: &a0 [x, x]\n" + "".join(f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]\n" for i in range(1, 40))
MERGED = "a0: &a0 {x: 1}\n" + "".join(
    f"a{i}: &a{i} {{<<: [*a{i - 1}, *a{i - 1}]}}\n" for i in range(1, 40)
)
WRONG = {
    "aliases of aliases": (LAUGHS, r"line 2: write the value in place of \*a0"),
    "merged aliases": (MERGED, r"line 2: write the value in place of \*a0"),
    "itself": ("&a {x: *a}", r"in place of \*a"),
    "deep": ("[" * MAX_YAML_BYTES, "more than 20 levels"),
    "deep blocks": ("- " * 20_000, "more than 20 levels"),
    "a level too deep": ("[" * 21 + "]" * 21, "more than 20 levels"),
    "large": ("#" * MAX_YAML_BYTES + "\n", "more than 65,536 bytes"),
    "empty number": ("a: {b: !!int ''}", "can't be read as YAML"),
    "no boolean": ("a: {b: !!bool x}", "can't be read as YAML"),
    "no time": ("a: {b: !!timestamp x}", "can't be read as YAML"),
    "sixties": ("a: {b: 1" + ":1" * 400 + ".5}", "can't be read as YAML"),
    "huge": ("a: {b: -0x" + "f" * 6000 + "}", "can't be read as YAML"),
    "huge key": ("? 0x" + "f" * 6000 + "\n: {b: 1}", "can't be read as YAML"),
    "no letter": ('a: {b: "\\UFFFFFFFF"}', "can't be read as YAML"),
    "an object": ("a: !!python/object/apply:os.getcwd []", "can't be read as YAML"),
    "no key": ("? {a: 1}\n: 3", "can't be read as YAML"),
}


@pytest.mark.parametrize("read", [load_params, load_counts])
@pytest.mark.parametrize(("text", "reason"), WRONG.values(), ids=list(WRONG))
def test_yaml_that_would_break_or_burden_a_reader_is_refused(
    read: Callable[[Path], object], text: str, reason: str, tmp_path: Path
) -> None:
    path = written(tmp_path / "given.yaml", text.encode())
    with pytest.raises(InputError, match=rf"given\.yaml [\s\S]*{reason}"):
        read(path)


def paths_of(values: dict[str, Any], above: str = "") -> Iterator[str]:
    for key, value in values.items():
        yield above + key
        if isinstance(value, dict):
            yield from paths_of(value, f"{above}{key}.")


PARAMS = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.floats(),
    st.integers(),
    st.sampled_from([10**300, -(10**400), 2**64, "1e999", "nan", "0x1p3", "\0", "1" * 5000]),
    st.text(max_size=6),
    st.dates(),
    st.binary(max_size=4),
)
anything = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(scalars, inner, max_size=3),
    max_leaves=6,
)
yaml_text = st.text("ab019 \n:-[]{}&*!?|>'\"#%@`,.<=~_\\xuUe+\t\0\ufeff\ud800", max_size=30)
TAGS = [
    "int",
    "float",
    "bool",
    "null",
    "timestamp",
    "binary",
    "set",
    "omap",
    "pairs",
    "str",
    "seq",
    "map",
]
tagged = st.builds(
    "{}: {{{}: !!{} '{}'}}".format,
    st.sampled_from(["seed", "images"]),
    st.text("ab", min_size=1, max_size=2),
    st.sampled_from(TAGS),
    st.text("019-:.TZ xob_+e", max_size=8),
)


def encoded_text(text: str) -> bytes:
    return text.encode("utf-8", errors="surrogatepass")


@few
@given(
    st.binary(max_size=30)
    | (yaml_text | tagged).map(encoded_text)
    | broken((ROOT / "params.yaml").read_bytes())
)
def test_any_text_is_params_or_refused(folder: Path, content: bytes) -> None:
    path = written(folder / "params.yaml", content)
    read_or_refused(lambda: load_params(path), Params)


@settings(few, max_examples=25)
@given(st.sampled_from(sorted(paths_of(PARAMS))), anything)
@example("seed", 10**4299)
@example("train.epochs", {10**4299: 1})
def test_any_value_is_a_param_or_refused(folder: Path, key: str, value: object) -> None:
    path = written(folder / "params.yaml", encoded_text(params_with({key: value})))
    read_or_refused(lambda: load_params(path), Params)


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

RED, BLUE = (encoded(Image.fromarray(painted(pair)[0])) for pair in ("rr", "bb"))
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


# Photos.

NOISE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (12, 20, 3), dtype=np.uint8))
WIDE = Image.new("RGB", (200, 120), (9, 99, 199))


def png_chunk(kind: bytes, data: bytes, crc: int | None = None) -> bytes:
    check = zlib.crc32(kind + data) if crc is None else crc
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", check)


END = png_chunk(b"IEND", b"")


def png_of(
    width: int,
    height: int,
    pixels: bytes,
    depth: int = 8,
    colour: int = 2,
    interlaced: int = 0,
    before: bytes = b"",
    after: bytes = b"",
) -> bytes:
    """Make a PNG that states what it is told, with these packed pixels and further chunks."""
    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlaced)
    parts = [png_chunk(b"IHDR", head), before, png_chunk(b"IDAT", pixels), after, END]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def stated_size(jpeg: bytes, width: int, height: int) -> bytes:
    """Give a JPEG that states another size in its frame header."""
    frame = jpeg.index(b"\xff\xc0") + 5
    return jpeg[:frame] + struct.pack(">HH", height, width) + jpeg[frame + 4 :]


def with_scans(count: int, side: int) -> bytes:
    """Give a progressive JPEG whose second scan is repeated."""
    whole = encoded(Image.new("L", (side, side), 128), "JPEG", progressive=True)
    starts = [at for at in range(len(whole)) if whole[at : at + 2] == images.START_OF_SCAN]
    return whole[: starts[2]] + whole[starts[1] : starts[2]] * count + whole[starts[2] :]


JPEG, PNG = encoded(NOISE, "JPEG"), encoded(NOISE)
ROWS = zlib.compress(b"".join(b"\0" + bytes(4 * 3) for _ in range(3)))
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


@pytest.mark.parametrize("size", [(2049, 1), (1, 2049), (10_000, 10_000)])
def test_an_avatar_with_too_long_a_side_is_refused_without_a_warning(
    size: tuple[int, int], tmp_path: Path
) -> None:
    for name in ("a.png", "b.png"):
        written(tmp_path / name, png_of(*size, zlib.compress(b"\0" * (size[1] + 3 * 2049))))
    reason = read_or_refused(lambda: read_avatars(tmp_path), tuple)
    assert "a.png can't be read as a PNG image: it has more than 2048 pixels" in str(reason)


# Bombs, each read in a process that may take only so much.

READER = """
import json, resource, sys
from pathlib import Path
from stages.bayes.avatars import read_avatars
from stages.common.errors import InputError
from stages.common import sources
from stages.wells import archive
from stages.wells.images import decode_all

def read(path):
    if path.suffix == ".zip":
        with archive.open_zip(path) as opened:
            archive.write_canonical(sources.files_of_zip(opened), path.with_suffix(".out"), "zip")
    elif path.is_dir() or path.suffix == ".avatars":
        read_avatars(path)
    else:
        decode_all({path.name: path.read_bytes()}, 32, 48, "train")

resource.setrlimit(resource.RLIMIT_AS, (2**31, 2**31))
path = Path(sys.argv[1])
try:
    read(path)
    reason = None
except InputError as error:
    reason = str(error)
# Of this process alone; ru_maxrss begins at what the process had that started it.
status = dict(line.split(":") for line in Path("/proc/self/status").read_text().splitlines())
print(json.dumps([reason, int(status["VmHWM"].split()[0]) / 1024]))
"""


def bomb(size: int) -> Entry:
    packed = zeros(size)
    return Entry(b"train/bomb.png", packed, method=8, size=size)


def overlapping(count: int, size: int) -> bytes:
    """Give a zip of many entries that all unpack the same data."""
    one = bomb(size)
    others = [
        one._replace(name=b"train/%d.png" % number, data=b"", offset=0, packed=len(one.data))
        for number in range(1, count)
    ]
    return stated_zip([one, *others])


def big_png(width: int, height: int, depth: int, colour: int) -> bytes:
    pixels = {0: 1, 2: 3, 6: 4}[colour] * width * height * depth // 8 + height
    return png_of(width, height, b"\x78\x01" + zeros(pixels + MIB), depth, colour)


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
def test_a_bomb_takes_neither_memory_nor_time(
    ending: str, data: bytes, refused: str | None, limit: int, tmp_path: Path
) -> None:
    path = written(tmp_path / f"bomb{ending}", data)
    done = subprocess.run(
        [sys.executable, "-c", READER, str(path)],
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT), "PATH": "", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    reason, peak = json.loads(done.stdout)
    if refused is None:
        assert reason is None
    else:
        assert refused in reason
    assert peak < limit


# What is read is never run.

SOURCES = [path for top in ("stages", "tools") for path in sorted((ROOT / top).rglob("*.py"))]
PICKLING = {"pickle", "cPickle", "_pickle", "cloudpickle", "joblib", "dill", "shelve", "marshal"}
RUNNING = {"eval", "exec", "compile", "__import__"}


def dangers(code: str) -> list[str]:
    """Give what, in code, could run what a file holds."""
    found = []
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            modules = {alias.name for alias in node.names}
            if isinstance(node, ast.ImportFrom):
                modules = {node.module or ""} | {f"{node.module}.{name}" for name in modules}
            found += [name for name in modules if name.split(".")[0] in PICKLING]
            found += [name for name in modules if name in ("torch.load", "numpy.load", "yaml.load")]
        elif isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            safe = {ast.unparse(keyword) for keyword in node.keywords} & {"allow_pickle=False"}
            loads = called in ("np.load", "numpy.load", "np.save", "np.savez") and not safe
            unsafe_yaml = called.startswith("yaml.") and "load" in called
            if (
                loads
                or called in RUNNING
                or called in ("torch.load", "pd.read_pickle", "np.fromfile")
                or (unsafe_yaml and called != "yaml.safe_load")
            ):
                found.append(called)
    return found


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_nothing_that_is_read_is_unpickled_or_run(path: Path) -> None:
    assert dangers(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "code",
    [
        "import pickle",
        "import joblib as j",
        "from dill import loads",
        "import shelve, json",
        "from marshal import load",
        "torch.load(path)",
        "from torch import load",
        "np.load(path)",
        "np.load(path, allow_pickle=True)",
        "yaml.load(text, Loader=yaml.SafeLoader)",
        "yaml.unsafe_load(text)",
        "def read(text):\n    return eval(text)",
        "exec(text)",
        "pd.read_pickle(path)",
    ],
)
def test_what_would_run_a_file_is_noticed(code: str) -> None:
    assert dangers(code)


@pytest.mark.parametrize(
    "code", ["network.eval()", "np.load(path, allow_pickle=False)", "yaml.safe_load(text)"]
)
def test_what_runs_nothing_is_let_be(code: str) -> None:
    assert dangers(code) == []
