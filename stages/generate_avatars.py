"""Fit a generator to avatars and publish five of its own: `python -m stages.generate_avatars NAME`.

The avatar number n is drawn with the seed of params.yaml + n.
"""

import argparse

from stages.bayes.avatars import load_avatars
from stages.bayes.gallery import save_published
from stages.bayes.generators.registry import GENERATORS
from stages.bayes.generators.styled import Styled
from stages.bayes.generators.tree import Tree
from stages.bayes.params import DrawParams
from stages.bayes.samples import draw_samples, write_samples
from stages.bayes.shape_tree import draw_shape_tree
from stages.bayes.styles import load_styles
from stages.common import paths
from stages.common.errors import run
from stages.common.params import load_params

PUBLISHED = 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("generator", choices=GENERATORS)
    name = parser.parse_args().generator

    params = load_params(DrawParams)
    model = load_styles(params.styles.smoothing)
    fit = GENERATORS[name].fit
    training = load_avatars(paths.AVATAR_PARTS[0])
    generator = fit(training, model, params.avatars.smoothing)
    seeds = range(params.seed, params.seed + PUBLISHED)
    drawn = draw_samples(generator, seeds)
    write_samples(paths.GENERATED / "avatars" / name, name, zip(seeds, drawn, strict=True), model)
    below = []
    if isinstance(generator, Tree | Styled):
        below.append(draw_shape_tree(generator, training.avatars))
    picture = paths.PLOTS / "random_avatars" / f"{name}.png"
    save_published(name, drawn, training.avatars, picture, *below)


if __name__ == "__main__":
    run(main)
