"""Two networks that others find spills with, written afresh from their descriptions.

Images are `[N, C, H, W]` uint8, networks take and give them as floats in [0, 1]; a score is the
mean squared error of an image, larger = stranger.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.tree import DecisionTreeClassifier
from torch import nn
from torch.nn import functional
from tqdm import tqdm

from stages.wells.images import Images

LEARNING_RATE = 1e-3
EVALUATION_BATCH = 512
# Grey of red, green and blue (ITU-R BT.601), as PIL's mode L has it.
LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)

FloatArray = NDArray[np.float64]


class Baseline(NamedTuple):
    """A network and how it is trained: by Adam at LEARNING_RATE, on the mean squared error.

    `height` and `width` are the pixels that photos are resized to.
    """

    name: str
    make: Callable[[], nn.Module]
    height: int
    width: int
    epochs: int
    batch_size: int


def dense_network() -> nn.Module:
    """Give a dense autoencoder of grey images `[N, 1, 28, 28]` with a bottleneck of 2 numbers.

    806,674 weights: 784-512-2-512-784, ReLU between, the bottleneck linear, a sigmoid at the end.
    """
    return nn.Sequential(
        nn.Flatten(),
        nn.Linear(784, 512),
        nn.ReLU(),
        nn.Linear(512, 2),
        nn.Linear(2, 512),
        nn.ReLU(),
        nn.Linear(512, 784),
        nn.Sigmoid(),
        nn.Unflatten(1, (1, 28, 28)),
    )


def convolutional_network() -> nn.Module:
    """Give a convolutional autoencoder of images `[N, 3, 48, 48]` with 128 x 6 x 6 in the middle.

    527,715 weights. Seven 3 x 3 convolutions, every second of stride 2, then three times
    nearest-neighbour up-sampling and a convolution, to 64, 32 and 3 channels; ReLU between, a
    sigmoid at the end. Which convolutions have stride 2 isn't described; the weights don't depend
    on it.
    """
    encoder = [
        layer
        for channels, wider, stride in (
            (3, 32, 1),
            (32, 32, 2),
            (32, 64, 1),
            (64, 64, 2),
            (64, 128, 1),
            (128, 128, 2),
            (128, 128, 1),
        )
        for layer in (nn.Conv2d(channels, wider, 3, stride, padding=1), nn.ReLU())
    ]
    decoder = [
        layer
        for channels, narrower in ((128, 64), (64, 32), (32, 3))
        for layer in (
            nn.Upsample(scale_factor=2),
            nn.Conv2d(channels, narrower, 3, padding=1),
            nn.ReLU() if narrower > 3 else nn.Sigmoid(),
        )
    ]
    return nn.Sequential(*encoder, *decoder)


DENSE = Baseline("dense", dense_network, 28, 28, epochs=17, batch_size=128)
CONVOLUTIONAL = Baseline("convolutional", convolutional_network, 48, 48, epochs=5, batch_size=256)


def grey(images: Images) -> Images:
    """Give colour images `[N, 3, H, W]` in grey, `[N, 1, H, W]`."""
    shades: NDArray[np.float32] = np.einsum("nchw,c->nhw", images, LUMA)
    return shades.round().astype(np.uint8)[:, None]


def build(baseline: Baseline, seed: int) -> nn.Module:
    """Build a network with weights drawn by the seed; the global generator stays as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return baseline.make()


def train(
    network: nn.Module, baseline: Baseline, images: Images, seed: int, device: torch.device
) -> None:
    """Train a network in place; the order of images is by the seed. It ends on the CPU.

    Every operation is deterministic, as in `stages.wells.training.train`, beside which it is timed.
    """
    torch.use_deterministic_algorithms(True)
    network.to(device).train()
    training = torch.from_numpy(images).to(device)
    optimizer = torch.optim.Adam(network.parameters(), lr=LEARNING_RATE)
    generator = torch.Generator().manual_seed(seed)
    steps = baseline.epochs * -(-len(images) // baseline.batch_size)
    with tqdm(total=steps, desc=f"train {baseline.name}", unit="batch", disable=None) as progress:
        for _ in range(baseline.epochs):
            order = torch.randperm(len(images), generator=generator)
            for batch in order.split(baseline.batch_size):  # type: ignore[no-untyped-call]
                inputs = training[batch.to(device)].float() / 255
                loss = functional.mse_loss(network(inputs), inputs)
                optimizer.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                optimizer.step()
                progress.update()
    network.eval().cpu()


def mean_squared_errors(network: nn.Module, images: Images) -> FloatArray:
    """Give each image's mean squared error over pixels and channels, in [0, 1], `[N]`."""
    errors = []
    with torch.inference_mode():
        for batch in torch.from_numpy(images).split(EVALUATION_BATCH):  # type: ignore[no-untyped-call]
            inputs = batch.float() / 255
            errors.append((network(inputs) - inputs).square().mean((1, 2, 3)))
    return torch.cat(errors).double().numpy()


def tree_threshold(normals: FloatArray, spills: FloatArray) -> float:
    """Give the least score above the cut of a depth-1 decision tree, every image weighing the same.

    Where the tree makes no cut, or spills aren't more common above it, the threshold lies just
    above the highest score.
    """
    scores = np.r_[normals, spills]
    labels = np.r_[np.zeros(len(normals)), np.ones(len(spills))]
    tree = DecisionTreeClassifier(max_depth=1, class_weight=None)
    nodes = tree.fit(scores[:, None], labels).tree_
    above = scores > nodes.threshold[0]
    if nodes.node_count > 1 and labels[above].mean() > labels[~above].mean():
        return float(np.nextafter(nodes.threshold[0], np.inf))
    return float(np.nextafter(scores.max(), np.inf))
