"""Draw random styles from counts, each with its probability: `python -m stages.generate_styles`."""

from itertools import islice
from pathlib import Path

import numpy as np

from stages.bayes.params import StyleParams
from stages.bayes.styles import (
    COUNTS_FILE,
    draw_frequencies,
    draw_styles,
    fit_styles,
    joint,
    load_counts,
)
from stages.bayes.styles_metrics import choose_metrics, measure_styles
from stages.bayes.styles_plots import save_frequencies
from stages.bayes.styles_table import write_styles
from stages.common.errors import run
from stages.common.files import write_json
from stages.common.params import Section, Seed, load_params

GENERATED = Path("data/generated/styles")
PICTURE = Path("plots/random_styles/frequencies.png")
METRICS, REPORT = Path("metrics/styles.json"), Path("metrics/reports/styles.json")
LARGE_SAMPLE = 1_000_000


class Params(Section):
    seed: Seed
    styles: StyleParams


def main() -> None:
    params = load_params(Params)
    counts = load_counts(COUNTS_FILE)
    model = fit_styles(counts, params.styles.smoothing)
    rng = np.random.default_rng(params.seed)
    write_styles(GENERATED, model, list(islice(draw_styles(model, rng), params.styles.count)))

    table = joint(model)
    sample = draw_frequencies(table, LARGE_SAMPLE, rng)
    save_frequencies(counts, model, sample, PICTURE)
    report = measure_styles(model, table, sample, params.styles.smoothing)
    write_json(REPORT, report)
    write_json(METRICS, choose_metrics(report))


if __name__ == "__main__":
    run(main)
