"""The signal first: what DVC's tables and pages show, and how much of it there may be."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from tests.clones import ROOT
from tools.show import narrow_table

LONGEST_GRAPH, MOST_METRICS, MOST_PARAMETERS, MOST_PLOTS = 310, 30, 37, 12
MOST_COLUMNS, WIDEST_TABLE = 110, 120
# Curves and pictures of the wells, before those of the styles and avatars.
BAYES = ("plots/random_", "plots/style_")
GRAPH: dict[str, Any] = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))
PARAMS: dict[str, Any] = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))


def flat(values: dict[str, Any]) -> dict[str, Any]:
    """Values by their dotted keys."""
    found: dict[str, Any] = pd.json_normalize(values, sep=".").iloc[0].to_dict()
    return found


def declared_metrics() -> dict[str, float]:
    files = [
        name
        for stage in GRAPH["stages"].values()
        for each in stage.get("metrics", [])
        for name in each
    ]
    read = (json.loads((ROOT / name).read_text(encoding="utf-8")) for name in files)
    return {key: value for metrics in read for key, value in flat(metrics).items()}


def test_the_graph_is_short_and_has_few_metrics_parameters_and_plots() -> None:
    assert len((ROOT / "dvc.yaml").read_text(encoding="utf-8").splitlines()) <= LONGEST_GRAPH
    assert len(declared_metrics()) <= MOST_METRICS
    assert len(flat(PARAMS)) <= MOST_PARAMETERS
    assert len(GRAPH["plots"]) <= MOST_PLOTS


def test_metrics_have_no_digits_that_mean_nothing() -> None:
    for key, value in declared_metrics().items():
        digits = f"{value:.3g}" if key.startswith("holdout_mse") else str(round(value, 4))
        assert value == float(digits), key


def test_a_picture_is_declared_by_itself_and_those_of_the_wells_come_first() -> None:
    pictures = [plot for plot in GRAPH["plots"] if isinstance(plot, str)]
    assert all((ROOT / name).suffix == ".png" for name in pictures)
    assert pictures == sorted(pictures, key=lambda name: name.startswith(BAYES))
    # DVC's page has them by path.
    by_path = sorted(pictures)
    assert by_path == sorted(by_path, key=lambda name: name.startswith(BAYES))


@pytest.mark.slow
def test_the_table_of_experiments_begins_with_what_one_may_choose_by() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "dvc", "exp", "show", "--csv"],
        cwd=ROOT,
        env={**os.environ, "DVC_NO_ANALYTICS": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    columns = list(pd.read_csv(io.StringIO(done.stdout)))
    assert len(columns) <= MOST_COLUMNS
    keys = declared_metrics()
    metrics = [column for column in columns if column in keys]
    assert set(metrics) == set(keys)
    validation = [column for column in metrics if column.endswith(".validation")]
    assert metrics[0] == "detector.validation"
    assert metrics[: len(validation)] == validation
    tested = ["detector.tpr", "detector.tnr", "detector.auroc"]
    assert metrics[len(validation) : len(validation) + 3] == tested


def test_the_narrow_table_stays_narrow() -> None:
    before = {**flat(PARAMS), **declared_metrics()}
    rule = f"detectors.{PARAMS['detector']}.rule"
    changes: list[dict[str, Any]] = [{}, {rule: "sigma"}, {"train.epochs": 100}]
    changes += [
        {"networks.autoencoder.latent": latent, "networks.mnad.channels": channels}
        for latent in (0.5, 2)
        for channels in (8, 32)
    ]
    rows = [
        {**before, **change, "Experiment": f"longest-name-{number}", "rev": "1234567"}
        for number, change in enumerate(changes)
    ]
    table = narrow_table(rows, list(flat(PARAMS))).to_markdown(index=False)
    assert max(map(len, table.splitlines())) <= WIDEST_TABLE
    for name in ("rule", "epochs", "latent", "channels"):
        assert name in table.splitlines()[0]


def test_reports_hold_what_is_no_metric() -> None:
    reports = {path.stem for path in (ROOT / "metrics/reports").glob("*.json")}
    outs = [out for stage in GRAPH["stages"].values() for out in stage.get("outs", [])]
    named = [next(iter(out)) for out in outs if isinstance(out, dict)]
    assert reports == {Path(name).stem for name in named if name.startswith("metrics/reports/")}
