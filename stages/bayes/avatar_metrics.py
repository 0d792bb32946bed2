"""What a generator of avatars is like, in numbers."""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from stages.bayes import resemblance
from stages.bayes.avatars import Avatars, AvatarSet
from stages.bayes.drawing import draw_avatar
from stages.bayes.generators.base import Drawn, Generator, bits_per_dimension, smoothing_mass
from stages.bayes.styles import StyleModel
from stages.common.types import Better

Metrics = dict[str, float]

SOURCE, HELD_OUT_BITS, FIDELITY = "source", "held_out_bits_per_dimension", "style_fidelity"
BETTER: Better = {"held_out_bits": "lower", "fidelity": "higher"}


def measure_source(training: AvatarSet, holdout: AvatarSet) -> Metrics:
    """Return how many avatars there are, how different, and how many held-out ones are copies."""
    metrics: Metrics = {
        "train": len(training.avatars),
        "holdout": len(holdout.avatars),
        "diversity": resemblance.diversity(training.avatars),
    }
    if len(holdout.avatars):
        distances = resemblance.distances(holdout.avatars, training.avatars)
        metrics["holdout_copies"] = resemblance.copy_rate(distances)
    return metrics


def measure_sample(sample: Sequence[Drawn], training: Avatars) -> Metrics:
    """Return means over drawn avatars, and how they resemble each other and training avatars.

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


def measure_holdout(
    generator: Generator,
    training: Avatars,
    holdout: Avatars,
    smoothing: float,
    symbol: type[np.unsignedinteger],
) -> Metrics:
    """Return how well a generator predicts held-out avatars; nothing where there are none.

    Bits are those of the smoothed distribution for each channel value, with the standard error of
    their mean; `unseen_share` is the share of symbols that no training avatar has at their
    position, for which the plain distribution has probability 0.
    """
    if not len(holdout):
        return {}
    logs = generator.log_probability(holdout, smoothing_mass(smoothing, len(training)))
    bits = bits_per_dimension(logs, holdout[0].size)
    metrics = {
        HELD_OUT_BITS: float(bits.mean()),
        "unseen_share": resemblance.unseen_share(holdout, training, symbol),
    }
    if len(holdout) > 1:
        metrics[f"{HELD_OUT_BITS}_error"] = float(bits.std(ddof=1)) / math.sqrt(len(holdout))
    return metrics


def measure_fidelity(sample: Sequence[Drawn], model: StyleModel) -> Metrics:
    """Return the share of pixels of drawn avatars that are as in the true picture of their style.

    Nothing for avatars that were drawn for no style.
    """
    shares = []
    for one in sample:
        if one.style is None:
            return {}
        truth = draw_avatar(dict(zip(model.values, one.style, strict=True)))
        shares.append((truth == one.avatar).all(axis=-1).mean())
    return {FIDELITY: float(np.mean(shares))}


def choose_metrics(report: Mapping[str, Metrics]) -> dict[str, Metrics]:
    """Return what a person chooses a generator by: of each, bits and fidelity as far as known."""
    chosen: dict[str, Metrics] = {}
    for name, metrics in report.items():
        if name == SOURCE:
            continue
        chosen[name] = {}
        if HELD_OUT_BITS in metrics:
            chosen[name]["held_out_bits"] = round(metrics[HELD_OUT_BITS], 3)
        if FIDELITY in metrics:
            chosen[name]["fidelity"] = round(metrics[FIDELITY], 4)
    return chosen
