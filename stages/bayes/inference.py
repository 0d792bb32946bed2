"""Bayes the other way: which style an avatar shows, P(style | avatar).

Proportional to P(style) P(avatar | style), by the same model that draws avatars of a style. What
that is worth, two other ways show, which take groups of pixels for independent given the style.
They repeat one another, so that their product makes too sure; it may be raised to a power below 1,
the *weight of the evidence*, chosen such that training avatars' styles are the most probable given
the avatar, each judged by all others.
"""

from typing import Any

import numpy as np
from scipy.special import log_softmax, logsumexp

from stages.bayes.avatars import Avatars
from stages.bayes.calibration import Group, judge
from stages.bayes.generators.base import smoothing_mass
from stages.bayes.generators.contexts import Codes
from stages.bayes.generators.styled import Styled
from stages.bayes.styles import StyleModel, Table, joint
from stages.common.errors import InputError
from stages.common.types import Better, FloatArray, Indices

# Tried as the weight of the evidence: from one independent witness among hundreds to all.
WEIGHTS = np.geomspace(0.001, 1, 61)
BETTER: Better = {"accuracy": "higher", "calibration_error": "lower"}

# ln P(style | avatar) of N avatars for all S styles, `[N, S]`, by the way of inference: `joined`,
# groups being joined to one another, and as if independent, `weighed` or `unweighed`.
Inferred = dict[str, FloatArray]
JOINED = "joined"


def infer_styles(
    styled: Styled, training: Avatars, avatars: Avatars, smoothing: float
) -> tuple[float, Inferred]:
    """Return the weight of the evidence, and ln P(style | avatar) of avatars `[N, H, W, 4]`.

    training: what `styled` was fitted to with that smoothing, by which the weight of the evidence
    is chosen. Raises InputError where there are no avatars to infer styles of.
    """
    if not len(avatars):
        raise InputError("no avatars are held out, so there is nothing to infer styles of")
    prior, mass = joint(styled.model), smoothing_mass(smoothing, len(training))
    alone = styled.as_if_independent()
    from_others = [
        alone.without(index).log_likelihoods(avatar, mass) for index, avatar in enumerate(training)
    ]
    weight = best_weight(prior, np.array(from_others), indices_in_table(styled.codes, prior))
    together, apart = (
        np.array([model.log_likelihoods(avatar, mass) for avatar in avatars])
        for model in (styled, alone)
    )
    return weight, {
        JOINED: posterior(prior, together, 1),
        "weighed": posterior(prior, apart, weight),
        "unweighed": posterior(prior, apart, 1),
    }


def judge_inference(
    inferred: Inferred, model: StyleModel, codes: Codes
) -> tuple[dict[str, Any], dict[str, list[Group]]]:
    """Return metrics of inferred styles by the true ones, `[N, A]`, and groups, by the way.

    Metrics (see `judge`) are of whole styles and, under `attributes`, of each attribute; groups are
    of whole styles.
    """
    truth = indices_in_table(codes, joint(model))
    report: dict[str, Any] = {}
    groups = {}
    for name, logs in inferred.items():
        report[name], groups[name] = judge(logs, truth)
        report[name]["attributes"] = {
            attribute: judge(table, codes[:, axis])[0]
            for axis, (attribute, table) in enumerate(log_marginals(model, logs).items())
        }
    return report, groups


def choose_metrics(report: dict[str, Any]) -> dict[str, Any]:
    """Return what a person judges the inference by, of the report of `judge_inference`."""
    return {"inference": {name: round(report[JOINED][name], 4) for name in BETTER}}


def choose_examples(logs: FloatArray, truth: Indices) -> dict[str, int]:
    """Return which avatars to show, as far as there are such: one guessed rightly, one wrongly.

    logs: ln P(style | avatar), `[N, S]`; truth: the index of each avatar's style, `[N]`. Shown are
    the middle one of the right guesses, by how sure they are, and the surest of the wrong ones.
    """
    surest_last = np.argsort(logs.max(axis=1), kind="stable")
    right = (logs.argmax(axis=1) == truth)[surest_last]
    hits, misses = surest_last[right], surest_last[~right]
    chosen = {}
    if len(hits):
        chosen["right"] = int(hits[len(hits) // 2])
    if len(misses):
        chosen["wrong"] = int(misses[-1])
    return chosen


def posterior(prior: Table, evidence: FloatArray, weight: float) -> FloatArray:
    """Return ln P(style | avatar), `[N, S]`, by Bayes' formula with the evidence to a power."""
    with np.errstate(divide="ignore"):
        logs: FloatArray = log_softmax(np.log(prior.ravel()) + weight * evidence, axis=1)
    return logs


def best_weight(prior: Table, evidence: FloatArray, styles: Indices) -> float:
    """Return the weight of the evidence under which the true styles `[N]` are the most probable."""
    rows = np.arange(len(styles))
    scores = [posterior(prior, evidence, weight)[rows, styles].mean() for weight in WEIGHTS]
    return float(WEIGHTS[int(np.argmax(scores))])


def indices_in_table(codes: Codes, table: Table) -> Indices:
    """Return the indices of styles `[N, A]` in the flattened table, `[N]`."""
    indices: Indices = np.ravel_multi_index(tuple(codes.T), table.shape)
    return indices


def log_marginals(model: StyleModel, logs: FloatArray) -> dict[str, FloatArray]:
    """Return ln P(value | avatar) by attribute, each `[N, values]`, from ln P(style | avatar).

    logs: of N avatars for all S styles, `[N, S]`.
    """
    tables = logs.reshape(len(logs), *map(len, model.values.values()))
    axes = range(1, tables.ndim)
    return {
        attribute: logsumexp(tables, axis=tuple(other for other in axes if other != axis))
        for axis, attribute in zip(axes, model.values, strict=True)
    }
