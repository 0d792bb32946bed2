"""MNAD: its memory is read, moved and frozen as the paper says."""

from pathlib import Path

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor
from torch.nn import functional

from stages.common.types import Images
from stages.wells.latent.memory import memory_use
from stages.wells.networks import base, registry, training
from stages.wells.networks.base import Network
from stages.wells.networks.mnad import Mnad, as_rows, update_memory
from stages.wells.networks.training import reconstruct
from tests import small_wells
from tests.small_wells import noise, small_network

SETTINGS = small_wells.SETTINGS["mnad"]


def build(**changes: float | bool) -> Mnad:
    network = small_network("mnad", 0, **changes)
    assert isinstance(network, Mnad)
    return network


def mean_distance(network: Mnad, count: int) -> float:
    """Return how far queries of noise are from their items."""
    queries = network.queries_of(noise(count))
    nearest = network.memory[network.read(queries).best[:, 0]]
    return float(functional.pairwise_distance(queries, nearest).mean())


def reconstructions(network: Network, images: Images) -> Tensor:
    return torch.cat([outputs for _, outputs in reconstruct(network, images)])


def unit_rows(count: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return functional.normalize(torch.randn(count, 6, generator=generator), dim=1)


def trained(**changes: float | bool) -> Mnad:
    network = build(**changes)
    training.train(
        network,
        noise(24),
        noise(8, seed=1),
        epochs=3,
        batch_size=8,
        learning_rate=1e-2,
        seed=0,
        device=torch.device("cpu"),
    )
    return network


def has_unit_rows(vectors: Tensor) -> bool:
    return torch.allclose(vectors.norm(dim=1), torch.ones(len(vectors)), atol=1e-5)


def test_queries_are_of_unit_length_and_one_for_each_8_by_8_pixels() -> None:
    queries = build().eval().encode(torch.rand(3, 3, 16, 16))
    assert queries.shape == (3, 6, 2, 2)
    assert has_unit_rows(as_rows(queries))


def test_rows_of_queries_go_through_an_image_row_by_row() -> None:
    queries = torch.arange(2 * 6 * 2 * 2).reshape(2, 6, 2, 2)
    rows = as_rows(queries)
    assert torch.equal(rows[1], queries[0, :, 0, 1])
    assert torch.equal(rows[6], queries[1, :, 1, 0])


def test_the_read_is_a_mean_of_items_whose_weights_sum_to_one() -> None:
    network = build()
    reading = network.read(unit_rows(20, seed=1))
    assert torch.allclose(reading.weights.sum(dim=1), torch.ones(20))
    assert torch.allclose(reading.read, reading.weights @ network.memory)


@pytest.mark.parametrize("item", range(5))
def test_a_query_that_equals_an_item_reads_it_at_a_low_temperature(item: int) -> None:
    network = build(temperature=0.001)
    reading = network.read(network.memory[item : item + 1])
    nearest, second = reading.best[0].tolist()
    assert nearest == item
    assert second != item
    assert torch.allclose(reading.read[0], network.memory[item], atol=1e-4)


def test_the_vectorised_update_equals_a_loop_over_items_and_queries() -> None:
    memory, queries = unit_rows(5, seed=1), unit_rows(40, seed=2)
    expected = memory.clone()
    similarities = queries @ memory.T
    for item in range(len(memory)):
        own = [k for k in range(len(queries)) if similarities[k].argmax() == item]
        over_queries = similarities[:, item].exp() / similarities[:, item].exp().sum()
        if own:
            largest = max(over_queries[k] for k in own)
            total = sum((over_queries[k] / largest * queries[k] for k in own), memory[item])
            expected[item] = total / total.norm()
    updated = update_memory(memory, queries)
    assert torch.allclose(updated, expected, atol=1e-6)
    moved = (updated != memory).any(dim=1).tolist()
    assert moved == [bool((similarities.argmax(1) == item).any()) for item in range(5)]
    assert has_unit_rows(updated)


def test_an_item_without_queries_stays_as_it_is() -> None:
    memory = functional.normalize(
        torch.tensor([[1.0, 0, 0, 0, 0, 0], [-1.0, 0, 0, 0, 0, 1]]), dim=1
    )
    updated = update_memory(memory, memory[:1] + torch.tensor([[0, 0.1, 0, 0, 0, 0]]))
    assert torch.equal(updated[1], memory[1])
    assert not torch.equal(updated[0], memory[0])


def test_the_memory_gets_no_gradient_and_the_encoder_does() -> None:
    network = build()
    loss, _ = network.loss(torch.rand(4, 3, 16, 16))
    loss.backward()  # type: ignore[no-untyped-call]
    assert not network.memory.requires_grad
    assert all(weight.grad is not None for weight in network.encoder.parameters())


def test_compactness_draws_queries_to_their_items() -> None:
    far, near = (mean_distance(trained(compactness=weight), 24) for weight in (0.0, 10.0))
    assert near < far


def test_training_moves_the_memory_and_use_leaves_it_alone() -> None:
    network = trained(kmeans=False)
    assert not torch.equal(network.memory, build().memory)
    assert has_unit_rows(network.memory)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    reconstructions(network, noise(12, seed=3))
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_reconstructions_do_not_depend_on_order_or_batch_size(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    network, images = trained(), noise(12, seed=3)
    together = reconstructions(network, images)
    backwards = reconstructions(network, images[::-1].copy())
    torch.testing.assert_close(backwards.flip(0), together, rtol=0, atol=1e-5)
    monkeypatch.setattr(base, "BATCH", 1)
    one_by_one = reconstructions(network, images)
    torch.testing.assert_close(one_by_one, together, rtol=0, atol=1e-5)


def test_a_network_restored_from_disk_reconstructs_identically(tmp_path: Path) -> None:
    network, images = trained(), noise(12, seed=3)
    registry.save([network], "mnad", SETTINGS, tmp_path / "network.safetensors")
    (restored,) = registry.load(tmp_path / "network.safetensors")
    assert torch.equal(reconstructions(restored, images), reconstructions(network, images))


def test_the_same_seed_gives_the_same_memory() -> None:
    assert torch.equal(trained().memory, trained().memory)


def test_kmeans_puts_items_where_the_training_queries_are() -> None:
    with_kmeans, without = (mean_distance(trained(kmeans=chosen), 24) for chosen in (True, False))
    assert with_kmeans < without
    assert memory_use(trained(), noise(24)).dead_items == 0


def test_the_decoder_sees_what_the_memory_says() -> None:
    network, images = build().eval(), torch.rand(2, 3, 16, 16)
    before = network(images)
    network.memory.copy_(unit_rows(5, seed=9))
    assert not torch.allclose(before, network(images))


def test_no_connection_skips_the_queries() -> None:
    network = build().eval()
    constant = functional.normalize(torch.ones(2, 6, 2, 2), dim=1)
    network.encode = lambda images: constant  # type: ignore[method-assign]
    images = torch.rand(2, 3, 16, 16)
    assert torch.equal(network(images)[0], network(images)[1])


def test_without_items_the_decoder_sees_zeros_and_only_the_reconstruction_is_learned() -> None:
    network, images = build(items=0), torch.rand(4, 3, 16, 16)
    queries = network.encode(images)
    beside = torch.cat([queries, torch.zeros_like(queries)], dim=1)
    expected = network.unstandardise(network.decoder(beside))
    loss, outputs = network.loss(images)
    assert torch.equal(outputs, expected)
    assert torch.equal(network(images), expected)
    assert torch.equal(loss, ((expected - images) / network.channel_std).square().mean())


def test_without_items_training_ends_with_a_network_that_is_saved_and_restored(
    tmp_path: Path,
) -> None:
    network, images = trained(items=0), noise(12, seed=3)
    assert network.memory.shape == (0, 6)
    before, after = (training.mean_squared_error(one, images) for one in (build(items=0), network))
    assert after < before
    path = tmp_path / "network.safetensors"
    registry.save([network], "mnad", SETTINGS | {"items": 0}, path)
    (restored,) = registry.load(path)
    assert torch.equal(reconstructions(restored, images), reconstructions(network, images))


def test_the_first_weights_are_the_same_however_many_items_there_are() -> None:
    without, some, more = (build(items=items).state_dict() for items in (0, 5, 9))
    for name in without.keys() - {"memory"}:
        assert torch.equal(without[name], some[name])
        assert torch.equal(without[name], more[name])


def test_there_may_be_no_items_or_two_but_not_one() -> None:
    wanted = {name: SETTINGS[name] for name in Mnad.Params.model_fields}
    for items in (0, 2):
        assert Mnad.Params.model_validate(wanted | {"items": items}).items == items
    with pytest.raises(ValidationError, match="separateness needs a second item: 0 for no memory"):
        Mnad.Params.model_validate(wanted | {"items": 1})


def test_centres_come_of_enough_images_of_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "ENOUGH", 10)
    network, seen = build(), []
    queries_of = network.queries_of

    def watch(images: Images) -> Tensor:
        seen.append(images)
        return queries_of(images)

    monkeypatch.setattr(network, "queries_of", watch)
    images = noise(40)
    network.after_training(images, seed=0)
    (used,) = seen
    assert used.tolist() == images[::4].tolist()
