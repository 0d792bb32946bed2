"""Time the generators of avatars: `python -m tools.bench_avatars [FOLDER_OR_ZIP]`.

Each in a process of its own, on the avatars of data/avatars or of a folder or zip: seconds to fit,
milliseconds to draw one (median of 20), and the largest memory of the process, in MB.
"""

import argparse
from multiprocessing import get_context
from pathlib import Path
from resource import RUSAGE_SELF, getrusage
from time import perf_counter

import numpy as np

from stages.bayes.avatars import AvatarSet, load_avatars, read_avatars
from stages.bayes.generators.registry import GENERATORS
from stages.bayes.params import FitParams
from stages.bayes.styles import load_styles
from stages.common import paths
from stages.common.errors import run
from stages.common.params import load_params

DRAWN = 20


def main() -> None:
    """Print a table of all generators."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("source", type=Path, nargs="?", help="else data/avatars")
    source = parser.parse_args().source
    training = read_training(source)
    number, height, width, _ = training.avatars.shape
    print(f"{number} avatars of {width} x {height} pixels\n")
    print("| generator | fit, s | an avatar, ms | memory, MB |\n|---|---|---|---|")
    for name in GENERATORS:
        if name == "style" and not training.styles:
            continue
        with get_context("spawn").Pool(1) as pool:
            print(pool.apply(measure, (name, source)))


def read_training(source: Path | None) -> AvatarSet:
    """Return the avatars to learn from; raises InputError as their readers do."""
    return load_avatars(paths.AVATAR_PARTS[0]) if source is None else read_avatars(source)[0]


def measure(name: str, source: Path | None) -> str:
    """Return a generator's row of the table, measured: for a fresh process."""
    params = load_params(FitParams)
    model = load_styles(params.styles.smoothing)
    training = read_training(source)
    start = perf_counter()
    generator = GENERATORS[name].fit(training, model, params.avatars.smoothing)
    to_fit = perf_counter() - start
    times = []
    for seed in range(DRAWN):
        rng = np.random.default_rng(seed)
        start = perf_counter()
        generator.sample(rng)
        times.append(perf_counter() - start)
    to_draw, memory = np.median(times) * 1000, getrusage(RUSAGE_SELF).ru_maxrss / 1024
    return f"| `{name}` | {to_fit:.2f} | {to_draw:.1f} | {memory:.0f} |"


if __name__ == "__main__":
    run(main)
