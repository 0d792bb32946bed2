"""How stages grow is measured on synthetic wells of any number, each stage as its own process."""

import json
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from stages.common import paths
from stages.common.errors import InputError
from stages.wells.data.archive import Wells, read_wells
from stages.wells.data.images import decode_all
from stages.wells.synthetic.archive import draw_archive
from tests.clones import ROOT
from tools import growth, growth_archive
from tools.growth import read_table, run_module
from tools.processes import Took

DRAWN = 40
COUNT = 150


def written(count: int, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Wells:
    monkeypatch.setattr(growth_archive, "DRAWN", DRAWN)
    growth_archive.write_archive(folder / "wells.zip", count)
    return read_wells(folder / "wells.zip")


def test_an_archive_has_as_many_photos_as_asked_and_none_is_a_copy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wells = written(COUNT, tmp_path, monkeypatch)
    photos = [*wells.train.values(), *wells.spills.values(), *wells.test.values()]
    decoded = decode_all({str(number): data for number, data in enumerate(photos)}, 32, 48, "all")
    # More than one photo is made of each drawn one.
    assert len(photos) == COUNT > len(draw_archive(DRAWN))
    assert len(set(decoded.digests)) == COUNT
    assert np.mean([len(data) for data in photos]) == pytest.approx(1200, rel=0.3)


def test_parts_keep_their_proportions_and_labels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    half, few, many = (written(count, tmp_path, monkeypatch) for count in (47, 94, 3 * 94))
    assert all(len(part) > 0 for part in half[:3])
    assert len(draw_archive(DRAWN)) == 94 + 1
    for one, more in zip(few[:3], many[:3], strict=True):
        assert len(more) == 3 * len(one) > 0
    assert sum(many.labels.values()) == 3 * sum(few.labels.values()) > 0
    assert len(many.labels) == len(many.test)


def test_the_same_photos_come_on_each_call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, again = (written(COUNT, tmp_path, monkeypatch) for _ in range(2))
    assert first == again


def test_a_stage_that_fails_is_told_with_its_status(tmp_path: Path) -> None:
    (tmp_path / "made_up.py").write_text("raise SystemExit(3)\n", encoding="utf-8")
    with pytest.raises(InputError, match="made_up with ended with 3"):
        run_module(tmp_path, "made_up", "with")


def test_too_few_photos_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["growth", "1000", "199"])
    with pytest.raises(InputError, match="199 photos are too few"):
        growth.main()


class Pretended:
    """Pretends to run stages for sizes of 300 and 3,000, 1,000 being the most for all stages.

    seen: what was run; of each the folder's name, the command, and how many files of models there
    are. fails: the number of the command that is to fail, from 0.
    """

    def __init__(self) -> None:
        self.seen: list[tuple[str, str, int]] = []
        self.fails = -1

    def run(self, folder: Path, *command: str) -> Took:
        epochs = yaml.safe_load((folder / paths.PARAMS).read_text(encoding="utf-8"))["train"]
        assert epochs["epochs"] == 1
        models = folder / "models"
        self.seen.append((folder.name, " ".join(command), len(list(models.glob("*")))))
        if len(self.seen) - 1 == self.fails:
            raise InputError(f"{' '.join(command)} ended with -9")
        if command[0] == "stages.preprocess":
            (folder / paths.REPORTS).mkdir(parents=True)
            split = json.dumps({"split": {"train": 70, "spills": 4}})
            (folder / paths.REPORTS / "dataset.json").write_text(split, encoding="utf-8")
        if command[0] == "stages.export":
            models.mkdir()
            (models / "made").touch()
        return Took(2.04, 1.0, 300.0)


@pytest.fixture
def pretended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pretended:
    """What `growth.main` runs in place of stages, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / paths.PARAMS).write_bytes((ROOT / paths.PARAMS).read_bytes())
    pretended = Pretended()
    monkeypatch.setattr(growth, "MOST", 1000)
    monkeypatch.setattr(growth, "run_module", pretended.run)
    monkeypatch.setattr(sys, "argv", ["growth", "3000", "300"])
    return pretended


def test_evaluate_has_the_models_of_few_photos_before_any_others_are_made(
    pretended: Pretended,
) -> None:
    growth.main()
    ran = pretended.seen
    stages = ["preprocess", "evaluate", "train autoencoder"]
    assert [(command, models) for folder, command, models in ran if folder == "grown"] == [
        ("tools.growth_archive data/raw/wells.zip 300", 0),
        ("stages.preprocess", 1),
        *((f"stages.{stage}", 1) for stage in [*stages[1:], "train mnad", "calibrate", "validate"]),
        ("tools.growth_archive data/raw/wells.zip 3000", 0),
        *((f"stages.{stage}", 1) for stage in stages),
    ]
    small = [command for folder, command, _ in ran if folder == "small"]
    assert small[0].endswith(f" {growth.SMALL}")
    assert small[1:] == [f"stages.{stage}" for stage in growth.NEEDED]


@pytest.mark.usefixtures("pretended")
def test_the_table_tells_which_photos_each_stage_read() -> None:
    growth.main()
    table = read_table(Path())
    first = table[table["size"] == 300]
    assert first["stage"].tolist() == [*growth.MEASURED, *growth.UP_TO_MOST]
    assert first["photos"].tolist() == [300, 300, 70, 70, 74, 74]
    assert table["size"].tolist() == [300] * 6 + [3000] * 3
    assert table["seconds"].unique().tolist() == [2.0]


def test_a_stage_that_fails_is_named_and_what_was_measured_before_is_kept(
    pretended: Pretended,
) -> None:
    growth.main()
    whole = read_table(Path())
    last = len(pretended.seen) - 1
    pretended.seen, pretended.fails = [], last
    with pytest.raises(InputError) as told:
        growth.main()
    problem = "with 3000 photos, stages.train autoencoder ended with -9"
    assert str(told.value) == f"{problem}\n{growth.TABLE} has the 8 stages before"
    pd.testing.assert_frame_equal(read_table(Path()), whole[:-1])


def test_growth_is_told_from_the_size_before(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    pd.DataFrame(
        {
            "stage": ["one", "other", "one", "other"],
            "size": [100, 100, 1100, 1100],
            "photos": [100, 50, 1100, 550],
            "seconds": [4.0, 5.0, 11.0, 55.0],
            "cpu_seconds": [2.0, 5.0, 11.0, 110.0],
            "peak_mb": [300.0, 200.0, 310.0, 200.0],
        }
    ).to_csv(tmp_path / growth.TABLE, index=False)
    table = read_table(tmp_path)
    assert table["photos_a_second"].tolist() == pytest.approx([50, 10, 100, 5])
    assert table["kb_more"].isna().tolist() == table["slower"].isna().tolist()
    assert table["kb_more"].isna().tolist() == [True, True, False, False]
    assert table["kb_more"].tolist()[2:] == pytest.approx([10, 0])
    assert table["slower"].tolist()[2:] == pytest.approx([0.5, 2])


def test_the_committed_table_shows_what_the_page_says() -> None:
    table = read_table(ROOT)
    largest = table[table["size"] == max(growth.SIZES)]
    assert largest["stage"].tolist() == list(growth.MEASURED)
    assert sorted(table["size"].unique()) == list(growth.SIZES)
    # Linear: ten times as many photos take no longer each.
    assert (largest["slower"] < 1.1).all()
    # A photo's own pixels, and no more than two and a half times as much.
    assert largest["kb_more"].between(4.6, 2.5 * 4.6).all()


@pytest.mark.slow
def test_real_stages_are_measured_on_a_few_photos(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(growth, "TABLE", tmp_path / "growth.csv")
    monkeypatch.setattr(growth, "SMALL", growth.FEWEST)
    monkeypatch.setattr(growth, "MOST", growth.FEWEST)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    # Twice as slow where their lines are counted.
    monkeypatch.delenv("COVERAGE_PROCESS_CONFIG", raising=False)
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(sys, "argv", ["growth", str(growth.FEWEST)])
    growth.main()
    table = read_table(ROOT)
    assert len(table) == 6
    assert (table[["seconds", "cpu_seconds"]] > 0).all(axis=None)
    # Each stage loads PyTorch or scikit-learn.
    assert (table["peak_mb"] > 100).all()
    assert list(tmp_path.iterdir()) == [tmp_path / "growth.csv"]
