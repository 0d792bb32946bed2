"""Wells in MVTec's layout, with additions, go through the pipeline like any others."""

import json
from pathlib import Path

import pandas as pd
import pytest
import yaml

from stages.wells.synthetic.archive import draw_archive
from tests.clones import in_clone, replace_in, tiny_clone
from tests.wells_files import unpack

pytestmark = pytest.mark.slow

STAGES = ["download", "preprocess", "train", "calibrate", "export", "evaluate"]
KNOWN = 4


def as_mvtec(files: dict[str, bytes]) -> dict[str, bytes]:
    """Return drawn wells in MVTec's layout: the spills of their test set are of two kinds."""
    annotation = files["test/test_annotation.txt"].decode().split()
    labels = dict(zip(annotation[::2], annotation[1::2], strict=True))
    spills = [name for name, label in labels.items() if label == "1"]
    folders = dict.fromkeys(labels, "good")
    folders |= {name: ("first", "second")[i % 2] for i, name in enumerate(spills)}
    arranged = {f"test/{folder}/{n}": files[f"test/imgs/{n}"] for n, folder in folders.items()}
    normals = {name: data for name, data in files.items() if name.startswith("train/")}
    return arranged | {f"train/good/{Path(name).name}": data for name, data in normals.items()}


def test_another_layout_and_additions_are_measured_and_told(tmp_path: Path) -> None:
    drawn = draw_archive(60)
    source = unpack(as_mvtec(drawn).items(), tmp_path / "surface")
    train = {data for name, data in drawn.items() if name.startswith("train/")}
    # One of the drawn spills is among the normals, too, which additions may not be.
    spills = [(n, d) for n, d in drawn.items() if n.startswith("proliv/") and d not in train]
    repeated = next(data for name, data in drawn.items() if name.startswith("test/imgs/"))
    label = drawn["test/test_annotation.txt"].decode().split()[1]
    judged = unpack(
        [*spills[:5], (f"{'proliv' if label == '1' else 'train'}/repeated.png", repeated)],
        tmp_path / "judged",
    )
    clone = tiny_clone(tmp_path, STAGES, source=str(source))
    changes = {"known: 10": f"known: {KNOWN}", "additions: []": f"additions: [{judged}]"}
    replace_in(clone / "params.yaml", changes)
    in_clone(clone, "dvc", "repro")

    told = json.loads((clone / "metrics/reports/dataset.json").read_text())
    assert told["layout"] == "mvtec"
    assert told["additions"]["left_out_as_in_test"] == 1
    assert told["additions"]["proliv"] + told["additions"]["train"] == 6
    assert told["files"]["proliv"] == 2 * KNOWN + told["additions"]["proliv"]
    measured = json.loads((clone / "metrics/detection.json").read_text())
    assert 0 <= measured["detector"]["auroc"] <= 1
    assert measured["exported"]["agreement"] == 1
    in_clone(clone, "python", "-m", "tools.surface", "drawn")
    table = pd.read_csv(clone / "docs/surfaces.csv").query("surface == 'drawn'")
    assert (table["known"] == told["split"]["spills"]).all()
    assert table["auroc"].iloc[0] == measured["detector"]["auroc"]
    assert (clone / "docs/surface_drawn.png").is_file()
    lock = yaml.safe_load((clone / "dvc.lock").read_text())["stages"]["download"]
    assert lock["params"]["params.yaml"]["dataset"]["additions"] == [str(judged)]
