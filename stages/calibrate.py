"""Fit a detector on held-out normals and known spills: `python -m stages.calibrate MODEL`."""

import argparse
from pathlib import Path

from stages.common.errors import run
from stages.common.files import read_arrays, write_text
from stages.common.params import load_params
from stages.wells import networks
from stages.wells.detector import fit_detector
from stages.wells.scores import Ellipse, score_images


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", choices=networks.NETWORKS)
    model = parser.parse_args().model
    folder = Path("models") / model

    params = load_params()
    centre = Ellipse(**params.scores.centre.model_dump())
    network = networks.load(folder / "network.safetensors")
    (holdout,) = read_arrays(Path("data/wells/holdout.npz"), "images")
    (spills,) = read_arrays(Path("data/wells/spills.npz"), "images")

    detector = fit_detector(
        score_images(network, holdout, centre),
        score_images(network, spills, centre),
        centre=centre,
        combination=list(getattr(params.detector.scores, model)),
        rule=params.detector.rule,
        sigmas=params.detector.sigmas,
    )
    write_text(folder / "detector.json", detector.model_dump_json(indent=2) + "\n")


if __name__ == "__main__":
    run(main)
