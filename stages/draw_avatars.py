"""Draw avatars of random styles, or read given ones: `python -m stages.draw_avatars`."""

from pathlib import Path

import numpy as np

from stages.bayes.avatars import read_avatars, save_avatars
from stages.bayes.drawing import DRAWN, draw_avatars
from stages.bayes.params import DrawParams
from stages.bayes.styles import load_styles
from stages.common import paths
from stages.common.errors import run
from stages.common.params import load_params


def main() -> None:
    params = load_params(DrawParams)
    if params.avatars.source == DRAWN:
        model = load_styles(params.styles.smoothing)
        rng = np.random.default_rng(params.seed)
        train = draw_avatars(model, params.avatars.train, params.avatars.varied, rng)
        holdout = draw_avatars(model, params.avatars.holdout, params.avatars.varied, rng)
    else:
        train, holdout = read_avatars(Path(params.avatars.source))
    save_avatars(paths.AVATAR_PARTS[0], train)
    save_avatars(paths.AVATAR_PARTS[1], holdout)


if __name__ == "__main__":
    run(main)
