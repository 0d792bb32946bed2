"""A file that is no detector of this format is refused in a sentence that says what to do."""

from collections.abc import Callable
from pathlib import Path

import onnx
import pytest
from hypothesis import given
from onnx import ModelProto

from stages.common.errors import InputError
from stages.wells.detection.calibration import fit_detectors
from stages.wells.detection.params import DetectorParams
from stages.wells.inference.exported import Exported, load_exported
from stages.wells.inference.metadata import FORMAT, Metadata, from_strings, to_strings
from tests.exported_files import exported
from tests.hostile import broken, few, read_or_refused, written
from tests.processes import run_module
from tests.small_wells import grainy_wells, in_turn


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a small detector without a network."""
    wanted = {"grain": DetectorParams(scores=["texture"], rule="sigma")}
    wells = grainy_wells(40, seed=0, height=16, width=24)
    detector = fit_detectors(wanted, {}, wells, in_turn(40), wells[:0])["grain"]
    return exported(detector, {}, tmp_path_factory.mktemp("model"))


def set_metadata(model: ModelProto, key: str, value: str | None) -> None:
    """Change a text of a file's metadata, or take it out."""
    kept = {one.key: one.value for one in model.metadata_props} | {key: value}
    del model.metadata_props[:]
    texts = {name: text for name, text in kept.items() if text is not None}
    onnx.helper.set_model_props(model, texts)


def of_next_format(model: ModelProto) -> None:
    set_metadata(model, "format", FORMAT.replace("2", "3"))


def without_metadata(model: ModelProto) -> None:
    del model.metadata_props[:]


def without_threshold(model: ModelProto) -> None:
    set_metadata(model, "threshold", None)


def with_broken_threshold(model: ModelProto) -> None:
    set_metadata(model, "threshold", "2,4")


def of_another_size(model: ModelProto) -> None:
    set_metadata(model, "height", "40")


def of_one_photo(model: ModelProto) -> None:
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1


def without_blocks(model: ModelProto) -> None:
    (blocks,) = (one for one in model.graph.output if one.name == "blocks")
    model.graph.output.remove(blocks)


def of_a_future_onnx(model: ModelProto) -> None:
    model.opset_import[0].version = 999


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (of_next_format, "it is 'spill detector, format 3', and this program reads 'spill detect"),
        (without_metadata, "it has no metadata of a spill detector"),
        (without_threshold, "are incomplete ('threshold')"),
        (with_broken_threshold, "are incomplete ("),
        (of_another_size, "[N, 3, 16, 24], its metadata tell photos, tensor(uint8) [N, 3, 40, 24]"),
        (of_one_photo, "[1, 3, 16, 24], its metadata tell photos, tensor(uint8) [N, 3, 16, 24]"),
        (without_blocks, "lacks the outputs blocks"),
        (of_a_future_onnx, "can't be read as ONNX"),
    ],
)
def test_a_file_that_is_not_what_it_should_be_is_refused(
    change: Callable[[ModelProto], None], said: str, path: Path, tmp_path: Path
) -> None:
    model = onnx.load(path)
    change(model)
    other = tmp_path / "other.onnx"
    other.write_bytes(model.SerializeToString())
    with pytest.raises(InputError) as caught:
        load_exported(other)
    message = str(caught.value)
    assert message.startswith(str(other))
    assert said in message
    assert "`dvc repro export`" in message
    assert "\n" not in message


@pytest.mark.parametrize("content", [b"", b"no model", b"PK\3\4", b"\0" * 1000])
def test_what_is_no_onnx_is_refused(content: bytes, tmp_path: Path) -> None:
    path = written(tmp_path / "x.onnx", content)
    with pytest.raises(InputError, match=r"x\.onnx"):
        load_exported(path)


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "none.onnx", tmp_path):
        with pytest.raises(
            InputError, match=r"can't be read \(.*name the ONNX file .*`dvc repro export`"
        ):
            load_exported(path)


def test_a_broken_file_is_read_or_refused(path: Path, tmp_path: Path) -> None:
    whole = path.read_bytes()

    @few
    @given(broken(whole))
    def try_one(content: bytes) -> None:
        other = written(tmp_path / "broken.onnx", content)
        read_or_refused(lambda: load_exported(other), Exported)

    try_one()


def test_a_command_with_a_bad_file_ends_with_one_sentence(tmp_path: Path) -> None:
    written(tmp_path / "x.onnx", b"no model")
    done = run_module("tools.classify", "a.png", "--model", "x.onnx", folder=tmp_path)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("error: x.onnx can't be read as ONNX (")
    assert done.stderr.count("\n") == 1


def test_metadata_come_back_as_they_were() -> None:
    metadata = Metadata(
        detector="one",
        threshold=2.4179,
        height=32,
        width=48,
        labels=["normal", "spill"],
        views=["clear", "obstructed"],
        scores=["a", "b"],
        counted=[[0, 1], [1, 0]],
        parameters={"rule": "sigma", "networks": {"autoencoder": {"latent": 24}}},
        made_from={"detector.json": "00"},
    )
    strings = to_strings(metadata)
    assert strings["format"] == FORMAT
    assert from_strings(strings) == metadata
    assert metadata.marks().tolist() == [[False, True], [True, False]]
