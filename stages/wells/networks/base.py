"""What every network of wells can do, so that training and use need not know which one it is."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import ClassVar, TypeVar

import torch
from torch import Tensor, nn

from stages.common.params import Section
from stages.common.types import Images

BATCH = 512
# Images that are enough for a mean, a deviation, or a few centres.
ENOUGH = 10_000

Stack = TypeVar("Stack", Images, Tensor)


class Network(nn.Module, ABC):
    """An autoencoder of images `[N, 3, H, W]` in [0, 1], which it reconstructs when called.

    It is built from `height`, `width` and what its `Params` hold, its section in params.yaml. The
    channels' mean and standard deviation over training images belong to its weights.
    """

    Params: ClassVar[type[Section]]
    channel_mean: Tensor
    channel_std: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("channel_mean", torch.zeros(3, 1, 1))
        self.register_buffer("channel_std", torch.ones(3, 1, 1))

    def fit_channels(self, images: Tensor) -> None:
        """Take the channels' mean and deviation from training images, `[N, 3, H, W]` in [0, 1]."""
        self.channel_mean.copy_(images.mean((0, 2, 3))[:, None, None])
        self.channel_std.copy_(images.std((0, 2, 3))[:, None, None].clamp_min(1e-3))

    def standardise(self, images: Tensor) -> Tensor:
        """Return images in units of the channels' deviations."""
        return (images - self.channel_mean) / self.channel_std

    def unstandardise(self, decoded: Tensor) -> Tensor:
        """Undo `standardise`."""
        return decoded * self.channel_std + self.channel_mean

    @abstractmethod
    def encode(self, images: Tensor) -> Tensor:
        """Return the latent of images, `[N, …]`."""

    @abstractmethod
    def loss(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return what training minimises, a scalar, and the reconstructions it is of."""

    def after_step(self) -> None:
        """Do what the network does after each step of training; by default nothing."""

    def after_training(self, images: Images, seed: int) -> None:
        """Do what the network does once, on the training images; by default nothing."""


def thin_out(images: Stack) -> Stack:
    """Return images, `[N, …]`, evenly spaced: all, or ENOUGH and less than twice as many."""
    return images[:: max(1, len(images) // ENOUGH)]


def batches(images: Images, device: torch.device | None = None) -> Iterator[Tensor]:
    """Yield images `[N, 3, H, W]` uint8 in batches `[B, 3, H, W]` in [0, 1], on a device."""
    for batch in torch.from_numpy(images).split(BATCH):  # type: ignore[no-untyped-call]
        yield batch.to(device).float() / 255
