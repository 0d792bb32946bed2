"""Bayes the other way: which style an avatar shows, P(style | avatar).

Proportional to P(style) P(avatar | style), with groups of pixels independent given the style. One
pixel speaks for its group, for the others only repeat it. Groups repeat one another too, so that
their product makes far too sure: the likelihood is raised to a power below 1, the *weight of the
evidence*, chosen such that training avatars' styles are the most probable given the avatar, each
judged by all others.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax, logsumexp

from stages.bayes.avatars import Avatars
from stages.bayes.generator import escape_of
from stages.bayes.groups import Groups, log_emission
from stages.bayes.styled import Codes, Styled, all_codes, donor_weights, log_likelihoods
from stages.bayes.styles import Table

# Tried as the weight of the evidence: from one independent witness among hundreds to all.
WEIGHTS = np.geomspace(0.01, 1, 41)
BINS = 10


class Calibration(NamedTuple):
    """Predictions by their confidence: the mean of it, how many were right, and their number.

    Each `[bins]`; `error` is the mean distance of the first two, weighted by the third (expected
    calibration error: Naeini et al. 2015, AAAI).
    """

    confidence: NDArray[np.float64]
    accuracy: NDArray[np.float64]
    number: NDArray[np.int64]
    error: float


def one_pixel_a_group(groups: Groups) -> Groups:
    """Give the groups with their first pixels alone."""
    number = len(groups.starts)
    return groups._replace(
        colours=groups.colours[:, groups.starts],
        pixels=groups.pixels[groups.starts],
        starts=np.arange(number),
    )


def log_evidence(styled: Styled, avatars: Avatars) -> NDArray[np.float64]:
    """Give ln P(one pixel a group | style) of avatars `[N, H, W, 4]` for every style, `[N, S]`."""
    groups = one_pixel_a_group(styled.groups)
    weights = styled.weights(all_codes(styled.model))
    escape = escape_of(styled.smoothing, len(styled.codes))
    return np.stack(
        [
            log_likelihoods(log_emission(groups, avatar, escape), styled.attributes, weights)
            for avatar in avatars
        ]
    )


def log_evidence_from_others(styled: Styled, avatars: Avatars) -> NDArray[np.float64]:
    """Give `log_evidence` of the training avatars, each from all others, `[K, S]`."""
    groups, styles = one_pixel_a_group(styled.groups), all_codes(styled.model)
    others = len(avatars) - 1
    found = []
    for place, avatar in enumerate(avatars):
        kept = np.arange(len(avatars)) != place
        weights = {
            attributes: donor_weights(styled.codes[kept], styles, attributes, styled.smoothing)
            for attributes in set(styled.attributes)
        }
        emission = log_emission(groups, avatar, escape_of(styled.smoothing, others))[:, kept]
        found.append(log_likelihoods(emission, styled.attributes, weights))
    return np.stack(found)


def posterior(prior: Table, evidence: NDArray[np.float64], weight: float) -> NDArray[np.float64]:
    """Give ln P(style | avatar), `[N, S]`, by Bayes' formula with the evidence to a power."""
    with np.errstate(divide="ignore"):
        logs: NDArray[np.float64] = log_softmax(np.log(prior.ravel()) + weight * evidence, axis=1)
    return logs


def best_weight(prior: Table, evidence: NDArray[np.float64], styles: NDArray[np.intp]) -> float:
    """Give the weight of the evidence under which the true styles `[N]` are the most probable."""
    scores = [
        posterior(prior, evidence, weight)[np.arange(len(styles)), styles].mean()
        for weight in WEIGHTS
    ]
    return float(WEIGHTS[int(np.argmax(scores))])


def places_in_table(codes: Codes, table: Table) -> NDArray[np.intp]:
    """Give the places of styles `[N, A]` in the flattened table."""
    places: NDArray[np.intp] = np.ravel_multi_index(tuple(codes.T), table.shape)
    return places


def calibration(confidence: NDArray[np.float64], right: NDArray[np.bool_]) -> Calibration:
    """Compare how sure predictions were with how often they were right, both `[N]`."""
    places = np.minimum((confidence * BINS).astype(np.intp), BINS - 1)
    number = np.bincount(places, minlength=BINS)
    filled = np.maximum(number, 1)
    mean = np.bincount(places, confidence, BINS) / filled
    accuracy = np.bincount(places, right, BINS) / filled
    error = float((number * np.abs(mean - accuracy)).sum() / len(confidence))
    return Calibration(mean, accuracy, number, error)


def log_marginals(shape: tuple[int, ...], logs: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    """Give ln P(value | avatar) of each attribute, `[N, values]`, from ln P(style | avatar)."""
    tables = logs.reshape(len(logs), *shape)
    axes = range(1, tables.ndim)
    return [
        logsumexp(tables, axis=tuple(other for other in axes if other != axis)) for axis in axes
    ]


def judged(
    logs: NDArray[np.float64], truth: NDArray[np.intp]
) -> tuple[dict[str, float], Calibration]:
    """Judge predictions ln P `[N, …]` by what is true, `[N]`.

    `log_posterior` is the mean of ln P(what is true), in nats; `confidence` the mean probability of
    what is the most probable, `accuracy` how often that is true.
    """
    confidence, right = np.exp(logs.max(axis=1)), logs.argmax(axis=1) == truth
    curve = calibration(confidence, right)
    figures = {
        "accuracy": float(right.mean()),
        "confidence": float(confidence.mean()),
        "calibration_error": curve.error,
        "log_posterior": float(logs[np.arange(len(truth)), truth].mean()),
    }
    return figures, curve
