"""Small detectors as the pipeline exports them."""

from collections.abc import Mapping
from pathlib import Path

from stages.wells.detection.detector import Detector, save_artifact
from stages.wells.detection.judge import Judge
from stages.wells.export.description import describe
from stages.wells.export.onnx_file import to_onnx
from stages.wells.networks import registry
from stages.wells.networks.registry import Members
from tests import small_wells


def exported(detector: Detector, networks: Mapping[str, Members], folder: Path) -> Path:
    """Return the path of a detector's ONNX file below a folder, which takes seconds to write.

    networks: small ones for photos of the detector's size. Their weights stay in `networks` in that
    folder, and what was exported in `detector`, both as the pipeline writes them.
    """
    size = {"height": detector.height, "width": detector.width}
    for name in detector.networks():
        path = folder / "networks" / name / registry.WEIGHTS
        registry.save(networks[name], name, small_wells.SETTINGS[name] | size, path)
    save_artifact(detector, folder / "networks", folder / "detector")
    metadata = describe(detector, folder / "detector")
    path = folder / "detector.onnx"
    path.write_bytes(to_onnx(Judge(detector, networks), metadata))
    return path
