"""The comparer tells real changes from chance, and says which are better."""

import json
from typing import Any

import pandas as pd
import pytest

from tests.wells_files import ROOT
from tools.compare import (
    BETTER,
    Change,
    join_verdicts,
    judge_detector,
    judge_metric,
    pick_changed,
)

SPILLS, NORMALS = 100, 1000
# Of true negative rates over seeds.
STD = 0.001


def predictions(missed: int = 0, false_alarms: int = 0, after: int = 0) -> pd.DataFrame:
    """Return verdicts on SPILLS and NORMALS, the first of each kind behind `after` called wrong."""
    right = ["spill"] * SPILLS + ["normal"] * NORMALS
    wrong = [*range(after, after + missed), *range(SPILLS + after, SPILLS + after + false_alarms)]
    called = [
        ("normal" if kind == "spill" else "spill") if index in wrong else kind
        for index, kind in enumerate(right)
    ]
    names = [f"{index:04d}.jpg" for index in range(len(right))]
    return pd.DataFrame({"name": names, "actual": right, "predicted": called, "score": 0.0})


def judge(name: str, before: Any, now: Any, **evidence: Any) -> Change:
    spread = evidence.get("spread", {"detector": {"tnr": {"std": STD}, "auroc": {"std": STD}}})
    verdicts, retrained = evidence.get("verdicts", {}), evidence.get("retrained", set())
    return judge_metric(Change(name, before, now), spread, verdicts, retrained)


def judge_rate(rate: str, before: pd.DataFrame, now: pd.DataFrame, retrained: bool) -> str:
    photos = join_verdicts(before, now)
    kind = photos[photos["actual"] == {"tpr": "spill", "tnr": "normal"}[rate]]
    rates = [
        (kind[column] == kind["actual"]).mean() for column in ("predicted_before", "predicted")
    ]
    found = judge(
        f"detector.{rate}",
        *map(float, rates),
        verdicts={"detector": photos},
        retrained={"detector"} if retrained else set(),
    )
    return found.outcome


@pytest.mark.parametrize(
    ("alarms", "outcome"),
    # 2√2 deviations of 0.001 are 2.8 photos of 1,000.
    [(8, "within chance"), (7, "better"), (12, "within chance"), (13, "worse")],
)
def test_a_retrained_networks_rate_may_move_by_two_root_two_deviations(
    alarms: int, outcome: str
) -> None:
    before, now = predictions(false_alarms=10), predictions(false_alarms=alarms)
    assert judge_rate("tnr", before, now, retrained=True) == outcome


def test_one_photo_is_chance_where_seeds_never_moved_a_rate() -> None:
    one, two = predictions(missed=1), predictions(missed=2)
    assert judge_rate("tpr", predictions(), one, retrained=True) == "within chance"
    assert judge_rate("tpr", predictions(), two, retrained=True) == "worse"
    assert judge_rate("tpr", two, predictions(), retrained=True) == "better"


def test_a_rate_is_judged_by_its_photos_for_declared_ones_are_rounded() -> None:
    photos = join_verdicts(predictions(), predictions(missed=1))
    found = judge("detector.tpr", 1.0, 0.98, verdicts={"detector": photos}, retrained={"detector"})
    assert found.outcome == "within chance"


@pytest.mark.parametrize(
    ("wrong", "outcome"), [(5, "within chance"), (6, "worse"), (0, "within chance")]
)
def test_the_same_networks_verdicts_are_judged_by_the_exact_mcnemar_test(
    wrong: int, outcome: str
) -> None:
    # Two-sided: 2 / 2^5 = 0.0625, 2 / 2^6 = 0.031.
    now = predictions(false_alarms=wrong)
    assert judge_rate("tnr", predictions(), now, retrained=False) == outcome


def test_verdicts_that_change_both_ways_count_against_each_other() -> None:
    before, now = predictions(false_alarms=20), predictions(false_alarms=23, after=20)
    photos = join_verdicts(before, now)
    found = judge("detector.tnr", 0.98, 0.977, verdicts={"detector": photos})
    assert found == Change("detector.tnr", 0.98, 0.977, "within chance", "McNemar's p = 0.76")


@pytest.mark.parametrize(
    ("name", "before", "now", "outcome"),
    [
        ("detector.auroc", 0.99, 0.9922, "within chance"),
        ("detector.auroc", 0.99, 0.993, "better"),
        ("holdout_mse.autoencoder", 2.0, 1.0, "better"),
        ("tree.held_out_bits", 0.1, 0.5, "worse"),
        ("styles.entropy_bits", 2.0, 2.5, "changed"),
        ("detector.validation", 0.9, 0.5, "within chance"),
        ("detector.tpr", None, 0.9, "new"),
        ("detector.tpr", 0.9, None, "gone"),
    ],
)
def test_what_is_better_depends_on_the_metric(
    name: str, before: Any, now: Any, outcome: str
) -> None:
    none = {"std": 0.0}
    spread = {
        "detector": {"auroc": {"std": STD}},
        "holdout_mse": {"autoencoder": none},
        "tree": {"held_out_bits": none},
        "styles": {"entropy_bits": none},
    }
    assert judge(name, before, now, spread=spread).outcome == outcome


def test_every_declared_metric_says_what_is_better() -> None:
    files = [json.loads(path.read_text()) for path in (ROOT / "metrics").glob("*.json")]
    seeds = json.loads((ROOT / "metrics/seeds.json").read_text())
    named = [
        (group, name)
        for file in files
        if file != seeds
        for group, metrics in file.items()
        for name in metrics
    ]
    assert all(name in BETTER or group in BETTER for group, name in named)
    assert {part for pair in named for part in pair} >= BETTER.keys()


def test_other_photos_or_labels_are_not_compared() -> None:
    other = predictions()
    other.loc[3, "actual"] = "normal"
    for now in (other, predictions().head(7), predictions().assign(name="x.jpg")):
        photos = join_verdicts(predictions(), now)
        assert photos.empty
        found = judge("detector.tpr", 1.0, 0.5, verdicts={"detector": photos})
        assert found.outcome == "not comparable"
        told = judge_detector([found], photos, {"validation": 0.9, "tpr": 0.5, "tnr": 1.0})
        assert told == (
            "not comparable",
            "is measured on other test photos: hard cases 0.9, TPR 1 → 0.5, TNR 1",
        )


def test_photos_that_are_wrong_now_come_first() -> None:
    before, now = predictions(missed=2), predictions(missed=2, after=2)
    changed = pick_changed(join_verdicts(before, now))
    assert changed["name"].tolist() == ["0002.jpg", "0003.jpg", "0000.jpg", "0001.jpg"]
    assert changed["right"].tolist() == ["now wrong"] * 2 + ["now right"] * 2


def test_the_sentence_tells_the_detector_in_use_and_no_other() -> None:
    def told(outcomes: dict[str, str], now: pd.DataFrame) -> tuple[str, str]:
        changes = [Change(name, 0.9, 0.8, outcome) for name, outcome in outcomes.items()]
        photos = join_verdicts(predictions(), now)
        return judge_detector(changes, photos, {"validation": 0.8, "tpr": 0.8, "tnr": 0.99})

    same, other = predictions(), predictions(missed=3)
    rates = "hard cases 0.8, TPR 0.9 → 0.8, TNR 0.99"
    assert told({"mnad.tpr": "worse", "detector.auroc": "worse"}, same) == (
        "unchanged",
        "is unchanged: hard cases 0.8, TPR 0.8, TNR 0.99; "
        "none of 1,100 test photos changed verdict",
    )
    assert told({"detector.tpr": "worse"}, other) == (
        "worse",
        f"got worse: {rates}; 3 of 1,100 test photos changed verdict",
    )
    assert told({"detector.tpr": "within chance"}, other)[0] == "within chance"
    assert told({}, other)[1].startswith(
        "changed within chance: hard cases 0.8, TPR 0.8, TNR 0.99; 3 of"
    )
    both = {"detector.tpr": "better", "detector.tnr": "worse"}
    assert told(both, other)[0] == "better and worse"
    assert told({"detector.validation": "worse"}, same) == (
        "worse",
        "got worse: hard cases 0.9 → 0.8, TPR 0.8, TNR 0.99; "
        "none of 1,100 test photos changed verdict",
    )
    assert told({"detector.validation": "within chance"}, same)[0] == "within chance"
