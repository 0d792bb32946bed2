"""Draw random styles from counts, each with its probability: `python -m stages.generate_styles`."""

from itertools import islice
from pathlib import Path

import numpy as np
import pandas as pd

from stages.bayes.styles import (
    described,
    draw_places,
    draw_styles,
    fit_styles,
    joint,
    load_counts,
)
from stages.bayes.styles_figures import save_frequencies
from stages.bayes.styles_summary import agreement, entropy, extremes
from stages.common.errors import run
from stages.common.files import write_json, write_text
from stages.common.params import load_params

COUNTS = Path("data/styles.yaml")
GENERATED = Path("data/generated/styles")
LARGE_SAMPLE = 1_000_000


def main() -> None:
    params = load_params()
    counts = load_counts(COUNTS)
    model = fit_styles(counts, params.styles.smoothing)
    table = joint(model)

    rng = np.random.default_rng(params.seed)
    drawn = list(islice(draw_styles(model, rng), params.styles.count))
    rows = pd.DataFrame([one.style for one in drawn], columns=list(counts))
    rows["probability"] = [one.probability for one in drawn]
    rows["log_probability"] = [one.log_probability for one in drawn]
    write_text(GENERATED / "styles.csv", rows.to_csv(index=False))
    lines = [f"{described(model, one.style)} {one.probability!r}\n" for one in drawn]
    write_text(GENERATED / "styles.txt", "".join(lines))

    places = draw_places(table, LARGE_SAMPLE, rng)
    sample = np.bincount(places, minlength=table.size).reshape(table.shape)
    title = f"Values of styles: seen, fitted, and of {LARGE_SAMPLE:,} drawn styles"
    save_frequencies(counts, model, sample, title, Path("plots/styles/frequencies.png"))
    bits = entropy(table)
    write_json(
        Path("metrics/styles.json"),
        {
            "styles": {
                "smoothing": params.styles.smoothing,
                "number": table.size,
                "entropy_bits": bits,
                "perplexity": 2**bits,
                **extremes(model, table),
                "large_sample": {"size": LARGE_SAMPLE, **agreement(sample, table)._asdict()},
            }
        },
    )


if __name__ == "__main__":
    run(main)
