"""What became of metrics and verdicts, and whether chance alone explains it: the only comparer.

A network that is trained anew moves a rate as another seed does. The difference of two such rates
has √2 times the deviation of one, so twice that, 2√2 deviations over the base's seeds
(metrics/seeds.json), or one photo where that is more, is within chance. Where the networks are the
same and only a threshold or a rule differs, the exact McNemar test on the photos tells (McNemar
1947, Psychometrika 12:153-157).
"""

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import binomtest

from stages.bayes import avatar_metrics, inference, styles_metrics
from stages.common.types import Better
from stages.wells.detection.detector import IN_USE
from stages.wells.evaluation import agreement, metrics, validation

DEVIATIONS, SIGNIFICANT, ROUNDING = 2 * math.sqrt(2), 0.05, 1e-9
# Rates, and the photos that each is a share of.
KIND_OF = {"tpr": "spill", "tnr": "normal"}
NOW_RIGHT = "now right"
# What a detector is told by: first what to choose by.
TOLD = {"validation": "hard cases", "tpr": "TPR", "tnr": "TNR"}
ROOMS = (metrics, validation, agreement, avatar_metrics, styles_metrics, inference)
BETTER: Better = {name: better for room in ROOMS for name, better in room.BETTER.items()}


class Change(NamedTuple):
    """A value that differs: its dotted name, both values (None: there is none), what that means.

    outcome: better, worse, changed (where no direction is better), within chance, not comparable,
    new or gone; why: what says so.
    """

    name: str
    before: Any
    now: Any
    outcome: str = ""
    why: str = ""


def join_verdicts(before: pd.DataFrame, now: pd.DataFrame) -> pd.DataFrame:
    """Return a row a photo: name, actual, predicted_before, predicted, right (now right or wrong).

    None at all where these aren't the same photos with the same labels.
    """
    both = before.merge(now, on=["name", "actual"], suffixes=("_before", ""))
    both["right"] = np.where(both["predicted"] == both["actual"], NOW_RIGHT, "now wrong")
    columns = ["name", "actual", "predicted_before", "predicted", "right"]
    return both[columns] if len(both) == len(before) == len(now) else both[columns].head(0)


def pick_changed(photos: pd.DataFrame) -> pd.DataFrame:
    """Return the photos that are called otherwise than before, those that are wrong now first."""
    changed = photos[photos["predicted"] != photos["predicted_before"]]
    return changed.sort_values(["right", "name"], ascending=[False, True])


def judge_metric(
    change: Change,
    spread: Mapping[str, Any],
    verdicts: Mapping[str, pd.DataFrame],
    retrained: Collection[str],
) -> Change:
    """Return a change of a metric with its outcome.

    spread: GROUP.METRIC.std over seeds; verdicts: of detectors by their keys in metrics, as
    `join_verdicts` returns them; retrained: keys of those whose networks were trained anew.
    """
    if change.before is None or change.now is None:
        return change._replace(outcome="new" if change.before is None else "gone")
    key, _, metric = change.name.rpartition(".")
    photos = verdicts.get(key)
    if photos is not None and photos.empty:
        return change._replace(outcome="not comparable", why="other test photos")
    std, kind = spread.get(key, {}).get(metric, {}).get("std"), KIND_OF.get(metric)
    difference, allowed = change.now - change.before, DEVIATIONS * (std or 0)
    if kind and photos is not None:
        photos = photos[photos["actual"] == kind]
        right = pick_changed(photos)["right"] == NOW_RIGHT
        if key not in retrained:
            p_value = float(binomtest(int(right.sum()), len(right)).pvalue) if len(right) else 1.0
            outcome = _name_outcome(change.name, difference, p_value >= SIGNIFICANT)
            return change._replace(outcome=outcome, why=f"McNemar's p = {p_value:.2g}")
        # Not the difference of the declared rates, which are rounded.
        difference = (2 * right.sum() - len(right)) / len(photos)
        allowed = max(allowed, 1 / len(photos))
    elif std is None:
        return change._replace(outcome="within chance", why="its spread over seeds isn't known")
    outcome = _name_outcome(change.name, difference, abs(difference) <= allowed + ROUNDING)
    return change._replace(outcome=outcome, why=f"± {allowed:.2g}")


def judge_detector(
    changes: Sequence[Change], photos: pd.DataFrame, rates: Mapping[str, float]
) -> tuple[str, str]:
    """Return what became of the detector in use, and a sentence that tells it.

    By judged changes of metrics, its photos, and its validation and rates now: better, worse,
    better and worse, within chance, unchanged, or not comparable.
    """
    known = {change.name: change for change in changes if change.before is not None}
    found = {rate: known.get(f"{IN_USE}.{rate}") for rate in TOLD}
    told = ", ".join(
        f"{TOLD[rate]} {f'{change.before:g} → ' if change else ''}{rates[rate]:g}"
        for rate, change in found.items()
    )
    if photos.empty:
        return "not comparable", f"is measured on other test photos: {told}"
    moved, outcomes = len(pick_changed(photos)), {one.outcome for one in found.values() if one}
    verdicts = f"{moved or 'none'} of {len(photos):,} test photos changed verdict"
    if beyond := " and ".join(sorted(outcomes & {"better", "worse"})):
        return beyond, f"got {beyond}: {told}; {verdicts}"
    if moved or "within chance" in outcomes:
        return "within chance", f"changed within chance: {told}; {verdicts}"
    return "unchanged", f"is unchanged: {told}; {verdicts}"


def _name_outcome(name: str, difference: float, by_chance: bool) -> str:
    better = next((BETTER[part] for part in reversed(name.split(".")) if part in BETTER), "neither")
    if by_chance or better == "neither":
        return "within chance" if by_chance else "changed"
    return "better" if (difference > 0) == (better == "higher") else "worse"
