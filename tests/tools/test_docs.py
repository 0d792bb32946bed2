"""Pages tell the committed metrics, and no other ones."""

import json
from pathlib import Path
from shutil import copy, copytree

import numpy as np
import pytest
from PIL import Image

from stages.common.errors import InputError
from stages.wells.latent.memory import MemoryUse
from tests.clones import ROOT
from tools import small_sets
from tools.docs import TEMPLATE, filled_pages, interval, percent, read_metrics, spread
from tools.few_avatars import PICTURE as FEW
from tools.few_avatars import draw_few, read_table
from tools.memory import MEASURED
from tools.peers import PICTURE, draw_compared, read_peers
from tools.small_sets import PICTURE as SMALL
from tools.small_sets import draw_small


def test_every_page_tells_the_committed_metrics() -> None:
    pages = filled_pages(ROOT)
    assert {path.relative_to(ROOT).as_posix() for path in pages} >= {
        "README.md",
        "docs/detector.md",
    }
    stale = [path for path, text in pages.items() if path.read_text(encoding="utf-8") != text]
    assert not stale, "run `make docs`"


def test_every_block_stands_in_a_page() -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in filled_pages(ROOT))
    template = (ROOT / TEMPLATE).read_text(encoding="utf-8")
    names = [line.split()[2] for line in template.splitlines() if line.startswith("{% block ")]
    assert names
    assert [name for name in names if f"<!-- metrics: {name} -->" not in text] == []


def test_the_picture_beside_others_shows_the_committed_metrics(tmp_path: Path) -> None:
    draw_compared(tmp_path / "new.png", read_metrics(ROOT), read_peers(ROOT))
    with Image.open(tmp_path / "new.png") as new, Image.open(ROOT / PICTURE) as committed:
        np.testing.assert_array_equal(np.asarray(new), np.asarray(committed), "run `make docs`")


def test_the_picture_of_few_avatars_shows_the_committed_table(tmp_path: Path) -> None:
    draw_few(tmp_path / "new.png", read_table(ROOT))
    with Image.open(tmp_path / "new.png") as new, Image.open(ROOT / FEW) as committed:
        np.testing.assert_array_equal(np.asarray(new), np.asarray(committed), "run `make docs`")


def test_the_picture_of_small_sets_shows_the_committed_table(tmp_path: Path) -> None:
    draw_small(tmp_path / "new.png", small_sets.read_table(ROOT))
    with Image.open(tmp_path / "new.png") as new, Image.open(ROOT / SMALL) as committed:
        np.testing.assert_array_equal(np.asarray(new), np.asarray(committed), "run `make docs`")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project of one page, one block and one metric."""
    for name, text in {
        "README.md": "Before.\n<!-- metrics: rate -->\nold\n<!-- end -->\nAfter.\n",
        str(TEMPLATE): "{% block rate %}\nIt is {{ seeds.tpr | percent }}.\n{% endblock %}\n",
        "metrics/seeds.json": '{"tpr": 0.5}',
        "docs/few_avatars.csv": "avatars,seed,held_out_bits,accuracy,fidelity\n",
        "docs/small_sets.csv": "train,spills,tpr,tnr,auroc,draw\n",
        "docs/memory.csv": f"setting,seed,{','.join(MEASURED)}\n",
        "docs/surfaces.csv": "surface,detector,looks,tpr,tnr,auroc\n",
        "docs/alarm_rule.csv": "k,n,lower,photos,seconds,missed,false_a_day\n",
        "docs/bulk.csv": "engine,source,workers,photos,seconds\n",
        "docs/growth.csv": "stage,size,photos,seconds,cpu_seconds,peak_mb\n",
        "params.yaml": "train: {epochs: 8}\n",
        "docs/peers.csv": "who,method,tpr,tnr,threshold\n",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


def test_a_block_replaces_what_stands_between_its_marks(project: Path) -> None:
    filled = filled_pages(project)
    expected = "Before.\n<!-- metrics: rate -->\nIt is 50.0 %.\n<!-- end -->\nAfter.\n"
    assert filled == {project / "README.md": expected}


def test_a_mark_without_a_block_is_refused_by_name(project: Path) -> None:
    (project / "README.md").write_text("<!-- metrics: other -->\n<!-- end -->\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"README\.md: .* has no block other"):
        filled_pages(project)


def test_pages_are_filled_where_mnad_has_no_memory(tmp_path: Path) -> None:
    for name in ("docs", "metrics"):
        copytree(ROOT / name, tmp_path / name)
    for name in ("README.md", "params.yaml"):
        copy(ROOT / name, tmp_path)
    path = tmp_path / "metrics/reports/latent.json"
    report = json.loads(path.read_text(encoding="utf-8"))
    for name in MemoryUse._fields:
        del report["mnad"][name]
    path.write_text(json.dumps(report), encoding="utf-8")
    page = filled_pages(tmp_path)[tmp_path / "docs/latent.md"]
    assert "-->\nClusters found by k-means" in page


def test_numbers_are_written_as_people_read_them() -> None:
    measured = {"tpr": 0.99224, "tpr_interval": {"low": 0.95744, "high": 0.9986}}
    assert percent(0.98765) == "98.8 %"
    assert interval(measured, "tpr") == "0.992 (0.957 to 0.999)"
    assert spread({"mean": 0.98834, "std": 0.00094, "min": 0.98744}) == "0.988 ± 0.001 (0.987)"
