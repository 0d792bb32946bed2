"""Draw random styles with their probabilities: `python -m tools.style --given "одежда=худи" -n 5`.

The probability of a style is conditional on what is given. `--marginals` tells how probable each
value of each attribute is instead.
"""

import argparse
from collections.abc import Iterable
from itertools import islice

import numpy as np
from tqdm import tqdm

from stages.bayes.params import DrawStyleParams
from stages.bayes.styles import describe, draw_styles, load_styles, marginals, posterior
from stages.common.errors import InputError, run
from stages.common.params import load_params


def main() -> None:
    """Print what the command line asks for."""
    params = load_params(DrawStyleParams)
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--given", action="append", default=[], metavar="ATTRIBUTE=VALUE")
    parser.add_argument("-n", type=int, default=5, help="how many; 5 unless told")
    parser.add_argument("--seed", type=int, default=params.seed, help="else that of params.yaml")
    parser.add_argument("--marginals", action="store_true", help="values' probabilities, no styles")
    arguments = parser.parse_args()
    if arguments.n < 1 or arguments.seed < 0:
        parser.error("-n must be at least 1 and --seed at least 0")

    model = load_styles(params.styles.smoothing)
    given = parse_pairs(arguments.given)
    if arguments.marginals:
        for attribute, values in marginals(model, posterior(model, given)).items():
            for value, probability in values.items():
                print(f"{attribute}: {value} {probability:.6f}")
        return
    drawn = draw_styles(model, np.random.default_rng(arguments.seed), given)
    progress = tqdm(islice(drawn, arguments.n), total=arguments.n, unit="style", disable=None)
    for style, probability, log_probability in progress:
        tqdm.write(f"{describe(model, style)} {probability!r} (ln {log_probability:.6f})")


def parse_pairs(texts: Iterable[str]) -> dict[str, str]:
    """Return `ATTRIBUTE=VALUE` texts by attribute; raises InputError for another form, or twice."""
    given: dict[str, str] = {}
    for text in texts:
        attribute, equals, value = (part.strip() for part in text.partition("="))
        if not (attribute and equals and value):
            raise InputError(f"{text!r} isn't ATTRIBUTE=VALUE")
        if attribute in given:
            raise InputError(f"{attribute} is given twice")
        given[attribute] = value
    return given


if __name__ == "__main__":
    run(main)
