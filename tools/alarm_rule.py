"""Choose the rule of the watch's alarms: `python -m tools.alarm_rule`, or `make alarm-rule`.

Plays held-out normal wells, known spills and drawn ones to the alarms by each rule of a grid, and
writes docs/alarm_rule.csv: how long a spill is there before its alarm, in clear photos and in
seconds at RATE (LASTS where none comes); of 1,000 spills, with how many neither it nor an
obstructed view is told (missed), and with how many the alarm ends before they do (early); how many
seconds it stays after them; false alarms a day of a well. Chosen is, of the rules with at most
LIMIT of these, the one with the fewest seconds; among equals by early, false alarms, after. The one
in use is in tools/watch/rule.py. Nothing comes from the test set.
"""

import argparse
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from tqdm import tqdm

from stages.common import paths
from stages.common.errors import run
from stages.common.files import read_arrays, write_text
from stages.common.params import load_params
from stages.common.types import FloatArray, Images, Indices, Marks
from stages.validate import SPILL_GROUPS, Params
from stages.wells.data.splits import GROUPS, group_alike, mark_far, shrink
from stages.wells.detection import thresholds
from stages.wells.detection.detector import load_artifact, score_for
from stages.wells.evaluation.hard_cases import draw_hard_cases
from tools.watch.alarms import SPILL, Rule, Seen, acknowledge, on_photo, start
from tools.watch.rule import RULE

TABLE = Path("docs/alarm_rule.csv")
K_OF_N = (1, 1), *((k, k + more) for k in (2, 3, 4, 5) for more in (0, 1, 2))
LOWER = 0.0, -0.5, -1.0, -1.5
LIMIT = 1.0  # False alarms a day of a well: a table of twenty then has less than one an hour.
# Photos a second of a well; how many a spill lasts, and its alarm's end is waited for; those a day.
RATE, LASTS, AFTER = 1.0, 60, 60
DAY = 24 * 60 * 60 * RATE
WALKS, SPILLS = 20, 200  # Walks through each group of normals, and spills of each kind.


class Clip(NamedTuple):
    """Photos in their order: margins over the threshold, and whether views are obstructed."""

    margins: FloatArray
    obstructed: Marks

    def at(self, places: Indices) -> "Clip":
        """Return the photos at these places."""
        return Clip(self.margins[places], self.obstructed[places])


def main() -> None:
    """Play, write the table, and say which rule is chosen."""
    argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    ).parse_args()
    clips, events = read_clips(load_params(Params).seed)
    grid = [{"k": k, "n": n, "lower": lower} for (k, n), lower in product(K_OF_N, LOWER)]
    table = pd.DataFrame(
        {**one, **measure(RULE._replace(**one), clips, events)} for one in tqdm(grid, disable=None)
    )
    write_text(TABLE, table.to_csv(index=False))
    print(choose(table).to_string())


def read_clips(seed: int) -> tuple[list[Clip], list[Clip]]:
    """Return clips of held-out normals, and of spills: LASTS photos, then AFTER of a normal well.

    Training photos have no time, but a well changes little from one to the next: so a clip is a
    walk through a group that looks alike, always on to the most alike left. Photos are scored by
    what has not seen them, known spills against the threshold that those of other groups place.
    """
    detector, networks = load_artifact()
    train, folds = read_arrays(paths.WELLS / "train.npz", "images", "folds")
    (known,) = read_arrays(paths.WELLS / "spills.npz", "images")
    cases = draw_hard_cases(train, folds, mark_far(train, folds), known, seed)

    def score(images: Images, folds: Indices | None = None) -> FloatArray:
        return detector.combine(score_for([detector], networks, images, folds))

    normals, spills, rng = score(train, folds), score(known), np.random.default_rng(seed)
    wells = Clip(normals - detector.threshold, detector.occlusion.find(train))
    shrunk, groups = shrink(train), group_alike(train, GROUPS, seed)
    walks = [
        walk(shrunk, groups, int(first))
        for group in np.unique(groups)
        for first in rng.choice(np.flatnonzero(groups == group), WALKS)
    ]
    families, placed = {"spill": group_alike(known, SPILL_GROUPS, seed)}, np.empty(len(known))
    for group in np.unique(families["spill"]):
        own = families["spill"] == group
        placed[own] = thresholds.place(detector.rule, normals, spills[~own])

    events = []
    for kind in np.unique(cases.kinds[cases.labels]):
        # Variants are of the same wells in the same order, and walked alike.
        base, here = kind.split("_")[0], cases.kinds == kind
        images, likes = cases.images[here], cases.images[cases.kinds == base]
        groups = families.setdefault(base, group_alike(likes, GROUPS, seed))
        threshold = placed if base == "spill" else detector.threshold
        margins = score(images, cases.folds[here]) - threshold
        variants, plain = Clip(margins, detector.occlusion.find(images)), shrink(likes)
        for first in rng.integers(len(images), size=SPILLS):
            spill = variants.at(np.resize(walk(plain, groups, int(first)), LASTS))
            after = wells.at(np.resize(walks[rng.integers(len(walks))], AFTER))
            margins = np.concatenate([spill.margins, after.margins])
            events.append(Clip(margins, np.concatenate([spill.obstructed, after.obstructed])))
    return [wells.at(one) for one in walks], events


def walk(thumbnails: FloatArray, groups: Indices, first: int) -> Indices:
    """Return the places of a group in thumbnails `[N, D]`: `first`, then the most alike left."""
    left, walked = set(np.flatnonzero(groups == groups[first]).tolist()) - {first}, [first]
    while left:
        others = np.array(sorted(left))
        distances = ((thumbnails[others] - thumbnails[walked[-1]]) ** 2).sum(1)
        walked.append(int(others[distances.argmin()]))
        left.remove(walked[-1])
    return np.array(walked)


def measure(rule: Rule, clips: Sequence[Clip], events: Sequence[Clip]) -> dict[str, float]:
    """Return what a rule does with clips of normals and with spills."""
    false = sum(told == ["raised", SPILL] for clip in clips for _, *told in play(rule, clip))
    rows = [_measure_one(play(rule, event), event) for event in events]
    means = pd.DataFrame(rows).mean()
    means[["missed", "early"]] *= 1000
    means["false_a_day"] = DAY * false / sum(len(clip.margins) for clip in clips)
    return {str(name): round(float(mean), 1) for name, mean in means.items()}


def play(rule: Rule, clip: Clip) -> list[tuple[int, str, str]]:
    """Return at which photo what was told of alarms, and their kind; all are acknowledged."""
    state, told = start(0), list[tuple[int, str, str]]()
    for photo, (margin, hidden) in enumerate(zip(*(one.tolist() for one in clip), strict=True)):
        state, changes = on_photo(rule, state, Seen(photo / RATE, margin, hidden, photo))
        for what, alarm in changes:
            told.append((photo, what, alarm.kind))
            state, _ = acknowledge(rule, state, alarm.kind, photo / RATE)
    return told


def choose(table: pd.DataFrame) -> pd.Series:
    """Return the row to use, as this file's top says; where none keeps LIMIT, the nearest to it."""
    over = (table["false_a_day"] - LIMIT).clip(lower=0)
    order = [over, *(table[name] for name in ("seconds", "early", "false_a_day", "after"))]
    return table.iloc[np.lexsort(order[::-1])[0]]


def _measure_one(told: Sequence[tuple[int, str, str]], event: Clip) -> dict[str, float]:
    """Return what was measured of one spill; NaN where there is nothing to measure."""
    raised = [at for at, *what in told if what == ["raised", SPILL] and at < LASTS]
    ended = [at for at, *what in told if what == ["cleared", SPILL]]
    off = min((at for at in ended if at >= LASTS), default=LASTS + AFTER)
    return {
        "photos": (~event.obstructed[: raised[0] + 1]).sum() if raised else np.nan,
        "seconds": (raised[0] + 1 if raised else LASTS) / RATE,
        "missed": not any(what == "raised" and at < LASTS for at, what, _ in told),
        "early": any(at < LASTS for at in ended),
        "after": (off - LASTS) / RATE if raised else np.nan,
    }


if __name__ == "__main__":
    run(main)
