"""What hostile files are made of, and how a reader must take them."""

import json
import struct
import subprocess
import sys
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from PIL import Image

from stages.common.errors import InputError
from stages.wells.data.images import START_OF_SCAN
from tests.wells_files import LAYOUT, ROOT, encoded

few = settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
MIB = 2**20


def read_or_refused(read: Callable[[], object], promised: type) -> str | None:
    """Return why it was refused; any other exception, also a warning, fails the test."""
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
    """Return so many zero bytes, a whole number of MiB, as a stream of deflate."""
    packer = zlib.compressobj(9, wbits=-15)
    block = packer.compress(b"\0" * MIB) + packer.flush(zlib.Z_FULL_FLUSH)
    return block * (size // MIB) + b"\3\0"


GOOD = [Entry(name.encode(), data) for name, data in LAYOUT.items()]


def bomb(size: int) -> Entry:
    packed = zeros(size)
    return Entry(b"train/bomb.png", packed, method=8, size=size)


# YAML.

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


# Photos.


def png_chunk(kind: bytes, data: bytes, crc: int | None = None) -> bytes:
    check = zlib.crc32(kind + data) if crc is None else crc
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", check)


END = png_chunk(b"IEND", b"")
# The packed pixels of a photo of 4 x 3.
ROWS = zlib.compress(b"".join(b"\0" + bytes(4 * 3) for _ in range(3)))


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


def big_png(width: int, height: int, depth: int, colour: int) -> bytes:
    pixels = {0: 1, 2: 3, 6: 4}[colour] * width * height * depth // 8 + height
    return png_of(width, height, b"\x78\x01" + zeros(pixels + MIB), depth, colour)


def with_scans(count: int, side: int) -> bytes:
    """Return a progressive JPEG whose second scan is repeated."""
    whole = encoded(Image.new("L", (side, side), 128), "JPEG", progressive=True)
    starts = [at for at in range(len(whole)) if whole[at : at + 2] == START_OF_SCAN]
    return whole[: starts[2]] + whole[starts[1] : starts[2]] * count + whole[starts[2] :]


# Bombs.

READER = """
import json, resource, sys
from pathlib import Path
from stages.bayes.avatars import read_avatars
from stages.common.errors import InputError
from stages.wells.data.fetch import fetch_archive
from stages.wells.data.images import decode_all

def read(path):
    if path.suffix == ".zip":
        fetch_archive(str(path), path.with_suffix(".out"))
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


def read_in_little_memory(path: Path) -> tuple[str | None, float]:
    """Read a file in a process of its own; return why it was refused, and the peak in MiB.

    What is read, a photo, an archive or avatars, is told by the ending.
    """
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
    return reason, peak


def assert_takes_little_memory(path: Path, refused: str | None, limit: int) -> None:
    """Read a bomb in a process of its own: refused with a reason or read, below `limit` MB."""
    reason, peak = read_in_little_memory(path)
    if refused is None:
        assert reason is None
    else:
        assert refused in str(reason)
    assert peak < limit
