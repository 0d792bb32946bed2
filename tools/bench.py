"""Compare this project's detector with two others' on the prepared wells: `python -m tools.bench`.

Each system is fitted in this process, one after another, with the same threads. Times are
wall-clock, of training and of placing the threshold; that of our network includes measuring the
held-out error after each epoch. Thresholds come from training, held-out and known spills' photos
alone, rates from all test photos.
"""

import argparse
import os
import platform
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn
from tqdm import tqdm

from stages.common.errors import InputError, run
from stages.common.files import read_arrays, write_json
from stages.common.params import Params, load_params
from stages.wells import networks, splits, thresholds, training
from stages.wells.archive import Wells, read_wells
from stages.wells.descriptions import Box
from stages.wells.detector import COMBINED, Detector, fit_detector, standardised
from stages.wells.evaluation import Labels, rates
from stages.wells.images import Decoded, Images, decode, decode_all, resize
from stages.wells.network import Network
from stages.wells.scores import (
    COARSE_MSE,
    DESCRIPTIVE,
    Ellipse,
    centre_mse,
    coarse_mse,
    fit_reference,
    mse,
    obstruction,
    score_images,
)
from tools import bench_baselines as baselines
from tools.bench_baselines import CONVOLUTIONAL, DENSE, FloatArray

ARCHIVE, DATA = Path("data/raw/wells.zip"), Path("data/wells")
CPU_INFO = Path("/proc/cpuinfo")
OURS, DETECTOR = "ours", "detector"
# Of the report that the project starts from: mean + 3 sigma of the training errors.
SIGMAS = 3
LEAST_PHOTOS, WARM_UP_PHOTOS = 4000, 512
FIGURES = ("seconds", "tpr", "tnr", "auroc")
NAMES = {
    OURS: "ours: `coarse_mse` of `autoencoder`",
    DETECTOR: "ours: the detector of `autoencoder`",
    DENSE.name: "dense: 784-512-2-512-784, 28 × 28 grey, mean + 3σ",
    CONVOLUTIONAL.name: "convolutional: 7 + 3 layers, 48 × 48, depth-1 tree",
}


class Photos(NamedTuple):
    """The archive's photos, decoded at one size."""

    train: Decoded
    spills: Decoded
    test: Decoded


class Parts(NamedTuple):
    """Images `[N, C, H, W]` as the pipeline uses them: no copies or leaks but in test."""

    train: Images
    holdout: Images
    spills: Images
    test: Images


class Result(NamedTuple):
    """What a system needs and reaches with one seed: rates on the test photos.

    `weights` are of the network that decides, `seconds` of training and placing the threshold.
    """

    weights: int
    seconds: float
    threshold: float
    tpr: float
    tnr: float
    auroc: float


def main() -> None:
    """Compare all systems for each seed; print the tables, then write the figures."""
    params = load_params()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", nargs="+", type=int, default=[params.seed])
    parser.add_argument("--output", type=Path, help="a JSON file for the figures")
    arguments = parser.parse_args()
    if not all(0 <= seed < 2**32 for seed in arguments.seeds):
        raise InputError("--seeds must be whole numbers from 0 to 2³² - 1")

    figures = compare(params, arguments.seeds)
    print(markdown(figures))
    if arguments.output:
        write_json(arguments.output, figures)


def compare(params: Params, seeds: Sequence[int]) -> dict[str, Any]:
    """Run every system once a seed and measure throughput with the first; gives all figures."""
    wells = read_prepared()
    photos = {
        OURS: decode_photos(wells, params.images.height, params.images.width),
        DENSE.name: in_grey(decode_photos(wells, DENSE.height, DENSE.width)),
        CONVOLUTIONAL.name: decode_photos(wells, CONVOLUTIONAL.height, CONVOLUTIONAL.width),
    }
    prepared = parts_of(photos[OURS], params.split.holdout, params.seed)
    labels = np.array([wells.labels[name] for name in photos[OURS].test.names])
    check_prepared(prepared, labels)

    device = training.choose_device(params.train.device)
    warm_up(device)
    results: dict[str, list[Result]] = {name: [] for name in NAMES}
    speeds: dict[str, Any] = {}
    for seed in seeds:
        parts = {
            name: parts_of(shown, params.split.holdout, seed) for name, shown in photos.items()
        }
        network, detector, result, detected = run_ours(parts[OURS], labels, params, seed, device)
        results[OURS].append(result)
        results[DETECTOR].append(detected)
        results[DENSE.name].append(run_dense(parts[DENSE.name], labels, seed, device))
        results[CONVOLUTIONAL.name].append(
            run_convolutional(parts[CONVOLUTIONAL.name], labels, seed, device)
        )
        speeds = speeds or throughput(list(wells.test.values()), params, network, detector)
    return {
        "machine": machine(device),
        "seeds": list(seeds),
        "photos": {name: len(images) for name, images in prepared._asdict().items()},
        "detector": params.detector.scores.autoencoder,
        "systems": summary(results),
        "throughput": speeds,
    }


def read_prepared() -> Wells:
    """Read the archive; raises InputError where it or an array of the pipeline is missing."""
    needed = [ARCHIVE, *(DATA / f"{name}.npz" for name in Parts._fields)]
    missing = [str(path) for path in needed if not path.is_file()]
    if missing:
        raise InputError(f"{', '.join(missing)} missing: run `dvc repro` first")
    return read_wells(ARCHIVE)


def decode_photos(wells: Wells, height: int, width: int) -> Photos:
    """Decode all photos of the archive at one size."""
    return Photos(
        decode_all(wells.train, height, width, "train"),
        decode_all(wells.spills, height, width, "proliv"),
        decode_all(wells.test, height, width, "test"),
    )


def in_grey(photos: Photos) -> Photos:
    """Give photos in one channel."""
    return Photos(*(part._replace(images=baselines.grey(part.images)) for part in photos))


def parts_of(photos: Photos, share: float, seed: int) -> Parts:
    """Take out copies and leaks and hold a share of train out, as stages/preprocess.py does."""
    digests, spilled = photos.train.digests, photos.spills.digests
    usable = np.flatnonzero(splits.first_of_each(digests) & ~splits.seen_in(digests, spilled))
    train, holdout = splits.hold_out(digests[usable], share, seed)
    return Parts(
        train=photos.train.images[usable[train]],
        holdout=photos.train.images[usable[holdout]],
        spills=photos.spills.images[splits.first_of_each(spilled)],
        test=photos.test.images,
    )


def check_prepared(parts: Parts, labels: Labels) -> None:
    """Raise InputError where the pipeline's arrays aren't those of the archive and params.yaml."""
    found = {name: read_arrays(DATA / f"{name}.npz", "images")[0] for name in Parts._fields}
    (found_labels,) = read_arrays(DATA / "test.npz", "labels")
    stale = [name for name in found if not np.array_equal(found[name], getattr(parts, name))]
    if stale or not np.array_equal(found_labels, labels):
        raise InputError(
            f"{DATA} ({', '.join(stale) or 'labels'}) isn't what {ARCHIVE} and params.yaml give: "
            "run `dvc repro` first"
        )


def warm_up(device: torch.device) -> None:
    """Train a step, so that no system's time holds what PyTorch does only once."""
    images = np.zeros((8, 3, CONVOLUTIONAL.height, CONVOLUTIONAL.width), dtype=np.uint8)
    once = CONVOLUTIONAL._replace(name="to warm up", epochs=1)
    baselines.train(baselines.build(once, 0), once, images, 0, device)


def run_ours(
    parts: Parts, labels: Labels, params: Params, seed: int, device: torch.device
) -> tuple[Network, Detector, Result, Result]:
    """Train the autoencoder and fit its detector as stages/train.py and calibrate.py do.

    Gives both, the result of the network's own best score, and that of the detector, which needs
    the network only where it names a score of it.
    """
    settings = {
        "height": params.images.height,
        "width_pixels": params.images.width,
        **params.models.autoencoder.model_dump(),
    }
    network = networks.build("autoencoder", settings, seed)
    start = perf_counter()
    training.train(
        network,
        parts.train,
        parts.holdout,
        epochs=params.train.epochs,
        batch_size=params.train.batch_size,
        learning_rate=params.train.learning_rate,
        seed=seed,
        device=device,
    )
    trained = perf_counter() - start

    def calibrated(combination: Collection[str] | None) -> Detector:
        reference = fit_reference(
            parts.train,
            Ellipse(**params.scores.centre.model_dump()),
            Box(**params.scores.box.model_dump()),
        )
        return fit_detector(
            score_images(network, parts.holdout, reference, only=combination),
            score_images(network, parts.spills, reference, only=combination),
            combination=list(params.detector.scores.autoencoder),
            rule=params.detector.rule,
            sigmas=params.detector.sigmas,
            reference=reference,
            obstructions=obstruction(parts.holdout, reference),
        )

    start = perf_counter()
    detector = calibrated(None)
    whole = trained + perf_counter() - start
    start = perf_counter()
    named = calibrated(params.detector.scores.autoencoder)
    alone = perf_counter() - start
    without_network = set(params.detector.scores.autoencoder) <= set(DESCRIPTIVE)
    scores = standardised(detector, score_images(network, parts.test, detector.reference))
    coarse = detector.scores[COARSE_MSE].threshold
    weights = number_of_weights(network)
    return (
        network,
        detector,
        result_of(weights, whole, scores[COARSE_MSE], labels, coarse),
        result_of(
            0 if without_network else weights,
            alone if without_network else trained + alone,
            scores[COMBINED],
            labels,
            named.threshold,
        ),
    )


def run_dense(parts: Parts, labels: Labels, seed: int, device: torch.device) -> Result:
    """Train the dense baseline on all training photos, for it knows no held-out ones."""
    images = np.concatenate([parts.train, parts.holdout])
    network = baselines.build(DENSE, seed)
    start = perf_counter()
    baselines.train(network, DENSE, images, seed, device)
    threshold = thresholds.sigma(baselines.mean_squared_errors(network, images), SIGMAS)
    seconds = perf_counter() - start
    scores = baselines.mean_squared_errors(network, parts.test)
    return result_of(number_of_weights(network), seconds, scores, labels, threshold)


def run_convolutional(parts: Parts, labels: Labels, seed: int, device: torch.device) -> Result:
    """Train the convolutional baseline; its threshold is from held-out and known spills."""
    network = baselines.build(CONVOLUTIONAL, seed)
    start = perf_counter()
    baselines.train(network, CONVOLUTIONAL, parts.train, seed, device)
    threshold = baselines.tree_threshold(
        baselines.mean_squared_errors(network, parts.holdout),
        baselines.mean_squared_errors(network, parts.spills),
    )
    seconds = perf_counter() - start
    scores = baselines.mean_squared_errors(network, parts.test)
    return result_of(number_of_weights(network), seconds, scores, labels, threshold)


def number_of_weights(network: nn.Module) -> int:
    """Give how many numbers training sets."""
    return sum(weight.numel() for weight in network.parameters())


def result_of(
    weights: int, seconds: float, scores: FloatArray, labels: Labels, threshold: float
) -> Result:
    """Measure scores `[N]` of test photos."""
    measured = rates(scores, labels, threshold)
    return Result(
        weights,
        seconds,
        threshold,
        measured["tpr"],
        measured["tnr"],
        measured["auroc"],
    )


def throughput(
    files: Sequence[bytes], params: Params, network: Network, detector: Detector
) -> dict[str, Any]:
    """Time the parts of classifying encoded photos, repeated to at least LEAST_PHOTOS.

    Gives `photos`, how many, and `per_second`, photos a second of each part by its name.
    """
    repeated = list(files) * -(-LEAST_PHOTOS // len(files))
    reference = detector.reference

    def decoded(count: int) -> Images:
        height, width = params.images.height, params.images.width
        return np.stack([resize(decode(data), height, width) for data in repeated[:count]])

    def described(count: int) -> object:
        return score_images(network, images[:count], reference, only=DESCRIPTIVE)

    def reconstructed(count: int) -> object:
        return [
            (mse(*pair), centre_mse(*pair, reference.centre), coarse_mse(*pair, reference.centre))
            for pair in training.reconstruct(network, images[:count])
        ]

    images = decoded(len(repeated))
    works: dict[str, Callable[[int], object]] = {
        "decoding and resizing": decoded,
        "`appearance` and `texture`": described,
        "the network's `mse`, `centre_mse`, `coarse_mse`": reconstructed,
    }
    speeds = {}
    for name, work in tqdm(works.items(), desc="throughput", unit="part", disable=None):
        work(WARM_UP_PHOTOS)
        start = perf_counter()
        work(len(repeated))
        speeds[name] = len(repeated) / (perf_counter() - start)
    return {"photos": len(repeated), "per_second": speeds}


def machine(device: torch.device) -> dict[str, Any]:
    """Name the machine: its cores and processor, and what PyTorch runs on."""
    return {
        "cores": os.cpu_count(),
        "processor": processor(),
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "device": str(device),
    }


def processor() -> str:
    """Give the CPU's model as Linux tells it, elsewhere as Python does."""
    lines = CPU_INFO.read_text(encoding="utf-8").splitlines() if CPU_INFO.is_file() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return next(iter(models), platform.processor() or platform.machine())


def summary(results: Mapping[str, Sequence[Result]]) -> dict[str, Any]:
    """Sum each system's results up: weights, FIGURE.{mean, min}, the single runs, and `times_ours`.

    times_ours: its mean seconds over those of our network.
    """
    seconds = {
        name: np.mean([result.seconds for result in found]) for name, found in results.items()
    }
    return {
        name: {
            "weights": found[0].weights,
            "times_ours": float(seconds[name] / seconds[OURS]),
            **{figure: spread_of([getattr(one, figure) for one in found]) for figure in FIGURES},
            "runs": [result._asdict() for result in found],
        }
        for name, found in results.items()
    }


def spread_of(values: Sequence[float]) -> dict[str, float]:
    """Give mean and least value."""
    return {"mean": float(np.mean(values)), "min": float(np.min(values))}


def markdown(figures: Mapping[str, Any]) -> str:
    """Tell the figures of `compare` in two tables and a line about the machine."""
    several = len(figures["seeds"]) > 1

    def cell(spread: Mapping[str, float], digits: int) -> str:
        least = f" ({spread['min']:.{digits}f})" if several else ""
        return f"{spread['mean']:.{digits}f}{least}"

    systems, photos, host = figures["systems"], figures["photos"], figures["machine"]
    rows = [
        [
            NAMES[name],
            f"{found['weights']:,}",
            cell(found["seconds"], 1),
            f"{found['times_ours']:.2f}",
            *(cell(found[rate], 3) for rate in ("tpr", "tnr", "auroc")),
        ]
        for name, found in systems.items()
    ]
    speeds = figures["throughput"]
    return "\n".join(
        [
            *table("system | weights | seconds | times ours | TPR | TNR | AUROC", rows),
            "",
            ("Mean (least) of seeds " if several else "Seed ")
            + f"{', '.join(map(str, figures['seeds']))}; {photos['train']:,} training, "
            f"{photos['holdout']:,} held-out photos, {photos['spills']:,} known spills, "
            f"{photos['test']:,} test photos. The detector is "
            f"{' + '.join(f'`{name}`' for name in figures['detector'])}.",
            "",
            *table(
                f"part, {speeds['photos']:,} photos | photos/s",
                [[name, f"{speed:,.0f}"] for name, speed in speeds["per_second"].items()],
            ),
            "",
            f"Machine: {host['cores']} cores, {host['processor']}; torch {host['torch']}, "
            f"{host['threads']} threads, trained on {host['device']}.",
        ]
    )


def table(head: str, rows: Sequence[Sequence[str]]) -> list[str]:
    """Give the lines of a Markdown table; `head` separates its columns by ` | `."""
    columns = head.count(" | ") + 1
    return [
        f"| {head} |",
        f"|{'---|' * columns}",
        *(f"| {' | '.join(row)} |" for row in rows),
    ]


if __name__ == "__main__":
    run(main)
