"""The narrow table of experiments: what differs, what to choose by, in short names."""

from typing import Any

import pytest

from tools.show import narrow_table, shorten

ROWS: list[dict[str, Any]] = [
    {
        "Experiment": name,
        "rev": rev,
        "detector.validation": value,
        "mnad.validation": 0.5,
        "detector.tpr": 0.9,
        "train.epochs": epochs,
        "networks.mnad.items": 10,
        "detectors.mnad.scores": scores,
    }
    for name, rev, value, epochs, scores in (
        (None, "workspace", 0.8, 12, ["a"]),
        ("quick", "1234567", 0.7, 2, ["a"]),
        ("other", "1234568", None, 12, ["a", "b"]),
    )
]
PARAMS = ["train.epochs", "networks.mnad.items", "detectors.mnad.scores"]


def test_the_table_has_what_differs_and_validation_and_nothing_of_the_test_set() -> None:
    table = narrow_table(ROWS, PARAMS)
    assert list(table) == ["experiment", "epochs", "scores", "detector", "mnad"]
    assert table["experiment"].tolist() == ["workspace", "quick", "other"]
    assert table["detector"].tolist() == [0.8, 0.7, ""]


@pytest.mark.parametrize(
    ("names", "short"),
    [
        (["train.epochs", "networks.mnad.items"], ["epochs", "items"]),
        (["a.x", "b.x"], ["a.x", "b.x"]),
        (["detector", "a.detector"], ["detector", "a.detector"]),
        (["p.a.x", "q.a.x", "b.y"], ["p.a.x", "q.a.x", "y"]),
    ],
)
def test_names_are_as_short_as_they_can_be(names: list[str], short: list[str]) -> None:
    assert list(shorten(names).values()) == short
