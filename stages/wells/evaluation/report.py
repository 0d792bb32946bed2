"""What detectors and networks do on the test set: metrics and tables."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.metrics import roc_curve
from torch import Tensor

from stages.common.files import write_text
from stages.common.types import FloatArray, Images, Marks
from stages.wells.detection.batches import in_batches
from stages.wells.detection.detector import Detector, combine
from stages.wells.detection.features import describe_texture
from stages.wells.detection.normality import Scores
from stages.wells.evaluation.metrics import measure, refuse_one_kind

NORMAL, STREAK, EMPTY = "normal", "streak", "empty"


class LabelledWells(NamedTuple):
    """Images `[N, 3, H, W]` uint8, their file names, labels (True = spill) and, for each content,
    a mark on its first image, `[N]` each."""

    images: Images
    names: NDArray[np.str_]
    labels: Marks
    distinct: Marks


class Judged(NamedTuple):
    """What a detector says of labelled wells, `[N]` each.

    standard: its scores, standardised; scores: their mean; called: those at or above the threshold;
    obstructed: those over which something lies; kinds: NORMAL, STREAK or EMPTY, what each truly is.
    """

    detector: Detector
    wells: LabelledWells
    standard: Scores
    scores: FloatArray
    called: Marks
    obstructed: Marks
    kinds: NDArray[np.str_]


def judge(
    detector: Detector, wells: LabelledWells, scores: Scores, kinds: NDArray[np.str_]
) -> Judged:
    """Return what a detector says of wells, by scores that are not standardised yet.

    kinds: of the wells, `[N]`. Raises InputError where a part of them lacks spills or normal wells.
    """
    refuse_one_kind(wells.labels)
    refuse_one_kind(wells.labels[wells.distinct])
    standard = detector.standardise(scores)
    combined = combine(standard)
    return Judged(
        detector,
        wells,
        standard,
        combined,
        combined >= detector.threshold,
        detector.occlusion.find(wells.images),
        kinds,
    )


def measure_detector(judged: Judged) -> dict[str, Any]:
    """Return a detector's metrics on the test set.

    On all photos; on those of which each is another (`distinct`); on those whose view is clear
    (`clear_view`); on each kind of spill; and, under `scores`, of each of its scores alone, with
    how it looks.
    """
    detector, wells = judged.detector, judged.wells

    def measure_part(part: Marks) -> dict[str, Any]:
        return measure(judged.scores[part], wells.labels[part], detector.threshold)

    return {
        "name": detector.name,
        "rule": detector.rule,
        "threshold": detector.threshold,
        **measure(judged.scores, wells.labels, detector.threshold),
        "distinct": measure_part(wells.distinct),
        "clear_view": measure_part(~judged.obstructed),
        "kinds": {
            str(kind): measure_part(judged.kinds == kind)
            for kind in np.unique(judged.kinds[wells.labels])
        },
        "scores": {
            name: measure(judged.standard[name], wells.labels, fitted.threshold)
            | {
                "threshold": fitted.threshold,
                "view": fitted.normality.view,
                "share": fitted.normality.share,
            }
            for name, fitted in detector.scores.items()
        },
    }


def tell_kinds(images: Images, labels: Marks, normals: Images) -> NDArray[np.str_]:
    """Return what each of labelled images `[N, 3, H, W]` is: NORMAL, STREAK or EMPTY, `[N]`.

    Nobody labelled the kinds of spills; texture tells them. A streak's blocks in the middle deviate
    more, in the median, than those of normal wells do on average, an empty well's less.
    """
    usual = in_batches(_deviations, normals).mean(0)
    roughness = np.median(in_batches(_deviations, images) - usual, axis=1)
    return np.select([~labels, roughness > 0], [NORMAL, STREAK], EMPTY)


def _deviations(images: Tensor) -> Tensor:
    """Return the logs of how much the middle's blocks deviate, `[N, blocks]`."""
    return describe_texture(images)[..., 0]


def write_predictions(path: Path, judged: Judged) -> None:
    """Write of each photo its name, what it is, what it is called, and its score."""
    kinds = np.array(["normal", "spill"])
    predictions = {
        "name": judged.wells.names,
        "actual": kinds[judged.wells.labels.astype(int)],
        "predicted": kinds[judged.called.astype(int)],
        "score": judged.scores,
    }
    _write_table(path, pd.DataFrame(predictions))


def write_roc(path: Path, detectors: Iterable[Judged]) -> None:
    """Write the ROC curve of each detector: its name as `series`, `fpr` and `tpr`."""
    curves = []
    for judged in detectors:
        fpr, tpr, _ = roc_curve(judged.wells.labels, judged.scores)
        curves.append(pd.DataFrame({"series": judged.detector.name, "fpr": fpr, "tpr": tpr}))
    _write_table(path, pd.concat(curves))


def write_losses(path: Path, histories: Mapping[str, pd.DataFrame]) -> None:
    """Write each network's errors, means of its members: `series`, `epoch` and `mse`.

    A series is a network's name and which part it is, of those it learns from or held out.
    """
    curves = []
    for name, table in histories.items():
        means = table.groupby("epoch")[["train", "holdout"]].mean()
        for part in means:
            curves.append(
                pd.DataFrame({"series": f"{name} {part}", "epoch": means.index, "mse": means[part]})
            )
    _write_table(path, pd.concat(curves))


def last_holdout_error(history: pd.DataFrame) -> float:
    """Return a network's mean squared error of held-out wells after training, mean of members."""
    return float(history.groupby("fold")["holdout"].last().mean())


def _write_table(path: Path, table: pd.DataFrame) -> None:
    write_text(path, table.to_csv(index=False, float_format="%.6g"))
