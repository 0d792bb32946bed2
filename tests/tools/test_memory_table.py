"""Whether the memory helps is measured beside the same network without it, seed by seed."""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from stages import validate
from stages.common import paths
from stages.common.files import write_arrays
from stages.common.params import load_params
from stages.wells.detection.calibration import fit_detectors
from stages.wells.detection.detector import save_detectors
from stages.wells.evaluation.validation import measure_detectors
from stages.wells.latent.memory import MemoryUse
from stages.wells.networks import registry
from stages.wells.networks.recipe import train_members
from tests.clones import ROOT
from tests.small_wells import SETTINGS, grainy_wells, in_turn, small_members, with_thing
from tools import memory
from tools.memory import MEASURED, mean_use, spread_over_seeds, validation_on
from tools.small_sets import Params, Wells, read_wells

SIZE = {"height": 32, "width": 48}
SPILLED = with_thing(grainy_wells(12, seed=1), slice(12, 28), slice(16, 32), grey=250)
USE = ["usage_perplexity", "dead_items"]
TABLE = pd.DataFrame(
    {
        "setting": ["b", "b", "a", "a"],
        "seed": [0, 1, 0, 1],
        **dict.fromkeys(MEASURED, [0.5] * 4),
        "tpr": [1.0, 0.9, 0.8, 0.8],
        **{name: [None, None, 4.0, 5.0] for name in USE},
    }
)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Params:
    """Prepared wells, a few, and the parameters of small networks, in the working directory."""
    monkeypatch.chdir(tmp_path)
    write_arrays(paths.WELLS / "train.npz", images=grainy_wells(60, seed=0), folds=in_turn(60))
    write_arrays(paths.WELLS / "spills.npz", images=SPILLED)
    tested = np.concatenate([grainy_wells(12, seed=2), SPILLED])
    write_arrays(paths.WELLS / "test.npz", images=tested, labels=np.arange(24) >= 12)
    values = yaml.safe_load((ROOT / paths.PARAMS).read_text(encoding="utf-8"))
    values["train"]["epochs"], values["detector"] = 1, "mnad"
    paths.PARAMS.write_text(yaml.safe_dump(values), encoding="utf-8")
    return load_params(Params)


@pytest.mark.slow
def test_each_setting_is_measured_with_each_seed_and_changes_nothing_else(
    project: Params, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings: dict[str, dict[str, float]] = {"none": {"items": 0}, "some": {"items": 3}}
    monkeypatch.setattr(memory, "SETTINGS", settings)
    monkeypatch.setattr(memory, "SEEDS", (4, 5))
    monkeypatch.setattr(sys, "argv", ["memory"])
    seen: list[tuple[Any, ...]] = []

    def watch(*given: Any) -> Any:
        seen.append(given)
        return train_members(*given)

    monkeypatch.setattr(memory, "train_members", watch)
    memory.main()

    table = memory.read_table(Path())
    assert table.columns.tolist() == ["setting", "seed", *MEASURED]
    rows = [["none", 4], ["none", 5], ["some", 4], ["some", 5]]
    assert table[["setting", "seed"]].to_numpy().tolist() == rows
    assert table[USE].isna().all(axis=1).tolist() == [True, True, False, False]
    assert (table.groupby("setting")["holdout_mse"].nunique() == 2).all()
    assert table[["validation", "tpr", "tnr", "auroc"]].stack().between(0, 1).all()
    for (setting, seed), (name, networks, schedule, images, folds, given) in zip(
        rows, seen, strict=True
    ):
        assert (name, schedule, given) == ("mnad", project.train, seed)
        expected = project.networks.model_dump()
        expected["mnad"] |= settings[str(setting)]
        assert networks.model_dump() == expected
        np.testing.assert_array_equal(images, read_wells().train)
        np.testing.assert_array_equal(folds, read_wells().folds)


@pytest.mark.slow
def test_validation_is_what_the_stage_measures_on_the_same_hard_cases(
    project: Params, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[list[Any]] = []

    def watch(detectors: Any, networks: Any, cases: Any, normals: Any, groups: Any) -> Any:
        seen.append([*cases, *normals.values(), groups])
        return measure_detectors(detectors, networks, cases, normals, groups)

    for module in (memory, validate):
        monkeypatch.setattr(module, "measure_detectors", watch)
    wells, members = read_wells(), small_members("mnad", **SIZE)
    detectors = fit_detectors({"mnad": project.detectors["mnad"]}, {"mnad": members}, *wells)
    path = paths.NETWORKS / "mnad" / registry.WEIGHTS
    registry.save(members, "mnad", SETTINGS["mnad"] | SIZE, path)
    save_detectors(detectors, paths.DETECTORS)
    validate.main()
    declared = json.loads((paths.METRICS / "validation.json").read_text(encoding="utf-8"))
    assert validation_on(wells, project.seed)(detectors["mnad"], members) == declared["detector"]
    assert 0 < declared["detector"]["validation"] < 1
    for one, other in zip(*seen, strict=True):
        np.testing.assert_array_equal(one, other)


def test_use_is_the_mean_of_members_on_what_each_has_learned_from(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    wells = Wells(grainy_wells(6, seed=0), in_turn(6), SPILLED)
    members, seen = small_members("mnad", **SIZE), []
    uses = iter([MemoryUse(4, 1, 0.5), MemoryUse(5, 2, 0.7)])

    def use(member: Any, images: Any) -> MemoryUse:
        seen.append((members.index(member), images))
        return next(uses)

    monkeypatch.setattr(memory, "memory_use", use)
    assert mean_use(members, wells).items() >= {"usage_perplexity": 4.5, "dead_items": 1.5}.items()
    for number, (member, images) in enumerate(seen):
        assert member == number
        np.testing.assert_array_equal(images, wells.train[wells.folds != number])
    assert mean_use(small_members("mnad", items=0, **SIZE), wells) == {}


def test_spread_comes_in_the_order_of_the_table_without_what_is_missing() -> None:
    spread = spread_over_seeds(TABLE)
    assert list(spread) == ["b", "a"]
    assert spread["b"]["tpr"] == pytest.approx({"mean": 0.95, "std": 0.005**0.5, "min": 0.9})
    assert spread["a"]["dead_items"]["mean"] == 4.5
    assert spread["b"].keys() == set(MEASURED) - set(USE)


def test_the_committed_table_shows_what_the_page_says_of_seeds() -> None:
    table = memory.read_table(ROOT)
    assert table["setting"].unique().tolist() == list(memory.SETTINGS)
    errors = table.pivot(index="seed", columns="setting", values="holdout_mse")
    assert (errors["10 items"] > errors["no memory"]).all()
    assert (table["dead_items"].dropna() == 0).all()
    for name in ("validation", "tpr", "tnr", "auroc"):
        seeds = table.groupby("setting")[name]
        assert np.ptp(seeds.mean()) < (seeds.max() - seeds.min()).max(), name
