"""Networks trained as params.yaml says."""

from typing import NamedTuple

import numpy as np
import pandas as pd

from stages.common.types import Images, Indices
from stages.wells.networks.base import Network
from stages.wells.networks.params import NetworksParams, TrainParams
from stages.wells.networks.registry import Settings, build
from stages.wells.networks.training import choose_device, train


class Trained(NamedTuple):
    """A network's members, what each was built from, and their errors.

    members: one a fold, which it has not seen; history: `fold`, `epoch`, `train`, `holdout`, as
    training.Epoch tells them.
    """

    members: list[Network]
    settings: Settings
    history: pd.DataFrame


def train_members(
    name: str,
    networks: NetworksParams,
    schedule: TrainParams,
    images: Images,
    folds: Indices,
    seed: int,
) -> Trained:
    """Build the network of that name for each fold and train it on images of the others.

    images: `[N, 3, H, W]` uint8; folds: of each, `[N]`. Images of its own fold are only measured.
    """
    height, width = images.shape[-2:]
    settings = {"height": height, "width": width, **getattr(networks, name).model_dump()}
    members, histories = [], []
    for fold in np.unique(folds):
        network = build(name, settings, seed)
        history = train(
            network,
            images[folds != fold],
            images[folds == fold],
            epochs=schedule.epochs,
            batch_size=schedule.batch_size,
            learning_rate=schedule.learning_rate,
            seed=seed,
            device=choose_device(),
        )
        members.append(network)
        histories.append(pd.DataFrame({"fold": fold, **epoch._asdict()} for epoch in history))
    return Trained(members, settings, pd.concat(histories, ignore_index=True))
