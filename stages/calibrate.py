"""Fit a detector on normal wells and known spills: `python -m stages.calibrate MODEL`."""

import argparse
from pathlib import Path

from stages.common.errors import run
from stages.common.files import read_arrays, write_text
from stages.common.params import load_params
from stages.wells import networks
from stages.wells.descriptions import Box
from stages.wells.detector import fit_detector
from stages.wells.scores import Ellipse, fit_reference, obstruction, score_images

DATA = Path("data/wells")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", choices=networks.NETWORKS)
    model = parser.parse_args().model
    folder = Path("models") / model

    params = load_params()
    network = networks.load(folder / "network.safetensors")
    (train,) = read_arrays(DATA / "train.npz", "images")
    (holdout,) = read_arrays(DATA / "holdout.npz", "images")
    (spills,) = read_arrays(DATA / "spills.npz", "images")

    reference = fit_reference(
        train,
        Ellipse(**params.scores.centre.model_dump()),
        Box(**params.scores.box.model_dump()),
    )
    detector = fit_detector(
        score_images(network, holdout, reference),
        score_images(network, spills, reference),
        combination=list(getattr(params.detector.scores, model)),
        rule=params.detector.rule,
        sigmas=params.detector.sigmas,
        reference=reference,
        obstructions=obstruction(holdout, reference),
    )
    write_text(folder / "detector.json", detector.model_dump_json(indent=1) + "\n")


if __name__ == "__main__":
    run(main)
