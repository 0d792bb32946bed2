"""The bench measures every case, on photos that all give the same rows."""

from pathlib import Path
from shutil import copy

import pandas as pd
import pytest

from stages.common import paths
from stages.wells.synthetic.archive import draw_archive
from tests.bulk.shard_files import surroundings
from tests.processes import run_module
from tests.wells_files import zip_of

pytestmark = pytest.mark.slow
for needed in ("ray", "s3fs", "moto"):
    pytest.importorskip(needed, reason=f"{needed} is missing: requirements-bulk-dev.txt")


def test_it_writes_a_row_a_case(model: Path, tmp_path: Path) -> None:
    for path in (paths.ARCHIVE, paths.EXPORTED):
        (tmp_path / path).parent.mkdir(parents=True)
    (tmp_path / paths.ARCHIVE).write_bytes(zip_of(draw_archive(20).items()))
    copy(model, tmp_path / paths.EXPORTED)
    words = "tools.bulk.bench", "--photos", "50", "--turns", "1", "--output", "bulk.csv"
    done = run_module(*words, folder=tmp_path, changes=surroundings())
    assert done.returncode == 0, done.stderr
    table = pd.read_csv(tmp_path / "bulk.csv")
    assert list(zip(table["engine"], table["source"], strict=True)) == [
        ("local", "disk"),
        ("local", "S3"),
        ("local", "disk"),
        ("ray", "disk"),
        ("local", "S3"),
        ("pack", "disk"),
    ]
    assert (table["photos"] == 50).all()
    assert (table["rate"] > 0).all()
    assert (table["server"].notna() == (table["engine"] != "pack")).all()
    assert "Machine: " in done.stdout
