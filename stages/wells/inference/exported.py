"""A detector in one ONNX file, used without PyTorch."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnxruntime

from stages.common import paths
from stages.common.errors import InputError
from stages.common.types import Images
from stages.wells.inference.metadata import Metadata, from_strings
from stages.wells.inference.verdict import Verdict

# The input: images `[N, 3, H, W]` uint8.
PHOTOS = "photos"
OUTPUTS = Verdict._fields
# Photos at once: what a processor keeps at hand.
TOGETHER = 128
# Of onnxruntime's messages, those on which a run fails: they are raised too.
SILENT = 4


class Exported(NamedTuple):
    """A detector that is ready to run, and what its file says of it."""

    session: onnxruntime.InferenceSession
    metadata: Metadata


def load_exported(path: Path = paths.EXPORTED) -> Exported:
    """Read a detector's ONNX file; each run takes one thread, several may run at once.

    Raises InputError where it is missing, no ONNX, of another format, or not what it says it is.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(
            f"{path} can't be read ({error.strerror}): name the ONNX file of a detector; "
            f"`dvc repro export` writes {paths.EXPORTED}"
        ) from None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, SILENT
    try:
        session = onnxruntime.InferenceSession(content, options)
    except Exception as error:
        # onnxruntime's exceptions have no base of their own.
        reason = " ".join(str(error).split())
        raise InputError(
            f"{path} can't be read as ONNX ({reason:.200}): fetch it again, or export it anew by "
            "`dvc repro export`"
        ) from None
    try:
        metadata = from_strings(session.get_modelmeta().custom_metadata_map)
        _check_frame(session, metadata)
    except InputError as error:
        raise InputError(f"{path}: {error}; export it anew by `dvc repro export`") from None
    return Exported(session, metadata)


def run_exported(exported: Exported, images: Images) -> Verdict:
    """Return what the detector says of images `[N, 3, H, W]` uint8, at least one, of its own size.

    They are run TOGETHER at a time, one after another.
    """
    starts = range(0, len(images), TOGETHER)
    batches = [
        exported.session.run(OUTPUTS, {PHOTOS: images[start : start + TOGETHER]})
        for start in starts
    ]
    return Verdict(*(np.concatenate(outputs) for outputs in zip(*batches, strict=True)))


def _check_frame(session: onnxruntime.InferenceSession, metadata: Metadata) -> None:
    """Raise InputError where the graph's input or outputs aren't those that metadata tell."""
    found = [f"{one.name}, {one.type} {_shape(one.shape)}" for one in session.get_inputs()]
    told = [f"{PHOTOS}, tensor(uint8) {_shape(['N', 3, metadata.height, metadata.width])}"]
    if found != told:
        raise InputError(f"it takes {'; '.join(found)}, its metadata tell {told[0]}")
    if missing := set(OUTPUTS) - {one.name for one in session.get_outputs()}:
        raise InputError(f"it lacks the outputs {', '.join(sorted(missing))}")


def _shape(sides: Sequence[int | str | None]) -> str:
    """Return a shape as text, N for a side that may have any length."""
    return f"[{', '.join(str(side) if isinstance(side, int) else 'N' for side in sides)}]"
