"""The spread over seeds is that of the experiments' figures."""

import pytest

from tools.seeds import spread_of


def test_the_spread_is_mean_sample_deviation_and_least_value_by_model_and_score() -> None:
    rows = [
        {
            "Experiment": f"seed-{i}",
            "mnad.memory.tpr": tpr,
            "mnad.memory.distinct.tpr": 0,
            "seed": i,
        }
        for i, tpr in enumerate([0.8, 0.9, 1.0])
    ]
    spread = spread_of(rows)
    assert spread == {
        "mnad": {"memory": {"tpr": pytest.approx({"mean": 0.9, "std": 0.1, "min": 0.8})}}
    }
