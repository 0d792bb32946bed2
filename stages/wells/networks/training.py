"""Training of a network on normal wells, and its use on many images."""

import os
from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor
from tqdm import tqdm

from stages.common.types import Images
from stages.wells.networks.base import Network, batches, thin_out

MAX_GRADIENT_NORM = 1.0
# Not one part in a whole number, for PyTorch's schedule divides by zero at that many steps.
WARM_UP_SHARE = 0.21


class Epoch(NamedTuple):
    """Mean squared error per channel value, images in [0, 1], after an epoch of training.

    `train` is the mean over the epoch's batches as they were trained on, `holdout` is taken
    at the epoch's end.
    """

    epoch: int
    train: float
    holdout: float


def choose_device() -> torch.device:
    """Return a CUDA device where there is one (CUDA_VISIBLE_DEVICES= hides it), else the CPU."""
    if not torch.cuda.is_available():
        return torch.device("cpu")
    # What cuBLAS asks for where operations must be deterministic.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    return torch.device("cuda")


def train(
    network: Network,
    images: Images,
    holdout: Images,
    *,
    epochs: int,
    batch_size: int,
    learning_rate: float,
    seed: int,
    device: torch.device,
) -> list[Epoch]:
    """Train a network in place on images `[N, 3, H, W]` uint8 and return an entry an epoch.

    The held-out images are only measured. AdamW with the one-cycle schedule (Smith and Topin 2017,
    arXiv 1708.07120) and clipped gradients. The order of the images comes from the seed, and every
    operation is deterministic.
    """
    torch.use_deterministic_algorithms(True)
    network.to(device)
    training = torch.from_numpy(images).to(device)
    network.fit_channels(thin_out(training).float().div_(255))
    # Fused, for its roots are exact; the other one takes MKL's, which are each CPU maker's own.
    optimizer = torch.optim.AdamW(network.parameters(), lr=learning_rate, fused=True)
    steps = -(-len(images) // batch_size)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, learning_rate, total_steps=epochs * steps, pct_start=WARM_UP_SHARE
    )
    generator = torch.Generator().manual_seed(seed)
    history = []
    with tqdm(total=epochs * steps, desc="train", unit="batch", disable=None) as progress:
        for epoch in range(1, epochs + 1):
            network.train()
            squared_error = 0.0
            for batch in torch.randperm(len(images), generator=generator).split(batch_size):  # type: ignore[no-untyped-call]
                inputs = training[batch.to(device)].float() / 255
                loss, outputs = network.loss(inputs)
                optimizer.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                torch.nn.utils.clip_grad_norm_(network.parameters(), MAX_GRADIENT_NORM)
                optimizer.step()
                schedule.step()
                network.after_step()
                squared_error += float((outputs.detach() - inputs).square().mean()) * len(batch)
                progress.update()
            measured = Epoch(
                epoch, squared_error / len(images), mean_squared_error(network, holdout)
            )
            history.append(measured)
            progress.set_postfix(train=f"{measured.train:.2e}", holdout=f"{measured.holdout:.2e}")
    network.after_training(images, seed)
    network.eval().cpu()
    return history


def reconstruct(network: Network, images: Images) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield images and their reconstructions batch by batch, both `[B, 3, H, W]` in [0, 1]."""
    network.eval()
    device = next(network.parameters()).device
    with torch.inference_mode():
        for inputs in batches(images, device):
            yield inputs, network(inputs)


def mean_squared_error(network: Network, images: Images) -> float:
    """Return the mean squared error per channel value of images `[N, 3, H, W]` uint8, in [0, 1]."""
    total = sum(
        float((outputs - inputs).square().mean((1, 2, 3)).double().sum())
        for inputs, outputs in reconstruct(network, images)
    )
    return total / len(images)
