"""What a generator of avatars is like, and how its avatars resemble known ones, in numbers."""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from stages.bayes.avatars import Avatars, AvatarSet, Symbol, as_symbols
from stages.bayes.drawing import draw_avatar
from stages.bayes.generators.base import Drawn, Generator, bits_per_dimension, smoothing_mass
from stages.bayes.styles import StyleModel
from stages.common.types import Better, FloatArray

Metrics = dict[str, float]

SOURCE, HELD_OUT_BITS, FIDELITY = "source", "held_out_bits_per_dimension", "style_fidelity"
BETTER: Better = {"held_out_bits": "lower", "fidelity": "higher"}


def measure_source(training: AvatarSet, holdout: AvatarSet) -> Metrics:
    """Return how many avatars there are, how different, and how many held-out ones are copies."""
    numbers = {"train": len(training.avatars), "holdout": len(holdout.avatars)}
    metrics: Metrics = {**numbers, "diversity": diversity(training.avatars)}
    if len(holdout.avatars):
        to_training = distances(holdout.avatars, training.avatars)
        metrics["holdout_copies"] = copy_rate(to_training)
    return metrics


def measure_sample(sample: Sequence[Drawn], training: Avatars) -> Metrics:
    """Return means over drawn avatars, and how they resemble each other and training avatars.

    `nearest_distance` and `diversity` are shares of pixels that differ: from the nearest training
    avatar, and between two drawn ones. `copy_rate` is the share of drawn avatars that equal a
    training avatar.
    """
    avatars = np.stack([one.avatar for one in sample])
    to_training = distances(avatars, training)
    log_probability = float(np.mean([one.log_probability for one in sample]))
    return {
        "log_probability": log_probability,
        "bits_per_dimension": bits_per_dimension(log_probability, avatars[0].size),
        "copy_rate": copy_rate(to_training),
        "nearest_distance": float(to_training.min(axis=1).mean()),
        "diversity": diversity(avatars),
        "unseen_colours": unseen_colours(avatars, training),
    }


def measure_holdout(
    generator: Generator, training: Avatars, holdout: Avatars, smoothing: float, symbol: Symbol
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
        "unseen_share": unseen_share(holdout, training, symbol),
    }
    if len(holdout) > 1:
        metrics[f"{HELD_OUT_BITS}_error"] = float(bits.std(ddof=1)) / math.sqrt(len(holdout))
    return metrics


def measure_fidelity(sample: Sequence[Drawn], training: Avatars, model: StyleModel) -> Metrics:
    """Return the share of pixels of drawn avatars that are as in the true picture of their style.

    `style_fidelity` is that of pixels whose true colour a training avatar shows there, for others
    can't be learnt; `style_fidelity_overall` that of all. Nothing for avatars that were drawn for
    no style.
    """
    shown = as_symbols(training, np.uint32)
    right, learnable = [], []
    for avatar, _, style in sample:
        if style is None:
            return {}
        truth = draw_avatar(dict(zip(model.values, style, strict=True)))
        true, drawn = as_symbols(np.stack([truth, avatar]), np.uint32)
        right.append(true == drawn)
        learnable.append((shown == true).any(axis=0))
    return {
        FIDELITY: float(np.array(right)[np.array(learnable)].mean()),
        f"{FIDELITY}_overall": float(np.mean(right)),
    }


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


def distances(avatars: Avatars, others: Avatars) -> FloatArray:
    """Return the share of pixels that differ, of each avatar from each other one, `[N, M]`.

    avatars: `[N, H, W, 4]`; others: `[M, H, W, 4]`.
    """
    left, right = as_symbols(avatars, np.uint32), as_symbols(others, np.uint32)
    return np.stack([(right != row).mean(axis=1) for row in left])


def copy_rate(to_training: FloatArray) -> float:
    """Return the share of avatars that equal a training avatar, from distances `[N, K]`."""
    return float((to_training.min(axis=1) == 0).mean())


def diversity(avatars: Avatars) -> float:
    """Return the mean distance of two different avatars of a sample `[N, H, W, 4]`."""
    between = distances(avatars, avatars)
    return float(between.sum() / (len(avatars) * (len(avatars) - 1)))


def unseen_colours(avatars: Avatars, training: Avatars) -> float:
    """Return the share of pixels with a colour that no training avatar has anywhere."""
    known = np.unique(as_symbols(training, np.uint32))
    rows = as_symbols(avatars, np.uint32)
    return float(np.mean([np.isin(row, known, invert=True).mean() for row in rows]))


def unseen_share(avatars: Avatars, training: Avatars, symbol: Symbol) -> float:
    """Return the share of symbols (see `as_symbols`) that no training avatar has there."""
    rows, shown = as_symbols(avatars, symbol), as_symbols(training, symbol)
    return float(np.mean([(shown != row).all(axis=0).mean() for row in rows]))
