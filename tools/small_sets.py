"""How few wells are enough: `python -m tools.small_sets`, or `make small-sets`, three minutes.

Fits the detector in use with fewer training wells or fewer known spills, three draws of each, and
measures it on all test photos. Writes docs/small_sets.csv; `make docs` draws docs/small_sets.png of
it. Nothing is chosen by these rates.
"""

import argparse
from collections.abc import Mapping
from itertools import product
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from tqdm import tqdm

from stages.common import paths
from stages.common.charts import new_chart, render
from stages.common.errors import run
from stages.common.files import read_arrays, write_text
from stages.common.params import Seed, load_params
from stages.common.pictures import NORMAL, SPILL, save_picture
from stages.common.types import Images, Indices
from stages.wells.detection.calibration import fit_detectors
from stages.wells.detection.detector import Detector, score_for
from stages.wells.detection.params import DetectionParams
from stages.wells.detection.scores import networks_of
from stages.wells.evaluation.metrics import DECLARED, declare, measure
from stages.wells.networks import registry
from stages.wells.networks.params import NetworksParams, TrainParams
from stages.wells.networks.recipe import train_members
from stages.wells.networks.registry import Members

TABLE, PICTURE = Path("docs/small_sets.csv"), Path("docs/small_sets.png")
# Shares of all, or numbers.
TRAIN, SPILLS = (0.5, 0.25, 1000, 300), (60, 12, 3)
DRAWS = (0, 1, 2)
LABELS = {"train": "training wells", "spills": "known spills"}
OTHERS = {"train": "spills", "spills": "train"}
# The rate that is asked of both.
FLOOR = 0.98


class Params(DetectionParams):
    seed: Seed
    train: TrainParams
    networks: NetworksParams


class Wells(NamedTuple):
    """Training wells with their folds, and known spills."""

    train: Images
    folds: Indices
    spills: Images


def main() -> None:
    """Measure, and write the table."""
    argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    ).parse_args()
    params, wells = load_params(Params), read_wells()
    whole = registry.load_all(networks_of(params.detectors[params.detector].scores))
    rows = [{**measure_with(params, wells, whole), "draw": 0}]
    fewer = [(number, None) for number in TRAIN] + [(None, number) for number in SPILLS]
    for (train, spills), draw in tqdm(list(product(fewer, DRAWS)), disable=None):
        some = draw_fewer(wells, train, spills, np.random.default_rng(draw))
        networks = whole if train is None else train_all(params, some, whole)
        rows.append({**measure_with(params, some, networks), "draw": draw})
    write_text(TABLE, pd.DataFrame(rows).to_csv(index=False))


def read_wells() -> Wells:
    """Return what the pipeline prepared."""
    return Wells(
        *read_arrays(paths.WELLS / "train.npz", "images", "folds"),
        *read_arrays(paths.WELLS / "spills.npz", "images"),
    )


def draw_fewer(
    wells: Wells, train: float | None, spills: float | None, rng: np.random.Generator
) -> Wells:
    """Return so many of the wells and of the known spills, shares below 1; None: all."""

    def draw(count: int, wanted: float | None) -> Indices:
        if wanted is None:
            return np.arange(count)
        number = round(wanted * count) if wanted < 1 else min(int(wanted), count)
        return np.sort(rng.choice(count, number, replace=False))

    chosen = draw(len(wells.train), train)
    return Wells(
        wells.train[chosen], wells.folds[chosen], wells.spills[draw(len(wells.spills), spills)]
    )


def train_all(params: Params, wells: Wells, names: dict[str, Members]) -> dict[str, Members]:
    """Return networks of these names, trained on wells as the pipeline does it."""
    schedule, seed = params.train, params.seed
    return {
        name: train_members(name, params.networks, schedule, wells.train, wells.folds, seed).members
        for name in names
    }


def measure_with(params: Params, wells: Wells, networks: dict[str, Members]) -> dict[str, float]:
    """Return how many wells and spills there were, and the rates of the detector in use."""
    wanted = {params.detector: params.detectors[params.detector]}
    detector = fit_detectors(wanted, networks, *wells)[params.detector]
    counts = {"train": len(wells.train), "spills": len(wells.spills)}
    return counts | measure_on_test(detector, networks)


def measure_on_test(detector: Detector, networks: Mapping[str, Members]) -> dict[str, float]:
    """Return the rates of a detector on all test photos."""
    images, labels = read_arrays(paths.WELLS / "test.npz", "images", "labels")
    scores = detector.combine(score_for([detector], networks, images))
    return declare(measure(scores, labels, detector.threshold))


def read_table(folder: Path) -> pd.DataFrame:
    """Return the table that this tool wrote."""
    return pd.read_csv(folder / TABLE)


def mean_over_draws(table: pd.DataFrame) -> pd.DataFrame:
    """Return the means and, as `_min`, the least of what was measured, the most wells first."""
    groups = table.groupby(["train", "spills"])[list(DECLARED)]
    found = groups.mean().join(groups.min().add_suffix("_min")).reset_index()
    return found.sort_values(["train", "spills"], ascending=False, ignore_index=True)


def draw_small(path: Path, table: pd.DataFrame) -> None:
    """Draw both rates by how many training wells and by how many known spills there are."""
    chart = new_chart(3.2)
    means, all_of = mean_over_draws(table), table[["train", "spills"]].max()
    panels = chart.subplots(1, 2, sharey=True)
    for axes, (name, label) in zip(panels, LABELS.items(), strict=True):
        other = OTHERS[name]
        dots, line = (one[one[other] == all_of[other]] for one in (table, means))
        for rate, colour in (("tpr", SPILL), ("tnr", NORMAL)):
            axes.plot(dots[name], dots[rate], "o", color=colour, alpha=0.4, markersize=5)
            axes.plot(line[name], line[rate], color=colour, label=rate.upper())
        axes.set(xscale="log", xlabel=f"{label}, of {all_of[name]:,}", xticks=line[name])
        axes.set_xticks([], minor=True)
        axes.set_xticklabels([f"{number:,}" for number in line[name]])
        axes.grid(visible=True)
    panels[0].set_ylabel("rate on the test set")
    panels[0].legend()
    enough = [_enough(means[means[other] == all_of[other]], name) for name, other in OTHERS.items()]
    said = " or ".join(
        f"{number:,} {label}"
        for number, label in zip(enough, LABELS.values(), strict=True)
        if number
    )
    save_picture(
        path,
        f"Both rates stay at {100 * FLOOR:.0f} % or more with {said or 'none of these numbers'}",
        "The detector in use with fewer wells to learn from (left) or fewer known spills (right); "
        f"each dot is one of {len(DRAWS)} draws, the line their mean.",
        render(chart),
    )


def _enough(means: pd.DataFrame, name: str) -> int | None:
    """Return the least number with which, as with every larger one, both rates reach FLOOR.

    None, where not even the largest does. means: the most wells first.
    """
    reached = means[["tpr", "tnr"]].min(axis=1) >= FLOOR
    return int(means[name][reached.cummin()].min()) if reached.iloc[0] else None


if __name__ == "__main__":
    run(main)
