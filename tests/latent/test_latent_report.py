"""A network's latent space is reported on images of each group."""

import json
from pathlib import Path

import numpy as np
import pytest

from stages.common.types import Images
from stages.wells.latent import report
from stages.wells.latent.plots import HOLDOUT, KNOWN_SPILL, TEST_NORMAL, TEST_SPILL, TRAIN
from stages.wells.latent.report import Shown, choose_shown, report_network
from tests.small_wells import grainy_wells, noise, small_network

pytestmark = pytest.mark.slow

PICTURES = {"pca.png", "tsne.png", "clusters.png"}


def numbered(count: int) -> Images:
    return np.arange(count, dtype=np.uint8).reshape(count, 1, 1, 1).repeat(3, axis=1)


def test_some_of_each_group_are_shown_evenly_and_of_spills_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(report, "SHOWN", {TRAIN: 3, HOLDOUT: 4})
    parts = {TRAIN: 101, HOLDOUT: 2, KNOWN_SPILL: 30, TEST_SPILL: 0}
    shown = choose_shown({name: numbered(count) for name, count in parts.items()})
    names, counts = np.unique(shown.groups, return_counts=True)
    assert dict(zip(names.tolist(), counts.tolist(), strict=True)) == {
        TRAIN: 3,
        HOLDOUT: 2,
        KNOWN_SPILL: 30,
    }
    assert len(shown.images) == 35
    assert shown.images[shown.groups == TRAIN][:, 0, 0, 0].tolist() == [0, 50, 100]
    assert shown.images[shown.groups == KNOWN_SPILL][:, 0, 0, 0].tolist() == list(range(30))


def shown_wells(spills: int = 10) -> Shown:
    parts = {
        TRAIN: grainy_wells(20, 0, height=16, width=16),
        TEST_NORMAL: grainy_wells(10, 1, height=16, width=16),
        TEST_SPILL: grainy_wells(spills, 2, grain=60, height=16, width=16),
    }
    return choose_shown(parts)


@pytest.mark.parametrize(
    ("name", "pictures", "metrics"),
    [
        ("autoencoder", set(), set()),
        ("mnad", {"queries.png"}, {"usage_perplexity", "dead_items", "position_share"}),
    ],
)
def test_every_network_has_maps_and_clusters_and_one_with_a_memory_its_use(
    name: str, pictures: set[str], metrics: set[str], tmp_path: Path
) -> None:
    network = small_network(name)
    found = report_network(name, network, shown_wells(), noise(12), 3, 0, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == PICTURES | pictures
    assert found.keys() == {"silhouette", "spills_in_pure_clusters"} | metrics
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_without_spills_nothing_is_said_of_them(tmp_path: Path) -> None:
    network = small_network("autoencoder")
    found = report_network("autoencoder", network, shown_wells(0), noise(12), 3, 0, tmp_path)
    assert found.keys() == {"silhouette"}
    assert {path.name for path in tmp_path.iterdir()} == PICTURES
