"""A network's latent space is reported on images of each group."""

import json
from pathlib import Path

import pytest
from PIL import Image

from stages.common.pictures import WIDTH
from stages.wells.latent.report import report_network
from stages.wells.latent.shown import TEST_NORMAL, TEST_SPILL, TRAIN, Shown, choose_shown
from tests.small_wells import grainy_wells, noise, small_network

pytestmark = pytest.mark.slow

PICTURES = {"pca.png", "tsne.png", "clusters.png"}


def shown_wells(spills: int = 10) -> Shown:
    parts = {
        TRAIN: grainy_wells(20, 0, height=16, width=16),
        TEST_NORMAL: grainy_wells(10, 1, height=16, width=16),
        TEST_SPILL: grainy_wells(spills, 2, grain=60, height=16, width=16),
    }
    return choose_shown(parts)


@pytest.mark.parametrize(
    ("name", "changes", "pictures", "metrics"),
    [
        ("autoencoder", {}, set(), set()),
        ("mnad", {}, {"queries.png"}, {"usage_perplexity", "dead_items", "position_share"}),
        ("mnad", {"items": 0}, set(), set()),
    ],
)
def test_every_network_has_maps_and_clusters_and_one_with_a_memory_its_use(
    name: str, changes: dict[str, int], pictures: set[str], metrics: set[str], tmp_path: Path
) -> None:
    network = small_network(name, **changes)
    found = report_network(name, network, shown_wells(), noise(12), 3, 0, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == PICTURES | pictures
    assert found.keys() == {"silhouette", "spills_in_pure_clusters"} | metrics
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_without_spills_nothing_is_said_of_them(tmp_path: Path) -> None:
    network = small_network("autoencoder")
    found = report_network("autoencoder", network, shown_wells(0), noise(12), 3, 0, tmp_path)
    assert found.keys() == {"silhouette"}
    assert {path.name for path in tmp_path.iterdir()} == PICTURES


def test_a_few_photos_of_one_group_in_two_clusters_are_enough(tmp_path: Path) -> None:
    few = choose_shown({TRAIN: grainy_wells(6, 0, height=16, width=16)})
    report_network("mnad", small_network("mnad"), few, noise(2), 2, 0, tmp_path)
    for path in tmp_path.iterdir():
        with Image.open(path) as picture:
            assert picture.width == WIDTH
