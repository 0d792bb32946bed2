"""Bayes the other way: which style an avatar shows, P(style | avatar).

Proportional to P(style) P(avatar | style), with groups of pixels independent given the style. One
pixel speaks for its group, for the others only repeat it. Groups repeat one another too, so that
their product makes far too sure: the likelihood is raised to a power below 1, the *weight of the
evidence*, chosen such that training avatars' styles are the most probable given the avatar, each
judged by all others.
"""

from dataclasses import replace
from typing import Any

import numpy as np
from scipy.special import log_softmax, logsumexp

from stages.bayes.avatars import Avatars
from stages.bayes.calibration import Group, judge
from stages.bayes.generators.base import smoothing_mass
from stages.bayes.generators.groups import Groups, log_emission
from stages.bayes.generators.styled import Codes, Styled, all_codes, log_likelihoods
from stages.bayes.styles import StyleModel, Table, joint
from stages.common.errors import InputError
from stages.common.types import Better, FloatArray, Indices

# Tried as the weight of the evidence: from one independent witness among hundreds to all.
WEIGHTS = np.geomspace(0.01, 1, 41)
BETTER: Better = {"accuracy": "higher"}

# ln P(style | avatar) of N avatars for all S styles, `[N, S]`: `weighed` by the weight of the
# evidence, and `unweighed`, where it is 1.
Inferred = dict[str, FloatArray]


def infer_styles(styled: Styled, training: Avatars, avatars: Avatars) -> tuple[float, Inferred]:
    """Return the weight of the evidence, and ln P(style | avatar) of avatars `[N, H, W, 4]`.

    training: what `styled` was fitted to, by which the weight of the evidence is chosen. Raises
    InputError where there are no avatars to infer styles of.
    """
    if not len(avatars):
        raise InputError("no avatars are held out, so there is nothing to infer styles of")
    prior = joint(styled.model)
    truth = indices_in_table(styled.codes, prior)
    weight = best_weight(prior, log_evidence_from_others(styled, training), truth)
    evidence = log_evidence(styled, avatars)
    weights = {"weighed": weight, "unweighed": 1}
    return weight, {name: posterior(prior, evidence, one) for name, one in weights.items()}


def judge_inference(
    inferred: Inferred, model: StyleModel, codes: Codes
) -> tuple[dict[str, Any], dict[str, list[Group]]]:
    """Return metrics of inferred styles by the true ones, `[N, A]`, and groups, by weighing.

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
    return {"inference": {"accuracy": round(report["weighed"]["accuracy"], 4)}}


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


def one_pixel_a_group(groups: Groups) -> Groups:
    """Return the groups with their first pixels alone."""
    colours, pixels = groups.colours[:, groups.starts], groups.pixels[groups.starts]
    return groups._replace(colours=colours, pixels=pixels, starts=np.arange(len(pixels)))


def log_evidence(styled: Styled, avatars: Avatars) -> FloatArray:
    """Return ln P(one pixel a group | style) of avatars `[N, H, W, 4]` for all styles, `[N, S]`."""
    groups = one_pixel_a_group(styled.groups)
    weights = styled.weights(all_codes(styled.model))
    mass = smoothing_mass(styled.smoothing, len(styled.codes))
    emissions = (log_emission(groups, avatar, mass) for avatar in avatars)
    return np.stack([log_likelihoods(one, styled.attributes, weights) for one in emissions])


def log_evidence_from_others(styled: Styled, avatars: Avatars) -> FloatArray:
    """Return `log_evidence` of the training avatars, each from all others, `[K, S]`."""
    groups = one_pixel_a_group(styled.groups)
    found = []
    for index in range(len(avatars)):
        others = np.arange(len(avatars)) != index
        fewer = groups._replace(colours=groups.colours[others])
        from_others = replace(styled, groups=fewer, codes=styled.codes[others])
        found.append(log_evidence(from_others, avatars[[index]]))
    return np.concatenate(found)


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
