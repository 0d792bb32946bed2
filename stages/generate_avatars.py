"""Fit a generator to avatars and publish five of its own: `python -m stages.generate_avatars NAME`.

The avatar number n is drawn with the seed of params.yaml + n.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from stages.bayes import generators
from stages.bayes.avatar_figures import sheet
from stages.bayes.avatars import load_avatars
from stages.bayes.generator import figures_of
from stages.bayes.styles import described, fit_styles, load_counts
from stages.common.errors import run
from stages.common.files import write_text
from stages.common.params import load_params
from stages.common.pictures import save_picture

COUNTS, TRAIN = Path("data/styles.yaml"), Path("data/avatars/train.npz")
PUBLISHED = 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("generator", choices=generators.GENERATORS)
    name = parser.parse_args().generator

    params = load_params()
    model = fit_styles(load_counts(COUNTS), params.styles.smoothing)
    training = load_avatars(TRAIN)
    generator = generators.fit(name, training, model, params.avatars.smoothing)

    folder = Path("data/generated/avatars") / name
    drawn, rows = [], []
    for seed in range(params.seed, params.seed + PUBLISHED):
        one = generator.sample(np.random.default_rng(seed))
        file = f"{name}_{seed}.png"
        save_picture(Image.fromarray(one.avatar), folder / file)
        drawn.append(one)
        rows.append({"file": file, "seed": seed, **figures_of(one)})
        if one.style:
            rows[-1]["style"] = described(model, one.style)
    write_text(folder / "avatars.csv", pd.DataFrame(rows).to_csv(index=False))

    captions = [f"ln P = {one.log_probability:,.1f}" for one in drawn]
    title = f"{name}: {generators.GENERATORS[name]}"
    avatars = np.stack([one.avatar for one in drawn])
    save_picture(sheet([(title, avatars, captions)]), Path("plots/avatars") / f"{name}.png")


if __name__ == "__main__":
    run(main)
