"""Draw random avatars: `python -m tools.avatar --generator tree -n 5 --out avatars`.

Learns from the pipeline's avatars (`dvc repro draw_avatars` makes them), writes a PNG for each new
one, prints its probability, and writes avatars.csv: seeds, ln P, the bits that this is for each
channel value, and P where it is not too small to be written. The same seed draws the same avatar.
`--style`, which may be repeated, asks the generator `style` for values of attributes; the
probability is then conditional on them.
"""

import argparse
from functools import partial
from pathlib import Path
from time import perf_counter

import numpy as np
import pandas as pd
from tqdm import tqdm

from stages.bayes.avatars import load_avatars
from stages.bayes.generators.registry import GENERATORS
from stages.bayes.generators.styled import Styled
from stages.bayes.params import DrawParams
from stages.bayes.samples import write_samples
from stages.bayes.styles import load_styles, posterior
from stages.common import paths
from stages.common.errors import InputError, run
from stages.common.params import load_params
from tools.style import parse_pairs


def main() -> None:
    """Draw what the command line asks for."""
    params = load_params(DrawParams)
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--generator", choices=GENERATORS, default="tree")
    parser.add_argument("-n", type=int, default=5, help="how many; 5 unless told")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    parser.add_argument("--style", action="append", default=[], metavar="ATTRIBUTE=VALUE")
    parser.add_argument(
        "--seed", type=int, default=params.seed, help="of the first; else that of params.yaml"
    )
    arguments = parser.parse_args()
    if arguments.n < 1 or arguments.seed < 0:
        parser.error("-n must be at least 1 and --seed at least 0")
    given = parse_pairs(arguments.style)
    name, number = arguments.generator, arguments.n
    if given and name != "style":
        raise InputError(f"{name} knows no styles: add `--generator style` to ask for one")
    model = load_styles(params.styles.smoothing)
    posterior(model, given)  # Refuses what there isn't before anything slow.

    start = perf_counter()
    fit = GENERATORS[name].fit
    generator = fit(load_avatars(paths.AVATAR_PARTS[0]), model, params.avatars.smoothing)
    sample = generator.sample
    if isinstance(generator, Styled):
        sample = partial(generator.sample, given=given)
    fitted = perf_counter()
    seeds = tqdm(range(arguments.seed, arguments.seed + number), unit="avatar", disable=None)
    drawn = ((seed, sample(np.random.default_rng(seed))) for seed in seeds)
    for row in write_samples(arguments.out, name, drawn, model).itertuples():
        # What no float can hold, ln P tells.
        told = f", P = {row.probability:.3g}" if pd.notna(row.probability) else ""
        print(f"{arguments.out / row.file}: ln P = {row.log_probability:,.1f}{told}")
    print(
        f"{number} avatars in {arguments.out}: {fitted - start:.1f} s to fit, "
        f"{(perf_counter() - fitted) / number * 1000:.0f} ms an avatar with its file"
    )


if __name__ == "__main__":
    run(main)
