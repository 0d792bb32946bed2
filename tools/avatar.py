"""Draw random avatars: `python -m tools.avatar --generator tree -n 5 --out avatars`.

Learns from the pipeline's avatars (data/avatars) and writes a PNG for each new one and avatars.csv:
its seed, the logarithm of its probability, the bits that this is for each channel value, and the
probability itself where it is not too small to be written. `--style` asks the generator `style`
for values of attributes; the probability is then conditional on them.
"""

import argparse
from pathlib import Path
from time import perf_counter

import numpy as np
import pandas as pd
from PIL import Image
from tqdm import tqdm

from stages.bayes import generators
from stages.bayes.avatars import load_avatars
from stages.bayes.generator import figures_of
from stages.bayes.styled import Styled
from stages.bayes.styles import described, fit_styles, load_counts, posterior
from stages.common.errors import InputError, run
from stages.common.files import write_text
from stages.common.params import load_params
from stages.common.pictures import save_picture
from tools.style import pairs

COUNTS, TRAIN = Path("data/styles.yaml"), Path("data/avatars/train.npz")


def main() -> None:
    """Draw what the command line asks for."""
    params = load_params()
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--generator", choices=generators.GENERATORS, default="tree")
    parser.add_argument("-n", type=int, default=5, help="how many; 5 unless told")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    parser.add_argument("--style", action="append", default=[], metavar="ATTRIBUTE=VALUE")
    parser.add_argument(
        "--seed", type=int, default=params.seed, help="of the first; else that of params.yaml"
    )
    arguments = parser.parse_args()
    if arguments.n < 1 or arguments.seed < 0:
        parser.error("-n must be at least 1 and --seed at least 0")
    given = pairs(arguments.style)
    if given and arguments.generator != "style":
        raise InputError(
            f"{arguments.generator} knows no styles: add `--generator style` to ask for one"
        )
    model = fit_styles(load_counts(COUNTS), params.styles.smoothing)
    posterior(model, given)  # Refuses what there isn't before anything slow.

    start = perf_counter()
    generator = generators.fit(
        arguments.generator, load_avatars(TRAIN), model, params.avatars.smoothing
    )
    fitted = perf_counter()
    rows = []
    seeds = range(arguments.seed, arguments.seed + arguments.n)
    for seed in tqdm(seeds, unit="avatar", disable=None):
        rng = np.random.default_rng(seed)
        one = (
            generator.sample(rng, given) if isinstance(generator, Styled) else generator.sample(rng)
        )
        file = f"{arguments.generator}_{seed}.png"
        save_picture(Image.fromarray(one.avatar), arguments.out / file)
        style = {"style": described(model, one.style)} if one.style else {}
        rows.append({"file": file, "seed": seed, **figures_of(one), **style})
    write_text(arguments.out / "avatars.csv", pd.DataFrame(rows).to_csv(index=False))
    print(
        f"{arguments.n} avatars in {arguments.out}: {fitted - start:.1f} s to fit, "
        f"{(perf_counter() - fitted) / arguments.n * 1000:.0f} ms an avatar with its file"
    )


if __name__ == "__main__":
    run(main)
