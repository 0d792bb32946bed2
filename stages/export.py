"""Write the detector in use as one ONNX file, which needs no PyTorch: `python -m stages.export`."""

from stages.common import paths
from stages.common.errors import run
from stages.common.files import replacing, write_text
from stages.wells.detection.detector import load_artifact
from stages.wells.detection.judge import Judge
from stages.wells.export.card import write_card
from stages.wells.export.description import describe
from stages.wells.export.onnx_file import to_onnx


def main() -> None:
    """Run the stage."""
    detector, networks = load_artifact()
    metadata = describe(detector, paths.DETECTOR)
    model = to_onnx(Judge(detector, networks), metadata)
    with replacing(paths.EXPORTED) as path:
        path.write_bytes(model)
    write_text(paths.EXPORTED.with_name("README.md"), write_card(metadata))


if __name__ == "__main__":
    run(main)
