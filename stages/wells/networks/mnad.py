"""MNAD: an autoencoder that compares what it sees with a memory of normal wells.

Park, Noh and Ham, Learning Memory-guided Normality for Anomaly Detection, CVPR 2020
(arXiv 2003.13228), in its reconstruction form, for single images: the memory never changes once
training has ended, so a score depends on no other image.
"""

from typing import Annotated, NamedTuple, cast

import numpy as np
import torch
from pydantic import AfterValidator, Field
from torch import Tensor, nn
from torch.nn import functional

from stages.common.params import Count, NotNegative, Positive, Section
from stages.common.types import Images
from stages.wells.networks.autoencoder import PATCH
from stages.wells.networks.base import Network, batches, thin_out

MARGIN = 1.0
KMEANS_QUERIES = 20_000


class Reading(NamedTuple):
    """What the memory makes of K queries `[K, C]`.

    read: weighted means of the items, `[K, C]`; weights: of the items in them, `[K, M]`, rows sum
    to 1; best: the two items most like a query, the nearest first, `[K, 2]`. Where there are no
    items, zeros are read, and weights and best have no columns.
    """

    read: Tensor
    weights: Tensor
    best: Tensor


def _none_or_two(items: int) -> int:
    if items == 1:
        raise ValueError("separateness needs a second item: 0 for no memory, or 2 and more")
    return items


class Mnad(Network):
    """Encoder, memory and decoder, without skip connections.

    The encoder makes a query, a vector of unit length with `query_size` numbers, of each 8 x 8
    pixels of an image; the memory holds `items` unit vectors of normality; the decoder sees each
    query beside what it reads there. `channels` are those at a quarter of the resolution, twice as
    many at an eighth. `temperature` divides the similarities (cosines) before their softmax: at 1,
    as published, the read is almost the same for all queries. `compactness` and `separateness`
    weigh the two losses of the memory. `kmeans`: replace the items by the centres of the training
    queries once training has ended, for the last steps alone determine what stands in the memory
    otherwise. With 0 items there is no memory: the decoder sees zeros beside each query, and the
    reconstruction alone is learned; all else, the first weights too, stays the same.
    """

    class Params(Section):
        channels: Count
        query_size: Annotated[int, Field(ge=2)]
        items: Annotated[int, Field(ge=0), AfterValidator(_none_or_two)]
        temperature: Positive
        compactness: NotNegative
        separateness: NotNegative
        kmeans: bool

    memory: Tensor

    def __init__(
        self,
        height: int,
        width: int,
        channels: int,
        query_size: int,
        items: int,
        temperature: float,
        compactness: float,
        separateness: float,
        kmeans: bool,
    ) -> None:
        super().__init__()
        self.temperature = temperature
        self.compactness = compactness
        self.separateness = separateness
        self.kmeans = kmeans
        self.encoder = nn.Sequential(
            nn.Conv2d(3, channels, PATCH, stride=PATCH),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
            *convolution(channels, channels),
            *convolution(channels, channels),
            nn.MaxPool2d(2),
            *convolution(channels, 2 * channels),
            *convolution(2 * channels, 2 * channels),
            # Nothing after this one, so that queries may be negative.
            nn.Conv2d(2 * channels, query_size, 3, padding=1),
        )
        self.decoder = nn.Sequential(
            *convolution(2 * query_size, 2 * channels),
            *convolution(2 * channels, 2 * channels),
            nn.ConvTranspose2d(2 * channels, channels, 2, stride=2),
            *convolution(channels, channels),
            *convolution(channels, channels),
            nn.Conv2d(channels, 3 * PATCH**2, 1),
            nn.PixelShuffle(PATCH),
        )
        self.register_buffer("memory", functional.normalize(torch.randn(items, query_size), dim=1))
        self._last_queries: Tensor | None = None

    def encode(self, images: Tensor) -> Tensor:
        """Return the queries `[N, C, H / 8, W / 8]`, of unit length over C, of images."""
        features = self.encoder(self.standardise(images))
        return functional.normalize(features, dim=1, eps=1e-12)

    def forward(self, images: Tensor) -> Tensor:
        """Reconstruct images, `[N, 3, H, W]` in [0, 1]."""
        queries = self.encode(images)
        return self._decode(queries, self.read(as_rows(queries)))

    def read(self, queries: Tensor) -> Reading:
        """Look queries `[K, C]` up in the memory; no gradient passes through the weights."""
        similarities = queries @ self.memory.T
        weights = (similarities.detach() / self.temperature).softmax(dim=1)
        best = similarities.topk(min(2, len(self.memory)), dim=1).indices
        return Reading(weights @ self.memory, weights, best)

    def loss(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return reconstruction + compactness + separateness, a scalar, and the reconstructions.

        Reconstruction: mean squared error in units of the channels' deviations. Compactness: mean
        squared distance of a query to its nearest item. Separateness: mean of
        max(0, distance to the nearest - distance to the second + 1). Without items, the
        reconstruction alone.
        """
        queries = self.encode(images)
        rows = as_rows(queries)
        reading = self.read(rows)
        reconstructions = self._decode(queries, reading)
        error = ((reconstructions - images) / self.channel_std).square().mean()
        if not len(self.memory):
            return error, reconstructions
        to_nearest, to_second = (
            functional.pairwise_distance(rows, self.memory[items]) for items in reading.best.T
        )
        self._last_queries = rows.detach()
        total = (
            error
            + self.compactness * to_nearest.square().mean()
            + self.separateness * functional.relu(to_nearest - to_second + MARGIN).mean()
        )
        return total, reconstructions

    @torch.no_grad()
    def after_step(self) -> None:
        """Move each item towards the queries of the batch that it is nearest to."""
        if self._last_queries is None:
            return
        self.memory.copy_(update_memory(self.memory, self._last_queries))
        self._last_queries = None

    @torch.no_grad()
    def after_training(self, images: Images, seed: int) -> None:
        """Replace the items, if any, by k-means centres of the training queries, if `kmeans`."""
        if not self.kmeans or not len(self.memory):
            return
        # Imported here, for using what is fitted should not wait a second for scikit-learn.
        from sklearn.cluster import KMeans

        queries = self.queries_of(thin_out(images))
        chosen = np.random.default_rng(seed).permutation(len(queries))[:KMEANS_QUERIES]
        fitted = KMeans(len(self.memory), n_init=3, random_state=seed).fit(
            queries[np.sort(chosen)].numpy()
        )
        centres = torch.from_numpy(fitted.cluster_centers_).to(self.memory)
        self.memory.copy_(functional.normalize(centres, dim=1))

    @torch.no_grad()
    def queries_of(self, images: Images) -> Tensor:
        """Return all queries, `[N * H / 8 * W / 8, C]`, of images `[N, 3, H, W]` uint8."""
        self.eval()
        device = self.memory.device
        return torch.cat([as_rows(self.encode(batch)).cpu() for batch in batches(images, device)])

    def _decode(self, queries: Tensor, reading: Reading) -> Tensor:
        count, channels, height, width = queries.shape
        read = reading.read.reshape(count, height, width, channels).permute(0, 3, 1, 2)
        return self.unstandardise(cast(Tensor, self.decoder(torch.cat([queries, read], dim=1))))


def convolution(channels_in: int, channels_out: int) -> list[nn.Module]:
    """Return the layers of a 3 x 3 convolution, batch normalisation and ReLU."""
    return [
        nn.Conv2d(channels_in, channels_out, 3, padding=1, bias=False),
        nn.BatchNorm2d(channels_out),
        nn.ReLU(),
    ]


def as_rows(queries: Tensor) -> Tensor:
    """Turn queries `[N, C, h, w]` into rows `[N * h * w, C]`."""
    return queries.permute(0, 2, 3, 1).reshape(-1, queries.shape[1])


def update_memory(memory: Tensor, queries: Tensor) -> Tensor:
    """Return the memory `[M, C]` after the queries `[K, C]` of a step.

    Each item adds the queries it is nearest to, weighted by its softmax over all queries relative
    to the largest of those weights, and is normalised again; an item without queries stays.
    """
    similarities = queries @ memory.T
    own = functional.one_hot(similarities.argmax(dim=1), len(memory)).to(similarities)
    weights = similarities.softmax(dim=0) * own
    largest = weights.amax(dim=0)
    used = own.any(dim=0)
    moved = memory + (weights / largest.where(used, torch.ones_like(largest))).T @ queries
    return torch.where(used[:, None], functional.normalize(moved, dim=1), memory)
