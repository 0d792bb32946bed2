"""A small detector, shards and their results for the tests of bulk classification."""

from pathlib import Path

import pytest

from stages.wells.detection.calibration import fit_detectors
from stages.wells.detection.params import DetectorParams
from tests.bulk.shard_files import classify, zips
from tests.exported_files import exported
from tests.small_wells import grainy_wells, in_turn


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a detector of grain, which has no network."""
    train, spills = grainy_wells(40, seed=0), grainy_wells(10, seed=1, grain=60)
    wanted = {"grain": DetectorParams(scores=["appearance", "texture"], rule="equal_error")}
    detector = fit_detectors(wanted, {}, train, in_turn(40), spills)["grain"]
    return exported(detector, {}, tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six zips, one of them in a folder."""
    return zips(tmp_path_factory.mktemp("shards"), 6)


@pytest.fixture(scope="module")
def undisturbed(shards: Path, model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What two processes make of the shards."""
    into = tmp_path_factory.mktemp("undisturbed") / "out"
    done = classify("--model", model, "--into", into, "--workers", 2, shards)
    assert done.returncode == 0, done.stderr
    assert "18 photos: 6 spill" in done.stderr
    return into
