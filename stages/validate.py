"""Measure the models on hard cases drawn from held-out wells: `python -m stages.validate MODEL…`.

What is chosen, a score, a combination, a rule, is chosen by these figures and not on the test set.
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from stages.common.errors import run
from stages.common.files import read_arrays, write_json
from stages.common.params import load_params
from stages.common.pictures import save_picture
from stages.wells import networks
from stages.wells.detector import COMBINED, load_detector, standardised
from stages.wells.evaluation import rates_by_kind
from stages.wells.figures import gallery
from stages.wells.hard_cases import HardCases, draw_hard_cases
from stages.wells.scores import score_images
from stages.wells.splits import spread

DATA, MODELS = Path("data/wells"), Path("models")
GALLERY_COLUMNS = 8


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="+", choices=networks.NETWORKS)
    models = parser.parse_args().models

    params = load_params()
    (holdout,) = read_arrays(DATA / "holdout.npz", "images")
    (spills,) = read_arrays(DATA / "spills.npz", "images")
    cases = draw_hard_cases(holdout, spills, params.seed)
    metrics: dict[str, Any] = {model: validate(model, cases) for model in models}
    metrics["best"] = metrics[params.detector.model][COMBINED]
    write_json(Path("metrics/validation.json"), {"validation": metrics})

    kinds = [kind for kind in dict.fromkeys(cases.kinds) if kind not in ("normal", "spill")]
    found = [np.flatnonzero(cases.kinds == kind) for kind in kinds]
    chosen = np.concatenate([which[spread(len(which), GALLERY_COLUMNS)] for which in found])
    title = "validation: drawn hard cases, a row a kind"
    picture = gallery(cases.images[chosen], title, GALLERY_COLUMNS, list(cases.kinds[chosen]))
    save_picture(picture, Path("plots/validation/hard_cases.png"))


def validate(model: str, cases: HardCases) -> dict[str, Any]:
    """Give one model's figures."""
    network = networks.load(MODELS / model / "network.safetensors")
    detector = load_detector(MODELS / model / "detector.json")
    scores = standardised(detector, score_images(network, cases.images, detector.reference))
    return {
        name: rates_by_kind(scores[name], cases.labels, cases.kinds, threshold)
        for name, threshold in detector.thresholds().items()
    }


if __name__ == "__main__":
    run(main)
