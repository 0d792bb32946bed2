"""Photos of the test set, by what a detector says of them."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from stages.common.pictures import (
    NORMAL,
    PHOTOS_A_ROW,
    SPILL,
    Row,
    as_tiles,
    draw_rows,
    evenly_spaced,
    framed_row,
    save_picture,
)
from stages.common.types import Indices, Marks
from stages.wells.detection.batches import in_batches
from stages.wells.detection.decision_map import mark_counted
from stages.wells.detection.features import describe_sides
from stages.wells.detection.judge import judge_images
from stages.wells.detection.occlusion import strangest
from stages.wells.detection.scores import block_errors, mean_error
from stages.wells.evaluation import charts, report
from stages.wells.evaluation.pictures import (
    count,
    count_mistakes,
    note_mistakes,
    scores_by_kind,
)
from stages.wells.evaluation.report import Judged
from stages.wells.inference.decision_picture import draw_decision, list_decisions
from stages.wells.inference.heat import heat_of, lay_over
from stages.wells.networks.base import Network
from stages.wells.networks.registry import Members
from stages.wells.networks.training import reconstruct

# Photos that are shown of a kind of mistake.
SECTION = 16
# Photos of a kind that a network's errors are told by.
MEASURED = 200
# Of the largest errors, the share that is as yellow as can be.
BRIGHTEST = 0.02
LOOKS = {
    report.NORMAL: "normal wells: dull, rough metal inside the rim",
    report.STREAK: "spills: a streak of bright metal",
    report.EMPTY: "spills: an empty well, smooth and blue like its rim",
}
EXAMPLES = {
    report.NORMAL: "a normal well",
    report.STREAK: "a streak of metal",
    report.EMPTY: "an empty well",
}
COVERED = "a normal well behind a hand or a tool"


def draw_overview(path: Path, judged: Judged) -> None:
    """Draw what normal wells and spills look like, and the scores of all."""
    rows = []
    for kind, label in LOOKS.items():
        ranked = _find_clear(judged, (judged.kinds == kind) & judged.wells.distinct)
        # Without the extremes, which may be mislabelled.
        chosen = ranked[evenly_spaced(len(ranked), PHOTOS_A_ROW + 2)[1:-1]]
        if len(chosen):
            rows.append(framed_row(label, judged.wells.images[chosen], _colour(kind)))
    threshold = judged.detector.threshold
    chart = charts.chart_scores(
        {"": scores_by_kind(judged)}, threshold, note_mistakes(judged), height=2.6
    )
    subtitle = (
        "Test photos, none of which helped to place the threshold. Above, some with a clear view, "
        "from less to more strange; below, the scores of all in this run."
    )
    parts = draw_rows(rows, PHOTOS_A_ROW), chart
    save_picture(path, count_mistakes(judged).title(), subtitle, *parts)


def draw_decided(path: Path, judged: Judged, networks: Mapping[str, Members]) -> None:
    """Draw how a detector decides about one photo of each kind."""
    chosen, detector = _choose_examples(judged), judged.detector
    images = judged.wells.images[list(chosen.values())]
    verdict = judge_images(detector, networks, images)
    decisions = list_decisions(images, verdict, list(detector.scores), detector.threshold)
    parts = [
        draw_decision(label, decision, mark_counted(detector))
        for label, decision in zip(chosen, decisions, strict=True)
    ]
    title = f"A photo is called a spill where its mean score reaches {detector.threshold:.2f}"
    subtitle = (
        "Left the photo, framed in the colour of what it is called. In the middle how many "
        "times as strange as 99 of 100 blocks of held-out normal wells each block is, inside the "
        "white line. Right the scores, in standard deviations of such wells."
    )
    save_picture(path, title, subtitle, *parts)


def draw_mistakes(path: Path, judged: Judged, networks: Mapping[str, Members]) -> None:
    """Draw a detector's misses and false alarms by their view, each over its decision map."""
    labels, detector = judged.wells.labels, judged.detector
    wrong = {"missed": labels & ~judged.called, "false alarms": ~labels & judged.called}
    views = {"clear": ~judged.obstructed, "obstructed": judged.obstructed}
    rows = []
    for mistake, view in ((mistake, view) for mistake in wrong for view in views):
        found = np.flatnonzero(wrong[mistake] & views[view])
        worst = found[np.argsort(-abs(judged.scores[found] - detector.threshold))]
        shown = worst[judged.wells.distinct[worst]][:SECTION]
        label = f"{mistake}, view {view}: {len(found)}"
        if len(shown) < len(found):
            label += f", {len(shown)} shown"
        for start in range(0, len(shown), PHOTOS_A_ROW):
            some = shown[start : start + PHOTOS_A_ROW]
            images = judged.wells.images[some]
            blocks = judge_images(detector, networks, images).blocks
            captions = [f"{score:.2f}" for score in judged.scores[some]]
            rows.append(Row("" if start else label, as_tiles(images), captions))
            rows.append(Row("", as_tiles(lay_over(images, blocks))))
    found_all = count_mistakes(judged)
    title = (
        f"{count(found_all.alarms, 'false alarm')}, {found_all.obstructed} of them with an "
        f"obstructed view; {found_all.missed} of {count(found_all.spills, 'spill')} missed"
    )
    subtitle = (
        f'Test photos that the detector "{detector.name}" mistakes, with their scores (threshold '
        f"{detector.threshold:.2f}), the worst first, copies left out; below each, what decided."
    )
    save_picture(path, title, subtitle, draw_rows(rows, PHOTOS_A_ROW))


def draw_reconstructions(path: Path, name: str, network: Network, judged: Judged) -> None:
    """Draw wells of each kind over what a network makes of them, and over its errors.

    name: what it is called in a sentence.
    """
    images, of_kind = judged.wells.images, {}
    for kind in EXAMPLES:
        found = _find_clear(judged, judged.kinds == kind)
        if len(found):
            of_kind[kind] = found[evenly_spaced(len(found), MEASURED)]
    errors = {
        kind: np.median(
            in_batches(lambda batch: mean_error(block_errors(network, batch)), images[one])
        )
        for kind, one in of_kind.items()
    }
    times = [
        f"{errors[kind] / errors[report.NORMAL]:.1f} times as much on {EXAMPLES[kind]}"
        for kind in of_kind
        if kind != report.NORMAL
    ]
    title = f"{name[0].upper()}{name[1:]}, which has learned normal wells only, errs "
    title += " and ".join(times)
    subtitle = (
        f"Median squared error of a block in up to {MEASURED} test photos of each kind, with a "
        "clear view where there are such."
    )

    chosen = np.concatenate([one[evenly_spaced(len(one), 4)[1:3]] for one in of_kind.values()])
    inputs, outputs = next(reconstruct(network, images[chosen]))
    redrawn = (outputs.clamp(0, 1) * 255).round().byte().numpy()
    squared = (outputs - inputs).square().mean(dim=1).numpy().astype(np.float64)
    heat = heat_of(np.clip(squared / np.quantile(squared, 1 - BRIGHTEST), 0, 1))
    frames = [_colour(kind) for kind in judged.kinds[chosen]]
    rows = [
        Row("test photos", as_tiles(images[chosen]), frames=frames),
        Row(f"what {name} makes of them", as_tiles(redrawn)),
        Row(
            "where it errs: squared error, black none, yellow most",
            as_tiles(heat.transpose(0, 3, 1, 2)),
        ),
    ]
    save_picture(path, title, subtitle, draw_rows(rows, len(chosen)))


def _choose_examples(judged: Judged) -> dict[str, int]:
    """Return a photo of each kind: of those that are called rightly, the middle one by score.

    And the normal well whose sides are the strangest, for what lies there is mostly a hand.
    """
    right = judged.called == judged.wells.labels
    chosen = {}
    for kind, label in EXAMPLES.items():
        ranked = _find_clear(judged, right & (judged.kinds == kind))
        if len(ranked):
            chosen[label] = int(ranked[len(ranked) // 2])
    covered = np.flatnonzero(right & ~judged.wells.labels & judged.obstructed)
    if len(covered):
        sides = in_batches(describe_sides, judged.wells.images[covered])
        strangeness = strangest(sides, judged.detector.occlusion.normality)
        chosen[COVERED] = int(covered[int(strangeness.argmax())])
    return chosen


def _find_clear(judged: Judged, which: Marks) -> Indices:
    """Return which of the marked photos have a clear view, from the least to the most strange.

    All of them where none has: on another surface the sides may look strange everywhere.
    """
    clear = which & ~judged.obstructed
    found = np.flatnonzero(clear if clear.any() else which)
    return found[np.argsort(judged.scores[found], kind="stable")]


def _colour(kind: str) -> str:
    return NORMAL if kind == report.NORMAL else SPILL
