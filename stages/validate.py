"""Measure all detectors on hard cases drawn from held-out wells: `python -m stages.validate`.

What is chosen, a score, a combination, a rule, is chosen by these metrics and not on the test set.
"""

from pathlib import Path

from stages.common.errors import run
from stages.common.files import read_arrays, write_json
from stages.common.params import Section, Seed, load_params
from stages.common.pictures import save_picture
from stages.wells.detection.detector import by_key, load_detectors
from stages.wells.evaluation.hard_cases import draw_hard_cases
from stages.wells.evaluation.validation import declare, measure_detectors, show_cases
from stages.wells.networks import registry

DATA = Path("data/wells")


class Params(Section):
    seed: Seed
    detector: str


def main() -> None:
    """Run the stage."""
    params = load_params(Params)
    detectors = by_key(load_detectors(), params.detector)
    needed = set().union(*(detector.networks() for detector in detectors.values()))
    networks = registry.load_all(needed)
    (holdout,) = read_arrays(DATA / "holdout.npz", "images")
    (spills,) = read_arrays(DATA / "spills.npz", "images")

    cases = draw_hard_cases(holdout, spills, params.seed)
    measured = measure_detectors(detectors, networks, cases)
    write_json(Path("metrics/validation.json"), declare(measured))
    write_json(Path("metrics/reports/validation.json"), measured)
    save_picture(show_cases(cases), Path("plots/hard_cases/hard_cases.png"))


if __name__ == "__main__":
    run(main)
