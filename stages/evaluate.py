"""Measure all detectors on the test set and show what they do: `python -m stages.evaluate`."""

from functools import partial

import pandas as pd

from stages.common import paths
from stages.common.errors import run
from stages.common.files import read_arrays, round_to, write_json
from stages.common.params import Section, load_params
from stages.wells.detection.detector import IN_USE, by_key, load_detectors, score_for
from stages.wells.evaluation import report
from stages.wells.evaluation.metrics import ERROR_DIGITS, declare
from stages.wells.networks import registry


class Params(Section):
    detector: str


def main() -> None:
    """Run the stage."""
    detectors = by_key(load_detectors(), load_params(Params).detector)
    networks = registry.load_all(registry.NETWORKS)
    histories = {name: pd.read_csv(paths.NETWORKS / name / registry.HISTORY) for name in networks}
    wells = report.LabelledWells(
        *read_arrays(paths.WELLS / "test.npz", "images", "names", "labels", "distinct")
    )
    train, folds = read_arrays(paths.WELLS / "train.npz", "images", "folds")
    (spills,) = read_arrays(paths.WELLS / "spills.npz", "images")

    score = partial(score_for, detectors.values(), networks)
    scored = report.Scored(score(wells.images), score(train, folds), score(spills))
    kinds = report.tell_kinds(wells.images[wells.labels], train)
    measured = {
        key: report.measure_detector(detector, wells, scored.test, kinds)
        for key, detector in detectors.items()
    }
    errors = {
        name: round_to(report.last_holdout_error(history), ERROR_DIGITS)
        for name, history in histories.items()
    }
    declared = {key: declare(one) for key, one in measured.items()}
    write_json(paths.METRICS / "detection.json", {**declared, "holdout_mse": errors})
    write_json(paths.REPORTS / "detection.json", measured)

    report.write_losses(paths.PLOTS / "networks/loss.csv", histories)
    report.write_roc(paths.PLOTS / "detection/roc.csv", detectors.values(), wells, scored.test)
    for key, detector in detectors.items():
        report.report_detector(paths.PLOTS / "detection" / key, detector, networks, wells, scored)
    in_use = detectors[IN_USE]
    scores = in_use.combine(scored.test)
    for name in networks:
        path = paths.PLOTS / "networks" / f"{name}_reconstructions.png"
        report.draw_reconstructions(path, name, in_use, networks, wells, scores)


if __name__ == "__main__":
    run(main)
