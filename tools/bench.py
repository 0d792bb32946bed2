"""Compare this project's detectors with two others' on the prepared wells: `python -m tools.bench`.

All systems are fitted in one process, one after another, with the same threads. Seconds are
wall-clock, of training and of placing the threshold; a network of ours is trained once a seed, all
its members, with held-out errors after each epoch, and counts for every detector that needs it.
Thresholds come from training and known spills' photos alone, rates from all test photos.
"""

import argparse
import os
import platform
from collections.abc import Callable, Mapping, Sequence, Set
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple, TypeVar

import numpy as np
import pandas as pd
import torch

from stages.common import paths
from stages.common.errors import InputError, run
from stages.common.files import read_arrays, write_json
from stages.common.params import Seed, load_params
from stages.common.types import FloatArray, Images
from stages.wells.data.archive import Wells, read_wells
from stages.wells.data.params import ImageParams, SplitParams
from stages.wells.data.preparation import Parts, Photos, decode_photos, split_photos
from stages.wells.detection.calibration import fit_detectors
from stages.wells.detection.detector import score_for
from stages.wells.detection.params import DetectionParams
from stages.wells.detection.scores import networks_of
from stages.wells.evaluation.metrics import DECLARED, measure, refuse_one_kind
from stages.wells.networks.params import NetworksParams, TrainParams
from stages.wells.networks.recipe import train_members
from stages.wells.networks.registry import Members
from stages.wells.networks.training import choose_device
from tools import bench_baselines
from tools.bench_baselines import Fitted, count_weights

PARTS = ("train", "spills", "test")
CPU_INFO = Path("/proc/cpuinfo")
# Detectors that are shown beside the one in use, and the one whose times are the unit.
COMPARED, REFERENCE = ("baseline", "autoencoder"), "autoencoder"

Networks = Mapping[str, Members]
Result = TypeVar("Result")


class Params(DetectionParams):
    seed: Seed
    images: ImageParams
    split: SplitParams
    train: TrainParams
    networks: NetworksParams


class System(NamedTuple):
    """A system's title, all photos at the size that it takes, and how it is fitted.

    fit: (images, seed, networks of ours) to what scores; needs: the names of those networks.
    """

    title: str
    photos: Photos
    fit: Callable[[Parts, int, Networks], Fitted]
    needs: Set[str] = frozenset()


def main() -> None:
    """Compare all systems for each seed; print the table, then write what was measured."""
    params = load_params(Params)
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", nargs="+", type=int, default=[params.seed])
    parser.add_argument("--output", type=Path, help="a JSON file for what is measured")
    arguments = parser.parse_args()
    if not all(0 <= seed < 2**32 for seed in arguments.seeds):
        raise InputError("--seeds must be whole numbers from 0 to 2³² - 1")

    measured = compare(params, arguments.seeds)
    print(to_markdown(measured))
    if arguments.output:
        write_json(arguments.output, measured)


def compare(params: Params, seeds: Sequence[int]) -> dict[str, Any]:
    """Return what every system reaches, in single runs and summed up."""
    wells = read_prepared()
    systems = make_systems(params, wells)
    split = partial(split_photos, labels=wells.labels, folds=params.split.folds)
    prepared = split(systems[params.detector].photos, seed=params.seed)
    check_prepared(prepared)

    bench_baselines.warm_up()
    runs = []
    for seed in seeds:
        networks: dict[str, Members] = {}
        trained: dict[str, float] = {}
        for name, system in systems.items():
            parts = split(system.photos, seed=seed)
            for one in sorted(system.needs - networks.keys()):
                train = partial(train_ours, one, params, parts, seed)
                networks[one], trained[one] = clock(train)
            fitted, seconds = clock(partial(system.fit, parts, seed, networks))
            seconds += sum(trained[one] for one in system.needs)
            rates = measure(fitted.score(parts.test), parts.test_labels, fitted.threshold)
            run = {"system": name, "title": system.title, "seed": seed, "seconds": seconds}
            found = {"weights": fitted.weights, "threshold": fitted.threshold}
            runs.append(run | found | {rate: rates[rate] for rate in DECLARED})
    return {
        "machine": describe_machine(),
        "seeds": list(seeds),
        "photos": {name: len(getattr(prepared, name)) for name in PARTS},
        "systems": summarise(pd.DataFrame(runs)).to_dict("records"),
        "runs": runs,
    }


def read_prepared() -> Wells:
    """Read the archive; raises InputError where it or an array of the pipeline is missing."""
    needed = [paths.ARCHIVE, *(paths.WELLS / f"{name}.npz" for name in PARTS)]
    if missing := [str(path) for path in needed if not path.is_file()]:
        raise InputError(f"{', '.join(missing)} missing: run `dvc repro` first")
    return read_wells(paths.ARCHIVE)


def check_prepared(parts: Parts) -> None:
    """Raise InputError where the pipeline's arrays aren't these parts, or test has but one kind."""
    found = {name: read_arrays(paths.WELLS / f"{name}.npz", "images")[0] for name in PARTS}
    (found["folds"],) = read_arrays(paths.WELLS / "train.npz", "folds")
    (found["test_labels"],) = read_arrays(paths.WELLS / "test.npz", "labels")
    if stale := [one for one in found if not np.array_equal(found[one], getattr(parts, one))]:
        raise InputError(
            f"{paths.WELLS} ({', '.join(stale)}) isn't what {paths.ARCHIVE} and params.yaml give: "
            "run `dvc repro` first"
        )
    refuse_one_kind(parts.test_labels)


def make_systems(params: Params, wells: Wells) -> dict[str, System]:
    """Return all systems by name; raises InputError where a detector isn't in params.yaml."""
    names = dict.fromkeys([params.detector, *COMPARED])
    if missing := [name for name in names if name not in params.detectors]:
        lacking = ", ".join(f"detectors.{name}" for name in missing)
        raise InputError(f"params.yaml lacks {lacking}, which the bench compares with: add it")
    ours = decode_photos(wells, params.images.height, params.images.width)
    systems = {}
    for name in names:
        scores = params.detectors[name].scores
        in_use = ", in use" if name == params.detector else ""
        title = f"`{name}`{in_use}: {' + '.join(scores)}"
        fit = partial(fit_detector, name, params)
        systems[name] = System(title, ours, fit, networks_of(scores))
    for other, fit_other in bench_baselines.FITS:
        photos = decode_photos(wells, other.height, other.width)
        systems[other.name] = System(other.title, photos, fit_other)
    return systems


def train_ours(name: str, params: Params, parts: Parts, seed: int) -> Members:
    """Return a network of ours, trained as params.yaml says."""
    schedule, images = params.train, (parts.train, parts.folds)
    return train_members(name, params.networks, schedule, *images, seed).members


def fit_detector(name: str, params: Params, parts: Parts, _: int, networks: Networks) -> Fitted:
    """Fit a detector of params.yaml."""
    wanted = {name: params.detectors[name]}
    detector = fit_detectors(wanted, networks, parts.train, parts.folds, parts.spills)[name]

    def score(images: Images) -> FloatArray:
        return detector.combine(score_for([detector], networks, images))

    weights = sum(count_weights(member) for one in detector.networks() for member in networks[one])
    return Fitted(score, detector.threshold, weights)


def clock(work: Callable[[], Result]) -> tuple[Result, float]:
    """Return what work returns, and how many seconds it took."""
    start = perf_counter()
    return work(), perf_counter() - start


def describe_machine() -> str:
    """Return the machine's cores and processor, and what PyTorch runs on."""
    pytorch = f"torch {torch.__version__}, {torch.get_num_threads()} threads"
    return f"{describe_processor()}; {pytorch}, trained on {choose_device()}"


def describe_processor() -> str:
    """Return the machine's cores, and its processor as Linux tells it."""
    lines = CPU_INFO.read_text(encoding="utf-8").splitlines() if CPU_INFO.is_file() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    processor = next(iter(models), platform.processor() or platform.machine())
    return f"{os.cpu_count()} cores, {processor}"


def summarise(runs: pd.DataFrame) -> pd.DataFrame:
    """Return a row a system: mean and least (`_min`) of seconds and rates, times of REFERENCE."""
    systems = runs.groupby(["system", "title", "weights"], sort=False)[["seconds", *DECLARED]]
    table = systems.mean().join(systems.min().add_suffix("_min")).reset_index()
    return table.assign(times=table["seconds"] / table.set_index("system")["seconds"][REFERENCE])


def to_markdown(measured: Mapping[str, Any]) -> str:
    """Tell what `compare` returns in a table and a line each about photos and machine."""
    seeds = measured["seeds"]
    names = {"title": "system", "weights": "weights", "seconds": "seconds"}
    names |= {"times": f"times `{REFERENCE}`", **{rate: rate.upper() for rate in DECLARED}}
    if len(seeds) > 1:
        names |= {f"{name}_min": f"least {names[name]}" for name in ("seconds", *DECLARED)}
    digits = ["", "", ".1f", ".2f", ".3f", ".3f", ".3f", ".1f", ".3f", ".3f", ".3f"]
    systems = pd.DataFrame(measured["systems"])[list(names)].rename(columns=names)
    photos = ", ".join(f"{count:,} {name}" for name, count in measured["photos"].items())
    return f"""\
{systems.to_markdown(index=False, intfmt=",", floatfmt=digits)}

{"Means of seeds" if len(seeds) > 1 else "Seed"} {", ".join(map(str, seeds))}; photos: {photos}.

Machine: {measured["machine"]}."""


if __name__ == "__main__":
    run(main)
