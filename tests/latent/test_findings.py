"""A picture's title is what its data show, as a sentence."""

import numpy as np
import pytest

from stages.common.types import Marks
from stages.wells.latent.findings import on_clusters, on_components, on_neighbours, on_places

SPILLS = np.array([True, True, True, False, False])
NONE = np.zeros(5, dtype=bool)


def test_spills_whose_nearest_photo_is_a_spill_are_counted() -> None:
    # Of spills two have one as the nearest, of normal wells one does, too.
    nearest = np.array([1, 0, 4, 2, 3])
    assert (
        on_neighbours("mnad", nearest, SPILLS)
        == "To MNAD, 2 of 3 spills look most like another spill"
    )


def test_without_spills_a_map_tells_nothing_of_them() -> None:
    told = on_neighbours("autoencoder", np.array([1, 0, 4, 3, 3]), NONE)
    assert told == "What looks alike to the autoencoder lies side by side"


def test_a_networks_key_serves_where_it_has_no_other_name() -> None:
    assert "linear's queries" in on_places("linear", 0.5)


def test_the_first_two_components_are_added() -> None:
    told = on_components("autoencoder", np.array([0.3, 0.2, 0.1]))
    assert told == "Two components show 50 % of how the autoencoder's latents vary"


@pytest.mark.parametrize(
    ("clusters", "spills", "told"),
    [
        (
            [1, 1, 2, 0, 0],
            SPILLS,
            "2 of MNAD's 3 clusters hold 100 %",
        ),
        (
            [1, 1, 0, 0, 0],
            SPILLS,
            "1 of MNAD's 2 clusters holds 67 %",
        ),
        ([1, 0, 0, 1, 0], SPILLS, "None of MNAD's 2 clusters is one of spills"),
        ([1, 0, 0, 1, 0], NONE, "None of MNAD's 2 clusters is one of spills"),
    ],
)
def test_clusters_of_spills_are_counted(clusters: list[int], spills: Marks, told: str) -> None:
    assert on_clusters("mnad", np.array(clusters), spills).startswith(told)


def test_place_explains_a_share_of_the_queries() -> None:
    assert on_places("mnad", 0.976) == "Place explains 98 % of the variance of MNAD's queries"
