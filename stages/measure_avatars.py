"""Measure generators of avatars and show them side by side: `python -m stages.measure_avatars`."""

from pathlib import Path

import numpy as np

from stages.bayes.avatar_metrics import (
    SOURCE,
    choose_metrics,
    measure_fidelity,
    measure_holdout,
    measure_sample,
    measure_source,
)
from stages.bayes.avatar_plots import Row, sheet
from stages.bayes.avatars import HOLDOUT_FILE, TRAIN_FILE, load_avatars
from stages.bayes.drawing import DRAWN
from stages.bayes.generators.registry import GENERATORS, fit, title
from stages.bayes.params import AvatarParams, StyleParams
from stages.bayes.samples import draw_samples
from stages.bayes.styles import COUNTS_FILE, fit_styles, load_counts
from stages.common.errors import run
from stages.common.files import write_json
from stages.common.params import Section, Seed, load_params
from stages.common.pictures import save_picture

METRICS, REPORT = Path("metrics/avatars.json"), Path("metrics/reports/avatars.json")
PICTURE = Path("plots/random_avatars/compared.png")
SAMPLE, SHOWN = 100, 5


class Params(Section):
    seed: Seed
    styles: StyleParams
    avatars: AvatarParams


def main() -> None:
    params = load_params(Params)
    model = fit_styles(load_counts(COUNTS_FILE), params.styles.smoothing)
    training, holdout = load_avatars(TRAIN_FILE), load_avatars(HOLDOUT_FILE)
    one_picture_a_style = params.avatars.source == DRAWN and not params.avatars.varied
    seeds = range(params.seed, params.seed + SAMPLE)

    report = {SOURCE: measure_source(training, holdout)}
    rows = [Row("avatars to learn from", training.avatars[:SHOWN])]
    for name in params.avatars.generators:
        generator = fit(name, training, model, params.avatars.smoothing)
        sample = draw_samples(generator, seeds)
        report[name] = measure_sample(sample, training.avatars) | measure_holdout(
            generator,
            training.avatars,
            holdout.avatars,
            params.avatars.smoothing,
            GENERATORS[name].symbol,
        )
        if one_picture_a_style:
            report[name] |= measure_fidelity(sample, model)
        rows.append(Row(title(name), np.stack([one.avatar for one in sample[:SHOWN]])))
    write_json(REPORT, report)
    write_json(METRICS, choose_metrics(report))
    save_picture(sheet(rows), PICTURE)


if __name__ == "__main__":
    run(main)
