"""What a generator of avatars is like, in figures."""

import math
from collections.abc import Sequence

import numpy as np

from stages.bayes import resemblance
from stages.bayes.avatars import Avatars, AvatarSet
from stages.bayes.drawing import draw_avatar
from stages.bayes.generator import Drawn, Generator, bits_per_dimension, escape_of
from stages.bayes.styles import StyleModel

Figures = dict[str, float]


def of_sample(sample: Sequence[Drawn], training: Avatars) -> Figures:
    """Give means over drawn avatars, and how they resemble each other and training avatars.

    `nearest_distance` and `diversity` are shares of pixels that differ: from the nearest training
    avatar, and between two drawn ones. `copy_rate` is the share of drawn avatars that equal a
    training avatar.
    """
    avatars = np.stack([one.avatar for one in sample])
    to_training = resemblance.distances(avatars, training)
    log_probability = float(np.mean([one.log_probability for one in sample]))
    return {
        "log_probability": log_probability,
        "bits_per_dimension": bits_per_dimension(log_probability, avatars[0].size),
        "copy_rate": resemblance.copy_rate(to_training),
        "nearest_distance": float(to_training.min(axis=1).mean()),
        "diversity": resemblance.diversity(avatars),
        "unseen_colours": resemblance.unseen_colours(avatars, training),
    }


def of_holdout(
    generator: Generator,
    training: Avatars,
    holdout: Avatars,
    smoothing: float,
    letter: type[np.unsignedinteger],
) -> Figures:
    """Give how well a generator predicts held-out avatars; nothing where there are none.

    Bits are those of the smoothed distribution, with the standard error of their mean;
    `unseen_share` is the share of letters that no training avatar has at their place, for which
    the plain distribution has probability 0.
    """
    if not len(holdout):
        return {}
    logs = generator.log_probability(holdout, escape_of(smoothing, len(training)))
    bits = bits_per_dimension(1, holdout[0].size) * logs
    figures = {
        "held_out_bits_per_dimension": float(bits.mean()),
        "unseen_share": resemblance.unseen_share(holdout, training, letter),
    }
    if len(holdout) > 1:
        error = float(bits.std(ddof=1)) / math.sqrt(len(holdout))
        figures["held_out_bits_per_dimension_error"] = error
    return figures


def style_fidelity(sample: Sequence[Drawn], model: StyleModel) -> float:
    """Give the share of pixels of drawn avatars that are as in the true picture of their style."""
    shares = []
    for one in sample:
        assert one.style is not None
        truth = draw_avatar(dict(zip(model.values, one.style, strict=True)))
        shares.append((truth == one.avatar).all(axis=-1).mean())
    return float(np.mean(shares))


def source_figures(training: AvatarSet, holdout: AvatarSet) -> Figures:
    """Give how many avatars there are, how different, and how many held-out ones are copies."""
    figures: Figures = {
        "train": len(training.avatars),
        "holdout": len(holdout.avatars),
        "diversity": resemblance.diversity(training.avatars),
    }
    if len(holdout.avatars):
        distances = resemblance.distances(holdout.avatars, training.avatars)
        figures["holdout_copies"] = resemblance.copy_rate(distances)
    return figures
