"""Draw avatars of random styles, or read given ones: `python -m stages.draw_avatars`."""

from itertools import islice
from pathlib import Path

import numpy as np

from stages.bayes.avatars import AvatarSet, read_avatars, save_avatars
from stages.bayes.drawing import DRAWN, draw_avatar
from stages.bayes.styles import StyleModel, draw_styles, fit_styles, load_counts
from stages.common.errors import run
from stages.common.params import load_params

COUNTS, AVATARS = Path("data/styles.yaml"), Path("data/avatars")


def main() -> None:
    params = load_params()
    if params.avatars.source == DRAWN:
        model = fit_styles(load_counts(COUNTS), params.styles.smoothing)
        rng = np.random.default_rng(params.seed)
        train = draw(model, params.avatars.train, params.avatars.varied, rng)
        holdout = draw(model, params.avatars.holdout, params.avatars.varied, rng)
    else:
        train, holdout = read_avatars(Path(params.avatars.source))
    save_avatars(AVATARS / "train.npz", train)
    save_avatars(AVATARS / "holdout.npz", holdout)


def draw(model: StyleModel, number: int, varied: bool, rng: np.random.Generator) -> AvatarSet:
    """Draw avatars of random styles."""
    styles = tuple(one.style for one in islice(draw_styles(model, rng), number))
    avatars = [
        draw_avatar(dict(zip(model.values, style, strict=True)), rng if varied else None)
        for style in styles
    ]
    return AvatarSet(np.stack(avatars), tuple(model.values), styles)


if __name__ == "__main__":
    run(main)
