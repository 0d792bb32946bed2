"""Write an archive of any number of synthetic wells: `python -m tools.growth_archive FILE N`.

Some thousands are drawn, and then repeated with new noise each time, so that none is a copy of
another. All parts of the archive grow together, in the proportions of the drawn wells.
"""

import argparse
import io
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image

from stages.common.errors import run
from stages.common.files import replacing
from stages.wells.data.archive import ANNOTATION, TEST
from stages.wells.synthetic.archive import JPEG_QUALITY, draw_archive

# Drawn wells to learn from; with the other parts there are 2,887.
DRAWN = 2000
# Grey levels that the noise moves a value by, at most.
NOISE = 2
SEED = 0


def main() -> None:
    """Write the archive."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("photos", type=int, metavar="N")
    arguments = parser.parse_args()
    write_archive(arguments.file, arguments.photos)


def write_archive(path: Path, count: int) -> None:
    """Write an archive of so many photos of all parts together, the same on each call."""
    drawn = draw_archive(DRAWN)
    labels = dict(line.rsplit(maxsplit=1) for line in drawn.pop(ANNOTATION).decode().splitlines())
    lines = []
    with replacing(path) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        for photo, name, data in repeat(drawn, count):
            archive.writestr(name, data)
            if photo in labels:
                lines.append(f"{name.removeprefix(TEST)} {labels[photo]}\n")
        archive.writestr(ANNOTATION, "".join(lines))


def repeat(drawn: dict[str, bytes], count: int) -> Iterator[tuple[str, str, bytes]]:
    """Yield so many photos: which of the drawn ones it is, its path, and its bytes.

    drawn: JPEGs by path. Each photo is one of them in random order, with noise of its own.
    """
    rng = np.random.default_rng(SEED)
    paths = [list(drawn)[place] for place in rng.permutation(len(drawn))]
    decoded = [np.asarray(Image.open(io.BytesIO(drawn[path])), np.int16) for path in paths]
    for number in range(count):
        again, place = divmod(number, len(paths))
        noise = rng.integers(-NOISE, NOISE + 1, decoded[place].shape, np.int16)
        pixels = (decoded[place] + noise).clip(0, 255).astype(np.uint8)
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, "JPEG", quality=JPEG_QUALITY)
        path = PurePosixPath(paths[place])
        yield path.name, str(path.with_stem(f"{path.stem}-{again}")), buffer.getvalue()


if __name__ == "__main__":
    run(main)
