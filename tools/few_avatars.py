"""How many avatars the generator `style` needs: `python -m tools.few_avatars`, a quarter hour.

Learns from more and more drawn avatars and writes docs/few_avatars.csv: held-out bits, style
fidelity, and how often the whole style is inferred rightly, on 300 held-out avatars, for three
seeds. `make docs` draws docs/few_avatars.png of it.
"""

import argparse
from itertools import product
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import logsumexp
from tqdm import tqdm

from stages.bayes.avatar_metrics import FIDELITY, measure_fidelity
from stages.bayes.avatars import AvatarSet
from stages.bayes.drawing import draw_avatars
from stages.bayes.generators.base import bits_per_dimension, smoothing_mass
from stages.bayes.generators.styled import Styled, style_codes
from stages.bayes.inference import indices_in_table
from stages.bayes.params import FitParams
from stages.bayes.samples import draw_samples
from stages.bayes.styles import joint, load_styles
from stages.common.charts import new_chart, render
from stages.common.errors import run
from stages.common.files import write_text
from stages.common.params import load_params
from stages.common.pictures import BLUE, save_picture

TABLE, PICTURE = Path("docs/few_avatars.csv"), Path("docs/few_avatars.png")
NUMBERS, SEEDS = (11, 20, 50, 100, 200, 500), (0, 1, 2)
HELD_OUT, SAMPLE, PROCESSES = 300, 100, 2
MEASURED = {
    "held_out_bits": "held-out bits per channel value",
    "fidelity": "pixels as asked, of those seen",
    "accuracy": "styles inferred rightly",
}


def main() -> None:
    """Measure, and write the table."""
    argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    ).parse_args()
    cases = list(product(NUMBERS, SEEDS))
    with get_context("spawn").Pool(PROCESSES) as pool:
        found = list(tqdm(pool.imap(measure, cases), total=len(cases), disable=None))
    write_text(TABLE, pd.DataFrame(found).to_csv(index=False))


def measure(case: tuple[int, int]) -> dict[str, float]:
    """Return what so many avatars, drawn with a seed, give: a row of the table."""
    number, seed = case
    params = load_params(FitParams)
    model, smoothing = load_styles(params.styles.smoothing), params.avatars.smoothing
    rng = np.random.default_rng(seed)
    holdout = draw_avatars(model, HELD_OUT, False, rng)
    training = draw_avatars(model, number, False, rng)
    styled = Styled.fit(training, model, smoothing)
    sample = draw_samples(styled, range(SAMPLE))
    return {
        "avatars": number,
        "seed": seed,
        **predict(styled, holdout, smoothing_mass(smoothing, number)),
        "fidelity": round(measure_fidelity(sample, training.avatars, model)[FIDELITY], 4),
    }


def predict(styled: Styled, holdout: AvatarSet, mass: float) -> dict[str, float]:
    """Return held-out bits, and how often the most probable style is the true one."""
    with np.errstate(divide="ignore"):
        prior = np.log(joint(styled.model).ravel())
    logs = np.array([prior + styled.log_likelihoods(one, mass) for one in holdout.avatars])
    truth = indices_in_table(style_codes(holdout, styled.model), joint(styled.model))
    bits = bits_per_dimension(logsumexp(logs, axis=1), holdout.avatars[0].size)
    return {
        "held_out_bits": round(float(bits.mean()), 4),
        "accuracy": round(float((logs.argmax(axis=1) == truth).mean()), 4),
    }


def read_table(folder: Path) -> pd.DataFrame:
    """Return the table that this tool wrote."""
    return pd.read_csv(folder / TABLE)


def mean_over_seeds(table: pd.DataFrame) -> pd.DataFrame:
    """Return the means of what was measured, by the number of avatars to learn from."""
    return table.drop(columns="seed").groupby("avatars").mean()


def draw_few(path: Path, table: pd.DataFrame) -> None:
    """Draw what is measured by how many avatars there are to learn from, a dot a seed."""
    chart = new_chart(3)
    means = mean_over_seeds(table)
    panels = chart.subplots(1, len(MEASURED))
    for axes, (name, label) in zip(panels, MEASURED.items(), strict=True):
        axes.plot(table["avatars"], table[name], "o", color=BLUE, alpha=0.4, markersize=5)
        axes.plot(means.index, means[name], color=BLUE)
        axes.set(xscale="log", xticks=means.index, xlabel="avatars to learn from")
        axes.set_xticks([], minor=True)
        axes.set_xticklabels([str(number) for number in means.index])
        axes.set_title(label)
        axes.grid(visible=True)
    panels[0].set_yscale("log")
    few, some, many = (means.loc[number] for number in (NUMBERS[0], 50, NUMBERS[-1]))
    save_picture(
        path,
        f"From {NUMBERS[0]} avatars {100 * few['accuracy']:.0f} % of the styles are inferred "
        f"rightly, from 50 {100 * some['accuracy']:.0f} %, from {NUMBERS[-1]} "
        f"{100 * many['accuracy']:.0f} %",
        f"The generator `style` on {HELD_OUT} held-out avatars; each dot is a seed, the line their "
        "mean. More than about 92 % isn't to be had: a bald avatar doesn't show its hair's colour.",
        render(chart),
    )


if __name__ == "__main__":
    run(main)
