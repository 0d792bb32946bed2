"""Measure generators of avatars and show them side by side: `python -m stages.measure_avatars`."""

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
from stages.bayes.avatars import load_avatars
from stages.bayes.drawing import DRAWN
from stages.bayes.generators.registry import GENERATORS, fit, title
from stages.bayes.params import AvatarParams, StyleParams
from stages.bayes.samples import draw_samples
from stages.bayes.styles import fit_styles, load_counts
from stages.common import paths
from stages.common.errors import run
from stages.common.files import write_json
from stages.common.params import Section, Seed, load_params
from stages.common.pictures import save_picture

SAMPLE, SHOWN = 100, 5


class Params(Section):
    seed: Seed
    styles: StyleParams
    avatars: AvatarParams


def main() -> None:
    params = load_params(Params)
    model = fit_styles(load_counts(paths.STYLE_COUNTS), params.styles.smoothing)
    training, holdout = map(load_avatars, paths.AVATAR_PARTS)
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
    write_json(paths.REPORTS / "avatars.json", report)
    write_json(paths.METRICS / "avatars.json", choose_metrics(report))
    save_picture(sheet(rows), paths.PLOTS / "random_avatars/compared.png")


if __name__ == "__main__":
    run(main)
