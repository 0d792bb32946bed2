"""Parameters of the maps of latent spaces."""

from typing import Annotated

from pydantic import Field

from stages.common.params import Section


class LatentParams(Section):
    clusters: Annotated[int, Field(ge=2)]
