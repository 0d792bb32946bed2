"""Measure all detectors on hard cases drawn from held-out wells: `python -m stages.validate`.

What is chosen, a score, a combination, a rule, is chosen by these metrics and not on the test set.
"""

from stages.common import paths
from stages.common.errors import run
from stages.common.files import read_arrays, write_json
from stages.common.params import Section, Seed, load_params
from stages.wells.data.splits import group_alike, mark_far
from stages.wells.detection.detector import by_key, load_detectors, score_for
from stages.wells.evaluation.hard_cases import draw_hard_cases
from stages.wells.evaluation.validation import (
    declare,
    draw_cases,
    draw_validation,
    measure_detectors,
)
from stages.wells.networks import registry

# Of known spills that look alike; each is left out once.
SPILL_GROUPS = 6


class Params(Section):
    seed: Seed
    detector: str


def main() -> None:
    """Run the stage."""
    params = load_params(Params)
    detectors = by_key(load_detectors(), params.detector)
    needed = set().union(*(detector.networks() for detector in detectors.values()))
    networks = registry.load_all(needed)
    train, folds = read_arrays(paths.WELLS / "train.npz", "images", "folds")
    (spills,) = read_arrays(paths.WELLS / "spills.npz", "images")

    cases = draw_hard_cases(train, folds, mark_far(train, folds), spills, params.seed)
    normals = score_for(detectors.values(), networks, train, folds)
    groups = group_alike(spills, SPILL_GROUPS, params.seed)
    measured = measure_detectors(detectors, networks, cases, normals, groups)
    write_json(paths.METRICS / "validation.json", declare(measured))
    write_json(paths.REPORTS / "validation.json", measured)
    folder = paths.PLOTS / "hard_cases"
    draw_cases(folder / "hard_cases.png", cases, measured)
    draw_validation(folder / "validation.png", measured)


if __name__ == "__main__":
    run(main)
