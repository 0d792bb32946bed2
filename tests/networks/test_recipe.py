"""A network is built and trained as params.yaml says, for images of any size."""

from pathlib import Path

import pytest
import torch

from stages.wells.networks import recipe, registry
from stages.wells.networks.base import Network
from stages.wells.networks.params import AutoencoderParams, MnadParams, NetworksParams, TrainParams
from stages.wells.networks.recipe import Trained, train_network
from stages.wells.networks.training import Epoch
from tests.small_wells import SETTINGS, noise

pytestmark = pytest.mark.slow


def own(name: str) -> dict[str, int | float | bool]:
    return {key: value for key, value in SETTINGS[name].items() if key not in ("height", "width")}


NETWORKS = NetworksParams(
    autoencoder=AutoencoderParams.model_validate(own("autoencoder")),
    mnad=MnadParams.model_validate(own("mnad")),
)


def trained(name: str, *, epochs: int = 2, seed: int = 0) -> Trained:
    schedule = TrainParams(epochs=epochs, batch_size=8, learning_rate=1e-3)
    images, holdout = noise(16, seed=1, width=24), noise(4, seed=2, width=24)
    return train_network(name, NETWORKS, schedule, images, holdout, seed)


@pytest.mark.parametrize("name", registry.NETWORKS)
def test_a_network_is_what_its_section_says_in_the_size_of_the_images(name: str) -> None:
    found = trained(name)
    assert type(found.network) is registry.NETWORKS[name]
    assert found.settings == {**own(name), "height": 16, "width": 24}
    assert [epoch.epoch for epoch in found.history] == [1, 2]


@pytest.mark.parametrize("name", registry.NETWORKS)
def test_what_it_returns_is_enough_to_save_it_and_load_it_again(name: str, tmp_path: Path) -> None:
    found = trained(name)
    registry.save(found.network, name, found.settings, tmp_path / "network")
    again = registry.load(tmp_path / "network").state_dict()
    for key, weight in found.network.state_dict().items():
        assert torch.equal(again[key], weight), key


@pytest.mark.parametrize("name", registry.NETWORKS)
def test_the_same_seed_trains_the_same_network_and_another_another(name: str) -> None:
    assert trained(name).history == trained(name).history
    assert trained(name).history != trained(name, seed=1).history


@pytest.mark.parametrize("seed", [0, 5])
def test_the_seed_draws_both_the_first_weights_and_the_order(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    seeds = []

    def train(network: Network, *_: object, seed: int, **__: object) -> list[Epoch]:
        seeds.append(seed)
        return []

    monkeypatch.setattr(recipe, "train", train)
    found = trained("autoencoder", seed=seed)
    assert seeds == [seed]
    expected = registry.build("autoencoder", found.settings, seed).state_dict()
    for key, weight in found.network.state_dict().items():
        assert torch.equal(weight, expected[key]), key
