"""Decode the wells, take out duplicates and leaks, divide into folds, and show every part."""

from stages.common import paths
from stages.common.errors import run
from stages.common.files import sha256_of, write_arrays, write_json
from stages.common.params import Section, Seed, load_params
from stages.common.pictures import (
    NORMAL,
    PHOTOS_A_ROW,
    SPILL,
    draw_rows,
    evenly_spaced,
    framed_row,
    save_picture,
)
from stages.common.types import Images
from stages.wells.data.archive import KNOWN_SHA256, read_wells
from stages.wells.data.params import ImageParams, SplitParams
from stages.wells.data.preparation import count_photos, decode_photos, split_photos

GALLERY_IMAGES = 32


class Params(Section):
    seed: Seed
    images: ImageParams
    split: SplitParams


def main() -> None:
    params = load_params(Params)
    wells = read_wells(paths.ARCHIVE)
    photos = decode_photos(wells, params.images.height, params.images.width)
    parts = split_photos(photos, wells.labels, params.split.folds, params.seed)

    write_arrays(paths.WELLS / "train.npz", images=parts.train, folds=parts.folds)
    write_arrays(paths.WELLS / "spills.npz", images=parts.spills)
    write_arrays(
        paths.WELLS / "test.npz",
        images=parts.test,
        names=parts.test_names,
        labels=parts.test_labels,
        distinct=parts.test_distinct,
    )
    spill = parts.test_labels
    draw_photos("train", parts.train, "Normal wells to learn from", NORMAL)
    draw_photos("spills", parts.spills, "Known spills, which place thresholds", SPILL)
    draw_photos("test_normal", parts.test[~spill], "Normal wells of the test set", NORMAL)
    draw_photos("test_spill", parts.test[spill], "Spills of the test set", SPILL)

    sha256 = sha256_of(paths.ARCHIVE)
    known = sha256 == KNOWN_SHA256
    about = {"sha256": sha256, "known_copy": known, "layout": wells.layout}
    write_json(paths.REPORTS / "dataset.json", about | count_photos(photos, parts))


def draw_photos(name: str, images: Images, title: str, colour: str) -> None:
    """Draw some of images `[N, 3, H, W]` uint8, framed in a colour."""
    shown = images[evenly_spaced(len(images), GALLERY_IMAGES)]
    subtitle = (
        f"{len(shown)} of {len(images):,} photos, evenly spaced by name." if len(shown) else "None."
    )
    path = paths.PLOTS / "dataset" / f"{name}.png"
    save_picture(path, title, subtitle, draw_rows([framed_row("", shown, colour)], PHOTOS_A_ROW))


if __name__ == "__main__":
    run(main)
