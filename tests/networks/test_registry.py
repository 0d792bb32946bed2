"""A network's members live in one file, which gives them back bit by bit and runs no code."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from stages.common.errors import InputError
from stages.wells.networks import registry
from stages.wells.networks.base import Network
from tests import small_wells
from tests.small_wells import noise, small_members, small_network

SETTINGS = small_wells.SETTINGS["autoencoder"]
IMAGES = noise(6)


def build(seed: int = 0) -> Network:
    network = small_network("autoencoder", seed)
    network.fit_channels(torch.from_numpy(IMAGES).float() / 255)
    return network


def members(count: int = 2) -> list[Network]:
    return [build(seed) for seed in range(count)]


def describe(**changes: object) -> dict[str, str]:
    """Return the metadata of two members' file, with changes."""
    described = {"name": "autoencoder", "settings": SETTINGS, "members": 2}
    return {"network": json.dumps(described | changes)}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "model" / "network.safetensors"
    registry.save(members(), "autoencoder", SETTINGS, path)
    return path


def weights(network: Network) -> torch.Tensor:
    return torch.cat([weight.detach().flatten() for weight in network.parameters()])


def test_weights_are_drawn_by_the_seed() -> None:
    assert torch.equal(weights(build(1)), weights(build(1)))
    assert not torch.equal(weights(build(1)), weights(build(2)))


def test_building_leaves_the_global_generator_as_it_was() -> None:
    before = torch.random.get_rng_state()
    build(seed=12345)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_building_does_not_depend_on_the_global_generator() -> None:
    torch.manual_seed(1)
    one = weights(build())
    torch.manual_seed(2)
    assert torch.equal(weights(build()), one)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_members_are_loaded_in_their_order_and_bit_by_bit(tmp_path: Path, count: int) -> None:
    registry.save(members(count), "autoencoder", SETTINGS, tmp_path / "network")
    for loaded, saved in zip(registry.load(tmp_path / "network"), members(count), strict=True):
        weights = loaded.state_dict()
        assert weights.keys() == saved.state_dict().keys()
        assert all(torch.equal(weights[key], one) for key, one in saved.state_dict().items())


def test_loaded_members_are_set_to_use(path: Path) -> None:
    assert not any(layer.training for member in registry.load(path) for layer in member.modules())


def test_loading_leaves_the_global_generator_as_it_was(path: Path) -> None:
    before = torch.random.get_rng_state()
    registry.load(path)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_two_saves_write_the_same_bytes(path: Path, tmp_path: Path) -> None:
    other_order = dict(reversed(SETTINGS.items()))
    registry.save(members(), "autoencoder", other_order, tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == path.read_bytes()


def test_the_file_is_a_safetensors_header_and_numbers_without_pickle(path: Path) -> None:
    # The format: 8 bytes little-endian with the header's length, the header as JSON, the numbers.
    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    described = json.loads(header.pop("__metadata__")["network"])
    assert described == {"name": "autoencoder", "settings": SETTINGS, "members": 2}
    assert {entry["dtype"] for entry in header.values()} == {"F32"}
    assert len(data) == 8 + length + max(entry["data_offsets"][1] for entry in header.values())


@pytest.mark.parametrize("share", [0, 0.001, 0.1, 0.5, 0.999])
def test_a_truncated_file_is_refused_with_its_path(path: Path, share: float) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    with pytest.raises(InputError, match=r"network\.safetensors can't be read"):
        registry.load(path)


@pytest.mark.parametrize("seed", range(5))
def test_random_bytes_are_refused(tmp_path: Path, seed: int) -> None:
    (tmp_path / "network").write_bytes(np.random.default_rng(seed).bytes(10_000))
    with pytest.raises(InputError, match="can't be read"):
        registry.load(tmp_path / "network")


def test_a_missing_file_is_refused_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere.*dvc repro"):
        registry.load(tmp_path / "nowhere")


def test_a_pickled_network_is_refused(tmp_path: Path) -> None:
    torch.save(build(), tmp_path / "network")
    with pytest.raises(InputError, match="can't be read"):
        registry.load(tmp_path / "network")


@pytest.mark.parametrize(
    "metadata",
    [
        None,
        {"other": "words"},
        {"network": "not JSON"},
        {"network": "[]"},
        {"network": json.dumps({"name": "autoencoder", "members": 2})},
        {"network": json.dumps({"name": "autoencoder", "settings": SETTINGS})},
        describe(name="transformer"),
        describe(settings={"depth": 3}),
        describe(settings=SETTINGS | {"latent": 5}),
        describe(members=0),
        describe(members=1),
        describe(members=3),
        describe(members="two"),
    ],
    ids=[
        "none",
        "other",
        "text",
        "list",
        "no settings",
        "no members",
        "unknown",
        "unknown setting",
        "other size",
        "zero members",
        "too few members",
        "too many members",
        "members in words",
    ],
)
def test_weights_whose_description_is_missing_or_wrong_are_refused(
    path: Path, metadata: dict[str, str] | None
) -> None:
    save_file(load_file(path), path, metadata=metadata)
    with pytest.raises(InputError, match="can't be read"):
        registry.load(path)


def test_a_file_that_lacks_a_weight_of_a_member_is_refused(path: Path) -> None:
    kept = load_file(path)
    del kept["1.channel_mean"]
    save_file(kept, path, metadata=describe())
    with pytest.raises(InputError, match=r"1\.channel_mean"):
        registry.load(path)


def test_a_file_without_members_is_refused(path: Path) -> None:
    save_file({}, path, metadata=describe(members=0))
    with pytest.raises(InputError, match="no members"):
        registry.load(path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with each network in its place, as the pipeline keeps them."""
    for name in registry.NETWORKS:
        path = tmp_path / name / registry.WEIGHTS
        registry.save(small_members(name), name, small_wells.SETTINGS[name], path)
    return tmp_path


@pytest.mark.parametrize("names", [[], ["mnad"], ["mnad", "autoencoder"]], ids=str)
def test_the_networks_that_are_named_are_loaded_each_as_what_it_is(
    names: list[str], folder: Path
) -> None:
    loaded = registry.load_all(names, folder)
    assert loaded.keys() == set(names)
    for name, members in loaded.items():
        assert [type(member) for member in members] == [registry.NETWORKS[name]] * 2


def test_a_network_that_is_not_named_is_not_opened(folder: Path) -> None:
    (folder / "mnad" / registry.WEIGHTS).write_text("broken", encoding="utf-8")
    assert registry.load_all(["autoencoder"], folder).keys() == {"autoencoder"}
    with pytest.raises(InputError, match=r"mnad.*can't be read"):
        registry.load_all(["autoencoder", "mnad"], folder)
