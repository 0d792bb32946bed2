"""Draw random styles from counts, each with its probability: `python -m stages.generate_styles`."""

from itertools import islice

import numpy as np

from stages.bayes.params import DrawStyleParams
from stages.bayes.plots import save_frequencies
from stages.bayes.samples import write_styles
from stages.bayes.styles import draw_frequencies, draw_styles, fit_styles, joint, load_counts
from stages.bayes.styles_metrics import choose_metrics, measure_styles
from stages.common import paths
from stages.common.errors import run
from stages.common.files import write_json
from stages.common.params import load_params

LARGE_SAMPLE = 1_000_000


def main() -> None:
    params = load_params(DrawStyleParams)
    counts = load_counts(paths.STYLE_COUNTS)
    model = fit_styles(counts, params.styles.smoothing)
    rng = np.random.default_rng(params.seed)
    drawn = list(islice(draw_styles(model, rng), params.styles.count))
    write_styles(paths.GENERATED / "styles", model, drawn)

    table = joint(model)
    sample = draw_frequencies(table, LARGE_SAMPLE, rng)
    save_frequencies(counts, model, sample, paths.PLOTS / "random_styles/frequencies.png")
    report = measure_styles(model, table, sample, params.styles.smoothing)
    write_json(paths.REPORTS / "styles.json", report)
    write_json(paths.METRICS / "styles.json", choose_metrics(report))


if __name__ == "__main__":
    run(main)
