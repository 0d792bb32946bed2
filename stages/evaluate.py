"""Measure all detectors on the test set and show what they do: `python -m stages.evaluate`."""

from pathlib import Path

import pandas as pd

from stages.common.errors import run
from stages.common.files import read_arrays, round_to, write_json
from stages.common.params import Section, load_params
from stages.wells.detection.detector import IN_USE, by_key, load_detectors, score_for
from stages.wells.evaluation import report
from stages.wells.evaluation.metrics import ERROR_DIGITS, declare
from stages.wells.networks import registry

DATA, PLOTS = Path("data/wells"), Path("plots")


class Params(Section):
    detector: str


def main() -> None:
    """Run the stage."""
    detectors = by_key(load_detectors(), load_params(Params).detector)
    networks = registry.load_all(registry.NETWORKS)
    histories = {name: pd.read_csv(registry.FOLDER / name / registry.HISTORY) for name in networks}
    wells = report.LabelledWells(
        *read_arrays(DATA / "test.npz", "images", "names", "labels", "distinct")
    )
    (holdout,) = read_arrays(DATA / "holdout.npz", "images")
    (spills,) = read_arrays(DATA / "spills.npz", "images")

    scored = report.Scored(
        *(score_for(detectors.values(), networks, part) for part in (wells.images, holdout, spills))
    )
    kinds = report.tell_kinds(wells.images[wells.labels], holdout)
    measured = {
        key: report.measure_detector(detector, wells, scored.test, kinds)
        for key, detector in detectors.items()
    }
    errors = {
        name: round_to(history["holdout"].iloc[-1], ERROR_DIGITS)
        for name, history in histories.items()
    }
    declared = {key: declare(one) for key, one in measured.items()}
    write_json(Path("metrics/detection.json"), {**declared, "holdout_mse": errors})
    write_json(Path("metrics/reports/detection.json"), measured)

    report.write_losses(PLOTS / "networks/loss.csv", histories)
    report.write_roc(PLOTS / "detection/roc.csv", detectors.values(), wells, scored.test)
    for key, detector in detectors.items():
        report.report_detector(PLOTS / "detection" / key, detector, wells, scored)
    in_use = detectors[IN_USE]
    scores = in_use.combine(scored.test)
    for name, network in networks.items():
        path = PLOTS / "networks" / f"{name}_reconstructions.png"
        report.draw_reconstructions(path, name, network, wells, scores, in_use.threshold)


if __name__ == "__main__":
    run(main)
