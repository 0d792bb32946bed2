"""Parameters of training, and of all networks, each of which names its own."""

from typing import TYPE_CHECKING

from pydantic import create_model

from stages.common.params import Count, Positive, Section
from stages.wells.networks.registry import NETWORKS


class TrainParams(Section):
    epochs: Count
    batch_size: Count
    learning_rate: Positive


# A section for each network of the registry; a type checker, which can't see them, knows a section.
if TYPE_CHECKING:
    NetworksParams = Section
else:
    NetworksParams = create_model(
        "NetworksParams",
        __base__=Section,
        **{name: (network.Params, ...) for name, network in NETWORKS.items()},
    )
