"""A network is trained as params.yaml says, once for each fold, which it doesn't see."""

from pathlib import Path

import numpy as np
import pytest
import torch

from stages.common.types import Images
from stages.wells.networks import recipe, registry
from stages.wells.networks.base import Network
from stages.wells.networks.params import NetworksParams, TrainParams
from stages.wells.networks.recipe import Trained, train_members
from stages.wells.networks.training import Epoch
from tests.small_wells import SETTINGS, in_turn, noise

pytestmark = pytest.mark.slow


def own(name: str) -> dict[str, int | float | bool]:
    return {key: value for key, value in SETTINGS[name].items() if key not in ("height", "width")}


NETWORKS = NetworksParams.model_validate({name: own(name) for name in ("autoencoder", "mnad")})


IMAGES = noise(20, seed=1, width=24)


def trained(name: str, *, folds: int = 2, seed: int = 0, images: Images = IMAGES) -> Trained:
    schedule = TrainParams(epochs=2, batch_size=8, learning_rate=1e-3)
    return train_members(name, NETWORKS, schedule, images, in_turn(len(images), folds), seed)


def same_weights(one: Network, other: Network) -> bool:
    others = other.state_dict()
    return all(torch.equal(weight, others[key]) for key, weight in one.state_dict().items())


@pytest.mark.parametrize("name", registry.NETWORKS)
def test_a_network_is_what_its_section_says_in_the_size_of_the_images(name: str) -> None:
    found = trained(name)
    assert {type(member) for member in found.members} == {registry.NETWORKS[name]}
    assert found.settings == {**own(name), "height": 16, "width": 24}


@pytest.mark.parametrize("folds", [2, 3])
def test_there_is_a_member_a_fold_and_a_line_of_history_an_epoch_of_each(folds: int) -> None:
    found = trained("autoencoder", folds=folds)
    assert len(found.members) == folds
    assert found.history.columns.tolist() == ["fold", "epoch", "train", "holdout"]
    lines = [[fold, epoch] for fold in range(folds) for epoch in (1, 2)]
    assert found.history[["fold", "epoch"]].to_numpy().tolist() == lines


@pytest.mark.parametrize("name", registry.NETWORKS)
@pytest.mark.parametrize("fold", [0, 1, 2])
def test_a_member_learns_nothing_of_its_own_fold_and_is_measured_on_it(
    name: str, fold: int
) -> None:
    changed = IMAGES.copy()
    changed[fold::3] = 255 - changed[fold::3]
    before, after = trained(name, folds=3), trained(name, folds=3, images=changed)
    same = [same_weights(*pair) for pair in zip(before.members, after.members, strict=True)]
    assert same == [member == fold for member in range(3)]
    mine = before.history["fold"] == fold
    np.testing.assert_array_equal(after.history["train"][mine], before.history["train"][mine])
    assert (after.history["holdout"] != before.history["holdout"])[mine].all()


def test_a_member_learns_from_all_other_folds() -> None:
    for fold, member in enumerate(trained("autoencoder", folds=4).members):
        others = IMAGES[np.arange(len(IMAGES)) % 4 != fold] / 255
        found = member.channel_mean.flatten().numpy()
        np.testing.assert_allclose(found, others.mean((0, 2, 3)), rtol=1e-5)


@pytest.mark.parametrize("name", registry.NETWORKS)
def test_what_it_returns_is_enough_to_save_it_and_load_it_again(name: str, tmp_path: Path) -> None:
    found = trained(name)
    registry.save(found.members, name, found.settings, tmp_path / "network")
    for again, member in zip(registry.load(tmp_path / "network"), found.members, strict=True):
        assert same_weights(again, member)


@pytest.mark.parametrize("name", registry.NETWORKS)
def test_the_same_seed_trains_the_same_network_and_another_another(name: str) -> None:
    assert trained(name).history.equals(trained(name).history)
    assert not trained(name).history.equals(trained(name, seed=1).history)


@pytest.mark.parametrize(
    ("photos", "asked", "taken"), [(20, 8, 8), (20, 64, 16), (1200, 64, 25), (4000, 64, 64)]
)
def test_batches_are_smaller_where_an_epoch_would_have_few_steps(
    photos: int, asked: int, taken: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = []

    def train(network: Network, *_: object, batch_size: int, **__: object) -> list[Epoch]:
        sizes.append(batch_size)
        return [Epoch(1, 0.5, 0.5)]

    monkeypatch.setattr(recipe, "train", train)
    schedule = TrainParams(epochs=1, batch_size=asked, learning_rate=1e-3)
    images = noise(photos, width=24)
    train_members("autoencoder", NETWORKS, schedule, images, in_turn(photos), seed=0)
    assert sizes == [taken, taken]


@pytest.mark.parametrize("seed", [0, 5])
def test_the_seed_draws_both_the_first_weights_and_the_order(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    seeds = []

    def train(network: Network, *_: object, seed: int, **__: object) -> list[Epoch]:
        seeds.append(seed)
        return [Epoch(1, 0.5, 0.5)]

    monkeypatch.setattr(recipe, "train", train)
    found = trained("autoencoder", seed=seed)
    assert seeds == [seed, seed]
    for member in found.members:
        assert same_weights(member, registry.build("autoencoder", found.settings, seed))
