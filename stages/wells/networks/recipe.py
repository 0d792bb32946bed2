"""Networks trained as params.yaml says."""

from typing import NamedTuple

import numpy as np
import pandas as pd

from stages.common.types import Images, Indices
from stages.wells.networks.base import Network
from stages.wells.networks.params import NetworksParams, TrainParams
from stages.wells.networks.registry import Settings, build
from stages.wells.networks.training import choose_device, train

# Steps of an epoch, at least, for few images are else learnt in too few; in batches of at least
# LEAST_BATCH, of which the mean gradient is steady enough.
STEPS, LEAST_BATCH = 24, 16


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
    Batches are smaller than the schedule says where an epoch would have fewer than STEPS.
    """
    height, width = images.shape[-2:]
    settings = {"height": height, "width": width, **getattr(networks, name).model_dump()}
    members, histories = [], []
    for fold in np.unique(folds):
        network, others = build(name, settings, seed), images[folds != fold]
        history = train(
            network,
            others,
            images[folds == fold],
            epochs=schedule.epochs,
            batch_size=min(schedule.batch_size, max(LEAST_BATCH, len(others) // STEPS)),
            learning_rate=schedule.learning_rate,
            seed=seed,
            device=choose_device(),
        )
        members.append(network)
        histories.append(pd.DataFrame({"fold": fold, **epoch._asdict()} for epoch in history))
    return Trained(members, settings, pd.concat(histories, ignore_index=True))
