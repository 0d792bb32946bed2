"""Networks trained as params.yaml says."""

from typing import NamedTuple

from stages.common.types import Images
from stages.wells.networks.base import Network
from stages.wells.networks.params import NetworksParams, TrainParams
from stages.wells.networks.registry import Settings, build
from stages.wells.networks.training import Epoch, choose_device, train


class Trained(NamedTuple):
    """A network, what it was built from, and its errors an epoch."""

    network: Network
    settings: Settings
    history: list[Epoch]


def train_network(
    name: str,
    networks: NetworksParams,
    schedule: TrainParams,
    images: Images,
    holdout: Images,
    seed: int,
) -> Trained:
    """Build the network of that name and train it on images `[N, 3, H, W]` uint8.

    The held-out images are only measured.
    """
    height, width = images.shape[-2:]
    settings = {"height": height, "width": width, **getattr(networks, name).model_dump()}
    network = build(name, settings, seed)
    history = train(
        network,
        images,
        holdout,
        epochs=schedule.epochs,
        batch_size=schedule.batch_size,
        learning_rate=schedule.learning_rate,
        seed=seed,
        device=choose_device(),
    )
    return Trained(network, settings, history)
