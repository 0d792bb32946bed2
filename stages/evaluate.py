"""Measure the models on the test set and show what they do: `python -m stages.evaluate MODEL…`."""

import argparse
from pathlib import Path
from typing import Any

import pandas as pd

from stages.common.errors import run
from stages.common.files import read_arrays, write_json
from stages.common.params import load_params
from stages.wells import networks, report
from stages.wells.detector import COMBINED, load_detector, standardised
from stages.wells.evaluation import rates_all_and_distinct, rates_of_part, shares_by_kind
from stages.wells.images import Images
from stages.wells.scores import Scores, kinds_of_spill, obstruction, score_images

DATA, MODELS, PLOTS = Path("data/wells"), Path("models"), Path("plots/detection")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="+", choices=networks.NETWORKS)
    models = parser.parse_args().models

    best = load_params().detector.model
    metrics: dict[str, Any] = {model: evaluate(model) for model in models}
    metrics["best"] = {"model": best, **metrics[best][COMBINED]}
    write_json(Path("metrics/detection.json"), metrics)


def evaluate(model: str) -> dict[str, Any]:
    """Give one model's figures; write its tables and pictures."""
    network = networks.load(MODELS / model / "network.safetensors")
    detector = load_detector(MODELS / model / "detector.json")
    history = pd.read_csv(MODELS / model / "history.csv")
    test = report.TestSet(*read_arrays(DATA / "test.npz", "images", "names", "labels", "distinct"))
    (holdout,) = read_arrays(DATA / "holdout.npz", "images")
    (spills,) = read_arrays(DATA / "spills.npz", "images")

    def score(images: Images) -> Scores:
        return standardised(detector, score_images(network, images, detector.reference))

    scores, thresholds = score(test.images), detector.thresholds()
    folder = PLOTS / model
    report.write_tables(folder, test, scores, thresholds, history)
    report.draw_scores(
        folder, model, test, scores, thresholds, score(holdout)[COMBINED], score(spills)[COMBINED]
    )
    report.draw_images(folder, model, network, test, scores[COMBINED], detector.threshold)
    kinds = kinds_of_spill(test.images[test.labels], detector.reference)
    rates = {
        name: rates_all_and_distinct(scores[name], test.labels, test.distinct, threshold)
        | {"kinds": shares_by_kind(scores[name][test.labels], kinds, threshold)}
        for name, threshold in thresholds.items()
    }
    clear = obstruction(test.images, detector.reference) <= detector.obstruction_threshold
    rates[COMBINED]["clear_view"] = rates_of_part(
        scores[COMBINED], test.labels, clear, detector.threshold
    )
    return {"holdout_mse": float(history["holdout"].iloc[-1]), **rates}


if __name__ == "__main__":
    run(main)
