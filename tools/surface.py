"""What the pipeline does on another surface: `python -m tools.surface NAME`.

After a run on that surface: puts what was measured into docs/surfaces.csv, in place of what stood
there under that name, and draws docs/surface_NAME.png. Nothing is chosen by it.
"""

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from stages.common import paths
from stages.common.errors import InputError, run
from stages.common.files import read_arrays, write_text
from stages.common.params import Section, load_params
from stages.common.pictures import (
    PHOTOS_A_ROW,
    Row,
    as_tiles,
    draw_rows,
    evenly_spaced,
    save_picture,
)
from stages.common.types import FloatArray, Images, Indices, Marks
from stages.wells.data.params import ImageParams
from stages.wells.evaluation.metrics import DECLARED, RATE_DIGITS
from stages.wells.evaluation.pictures import count
from stages.wells.inference.exported import load_exported, run_exported
from stages.wells.inference.heat import lay_over
from stages.wells.inference.verdict import Verdict
from stages.wells.networks.params import TrainParams

TABLE = Path("docs/surfaces.csv")


class Params(Section):
    images: ImageParams
    train: TrainParams


def main() -> None:
    """Measure, and write the table and the picture."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("name", metavar="NAME", help="what the surface is called")
    name = parser.parse_args().name
    if not name.isidentifier():
        raise InputError(f"{name} is no name of a surface: use letters, digits and _")
    update_table(name)
    images, labels = read_arrays(paths.WELLS / "test.npz", "images", "labels")
    draw_surface(
        Path(f"docs/surface_{name}.png"), images, labels, run_exported(load_exported(), images)
    )


def update_table(name: str) -> None:
    """Put what was measured into the table, in place of what stands there under that name."""
    found = [measure_surface(name)]
    if TABLE.is_file():
        table = read_table(Path())
        found.insert(0, table[table["surface"] != name])
    write_text(TABLE, pd.concat(found).to_csv(index=False))


def measure_surface(name: str) -> pd.DataFrame:
    """Return a row a detector: the surface and its size, how it looks, and its metrics."""
    params = load_params(Params)
    detection, dataset = (
        json.loads((paths.REPORTS / f"{report}.json").read_text(encoding="utf-8"))
        for report in ("detection", "dataset")
    )
    about = {
        "surface": name,
        "height": params.images.height,
        "width": params.images.width,
        "epochs": params.train.epochs,
        "train": dataset["split"]["train"],
        "known": dataset["split"]["spills"],
        "normals": dataset["files"]["test_normal"],
        "defects": dataset["files"]["test_spill"],
    }
    return pd.DataFrame(
        {
            **about,
            "detector": one["name"],
            "looks": tell_looks(one["scores"]),
            **{metric: round(one[metric], RATE_DIGITS) for metric in DECLARED},
        }
        for one in detection.values()
    )


def tell_looks(scores: Mapping[str, Mapping[str, Any]]) -> str:
    """Return each score of a detector, by its part of the report, with its view and share."""
    return "; ".join(f"`{name}`: {one['view']}, {one['share']}" for name, one in scores.items())


def read_table(folder: Path) -> pd.DataFrame:
    """Return the table that this tool wrote."""
    return pd.read_csv(folder / TABLE)


def draw_surface(path: Path, images: Images, labels: Marks, verdict: Verdict) -> None:
    """Draw defects that are found, defects that are missed and false alarms, each over its map."""
    rows = []
    for label, which in (
        ("defects that are found, from the least to the most strange", labels & verdict.spill),
        ("defects that are missed", labels & ~verdict.spill),
        ("false alarms", ~labels & verdict.spill),
    ):
        chosen = spread(verdict.score, which)
        if len(chosen):
            captions = [f"{score:.2f}" for score in verdict.score[chosen]]
            rows.append(Row(f"{label}: {which.sum()}", as_tiles(images[chosen]), captions))
            laid = lay_over(images[chosen], verdict.blocks[chosen])
            rows.append(Row("", as_tiles(laid)))
    title = (
        f"{(labels & verdict.spill).sum()} of {labels.sum()} defects found, "
        f"{count((~labels & verdict.spill).sum(), 'false alarm')} among {(~labels).sum()} normal "
        "photos"
    )
    subtitle = (
        "Test photos with their scores, evenly spaced by them, above how strange each block is: "
        "yellow from four times what 99 of 100 blocks of held-out normal photos reach."
    )
    save_picture(path, title, subtitle, draw_rows(rows, PHOTOS_A_ROW))


def spread(scores: FloatArray, which: Marks) -> Indices:
    """Return up to PHOTOS_A_ROW of the marked photos, evenly spaced by score, ascending."""
    found = np.flatnonzero(which)
    ranked = found[np.argsort(scores[found], kind="stable")]
    return ranked[evenly_spaced(len(ranked), PHOTOS_A_ROW)]


if __name__ == "__main__":
    run(main)
