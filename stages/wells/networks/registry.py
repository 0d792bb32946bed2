"""Networks by name: built from settings, kept in one file with them, loaded without pickle.

A network comes in members, one a fold of the training photos, which that member has not seen.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_bytes
from torch import nn

from stages.common import paths
from stages.common.errors import InputError
from stages.common.files import replacing
from stages.wells.networks.autoencoder import Autoencoder
from stages.wells.networks.base import Network
from stages.wells.networks.mnad import Mnad

NETWORKS: dict[str, type[Network]] = {"autoencoder": Autoencoder, "mnad": Mnad}
# What a network is called in a sentence, where that is not its key.
NAMES = {"autoencoder": "the autoencoder", "mnad": "MNAD"}
# Of each network, in a folder of its name.
WEIGHTS, HISTORY = "network.safetensors", "history.csv"
METADATA_KEY = "network"

Settings = Mapping[str, int | float | bool]
Members = Sequence[Network]


def build(name: str, settings: Settings, seed: int) -> Network:
    """Return a network with weights drawn by the seed; the global generator stays as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return NETWORKS[name](**settings)


def save(members: Members, name: str, settings: Settings, path: Path) -> None:
    """Write members' weights as safetensors, with name and settings in the metadata."""
    description = {"name": name, "settings": dict(settings), "members": len(members)}
    metadata = {METADATA_KEY: json.dumps(description, sort_keys=True)}
    together = nn.ModuleList(members).state_dict()
    weights = {key: value.cpu().contiguous() for key, value in together.items()}
    with replacing(path) as temporary:
        # safetensors' own writing would leave a file of another name where it is killed.
        temporary.write_bytes(to_bytes(weights, metadata=metadata))


def read_settings(path: Path) -> Settings:
    """Return what the members in a file that `save` wrote were built from."""
    with safe_open(path, framework="pt") as file:
        settings: Settings = json.loads(file.metadata()[METADATA_KEY])["settings"]
    return settings


def load(path: Path) -> Members:
    """Return members to use on the CPU; raises InputError where their file is missing or broken."""
    try:
        with safe_open(path, framework="pt") as file:
            description = json.loads(file.metadata()[METADATA_KEY])
            weights = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        members = [
            build(description["name"], description["settings"], seed=0)
            for _ in range(description["members"])
        ]
        if not members:
            raise ValueError("it has no members")
        nn.ModuleList(members).eval().load_state_dict(weights)
    except (OSError, SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise InputError(
            f"{path} can't be read as a network ({error}): `dvc repro` makes it anew, "
            "`dvc checkout` brings back the committed one"
        ) from None
    return members


def load_all(names: Collection[str], folder: Path = paths.NETWORKS) -> dict[str, Members]:
    """Return networks by name from where the pipeline keeps them, and load no others.

    Raises InputError where one is missing or broken.
    """
    return {name: load(folder / name / WEIGHTS) for name in NETWORKS if name in names}


def name_of(network: str) -> str:
    """Return what a network, told by its key, is called in a sentence."""
    return NAMES.get(network, network)
