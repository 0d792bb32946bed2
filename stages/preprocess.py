"""Decode the wells, take out duplicates and leaks, hold a part out, and show every part."""

import sys
from pathlib import Path

import numpy as np

from stages.common.errors import run
from stages.common.files import sha256_of, write_arrays, write_json
from stages.common.params import load_params
from stages.common.pictures import save_picture
from stages.wells import splits
from stages.wells.archive import read_wells
from stages.wells.figures import gallery
from stages.wells.images import decode_all

ARCHIVE = Path("data/raw/wells.zip")
ARRAYS = Path("data/wells")
GALLERIES = Path("plots/dataset")
GALLERY_COLUMNS, GALLERY_IMAGES = 8, 32


def main() -> None:
    params = load_params()
    sha256 = sha256_of(ARCHIVE)
    known_copy = sha256 == params.dataset.sha256
    if not known_copy and not params.dataset.source.startswith("synthetic"):
        print(
            f"warning: {ARCHIVE} has sha256 {sha256}, not that of the known copy (dataset.sha256): "
            "figures will differ from the committed ones",
            file=sys.stderr,
        )
    wells = read_wells(ARCHIVE)
    size = params.images.height, params.images.width
    train = decode_all(wells.train, *size, "train")
    spills = decode_all(wells.spills, *size, "proliv")
    test = decode_all(wells.test, *size, "test")
    labels = np.array([wells.labels[name] for name in test.names])

    distinct_train = splits.first_of_each(train.digests)
    distinct_spills = splits.first_of_each(spills.digests)
    leaked = splits.seen_in(train.digests, spills.digests)
    test_leaks = {
        "test_in_train": splits.seen_in(test.digests, train.digests),
        "test_in_proliv": splits.seen_in(test.digests, spills.digests),
    }
    distinct_test = splits.first_of_each(test.digests) & ~np.logical_or(*test_leaks.values())
    usable = np.flatnonzero(distinct_train & ~leaked)
    training, holdout = splits.hold_out(train.digests[usable], params.split.holdout, params.seed)

    parts = {
        "train": train.images[usable[training]],
        "holdout": train.images[usable[holdout]],
        "spills": spills.images[distinct_spills],
    }
    for name, images in parts.items():
        write_arrays(ARRAYS / f"{name}.npz", images=images)
    write_arrays(
        ARRAYS / "test.npz",
        images=test.images,
        names=test.names,
        labels=labels,
        distinct=distinct_test,
    )
    shown = parts | {"test_normal": test.images[~labels], "test_spill": test.images[labels]}
    for name, images in shown.items():
        chosen = images[splits.spread(len(images), GALLERY_IMAGES)]
        title = f"{name.replace('_', ' ')}: {len(chosen)} of {len(images):,} images"
        save_picture(gallery(chosen, title, GALLERY_COLUMNS), GALLERIES / f"{name}.png")

    write_json(
        Path("metrics/dataset.json"),
        {
            "source": params.dataset.source,
            "sha256": sha256,
            "known_copy": known_copy,
            "files": {
                "train": len(train.names),
                "proliv": len(spills.names),
                "test": len(test.names),
                "test_normal": int((~labels).sum()),
                "test_spill": int(labels.sum()),
            },
            "distinct": {
                "train": int(distinct_train.sum()),
                "proliv": int(distinct_spills.sum()),
                "test": int(distinct_test.sum()),
                "test_normal": int((distinct_test & ~labels).sum()),
                "test_spill": int((distinct_test & labels).sum()),
            },
            "leaks": {
                "train_in_proliv": int(leaked.sum()),
                **{name: int(mask.sum()) for name, mask in test_leaks.items()},
            },
            "split": {name: len(images) for name, images in parts.items()},
        },
    )


if __name__ == "__main__":
    run(main)
