"""Tables and pictures of what one model's detector does on the test set."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.metrics import roc_curve

from stages.common.files import write_text
from stages.common.pictures import save_picture
from stages.wells import figures
from stages.wells.detector import COMBINED
from stages.wells.evaluation import Labels
from stages.wells.images import Images
from stages.wells.network import Network
from stages.wells.scores import Scores, squared_error
from stages.wells.splits import spread
from stages.wells.training import reconstruct

KINDS = ("normal", "spill")
PANELS_A_KIND, TILES, COLUMNS = 4, 24, 8


class TestSet(NamedTuple):
    """Images `[N, 3, H, W]` uint8, their file names, labels (True = spill) and, for each content,
    a mark on its first image, `[N]` each."""

    images: Images
    names: NDArray[np.str_]
    labels: Labels
    distinct: Labels


def write_tables(
    folder: Path, test: TestSet, scores: Scores, thresholds: dict[str, float], history: pd.DataFrame
) -> None:
    """Write loss.csv, roc_SCORE.csv (false against true positive rate) and predictions.csv."""
    _write_table(folder / "loss.csv", history)
    for name in thresholds:
        fpr, tpr, _ = roc_curve(test.labels, scores[name])
        _write_table(folder / f"roc_{name}.csv", pd.DataFrame({"fpr": fpr, "tpr": tpr}))
    called = scores[COMBINED] >= thresholds[COMBINED]
    kinds = np.array(KINDS)
    predictions = {
        "name": test.names,
        "actual": kinds[test.labels.astype(int)],
        "predicted": kinds[called.astype(int)],
        "score": scores[COMBINED],
    }
    _write_table(folder / "predictions.csv", pd.DataFrame(predictions))


def draw_scores(
    folder: Path,
    model: str,
    test: TestSet,
    scores: Scores,
    thresholds: dict[str, float],
    holdout: NDArray[np.float64],
    spills: NDArray[np.float64],
) -> None:
    """Draw roc.png, of every score, and histogram.png, of the detector's, with the thresholds.

    `holdout`, `spills`: the detector's scores of held-out normals and of known spills.
    """
    curves = {name: (test.labels, scores[name], thresholds[name]) for name in thresholds}
    if any(np.array_equal(scores[COMBINED], scores[name]) for name in curves.keys() - {COMBINED}):
        # A combination of one score is that score.
        del curves[COMBINED]
    figures.save_roc(
        curves,
        f"{model}: test set",
        folder / "roc.png",
    )
    groups = {
        "held-out normal": holdout,
        "known spill": spills,
        "test normal": scores[COMBINED][~test.labels],
        "test spill": scores[COMBINED][test.labels],
    }
    title = f"{model}: scores that placed the threshold (above), scores of the test set (below)"
    figures.save_histogram(groups, thresholds[COMBINED], title, folder / "histogram.png")


def draw_images(
    folder: Path,
    model: str,
    network: Network,
    test: TestSet,
    scores: NDArray[np.float64],
    threshold: float,
) -> None:
    """Draw reconstructions.png, misses.png and false_alarms.png, each image with its score."""
    by_kind = {"normal": np.flatnonzero(~test.labels), "spill": np.flatnonzero(test.labels)}
    ranked = {kind: found[np.argsort(scores[found])] for kind, found in by_kind.items()}

    panels = {kind: found[spread(len(found), PANELS_A_KIND)] for kind, found in ranked.items()}
    chosen = np.concatenate(list(panels.values()))
    inputs, outputs = next(reconstruct(network, test.images[chosen]))
    picture = figures.reconstruction_panels(
        test.images[chosen],
        (outputs.clamp(0, 1) * 255).round().byte().numpy(),
        squared_error(inputs, outputs).numpy(),
        [_verdict(kind, scores[i], threshold) for kind, found in panels.items() for i in found],
        f"{model}: test images of each kind, from the least to the most strange "
        f"(threshold {threshold:.1f})",
    )
    save_picture(picture, folder / "reconstructions.png")

    wrong = {
        "misses": [i for i in ranked["spill"] if scores[i] < threshold],
        "false_alarms": [i for i in ranked["normal"][::-1] if scores[i] >= threshold],
    }
    for name, found in wrong.items():
        shown = np.array([i for i in found if test.distinct[i]][:TILES], dtype=np.intp)
        picture = figures.gallery(
            test.images[shown],
            f"{model}: {name.replace('_', ' ')} ({len(found)}), the worst first, each content "
            f"once (threshold {threshold:.2f})",
            COLUMNS,
            [f"{test.names[i][:8]}  {scores[i]:.2f}" for i in shown],
        )
        save_picture(picture, folder / f"{name}.png")


def _verdict(kind: str, score: float, threshold: float) -> str:
    mistake = {("normal", True): ": false alarm", ("spill", False): ": missed"}
    return f"{kind} {score:.1f}{mistake.get((kind, score >= threshold), '')}"


def _write_table(path: Path, table: pd.DataFrame) -> None:
    write_text(path, table.to_csv(index=False, float_format="%.6g"))
