"""What is said of a detector in its exported file."""

from pathlib import Path

from stages.common.files import sha256_of
from stages.wells.detection.decision_map import mark_counted
from stages.wells.detection.detector import Detector
from stages.wells.inference.metadata import Metadata
from stages.wells.inference.verdict import LABELS, VIEWS
from stages.wells.networks.registry import read_settings


def describe(detector: Detector, folder: Path) -> Metadata:
    """Return what a detector's file says of it: no path and nothing that was measured.

    folder: where it lies with the weights of its networks, as `save_artifact` wrote them.
    """
    files = sorted(folder.iterdir())
    weights = [path for path in files if path.stem in detector.networks()]
    return Metadata(
        detector=detector.name,
        threshold=detector.threshold,
        height=detector.height,
        width=detector.width,
        labels=list(LABELS),
        views=list(VIEWS),
        scores=list(detector.scores),
        counted=mark_counted(detector).astype(int).tolist(),
        parameters={
            "rule": detector.rule,
            "networks": {path.stem: dict(read_settings(path)) for path in weights},
        },
        made_from={path.name: sha256_of(path) for path in files},
    )
