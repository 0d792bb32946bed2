"""Clusters are shown with as many spills as they hold, in the bar and among the examples."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from stages.common.pictures import MARGIN, NORMAL, SPILL, WIDTH, save_picture
from stages.wells.latent.clusters_picture import (
    BAR_WIDTH,
    EXAMPLES,
    FIRST,
    LEAST_WIDTH,
    LINE_HEIGHT,
    choose_examples,
    draw_clusters,
)
from stages.wells.latent.shown import TEST_SPILL, TRAIN, Shown
from tests.pictures import assert_draws_the_same_bytes
from tests.small_wells import noise

# Clusters of 300, 40 and 3 photos, of which 1, 20 and all are spills.
CLUSTERS = np.repeat([0, 1, 2], [300, 40, 3])
SPILLS = np.isin(np.arange(343), [7, *range(310, 330), 340, 341, 342])
PHOTOS = Shown(noise(343), np.where(SPILLS, TEST_SPILL, TRAIN))


def test_the_same_clusters_give_the_same_png_bytes(tmp_path: Path) -> None:
    def draw(path: Path) -> None:
        save_picture(path, "title", "subtitle", draw_clusters(PHOTOS, CLUSTERS))

    assert_draws_the_same_bytes(draw, tmp_path)


@pytest.mark.parametrize(
    ("normal", "spills", "examples"),
    [(349, 1, (7, 0)), (350, 0, (7, 0)), (0, 9, (0, 7)), (50, 50, (3, 4)), (2, 1, (2, 1))],
)
def test_examples_hold_spills_by_their_share(
    normal: int, spills: int, examples: tuple[int, int]
) -> None:
    marks = np.random.default_rng(0).permutation(np.arange(normal + spills) < spills)
    chosen = choose_examples(marks, 7)
    assert len(set(chosen)) == sum(examples)
    # The normal ones stand first.
    assert marks[chosen].tolist() == [False] * examples[0] + [True] * examples[1]


def test_examples_are_spread_over_the_cluster() -> None:
    assert choose_examples(np.zeros(61, dtype=bool), 3).tolist() == [0, 30, 60]


def in_rows(picture: Image.Image, colour: str, left: int, right: int, top: int) -> list[int]:
    """Return how many pixels of a colour a line through each of the three clusters has."""
    pixels = np.asarray(picture)[:, left:right]
    lines = pixels[top :: picture.height // 3][:3]
    return [int(n) for n in (lines == tuple(bytes.fromhex(colour[1:]))).all(axis=2).sum(axis=1)]


def test_a_bar_is_as_long_as_its_cluster_is_large_and_shows_every_spill() -> None:
    picture = draw_clusters(PHOTOS, CLUSTERS)
    assert picture.width == WIDTH
    normal, spills = (
        in_rows(picture, colour, 0, FIRST, LINE_HEIGHT + 4) for colour in (NORMAL, SPILL)
    )
    assert normal[0] + spills[0] == BAR_WIDTH
    assert spills[0] == LEAST_WIDTH
    assert normal[1] == pytest.approx(BAR_WIDTH * 20 / 300, abs=1)
    assert spills[1] == pytest.approx(BAR_WIDTH * 20 / 300, abs=1)
    assert normal[2] == 0
    assert spills[2] == pytest.approx(BAR_WIDTH * 3 / 300, abs=1)


def test_examples_are_framed_by_what_they_are() -> None:
    picture = draw_clusters(PHOTOS, CLUSTERS)
    width = in_rows(picture, NORMAL, FIRST, WIDTH, 1)[0] // EXAMPLES
    frames = [[n // width for n in in_rows(picture, c, FIRST, WIDTH, 1)] for c in (NORMAL, SPILL)]
    assert frames == [[7, 3, 0], [0, 4, 3]]
    # The normal ones stand first, in their bar as well.
    assert in_rows(picture, NORMAL, FIRST, FIRST + 1, 1) == [1, 1, 0]
    assert in_rows(picture, NORMAL, MARGIN, MARGIN + 1, LINE_HEIGHT + 4) == [1, 1, 0]
