"""Pictures of detectors' scores and rates on the test set."""

from collections.abc import Mapping
from itertools import cycle
from pathlib import Path
from typing import NamedTuple

from sklearn.metrics import roc_auc_score

from stages.common.pictures import (
    BLUE,
    GREEN,
    INK,
    NORMAL,
    ORANGE,
    PALE,
    SKY,
    SPILL,
    save_picture,
)
from stages.common.types import FloatArray
from stages.wells.detection import thresholds
from stages.wells.evaluation import charts, report
from stages.wells.evaluation.report import Judged

OTHER_COLOURS = (ORANGE, SKY, BLUE, GREEN)


class Mistakes(NamedTuple):
    """How many of the spills are missed, how many normal wells raise a false alarm, and how many
    of these have an obstructed view."""

    missed: int
    spills: int
    alarms: int
    normals: int
    obstructed: int

    def title(self) -> str:
        """Return them as a sentence."""
        return (
            f"{self.spills - self.missed} of {self.spills} spills found, "
            f"{count(self.alarms, 'false alarm')} among {count(self.normals, 'normal well')}"
        )


def count_mistakes(judged: Judged) -> Mistakes:
    """Return how many of the test photos a detector mistakes."""
    labels, called = judged.wells.labels, judged.called
    alarms = ~labels & called
    numbers = (labels & ~called, labels, alarms, ~labels, alarms & judged.obstructed)
    return Mistakes(*(int(marks.sum()) for marks in numbers))


def draw_histogram(path: Path, judged: Judged, held_out: FloatArray, known: FloatArray) -> None:
    """Draw the scores that placed a detector's threshold, over those of the test set.

    held_out, known: the detector's scores of held-out normals and known spills, `[N]` and `[S]`.
    """
    placed = {"normal wells, held out": held_out, "spills known beforehand": known}
    panels = {
        "what is known before": {name: one for name, one in placed.items() if len(one)},
        "the test set": scores_by_kind(judged),
    }
    chart = charts.chart_scores(panels, judged.detector.threshold, note_mistakes(judged), 4.6)
    subtitle = f"Scores of {_named(judged)}; counts on a log axis, so that single photos are seen."
    save_picture(path, count_mistakes(judged).title(), subtitle, chart)


def draw_thresholds(path: Path, judged: Judged, held_out: FloatArray, known: FloatArray) -> None:
    """Draw both rates by the threshold, and where each rule places it.

    held_out, known: as of `draw_histogram`.
    """
    labels, scores = judged.wells.labels, judged.scores
    rules: dict[str, float] = {thresholds.WITHOUT_SPILLS: thresholds.sigma(held_out)}
    rates = {
        "TNR": (NORMAL, {"test set": scores[~labels], "held-out wells": held_out}),
        "TPR": (SPILL, {"test set": scores[labels]}),
    }
    if len(known):
        rules = {"equal_error": thresholds.equal_error(held_out, known), **rules}
        rates["TPR"][1]["known spills"] = known
    told = [
        f"{rule} finds {(scores[labels] >= place).sum()} of {count(labels.sum(), 'spill')} at "
        f"{count((scores[~labels] >= place).sum(), 'false alarm')}"
        for rule, place in rules.items()
    ]
    subtitle = (
        f"The rates of {_named(judged)} by the threshold: TPR, the share of spills found, and TNR, "
        f"of {count((~labels).sum(), 'normal well')} passed. Lines: where rules place it."
    )
    save_picture(path, "; ".join(told), subtitle, charts.chart_thresholds(rates, rules))


def draw_roc(path: Path, detectors: Mapping[str, Judged]) -> None:
    """Draw the ROC curves of all detectors, the first one's thick, and of its scores."""
    first, *others = detectors.values()
    labels = first.wells.labels
    curves = {f"{first.detector.name}, in use": charts.Curve(first.scores, first.called, INK, 4)}
    for judged, colour in zip(others, cycle(OTHER_COLOURS), strict=False):
        curve = charts.Curve(judged.scores, judged.called, colour, 1.8)
        curves[judged.detector.name] = curve
    if len(first.standard) > 1:
        for name, scores in first.standard.items():
            curves[f"{name} alone"] = charts.Curve(scores, None, PALE, 1.5)
    areas = {name: roc_auc_score(labels, curve.scores) for name, curve in curves.items()}
    best_first = {
        f"{area:.4f}  {name}": curves[name]
        for name, area in sorted(areas.items(), key=lambda item: -item[1])
    }
    found, alarms = first.called[labels].mean(), first.called[~labels].mean()
    title = f"The detector in use finds {100 * found:.1f} % of the spills and raises false alarms "
    title += f"at {100 * alarms:.1f} % of the normal wells"
    subtitle = (
        "ROC curves on the test set, the upper left with false alarms on a log axis; dots: at each "
        "detector's threshold."
    )
    save_picture(path, title, subtitle, charts.chart_roc(labels, best_first))


def draw_views(path: Path, detectors: Mapping[str, Judged]) -> None:
    """Draw each detector's mistakes by view."""
    first, *_ = detectors.values()
    labels = first.wells.labels
    views = {"clear": ~first.obstructed, "obstructed": first.obstructed}
    wrong = {
        mistake: {
            judged.detector.name: {
                view: (judged.called != labels)[kind & seen] for view, seen in views.items()
            }
            for judged in detectors.values()
        }
        for mistake, kind in (("spills missed", labels), ("false alarms", ~labels))
    }
    found = count_mistakes(first)
    title = (
        f"{found.obstructed} of the {count(found.alarms, 'false alarm')} of the detector in use "
    )
    title += "come where something lies over the well"
    subtitle = (
        "Share of test photos that each detector mistakes, by what the view is called: obstructed, "
        "where something strange lies at the well's sides, or clear."
    )
    save_picture(path, title, subtitle, charts.chart_views(wrong))


def scores_by_kind(judged: Judged) -> dict[str, FloatArray]:
    """Return a detector's scores of each kind of wells that there is, by its name for people."""
    names = {"normal wells": report.NORMAL, "streaks": report.STREAK, "empty wells": report.EMPTY}
    scores = {name: judged.scores[judged.kinds == kind] for name, kind in names.items()}
    return {name: one for name, one in scores.items() if len(one)}


def note_mistakes(judged: Judged) -> dict[str, str]:
    """Return what stands left and right of the threshold among the scores, by its colour."""
    found = count_mistakes(judged)
    return {f"{found.missed} missed": SPILL, count(found.alarms, "false alarm"): NORMAL}


def count(number: int, what: str) -> str:
    """Return a number of things, as `1 false alarm` or `36 false alarms`."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _named(judged: Judged) -> str:
    return f'the detector "{judged.detector.name}"'
