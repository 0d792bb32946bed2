"""An exported detector says of any photo what the pipeline says, in a file that tells no place."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

from stages.common import paths
from stages.common.types import Images
from stages.wells.detection.calibration import fit_detectors
from stages.wells.detection.detector import Detector, save_artifact
from stages.wells.detection.judge import judge_images
from stages.wells.detection.params import DetectorParams
from stages.wells.detection.scores import SCORES
from stages.wells.evaluation.agreement import TOLERANCE
from stages.wells.inference.exported import Exported, load_exported, run_exported
from stages.wells.inference.verdict import Verdict
from stages.wells.networks.registry import NETWORKS, Members
from tests.clones import ROOT
from tests.exported_files import exported
from tests.small_wells import grainy_wells, in_turn, noise, small_members, with_specks, with_thing

SIZE = {"height": 32, "width": 48}
SPILLS = with_thing(grainy_wells(12, seed=1), slice(12, 28), slice(16, 32), grey=250)
SPECKS = with_specks(grainy_wells(12, seed=1))


@pytest.fixture(scope="module")
def networks() -> dict[str, Members]:
    return {name: small_members(name, **SIZE) for name in NETWORKS}


@pytest.fixture(scope="module")
def detector(networks: dict[str, Members]) -> Detector:
    """A detector of all scores that there are."""
    wanted = {"all": DetectorParams(scores=list(SCORES), rule="equal_error")}
    return fit_detectors(wanted, networks, grainy_wells(60, seed=0), in_turn(60), SPILLS)["all"]


@pytest.fixture(scope="module")
def path(
    detector: Detector, networks: dict[str, Members], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    return exported(detector, networks, tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def file(path: Path) -> Exported:
    return load_exported(path)


def arrays_of(verdict: Verdict) -> list[NDArray[Any]]:
    return [getattr(verdict, name) for name in Verdict._fields]


def plain(*grey: int) -> Images:
    return np.stack([np.full((3, 32, 48), level, dtype=np.uint8) for level in grey])


def hostile() -> Mapping[str, Images]:
    """Photos that nobody trained on, by what they are."""
    board = (np.indices((32, 48)).sum(axis=0) % 2 * 255).astype(np.uint8)
    ramp = np.broadcast_to(np.linspace(0, 255, 48).astype(np.uint8), (32, 48))
    one = np.zeros((1, 3, 32, 48), dtype=np.uint8)
    one[0, 1, 20, 24] = 255
    red = plain(0)
    red[:, 0] = 255
    return {
        "noise": noise(9, seed=5, **SIZE),
        "plain": plain(0, 1, 127, 254, 255),
        "a chessboard": np.stack([np.stack([board] * 3)]),
        "a ramp": np.stack([np.stack([ramp] * 3)]),
        "one bright pixel": one,
        "red": red,
        "half black": with_thing(grainy_wells(3, seed=7), slice(0, 32), slice(0, 24), grey=0),
        "wells": grainy_wells(7, seed=8),
        "strong grain": grainy_wells(7, seed=9, grain=90),
        "spills": SPILLS,
        "specks": SPECKS,
    }


@pytest.mark.parametrize("kind", hostile())
def test_of_any_photo_it_says_what_the_pipeline_says(
    kind: str, detector: Detector, networks: dict[str, Members], file: Exported
) -> None:
    compare(detector, networks, file, hostile()[kind])


def test_a_detector_that_looks_for_defects_anywhere_says_the_same_too(
    networks: dict[str, Members], tmp_path: Path
) -> None:
    wanted = {"one": DetectorParams(scores=["mnad.blocks", "texture"], rule="equal_error")}
    detector = fit_detectors(wanted, networks, grainy_wells(60, seed=0), in_turn(60), SPECKS)["one"]
    assert {one.normality.view for one in detector.scores.values()} == {"anywhere"}
    file = load_exported(exported(detector, networks, tmp_path))
    assert file.metadata.marks().all()
    compare(detector, networks, file, np.concatenate(list(hostile().values())))


def compare(
    detector: Detector, networks: dict[str, Members], file: Exported, images: Images
) -> None:
    expected, found = judge_images(detector, networks, images), run_exported(file, images)
    np.testing.assert_array_equal(found.spill, expected.spill)
    np.testing.assert_array_equal(found.view, expected.view)
    np.testing.assert_allclose(found.score, expected.score, rtol=0, atol=TOLERANCE)
    np.testing.assert_allclose(found.margin, expected.margin, rtol=0, atol=TOLERANCE)
    np.testing.assert_allclose(found.scores, expected.scores, rtol=0, atol=10 * TOLERANCE)
    assert found.blocks.shape == (len(images), 8, 12)
    np.testing.assert_allclose(found.blocks, expected.blocks, rtol=0, atol=0.01)
    assert [one.dtype for one in arrays_of(found)] == [one.dtype for one in arrays_of(expected)]


def test_both_labels_and_both_views_occur_among_these_photos(file: Exported) -> None:
    images = np.concatenate(list(hostile().values()))
    found = run_exported(file, images)
    assert set(found.spill.tolist()) == {True, False}
    assert set(found.view.tolist()) == {0, 1}


def test_the_score_is_the_mean_of_the_scores_and_the_margin_counts_from_the_threshold(
    file: Exported, detector: Detector
) -> None:
    found = run_exported(file, noise(5, **SIZE))
    np.testing.assert_allclose(found.score, found.scores.mean(axis=1))
    np.testing.assert_allclose(found.margin, found.score - detector.threshold)
    np.testing.assert_array_equal(found.spill, found.margin >= 0)


@pytest.mark.parametrize("count", [1, 127, 128, 129])
def test_what_it_says_of_a_photo_depends_on_no_other(file: Exported, count: int) -> None:
    images = np.resize(grainy_wells(9, seed=3), (count, 3, 32, 48))
    together = run_exported(file, images)
    alone = run_exported(file, images[-1:])
    for one, other in zip(arrays_of(together), arrays_of(alone), strict=True):
        np.testing.assert_allclose(one[-1:], other, atol=1e-5)


def test_its_metadata_tell_what_it_is_and_what_it_was_made_from(
    file: Exported, detector: Detector, path: Path
) -> None:
    metadata = file.metadata
    assert metadata.detector == "all"
    assert metadata.threshold == detector.threshold
    assert (metadata.height, metadata.width) == (32, 48)
    assert (metadata.labels, metadata.views) == (["normal", "spill"], ["clear", "obstructed"])
    assert metadata.scores == list(SCORES)
    assert metadata.marks().shape == (8, 12)
    assert metadata.parameters["rule"] == "equal_error"
    assert metadata.parameters["networks"]["autoencoder"]["latent"] == 0.75
    made_from = metadata.made_from
    assert made_from.keys() == {"detector.json", "autoencoder.safetensors", "mnad.safetensors"}
    assert all(len(digest) == 64 for digest in made_from.values())


def test_blocks_that_do_not_count_are_never_strange(
    detector: Detector, networks: dict[str, Members], tmp_path: Path
) -> None:
    texture = detector.model_copy(update={"scores": {"texture": detector.scores["texture"]}})
    one = load_exported(exported(texture, networks, tmp_path))
    blocks = run_exported(one, noise(4, **SIZE)).blocks
    counted = one.metadata.marks()
    assert 0 < counted.sum() < counted.size
    assert (blocks[:, counted] != 0).all()
    assert (blocks[:, ~counted] == 0).all()


def test_mnad_without_a_memory_is_exported_too(tmp_path: Path) -> None:
    networks: dict[str, Members] = {"mnad": small_members("mnad", items=0, **SIZE)}
    wanted = {"one": DetectorParams(scores=["mnad.blocks"], rule="equal_error")}
    detector = fit_detectors(wanted, networks, grainy_wells(60, seed=0), in_turn(60), SPILLS)["one"]
    file, images = load_exported(exported(detector, networks, tmp_path)), grainy_wells(7, seed=8)
    expected = judge_images(detector, networks, images)
    np.testing.assert_allclose(
        run_exported(file, images).score, expected.score, rtol=0, atol=TOLERANCE
    )


def test_nothing_in_it_tells_of_the_machine_or_of_code(path: Path) -> None:
    model = onnx.load(path)
    assert not model.producer_name
    assert not model.producer_version
    parts = [*model.graph.node, *model.graph.input, *model.graph.value_info]
    assert not any(part.metadata_props or part.doc_string for part in [*parts, model.graph])
    content = path.read_bytes()
    for word in (str(ROOT), "site-packages", ".py", os.sep + "tmp", "torch"):
        assert word.encode() not in content, word


@pytest.mark.slow
def test_the_stage_writes_the_same_bytes_at_another_place_beside_a_card(
    detector: Detector, networks: dict[str, Members], tmp_path: Path, path: Path
) -> None:
    # Where `exported` put the weights for the module's own file.
    save_artifact(detector, path.parent / "networks", tmp_path / paths.DETECTOR)
    done = subprocess.run(
        [sys.executable, "-m", "stages.export"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    card, file = sorted((tmp_path / paths.EXPORTED.parent).iterdir())
    assert [card.name, file.name] == ["README.md", "detector.onnx"]
    assert file.read_bytes() == path.read_bytes()
    told = card.read_text(encoding="utf-8")
    assert f"{detector.threshold:.4f}" in told
    assert "`texture`" in told
