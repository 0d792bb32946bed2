"""Measure all detectors on the test set and show what they do: `python -m stages.evaluate`."""

from functools import partial

import pandas as pd

from stages.common import paths
from stages.common.errors import run
from stages.common.files import read_arrays, round_to, write_json
from stages.common.params import Section, load_params
from stages.wells.detection.detector import EXPORTED, IN_USE, by_key, load_detectors, score_for
from stages.wells.evaluation import agreement, galleries, pictures, report
from stages.wells.evaluation.metrics import ERROR_DIGITS, declare
from stages.wells.inference.exported import load_exported, run_exported
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
    found, held_out, known = score(wells.images), score(train, folds), score(spills)
    kinds = report.tell_kinds(wells.images, wells.labels, train)
    judged = {
        key: report.judge(detector, wells, found, kinds) for key, detector in detectors.items()
    }
    measured = {key: report.measure_detector(one) for key, one in judged.items()}
    errors = {
        name: round_to(report.last_holdout_error(history), ERROR_DIGITS)
        for name, history in histories.items()
    }
    agreed = agreement.measure_agreement(
        run_exported(load_exported(), wells.images), judged[IN_USE]
    )
    declared = {key: declare(one) for key, one in measured.items()}
    declared |= {EXPORTED: agreement.declare(agreed), "holdout_mse": errors}
    write_json(paths.METRICS / "detection.json", declared)
    write_json(paths.REPORTS / "detection.json", measured)
    write_json(paths.REPORTS / "exported.json", agreed)

    report.write_losses(paths.PLOTS / "networks/loss.csv", histories)
    folder = paths.PLOTS / "detection"
    report.write_roc(folder / "roc.csv", judged.values())
    for key, one in judged.items():
        report.write_predictions(folder / key / "predictions.csv", one)
        placed = one.detector.combine(held_out), one.detector.combine(known)
        pictures.draw_histogram(folder / key / "histogram.png", one, *placed)
        pictures.draw_thresholds(folder / key / "thresholds.png", one, *placed)
        galleries.draw_mistakes(folder / key / "mistakes.png", one, networks)
    galleries.draw_overview(folder / "overview.png", judged[IN_USE])
    galleries.draw_decided(folder / "decided.png", judged[IN_USE], networks)
    pictures.draw_roc(folder / "roc.png", judged)
    pictures.draw_views(folder / "views.png", judged)
    for name, members in networks.items():
        path = paths.PLOTS / "networks" / f"{name}_reconstructions.png"
        galleries.draw_reconstructions(path, registry.name_of(name), members[0], judged[IN_USE])


if __name__ == "__main__":
    run(main)
