"""The spread over seeds is that of the experiments' metrics."""

from typing import Any

import pytest

from stages.common.errors import InputError
from tools.seeds import pick_finished, spread_of


def test_the_spread_is_mean_sample_deviation_and_least_value_of_what_is_declared() -> None:
    rows = [
        {
            "Experiment": f"seed-{i}",
            "mnad.tpr": tpr,
            "mnad.validation": 0.7,
            "holdout_mse.mnad": 0.5,
            "detector.tnr": tpr - 0.5,
            "networks.mnad.items": 10,
            "seed": i,
        }
        for i, tpr in enumerate([0.8, 0.9, 1.0])
    ]
    declared = {
        "metrics/detection.json:mnad": {"tpr": 0.8},
        "metrics/validation.json:mnad": {"validation": 0.7},
        "holdout_mse": {"mnad": 0.5},
        "detector": {"tnr": 0.3},
    }
    assert spread_of(rows, declared) == {
        "mnad": {
            "tpr": pytest.approx({"mean": 0.9, "std": 0.1, "min": 0.8}),
            "validation": pytest.approx({"mean": 0.7, "std": 0.0, "min": 0.7}),
        },
        "holdout_mse": {"mnad": {"mean": 0.5, "std": 0.0, "min": 0.5}},
        "detector": {"tnr": pytest.approx({"mean": 0.4, "std": 0.1, "min": 0.3})},
    }


def row(seed: int, state: str) -> dict[str, Any]:
    return {"Experiment": f"seed-{seed}", "State": state, "seed": seed}


def test_experiments_are_taken_by_seed_and_no_other_row() -> None:
    rows: list[dict[str, Any]] = [
        {"Experiment": None, "seed": 0},
        row(2, "Success"),
        row(1, "Success"),
        row(3, "Failed"),
    ]
    assert [found["seed"] for found in pick_finished(rows, [1, 2])] == [1, 2]


@pytest.mark.parametrize("state", ["Failed", "Queued", "Running"])
def test_an_experiment_that_did_not_succeed_is_refused_by_name(state: str) -> None:
    with pytest.raises(InputError, match="seed-1"):
        pick_finished([row(0, "Success"), row(1, state)], [0, 1])


def test_a_missing_experiment_is_refused_by_name() -> None:
    with pytest.raises(InputError, match="seed-7"):
        pick_finished([row(0, "Success")], [0, 7])
