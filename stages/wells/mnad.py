"""MNAD: an autoencoder that compares what it sees with a memory of normal wells.

Park, Noh and Ham, Learning Memory-guided Normality for Anomaly Detection, CVPR 2020
(arXiv 2003.13228), in its reconstruction form, for single images: the memory never changes once
training has ended, so a score depends on no other image.
"""

from typing import NamedTuple, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from stages.wells.autoencoder import PATCH
from stages.wells.images import Images
from stages.wells.network import Network

MARGIN = 1.0
KMEANS_QUERIES = 20_000
QUERY_BATCH = 512


class Reading(NamedTuple):
    """What the memory makes of K queries `[K, C]`.

    read: weighted means of the items, `[K, C]`; weights: of the items in them, `[K, M]`, rows sum
    to 1; nearest, second: the two items most like a query, `[K]`.
    """

    read: Tensor
    weights: Tensor
    nearest: Tensor
    second: Tensor


class Mnad(Network):
    """Encoder, memory and decoder, without skip connections.

    The encoder gives a query, a vector of unit length with `channels` numbers, for each 8 x 8
    pixels of an image; the memory holds `items` unit vectors of normality; the decoder sees each
    query beside what it reads there. `width` is the number of channels at a quarter of the
    resolution, twice as many at an eighth. `temperature` divides the similarities (cosines) before
    their softmax: at 1, as published, the read is almost the same for all queries.
    `compactness` and `separateness` weigh the two losses of the memory. `kmeans`: replace the items
    by the centres of the training queries once training has ended, for the last steps alone
    determine what stands in the memory otherwise. `revival`: steps after which an item that no
    query was nearest to is replaced by a query of the batch; 0 = never.
    """

    memory: Tensor
    idle_steps: Tensor

    def __init__(
        self,
        height: int,
        width_pixels: int,
        width: int,
        channels: int,
        items: int,
        temperature: float,
        compactness: float,
        separateness: float,
        kmeans: bool,
        revival: int,
    ) -> None:
        super().__init__()
        self.temperature = temperature
        self.compactness = compactness
        self.separateness = separateness
        self.kmeans = kmeans
        self.revival = revival
        self.encoder = nn.Sequential(
            nn.Conv2d(3, width, PATCH, stride=PATCH),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            *convolution(width, width),
            *convolution(width, width),
            nn.MaxPool2d(2),
            *convolution(width, 2 * width),
            *convolution(2 * width, 2 * width),
            # Nothing after this one, so that queries may be negative.
            nn.Conv2d(2 * width, channels, 3, padding=1),
        )
        self.decoder = nn.Sequential(
            *convolution(2 * channels, 2 * width),
            *convolution(2 * width, 2 * width),
            nn.ConvTranspose2d(2 * width, width, 2, stride=2),
            *convolution(width, width),
            *convolution(width, width),
            nn.Conv2d(width, 3 * PATCH**2, 1),
            nn.PixelShuffle(PATCH),
        )
        self.register_buffer("memory", functional.normalize(torch.randn(items, channels), dim=1))
        self.register_buffer("idle_steps", torch.zeros(items, dtype=torch.int64), persistent=False)
        self._last_queries: Tensor | None = None

    def encode(self, images: Tensor) -> Tensor:
        """Give the queries `[N, C, H / 8, W / 8]`, of unit length over C, of images."""
        features = self.encoder(self.standardised(images))
        return functional.normalize(features, dim=1, eps=1e-12)

    def forward(self, images: Tensor) -> Tensor:
        """Reconstruct images, `[N, 3, H, W]` in [0, 1]."""
        queries = self.encode(images)
        return self._decode(queries, self.read(in_rows(queries)))

    def read(self, queries: Tensor) -> Reading:
        """Look queries `[K, C]` up in the memory; no gradient passes through the weights."""
        similarities = queries @ self.memory.T
        weights = (similarities.detach() / self.temperature).softmax(dim=1)
        best = similarities.topk(2, dim=1).indices
        return Reading(weights @ self.memory, weights, best[:, 0], best[:, 1])

    def distances(self, images: Tensor) -> Tensor:
        """Give each query's distance to its nearest item, `[N, H / 8, W / 8]`, 0 to 2."""
        queries = self.encode(images)
        rows = in_rows(queries)
        nearest = self.memory[self.read(rows).nearest]
        count, _, height, width = queries.shape
        return functional.pairwise_distance(rows, nearest).reshape(count, height, width)

    def loss(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Give reconstruction + compactness + separateness, a scalar, and the reconstructions.

        Reconstruction: mean squared error in units of the channels' deviations. Compactness: mean
        squared distance of a query to its nearest item. Separateness: mean of
        max(0, distance to the nearest - distance to the second + 1).
        """
        queries = self.encode(images)
        rows = in_rows(queries)
        reading = self.read(rows)
        reconstructions = self._decode(queries, reading)
        to_nearest = functional.pairwise_distance(rows, self.memory[reading.nearest])
        to_second = functional.pairwise_distance(rows, self.memory[reading.second])
        self._last_queries = rows.detach()
        total = (
            ((reconstructions - images) / self.channel_std).square().mean()
            + self.compactness * to_nearest.square().mean()
            + self.separateness * functional.relu(to_nearest - to_second + MARGIN).mean()
        )
        return total, reconstructions

    @torch.no_grad()
    def after_step(self) -> None:
        """Move each item towards the queries of the batch that it is nearest to."""
        if self._last_queries is None:
            return
        queries, self._last_queries = self._last_queries, None
        updated, used = updated_memory(self.memory, queries)
        self.memory.copy_(updated)
        self.idle_steps.copy_(torch.where(used, 0, self.idle_steps + 1))
        if self.revival:
            dead = (self.idle_steps >= self.revival).nonzero()[:, 0]
            # Queries spread over the batch, so that no two items become the same.
            spread = torch.linspace(0, len(queries) - 1, len(dead) + 2).round().long()[1:-1]
            self.memory[dead] = queries[spread.to(queries.device)]
            self.idle_steps[dead] = 0

    @torch.no_grad()
    def after_training(self, images: Images, seed: int) -> None:
        """Replace the items by the k-means centres of the training queries, if `kmeans` says so."""
        if not self.kmeans:
            return
        # Imported here, for using what is fitted should not wait a second for scikit-learn.
        from sklearn.cluster import KMeans

        queries = self.queries_of(images)
        chosen = np.random.default_rng(seed).permutation(len(queries))[:KMEANS_QUERIES]
        fitted = KMeans(len(self.memory), n_init=3, random_state=seed).fit(
            queries[np.sort(chosen)].numpy()
        )
        centres = torch.from_numpy(fitted.cluster_centers_).to(self.memory)
        self.memory.copy_(functional.normalize(centres, dim=1))

    @torch.no_grad()
    def queries_of(self, images: Images) -> Tensor:
        """Give all queries, `[N * H / 8 * W / 8, C]`, of images `[N, 3, H, W]` uint8."""
        self.eval()
        rows = []
        for batch in torch.from_numpy(images).split(QUERY_BATCH):  # type: ignore[no-untyped-call]
            inputs = batch.to(self.memory.device).float() / 255
            rows.append(in_rows(self.encode(inputs)).cpu())
        return torch.cat(rows)

    def _decode(self, queries: Tensor, reading: Reading) -> Tensor:
        count, channels, height, width = queries.shape
        read = reading.read.reshape(count, height, width, channels).permute(0, 3, 1, 2)
        return self.in_colours(cast(Tensor, self.decoder(torch.cat([queries, read], dim=1))))


def convolution(channels_in: int, channels_out: int) -> list[nn.Module]:
    """3 x 3 convolution, batch normalisation, ReLU."""
    return [
        nn.Conv2d(channels_in, channels_out, 3, padding=1, bias=False),
        nn.BatchNorm2d(channels_out),
        nn.ReLU(),
    ]


def in_rows(queries: Tensor) -> Tensor:
    """Turn queries `[N, C, h, w]` into rows `[N * h * w, C]`."""
    return queries.permute(0, 2, 3, 1).reshape(-1, queries.shape[1])


def updated_memory(memory: Tensor, queries: Tensor) -> tuple[Tensor, Tensor]:
    """Give the memory `[M, C]` after the queries `[K, C]` of a step, and which items were used.

    Each item adds the queries it is nearest to, weighted by its softmax over all queries relative
    to the largest of those weights, and is normalised again; an item without queries stays.
    """
    similarities = queries @ memory.T
    own = functional.one_hot(similarities.argmax(dim=1), len(memory)).to(similarities)
    weights = similarities.softmax(dim=0) * own
    largest = weights.amax(dim=0)
    used = own.any(dim=0)
    moved = memory + (weights / largest.where(used, torch.ones_like(largest))).T @ queries
    return torch.where(used[:, None], functional.normalize(moved, dim=1), memory), used
