"""What docs/ say how to add to the project, they add here: the pieces apply, and they run."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.clones import ROOT, commit, in_clone, replace_in, small_clone

pytestmark = pytest.mark.slow

PIECES = [
    piece
    for page in ("docs/extending.md", "docs/development.md")
    for piece in re.findall(
        r"^```diff\n(.*?)^```$", (ROOT / page).read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )
]


@pytest.fixture(scope="module")
def extended(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small clone with a network, a score, a detector, a generator, a parameter, a stage more."""
    folder = tmp_path_factory.mktemp("extended")
    clone = small_clone(folder)
    replace_in(clone / "params.yaml", {"synthetic:120": "synthetic:60", "epochs: 2": "epochs: 1"})
    commit(clone)
    for number, piece in enumerate(PIECES):
        (folder / f"{number}.diff").write_text(piece, encoding="utf-8")
        in_clone(clone, "git", "apply", str(folder / f"{number}.diff"))
    replace_in(clone / "params.yaml", {"sample: 1000000": "sample: 12345"})
    stages = ("evaluate", "generate_styles", "count_colours", "generate_avatars@noise")
    in_clone(clone, "dvc", "repro", *stages)
    return clone


def read(clone: Path, name: str) -> Any:
    return json.loads((clone / name).read_text(encoding="utf-8"))


def test_the_pages_add_something_of_each_kind() -> None:
    assert len(PIECES) == 6


def test_a_network_is_trained_and_scored_by_its_lines_alone(extended: Path) -> None:
    assert read(extended, "metrics/detection.json")["holdout_mse"].keys() >= {"linear"}
    assert (extended / "plots/networks/linear_reconstructions.png").is_file()


def test_a_detector_is_measured_with_its_scores(extended: Path) -> None:
    (report,) = (
        one
        for one in read(extended, "metrics/reports/detection.json").values()
        if one.get("name") == "linear"
    )
    # One of them may be left out, where the other tells known spills better alone.
    assert {"linear.mse", "linear.largest"} >= report["scores"].keys() > set()
    assert report["rule"] == "sigma"
    assert read(extended, "metrics/detection.json")["linear"].keys() == {"tpr", "tnr", "auroc"}


def test_a_generator_publishes_avatars_with_their_probabilities(extended: Path) -> None:
    table = extended / "data/generated/avatars/noise/avatars.csv"
    header, first, *_ = table.read_text(encoding="utf-8").splitlines()
    row = dict(zip(header.split(","), first.split(","), strict=True))
    assert float(row["bits_per_dimension"]) == pytest.approx(8)


def test_a_parameter_is_used(extended: Path) -> None:
    report = read(extended, "metrics/reports/styles.json")
    assert report["styles"]["large_sample"]["size"] == 12345


def test_a_stage_writes_what_it_says(extended: Path) -> None:
    assert read(extended, "metrics/reports/colours.json")["colours"] > 10
