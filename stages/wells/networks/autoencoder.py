"""A small convolutional autoencoder of wells, fast on a CPU."""

from typing import cast

from torch import Tensor, nn
from torch.nn import functional

from stages.common.params import Count, Positive, Section
from stages.wells.networks.base import Network

PATCH = 4


class Autoencoder(Network):
    """Images through a bottleneck and back: `latent` numbers for each 8 x 8 pixels of an image.

    The stem turns 4 x 4 patches into `channels` channels and the head turns channels into patches
    (pixel shuffle, Shi et al. 2016, arXiv 1609.05158), so no convolution runs at full resolution;
    between them lie pre-activation residual blocks (He et al. 2016, arXiv 1603.05027) at a quarter
    and an eighth of it. Height and width must be multiples of 8.
    """

    class Params(Section):
        channels: Count
        latent: Positive

    def __init__(self, height: int, width: int, channels: int, latent: float) -> None:
        super().__init__()
        rows, columns = height // (2 * PATCH), width // (2 * PATCH)
        numbers = max(1, round(latent * rows * columns))
        self.encoder = nn.Sequential(
            nn.Conv2d(3, channels, PATCH, stride=PATCH),
            ResidualBlock(channels),
            nn.Conv2d(channels, 2 * channels, 2, stride=2),
            ResidualBlock(2 * channels),
            nn.GELU(),
            nn.Flatten(),
            nn.Linear(2 * channels * rows * columns, numbers),
        )
        self.decoder = nn.Sequential(
            nn.Linear(numbers, 2 * channels * rows * columns),
            nn.Unflatten(1, (2 * channels, rows, columns)),
            ResidualBlock(2 * channels),
            nn.Conv2d(2 * channels, 4 * channels, 1),
            nn.PixelShuffle(2),
            ResidualBlock(channels),
            nn.Conv2d(channels, 3 * PATCH**2, 1),
            nn.PixelShuffle(PATCH),
        )

    def encode(self, images: Tensor) -> Tensor:
        """Return the latent vectors, `[N, L]`, of images `[N, 3, H, W]` in [0, 1]."""
        return cast(Tensor, self.encoder(self.standardise(images)))

    def forward(self, images: Tensor) -> Tensor:
        """Reconstruct images, `[N, 3, H, W]` in [0, 1]."""
        return self.unstandardise(self.decoder(self.encode(images)))

    def loss(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return what training minimises, a scalar, and the reconstructions it is of.

        It is the mean squared error in units of the channels' deviations, so that no channel
        counts for more because it varies more.
        """
        reconstructions = self(images)
        errors = (reconstructions - images) / self.channel_std
        return errors.square().mean(), reconstructions


class ResidualBlock(nn.Module):
    """x + conv(gelu(conv(gelu(x)))), 3 x 3, as many channels out as in."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, features: Tensor) -> Tensor:
        hidden = self.first(functional.gelu(features))
        return features + cast(Tensor, self.second(functional.gelu(hidden)))
