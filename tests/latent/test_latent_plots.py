"""Pictures of a latent space show each image in its place, and the same bytes each time."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure
from matplotlib.offsetbox import AnnotationBbox

from stages.wells.latent import plots
from stages.wells.latent.memory import query_plane
from stages.wells.latent.plots import (
    COLOURS,
    THUMBNAILS,
    cluster_rows,
    farthest_points,
    save_map,
    save_queries,
)
from stages.wells.networks.mnad import Mnad
from tests.latent.points import BLOBS, POINTS
from tests.pictures import assert_draws_the_same_bytes
from tests.small_wells import noise, small_network

PLANE = POINTS[:, :2]
GROUPS = np.resize(np.array(list(COLOURS)), len(PLANE))
IMAGES = noise(len(PLANE))


def draw_map(path: Path) -> None:
    save_map(PLANE, GROUPS, IMAGES, "title", "axis", path)


def draw_queries(path: Path) -> None:
    network = small_network("mnad")
    assert isinstance(network, Mnad)
    save_queries(query_plane(network, noise(4)), path)


@pytest.mark.parametrize("draw", [draw_map, draw_queries])
def test_the_same_inputs_give_the_same_png_bytes(
    draw: Callable[[Path], None], tmp_path: Path
) -> None:
    assert_draws_the_same_bytes(draw, tmp_path)


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """Return a list of the figures that are saved from now on."""
    figures: list[Figure] = []
    monkeypatch.setattr(plots, "save_figure", lambda figure, path: figures.append(figure))
    return figures


def test_a_map_shows_each_point_among_those_of_its_group(drawn: list[Figure]) -> None:
    draw_map(Path("unused"))
    (axes,) = drawn[0].axes
    shown = [part for part in axes.collections if isinstance(part, PathCollection)]
    assert [part.get_label() for part in shown] == [f"{name} (12)" for name in COLOURS]
    for name, part in zip(COLOURS, shown, strict=True):
        np.testing.assert_array_equal(np.asarray(part.get_offsets()), PLANE[name == GROUPS])


def test_a_maps_thumbnails_stand_at_their_points(drawn: list[Figure]) -> None:
    draw_map(Path("unused"))
    boxes = [part for part in drawn[0].axes[0].artists if isinstance(part, AnnotationBbox)]
    assert len(boxes) == min(THUMBNAILS, len(PLANE))
    for box in boxes:
        (index,) = np.flatnonzero((np.asarray(box.xy) == PLANE).all(axis=1))
        pixels = np.asarray(box.offsetbox.get_data())  # type: ignore[attr-defined]
        np.testing.assert_array_equal(pixels, IMAGES[index].transpose(1, 2, 0))


def test_thumbnails_reach_every_cluster_and_are_never_of_one_point_twice() -> None:
    chosen = farthest_points(PLANE, 6)
    assert len(set(chosen)) == 6
    assert set(BLOBS[chosen]) == {0, 1, 2}
    assert len(farthest_points(POINTS[:4, :2], 60)) == 4


def test_a_row_of_the_gallery_shows_one_cluster_and_counts_its_spills() -> None:
    images = np.arange(60, dtype=np.uint8).reshape(60, 1, 1, 1).repeat(3, axis=1)
    groups = np.where(np.arange(60) < 15, "test spill", "train")
    tiles, captions = cluster_rows(images, BLOBS, groups, columns=4)
    shown = tiles[:, 0, 0, 0].reshape(3, 4)
    assert [set(BLOBS[row]) for row in shown] == [{0}, {1}, {2}]
    assert captions[0] == "cluster 0: 30, 15 spills"
    assert len(captions) == 12
