"""Whether MNAD's memory helps: `python -m tools.memory`, or `make memory`, 16 minutes.

Trains MNAD without a memory and with several, three seeds each; all else is as params.yaml says.
Fits the detector `mnad` to each and measures it on the drawn hard cases and on all test photos.
Writes docs/memory.csv. Nothing is chosen by it.
"""

import argparse
from collections.abc import Callable
from itertools import product
from pathlib import Path

import pandas as pd
from tqdm import tqdm

from stages.common.errors import run
from stages.common.files import round_to, write_text
from stages.common.params import load_params
from stages.validate import SPILL_GROUPS
from stages.wells.data.splits import group_alike, mark_far
from stages.wells.detection.calibration import fit_detectors
from stages.wells.detection.detector import Detector, score_for
from stages.wells.evaluation.hard_cases import draw_hard_cases
from stages.wells.evaluation.metrics import DECLARED, ERROR_DIGITS
from stages.wells.evaluation.report import last_holdout_error
from stages.wells.evaluation.validation import declare, measure_detectors
from stages.wells.latent.memory import memory_use
from stages.wells.networks.base import Network
from stages.wells.networks.mnad import Mnad
from stages.wells.networks.recipe import train_members
from stages.wells.networks.registry import Members
from tools.small_sets import Params, Wells, measure_on_test, read_wells

TABLE = Path("docs/memory.csv")
# The network, and the detector that looks at it alone.
NAME = "mnad"
# What differs from params.yaml. Separateness is the loss that keeps a memory's items apart.
SETTINGS: dict[str, dict[str, float]] = {
    "no memory": {"items": 0},
    "10 items": {"items": 10},
    "10 items, no separateness": {"items": 10, "separateness": 0.0},
    "20 items": {"items": 20},
    "50 items": {"items": 50},
}
SEEDS = (0, 1, 2)
MEASURED = ["holdout_mse", "validation", *DECLARED, "usage_perplexity", "dead_items"]

Validate = Callable[[Detector, Members], dict[str, float]]


def main() -> None:
    """Measure, and write the table."""
    argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    ).parse_args()
    params, wells = load_params(Params), read_wells()
    validate = validation_on(wells, params.seed)
    rows = [
        {"setting": setting, "seed": seed, **measure(params, wells, validate, changes, seed)}
        for (setting, changes), seed in tqdm(list(product(SETTINGS.items(), SEEDS)), disable=None)
    ]
    table = pd.DataFrame(rows, columns=["setting", "seed", *MEASURED])
    write_text(TABLE, table.to_csv(index=False))


def validation_on(wells: Wells, seed: int) -> Validate:
    """Return what measures a detector as the stage validate does, all on the same hard cases."""
    train, folds, spills = wells
    cases = draw_hard_cases(train, folds, mark_far(train, folds), spills, seed)
    groups = group_alike(spills, SPILL_GROUPS, seed)

    def validate(detector: Detector, members: Members) -> dict[str, float]:
        networks = {NAME: members}
        normals = score_for([detector], networks, train, folds)
        return declare(measure_detectors({NAME: detector}, networks, cases, normals, groups))[NAME]

    return validate


def measure(
    params: Params, wells: Wells, validate: Validate, changes: dict[str, float], seed: int
) -> dict[str, float]:
    """Return what MNAD reaches, trained with changes and a seed: MEASURED, and more."""
    changed = getattr(params.networks, NAME).model_copy(update=changes)
    networks = params.networks.model_copy(update={NAME: changed})
    schedule, images = params.train, (wells.train, wells.folds)
    members, _, history = train_members(NAME, networks, schedule, *images, seed)
    detector = fit_detectors({NAME: params.detectors[NAME]}, {NAME: members}, *wells)[NAME]
    return {
        "holdout_mse": round_to(last_holdout_error(history), ERROR_DIGITS),
        **validate(detector, members),
        **measure_on_test(detector, {NAME: members}),
        **mean_use(members, wells),
    }


def mean_use(members: list[Network], wells: Wells) -> dict[str, float]:
    """Return how training wells use the members' memories, in the mean; nothing of no memory."""
    uses = [
        memory_use(member, wells.train[wells.folds != fold])
        for fold, member in enumerate(members)
        if isinstance(member, Mnad) and len(member.memory)
    ]
    return {name: round(value, 2) for name, value in pd.DataFrame(uses).mean().items()}


def read_table(folder: Path) -> pd.DataFrame:
    """Return the table that this tool wrote."""
    return pd.read_csv(folder / TABLE)


def spread_over_seeds(table: pd.DataFrame) -> dict[str, dict[str, dict[str, float]]]:
    """Return SETTING.METRIC.{mean, std, min} of what was measured; std is the sample's (n - 1)."""
    return {
        str(setting): some[MEASURED].dropna(axis=1).agg(["mean", "std", "min"]).to_dict()
        for setting, some in table.groupby("setting", sort=False)
    }


if __name__ == "__main__":
    run(main)
