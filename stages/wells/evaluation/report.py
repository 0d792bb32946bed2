"""What detectors and networks do on the test set: metrics, tables and pictures."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.metrics import roc_curve

from stages.common.files import write_text
from stages.common.pictures import evenly_spaced, save_picture
from stages.common.types import FloatArray, Images, Marks
from stages.wells.detection.decision_map import lay_over, map_decision
from stages.wells.detection.detector import Detector, combine
from stages.wells.detection.features import describe_texture
from stages.wells.detection.normality import Scores
from stages.wells.evaluation import plots
from stages.wells.evaluation.metrics import measure, refuse_one_kind
from stages.wells.networks.registry import Members
from stages.wells.networks.training import reconstruct

KINDS = ("normal", "spill")
PANELS_A_KIND, TILES, COLUMNS = 4, 24, 8


class LabelledWells(NamedTuple):
    """Images `[N, 3, H, W]` uint8, their file names, labels (True = spill) and, for each content,
    a mark on its first image, `[N]` each."""

    images: Images
    names: NDArray[np.str_]
    labels: Marks
    distinct: Marks


class Scored(NamedTuple):
    """Scores, not standardised yet, of three parts of the wells."""

    test: Scores
    holdout: Scores
    spills: Scores


def measure_detector(
    detector: Detector, wells: LabelledWells, scores: Scores, kinds: NDArray[np.str_]
) -> dict[str, Any]:
    """Return a detector's metrics on the test set.

    On all photos; on those of which each is another (`distinct`); on those whose view is clear
    (`clear_view`); on each kind of spill, `kinds` of the spills `[S]`; and, under `scores`, of each
    of its scores alone. Raises InputError where a part lacks spills or normal wells.
    """
    refuse_one_kind(wells.labels)
    refuse_one_kind(wells.labels[wells.distinct])
    standard = detector.standardise(scores)
    combined, clear = combine(standard), ~detector.occlusion.find(wells.images)

    def measure_part(part: Marks) -> dict[str, Any]:
        return measure(combined[part], wells.labels[part], detector.threshold)

    spills = np.flatnonzero(wells.labels)
    by_kind = {
        str(kind): measure_part(np.isin(np.arange(len(combined)), spills[kinds == kind]))
        for kind in np.unique(kinds)
    }
    return {
        "name": detector.name,
        "rule": detector.rule,
        "threshold": detector.threshold,
        **measure(combined, wells.labels, detector.threshold),
        "distinct": measure_part(wells.distinct),
        "clear_view": measure_part(clear),
        "kinds": by_kind,
        "scores": {
            name: measure(standard[name], wells.labels, fitted.threshold)
            | {"threshold": fitted.threshold}
            for name, fitted in detector.scores.items()
        },
    }


def tell_kinds(spills: Images, normals: Images) -> NDArray[np.str_]:
    """Return each spill's kind, `streak` or `empty`, `[N]`, told by texture: nobody labelled them.

    A streak's blocks in the middle deviate more, in the median, than those of normal wells do on
    average, an empty well's less.
    """
    usual = describe_texture(normals)[..., 0].mean(axis=0)
    roughness = np.median(describe_texture(spills)[..., 0] - usual, axis=1)
    return np.where(roughness > 0, "streak", "empty")


def report_detector(
    folder: Path,
    detector: Detector,
    networks: Mapping[str, Members],
    wells: LabelledWells,
    scored: Scored,
) -> None:
    """Write predictions.csv, roc.png, histogram.png, misses.png and false_alarms.png."""
    standard = detector.standardise(scored.test)
    scores = combine(standard)
    kinds = np.array(KINDS)
    predictions = {
        "name": wells.names,
        "actual": kinds[wells.labels.astype(int)],
        "predicted": kinds[(scores >= detector.threshold).astype(int)],
        "score": scores,
    }
    _write_table(folder / "predictions.csv", pd.DataFrame(predictions))

    curves = {name: (standard[name], one.threshold) for name, one in detector.scores.items()}
    if len(curves) > 1:
        # A combination of one score is that score.
        curves["together"] = scores, detector.threshold
    plots.save_roc(
        {name: (wells.labels, *curve) for name, curve in curves.items()},
        f"{detector.name}: test set",
        folder / "roc.png",
    )
    groups = {
        "held-out normal": detector.combine(scored.holdout),
        "known spill": detector.combine(scored.spills),
        "test normal": scores[~wells.labels],
        "test spill": scores[wells.labels],
    }
    title = f"{detector.name}: scores that placed the threshold (above), of the test set (below)"
    plots.save_histogram(groups, detector.threshold, title, folder / "histogram.png")
    _draw_mistakes(folder, detector, networks, wells, scores)


def write_roc(
    path: Path, detectors: Iterable[Detector], wells: LabelledWells, scores: Scores
) -> None:
    """Write the ROC curve of each detector: its name as `series`, `fpr` and `tpr`."""
    curves = []
    for detector in detectors:
        fpr, tpr, _ = roc_curve(wells.labels, detector.combine(scores))
        curves.append(pd.DataFrame({"series": detector.name, "fpr": fpr, "tpr": tpr}))
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


def draw_reconstructions(
    path: Path,
    name: str,
    detector: Detector,
    networks: Mapping[str, Members],
    wells: LabelledWells,
    scores: FloatArray,
) -> None:
    """Draw some of the wells over what the network of that name makes of them, and the decision.

    scores: the detector's, of all wells, `[N]`. Reconstructions are the first member's.
    """
    ranked = _rank(wells.labels, scores)
    panels = {
        kind: found[evenly_spaced(len(found), PANELS_A_KIND)] for kind, found in ranked.items()
    }
    chosen = np.concatenate(list(panels.values()))
    _, outputs = next(reconstruct(networks[name][0], wells.images[chosen]))
    reconstructions = (outputs.clamp(0, 1) * 255).round().byte().numpy()
    verdicts = [
        _verdict(kind, scores[i], detector.threshold)
        for kind, found in panels.items()
        for i in found
    ]
    title = (
        f"{name}: test photos of each kind, from the least to the most strange to the detector "
        f"(threshold {detector.threshold:.1f})"
    )
    maps = _map(detector, networks, wells.images[chosen])
    names = [["reconstruction"] * len(chosen), ["what decided"] * len(chosen)]
    rows = [wells.images[chosen], reconstructions, maps]
    save_picture(plots.rows_of_panels(rows, [verdicts, *names], title, len(chosen)), path)


def _draw_mistakes(
    folder: Path,
    detector: Detector,
    networks: Mapping[str, Members],
    wells: LabelledWells,
    scores: FloatArray,
) -> None:
    """Draw misses.png and false_alarms.png, each photo with its score over what decided."""
    ranked, threshold = _rank(wells.labels, scores), detector.threshold
    wrong = {
        "misses": [i for i in ranked["spill"] if scores[i] < threshold],
        "false_alarms": [i for i in ranked["normal"][::-1] if scores[i] >= threshold],
    }
    for name, found in wrong.items():
        shown = np.array([i for i in found if wells.distinct[i]][:TILES], dtype=np.intp)
        images = wells.images[shown]
        title = (
            f"{detector.name}: {name.replace('_', ' ')} ({len(found)}), the worst first, each "
            f"content once, over what decided (threshold {threshold:.2f})"
        )
        captions = [f"{wells.names[i][:8]}  {scores[i]:.2f}" for i in shown]
        rows = [images, _map(detector, networks, images)]
        picture = plots.rows_of_panels(rows, [captions, [""] * len(shown)], title, COLUMNS)
        save_picture(picture, folder / f"{name}.png")


def _map(detector: Detector, networks: Mapping[str, Members], images: Images) -> Images:
    """Return images `[N, 3, H, W]` under their decision maps."""
    if not len(images):
        return images
    return lay_over(images, map_decision(detector, networks, images), detector.threshold)


def _rank(labels: Marks, scores: FloatArray) -> dict[str, NDArray[np.intp]]:
    """Return the indices of each kind's photos, from the least to the most strange."""
    by_kind = {"normal": np.flatnonzero(~labels), "spill": np.flatnonzero(labels)}
    return {kind: found[np.argsort(scores[found])] for kind, found in by_kind.items()}


def _verdict(kind: str, score: float, threshold: float) -> str:
    mistake = {("normal", True): ": false alarm", ("spill", False): ": missed"}
    return f"{kind} {score:.1f}{mistake.get((kind, score >= threshold), '')}"


def _write_table(path: Path, table: pd.DataFrame) -> None:
    write_text(path, table.to_csv(index=False, float_format="%.6g"))
