"""A detector as ONNX: one graph with all weights, the same bytes wherever it is made."""

import logging
import warnings
from itertools import count

import onnx
import onnx_ir
import torch

from stages.wells.detection.judge import Judge
from stages.wells.inference.exported import OUTPUTS, PHOTOS
from stages.wells.inference.metadata import Metadata, to_strings

# Photos that the graph is traced with; any number may be given to it later.
TRACED = 2


def to_onnx(judge: Judge, metadata: Metadata) -> bytes:
    """Return a detector with its networks as an ONNX file that says what metadata hold.

    Input: PHOTOS, `[N, 3, H, W]` uint8; outputs: the fields of a Verdict.
    """
    photos = torch.zeros((TRACED, 3, metadata.height, metadata.width), dtype=torch.uint8)
    # It tells of packages that aren't installed and aren't needed.
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        program = torch.onnx.export(
            judge.eval(),
            (photos,),
            dynamo=True,
            verbose=False,
            external_data=False,
            input_names=[PHOTOS],
            output_names=list(OUTPUTS),
            dynamic_shapes=({0: torch.export.Dim(PHOTOS)},),
        )
    assert program is not None
    model = program.model
    _forget_origin(model)
    model.metadata_props.update(to_strings(metadata))
    proto = onnx_ir.to_proto(model)
    onnx.checker.check_model(proto, full_check=True)
    content: bytes = proto.SerializeToString(deterministic=True)
    return content


def _forget_origin(model: onnx_ir.Model) -> None:
    """Take out what tells of the machine: lines of code with their paths, the build of PyTorch."""
    model.producer_name = model.producer_version = model.doc_string = None
    graph, numbers = model.graph, count()
    outputs = set(graph.outputs)
    for part in (model, graph, *graph, *graph.inputs, *graph.initializers.values()):
        part.metadata_props.clear()
    for node in graph:
        node.name = node.doc_string = None
        for value in node.outputs:
            value.metadata_props.clear()
            # A name may else be that of an output.
            if value not in outputs:
                value.name = f"value_{next(numbers)}"
