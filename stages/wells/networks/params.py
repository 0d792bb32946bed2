"""Parameters of the networks and of their training."""

from typing import Annotated

from pydantic import Field

from stages.common.params import Count, NotNegative, Positive, Section


class TrainParams(Section):
    epochs: Count
    batch_size: Count
    learning_rate: Positive


class AutoencoderParams(Section):
    channels: Count
    latent: Count


class MnadParams(Section):
    channels: Count
    query_size: Annotated[int, Field(ge=2)]
    items: Annotated[int, Field(ge=2)]
    temperature: Positive
    compactness: NotNegative
    separateness: NotNegative
    kmeans: bool


class NetworksParams(Section):
    """A section for each network of the registry."""

    autoencoder: AutoencoderParams
    mnad: MnadParams
