"""How a memory is used is counted over all queries, wherever they lie."""

import numpy as np
import pytest
import torch

from stages.wells.latent.memory import memory_use, nearest_items
from stages.wells.networks.mnad import Mnad
from tests.small_wells import noise, small_network


def build(items: int = 5) -> Mnad:
    network = small_network("mnad", 0, items=items)
    assert isinstance(network, Mnad)
    return network


def test_memory_use_of_even_queries_is_the_number_of_items(monkeypatch: pytest.MonkeyPatch) -> None:
    network = build(items=4)
    monkeypatch.setattr(network, "queries_of", lambda images: network.memory.repeat(6, 1))
    use = memory_use(network, noise(6))
    assert use.usage_perplexity == pytest.approx(4)
    assert use.dead_items == 0
    assert use.position_share == pytest.approx(1)


@pytest.mark.parametrize(
    ("nearest", "perplexity", "dead"),
    [
        ([0] * 24, 1, 3),
        ([0, 1] * 12, 2, 2),
        # Entropy of 3/4 and 1/4: 0.75 ln(4/3) + 0.25 ln 4.
        ([2, 2, 2, 3] * 6, np.exp(0.75 * np.log(4 / 3) + 0.25 * np.log(4)), 2),
    ],
    ids=["one", "two", "uneven"],
)
def test_memory_use_falls_with_items_that_few_queries_are_nearest_to(
    nearest: list[int], perplexity: float, dead: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = build(items=4)
    monkeypatch.setattr(network, "queries_of", lambda images: network.memory[nearest])
    use = memory_use(network, noise(6))
    assert use.usage_perplexity == pytest.approx(perplexity)
    assert use.dead_items == dead


def test_position_explains_nothing_where_images_alone_differ(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    network = build(items=4)
    # All four queries of an image are the same.
    monkeypatch.setattr(
        network, "queries_of", lambda images: network.memory.repeat_interleave(4, dim=0)
    )
    assert memory_use(network, noise(4)).position_share == pytest.approx(0, abs=1e-9)


def test_each_place_of_each_photo_has_its_nearest_item(monkeypatch: pytest.MonkeyPatch) -> None:
    network = build(items=5)
    items = torch.arange(18) % 5
    monkeypatch.setattr(network, "queries_of", lambda images: network.memory[items])
    nearest = nearest_items(network, noise(3, height=16, width=24))
    # Photo by photo, and in each row by row.
    assert nearest.tolist() == [
        [[0, 1, 2], [3, 4, 0]],
        [[1, 2, 3], [4, 0, 1]],
        [[2, 3, 4], [0, 1, 2]],
    ]
