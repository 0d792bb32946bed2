"""Fit all detectors on normal wells and known spills: `python -m stages.calibrate`."""

from stages.common import paths
from stages.common.errors import run
from stages.common.files import read_arrays
from stages.common.params import load_params
from stages.wells.detection.calibration import fit_detectors
from stages.wells.detection.detector import save_artifact, save_detectors
from stages.wells.detection.params import DetectionParams
from stages.wells.detection.scores import networks_of
from stages.wells.networks import registry


def main() -> None:
    """Run the stage."""
    params = load_params(DetectionParams)
    train, folds = read_arrays(paths.WELLS / "train.npz", "images", "folds")
    (spills,) = read_arrays(paths.WELLS / "spills.npz", "images")
    needed = [score for wanted in params.detectors.values() for score in wanted.scores]
    networks = registry.load_all(networks_of(needed))

    detectors = fit_detectors(params.detectors, networks, train, folds, spills)
    save_detectors(detectors, paths.DETECTORS)
    save_artifact(detectors[params.detector], paths.NETWORKS, paths.DETECTOR)


if __name__ == "__main__":
    run(main)
