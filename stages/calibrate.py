"""Fit all detectors on normal wells and known spills: `python -m stages.calibrate`."""

from pathlib import Path

from stages.common.errors import run
from stages.common.files import read_arrays
from stages.common.params import load_params
from stages.wells.detection.calibration import fit_detectors
from stages.wells.detection.detector import DETECTOR, DETECTORS, save_artifact, save_detectors
from stages.wells.detection.params import DetectionParams
from stages.wells.detection.scores import networks_of
from stages.wells.networks import registry

DATA = Path("data/wells")


def main() -> None:
    """Run the stage."""
    params = load_params(DetectionParams)
    train, folds = read_arrays(DATA / "train.npz", "images", "folds")
    (spills,) = read_arrays(DATA / "spills.npz", "images")
    needed = [score for wanted in params.detectors.values() for score in wanted.scores]
    networks = registry.load_all(networks_of(needed))

    detectors = fit_detectors(params.detectors, networks, train, folds, spills)
    save_detectors(detectors, DETECTORS)
    save_artifact(detectors[params.detector], registry.FOLDER, DETECTOR)


if __name__ == "__main__":
    run(main)
