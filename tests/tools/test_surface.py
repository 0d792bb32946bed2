"""What was measured on another surface is put into a table and drawn, one picture a surface."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from stages.common.errors import InputError
from stages.common.pictures import PHOTOS_A_ROW
from stages.wells.inference.verdict import Verdict
from tests.small_wells import noise
from tools import surface
from tools.surface import draw_surface, spread, tell_looks, update_table

SCORES = {
    "mnad.blocks": {"auroc": 0.9, "view": "anywhere", "share": "tenth"},
    "texture": {"auroc": 0.8, "view": "place", "share": "half"},
}
DETECTION = {
    "detector": {"name": "both", "tpr": 0.91239, "tnr": 0.5, "auroc": 0.75, "scores": SCORES},
    "plain": {"name": "plain", "tpr": 0.1, "tnr": 0.2, "auroc": 0.3, "scores": {}},
}
DATASET = {
    "split": {"train": 100, "spills": 6},
    "files": {"test_normal": 20, "test_spill": 30},
}


@pytest.fixture
def measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in which the pipeline has run on another surface."""
    params = {
        "images": {"height": 64, "width": 40},
        "train": {"epochs": 9, "batch_size": 16, "learning_rate": 1e-3},
    }
    reports = tmp_path / "metrics/reports"
    reports.mkdir(parents=True)
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
    for name, report in (("detection", DETECTION), ("dataset", DATASET)):
        (reports / f"{name}.json").write_text(json.dumps(report), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_row_a_detector_tells_size_photos_looks_and_rates(measured: Path) -> None:
    update_table("stones")
    table = pd.read_csv(measured / surface.TABLE)
    assert table.to_dict("records")[0] == {
        "surface": "stones",
        "height": 64,
        "width": 40,
        "epochs": 9,
        "train": 100,
        "known": 6,
        "normals": 20,
        "defects": 30,
        "detector": "both",
        "looks": "`mnad.blocks`: anywhere, tenth; `texture`: place, half",
        "tpr": 0.9124,
        "tnr": 0.5,
        "auroc": 0.75,
    }
    assert table["detector"].tolist() == ["both", "plain"]


def test_a_surface_measured_again_takes_the_place_of_its_rows_alone(measured: Path) -> None:
    update_table("stones")
    update_table("tiles")
    now = DETECTION | {"plain": DETECTION["plain"] | {"tpr": 0.7}}
    path = measured / "metrics/reports/detection.json"
    path.write_text(json.dumps(now), encoding="utf-8")
    update_table("stones")
    table = pd.read_csv(measured / surface.TABLE)
    assert table["surface"].tolist() == ["tiles", "tiles", "stones", "stones"]
    assert table["tpr"].tolist() == [0.9124, 0.1, 0.9124, 0.7]


def test_looks_are_told_score_by_score() -> None:
    assert tell_looks({"texture": SCORES["texture"]}) == "`texture`: place, half"


def test_a_name_that_makes_no_file_name_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["surface", "../tiles"])
    with pytest.raises(InputError, match=r"\.\./tiles is no name of a surface"):
        surface.main()


@pytest.mark.parametrize(("marked", "expected"), [([], []), ([4], [4]), ([3, 1, 0], [0, 3, 1])])
def test_photos_are_shown_from_the_least_to_the_most_strange(
    marked: list[int], expected: list[int]
) -> None:
    which = np.isin(np.arange(5), marked)
    assert spread(np.array([0.1, 0.9, 0.5, 0.3, 0.2]), which).tolist() == expected


def test_of_many_the_least_and_the_most_strange_are_among_those_shown() -> None:
    scores = np.random.default_rng(0).normal(size=100)
    found = spread(scores, scores > 0)
    assert len(found) == PHOTOS_A_ROW
    assert scores[found[0]] == scores[scores > 0].min()
    assert scores[found[-1]] == scores.max()


def test_the_picture_counts_what_is_found_and_mistaken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = []
    monkeypatch.setattr(surface, "save_picture", lambda _, title, *__: said.append(title))
    labels, spill = np.array([1, 1, 1, 0, 0], dtype=bool), np.array([1, 1, 0, 1, 0], dtype=bool)
    score = np.arange(5.0)
    nothing = np.zeros(5, dtype=np.uint8)
    verdict = Verdict(score, score - 1, spill, nothing, score[:, None], np.zeros((5, 4, 4)))
    draw_surface(tmp_path / "picture.png", noise(5), labels, verdict)
    assert said == ["2 of 3 defects found, 1 false alarm among 2 normal photos"]
