"""Two networks that others find spills with, written afresh from their descriptions.

Images are `[N, C, H, W]` uint8, networks take and return them as floats in [0, 1]; a score is the
mean squared error of an image, larger = stranger.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.tree import DecisionTreeClassifier
from torch import nn
from torch.nn import functional
from tqdm import tqdm

from stages.common.types import FloatArray, Images
from stages.wells.data.preparation import Parts
from stages.wells.detection.thresholds import sigma
from stages.wells.networks.base import batches
from stages.wells.networks.training import choose_device

LEARNING_RATE = 1e-3
# Of the training photos' folds, the one that a network which is trained once does not learn from.
HELD_OUT = 0
# Grey of red, green and blue (ITU-R BT.601), as PIL's mode L has it.
LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)


class Baseline(NamedTuple):
    """A network and how it is trained: by Adam at LEARNING_RATE, on the mean squared error.

    `height` and `width` are the pixels that photos are resized to.
    """

    name: str
    title: str
    make: Callable[[], nn.Module]
    height: int
    width: int
    epochs: int
    batch_size: int


class Fitted(NamedTuple):
    """What scores images, its threshold, and how many weights the score takes.

    An image is called a spill where its score is at or above the threshold.
    """

    score: Callable[[Images], FloatArray]
    threshold: float
    weights: int


def dense_network() -> nn.Module:
    """Return a dense autoencoder of grey images `[N, 1, 28, 28]` with a bottleneck of 2 numbers.

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
    """Return a convolutional autoencoder of images `[N, 3, 48, 48]` with 128 x 6 x 6 in the middle.

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


# No detector of params.yaml can have a name with a space.
DENSE = Baseline(
    "dense network",
    "dense: 784-512-2-512-784, 28 × 28 grey, mean + 3σ",
    dense_network,
    height=28,
    width=28,
    epochs=17,
    batch_size=128,
)
CONVOLUTIONAL = Baseline(
    "convolutional network",
    "convolutional: 7 + 3 layers, 48 × 48, depth-1 tree",
    convolutional_network,
    height=48,
    width=48,
    epochs=5,
    batch_size=256,
)


def fit_dense(parts: Parts, seed: int, *_: object) -> Fitted:
    """Train the dense network on all training photos in grey: its threshold needs none held out."""
    images = grey(parts.train)
    network = build(DENSE, seed)
    train(network, DENSE, images, seed, choose_device())
    threshold = sigma(mean_squared_errors(network, images))

    def score(images: Images) -> FloatArray:
        return mean_squared_errors(network, grey(images))

    return Fitted(score, threshold, count_weights(network))


def fit_convolutional(parts: Parts, seed: int, *_: object) -> Fitted:
    """Train the convolutional network on the photos outside fold HELD_OUT.

    Its threshold is from those of that fold and from known spills.
    """
    network, held_out = build(CONVOLUTIONAL, seed), parts.folds == HELD_OUT
    train(network, CONVOLUTIONAL, parts.train[~held_out], seed, choose_device())
    score = partial(mean_squared_errors, network)
    threshold = tree_threshold(score(parts.train[held_out]), score(parts.spills))
    return Fitted(score, threshold, count_weights(network))


FITS = ((DENSE, fit_dense), (CONVOLUTIONAL, fit_convolutional))


def warm_up() -> None:
    """Train a step, so that no system's time holds what PyTorch does only once."""
    images = np.zeros((8, 3, CONVOLUTIONAL.height, CONVOLUTIONAL.width), dtype=np.uint8)
    once = CONVOLUTIONAL._replace(name="to warm up", epochs=1)
    train(build(once, 0), once, images, 0, choose_device())


def count_weights(network: nn.Module) -> int:
    """Return how many numbers training sets."""
    return sum(weight.numel() for weight in network.parameters())


def grey(images: Images) -> Images:
    """Return colour images `[N, 3, H, W]` in grey, `[N, 1, H, W]`."""
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

    Every operation is deterministic, as in the training of this project's networks, beside which it
    is timed.
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
    """Return each image's mean squared error over pixels and channels, in [0, 1], `[N]`."""
    errors = []
    with torch.inference_mode():
        for inputs in batches(images):
            errors.append((network(inputs) - inputs).square().mean((1, 2, 3)))
    return torch.cat(errors).double().numpy()


def tree_threshold(normals: FloatArray, spills: FloatArray) -> float:
    """Return the least score above the cut of a depth-1 decision tree.

    Every image weighs the same. Where the tree makes no cut, or spills aren't more common above it,
    the threshold lies just above the highest score.
    """
    scores = np.r_[normals, spills]
    labels = np.r_[np.zeros(len(normals)), np.ones(len(spills))]
    tree = DecisionTreeClassifier(max_depth=1, class_weight=None)
    nodes = tree.fit(scores[:, None], labels).tree_
    above = scores > nodes.threshold[0]
    if nodes.node_count > 1 and labels[above].mean() > labels[~above].mean():
        return float(np.nextafter(nodes.threshold[0], np.inf))
    return float(np.nextafter(scores.max(), np.inf))
