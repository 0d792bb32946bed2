"""Measure generators of avatars and show them side by side: `python -m stages.measure_avatars`."""

from pathlib import Path
from typing import Any

import numpy as np

from stages.bayes import avatars_summary, generators
from stages.bayes.avatar_figures import sheet
from stages.bayes.avatars import load_avatars
from stages.bayes.drawing import DRAWN
from stages.bayes.styles import fit_styles, load_counts
from stages.common.errors import run
from stages.common.files import write_json
from stages.common.params import load_params
from stages.common.pictures import save_picture

COUNTS, AVATARS = Path("data/styles.yaml"), Path("data/avatars")
SAMPLE, SHOWN = 100, 5


def main() -> None:
    params = load_params()
    model = fit_styles(load_counts(COUNTS), params.styles.smoothing)
    training = load_avatars(AVATARS / "train.npz")
    holdout = load_avatars(AVATARS / "holdout.npz")
    one_picture_a_style = params.avatars.source == DRAWN and not params.avatars.varied

    metrics: dict[str, Any] = {"source": avatars_summary.source_figures(training, holdout)}
    rows = [("avatars to learn from", training.avatars[:SHOWN], ())]
    for name in params.avatars.generators:
        generator = generators.fit(name, training, model, params.avatars.smoothing)
        seeds = range(params.seed, params.seed + SAMPLE)
        sample = [generator.sample(np.random.default_rng(seed)) for seed in seeds]
        letter = np.uint8 if name in generators.BY_CHANNEL else np.uint32
        metrics[name] = avatars_summary.of_sample(
            sample, training.avatars
        ) | avatars_summary.of_holdout(
            generator, training.avatars, holdout.avatars, params.avatars.smoothing, letter
        )
        if sample[0].style and one_picture_a_style:
            metrics[name]["style_fidelity"] = avatars_summary.style_fidelity(sample, model)
        shown = np.stack([one.avatar for one in sample[:SHOWN]])
        rows.append((f"{name}: {generators.GENERATORS[name]}", shown, ()))
    write_json(Path("metrics/avatars.json"), metrics)
    save_picture(sheet(rows), Path("plots/avatars/compared.png"))


if __name__ == "__main__":
    run(main)
