"""Detectors are fitted together, by held-out normals and known spills, and share what they can."""

import math
from collections.abc import Iterable
from typing import get_args

import numpy as np
import pytest

from stages.common.errors import InputError
from stages.common.types import Images
from stages.wells.detection.calibration import fit_detectors
from stages.wells.detection.detector import Detector
from stages.wells.detection.features import Features
from stages.wells.detection.occlusion import Occlusion
from stages.wells.detection.params import DetectorParams
from stages.wells.detection.scores import SCORES, FeatureScore, Scores, score_images
from stages.wells.detection.thresholds import Rule
from stages.wells.networks.base import Network
from tests.small_wells import fit_to_scores, grainy_wells, noise, small_network

MSE, CENTRE_MSE = "autoencoder.mse", "autoencoder.centre_mse"
RULES: list[Rule] = list(get_args(Rule))
NEED_SPILLS = [rule for rule in RULES if rule != "sigma"]
SIZE = {"height": 16, "width": 24}
TRAIN, HOLDOUT = (grainy_wells(count, seed, **SIZE) for count, seed in ((40, 0), (30, 1)))
SPILLS = grainy_wells(9, seed=2, grain=40, **SIZE)


def draw(count: int, strangeness: float, seed: int) -> Scores:
    normal = np.random.default_rng(seed).normal(strangeness, 1, (2, count))
    return {MSE: 1e-3 * np.exp(0.3 * normal[0]), CENTRE_MSE: 1e-4 * np.exp(normal[1])}


NORMAL_SCORES, SPILL_SCORES = draw(50, 0, seed=0), draw(12, 2, seed=1)
OTHER_SCORES = draw(200, 1, seed=2)


def fit_one(
    names: Iterable[str],
    normals: Scores = NORMAL_SCORES,
    spills: Scores = SPILL_SCORES,
    rule: Rule = "margin",
) -> Detector:
    return fit_to_scores(names, normals, spills, rule)


def wanted(*scores: str, rule: Rule = "equal_error") -> DetectorParams:
    return DetectorParams(scores=list(scores), rule=rule)


def fit(
    detectors: dict[str, DetectorParams],
    networks: dict[str, Network] | None = None,
    spills: Images = SPILLS,
) -> dict[str, Detector]:
    return fit_detectors(detectors, networks or {}, TRAIN, HOLDOUT, spills)


@pytest.fixture(scope="module")
def autoencoder() -> dict[str, Network]:
    return {"autoencoder": small_network("autoencoder", **SIZE)}


@pytest.mark.parametrize("name", [MSE, CENTRE_MSE])
def test_standardised_held_out_normals_have_mean_0_and_deviation_1(name: str) -> None:
    detector = fit_one([name])
    for scores in (detector.standardise(NORMAL_SCORES)[name], detector.combine(NORMAL_SCORES)):
        assert scores.mean() == pytest.approx(0, abs=1e-9)
        assert scores.std() == pytest.approx(1)


def test_scores_are_standardised_on_the_log_scale() -> None:
    # Normals 1, e and e^2 have logs 0, 1 and 2: mean 1, deviation sqrt(2/3). e^4 lies 3 above.
    spills = {MSE: np.exp([4.0])}
    detector = fit_one([MSE], {MSE: np.exp([0.0, 1, 2])}, spills)
    assert detector.standardise(spills)[MSE] == pytest.approx([3 / math.sqrt(2 / 3)])
    # The margin's threshold is half-way between the logs 2 and 4.
    assert detector.threshold == pytest.approx(2 / math.sqrt(2 / 3))


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("unit", [1e-3, 7, 255**2])
def test_the_scores_unit_changes_no_decision(rule: Rule, unit: float) -> None:
    detector = fit_one([MSE, CENTRE_MSE], rule=rule)
    normals, spills, others = (
        {name: unit * scores for name, scores in part.items()}
        for part in (NORMAL_SCORES, SPILL_SCORES, OTHER_SCORES)
    )
    scaled = fit_one([MSE, CENTRE_MSE], normals, spills, rule)
    expected = detector.combine(OTHER_SCORES) >= detector.threshold
    assert expected.any()
    assert not expected.all()
    np.testing.assert_array_equal(scaled.combine(others) >= scaled.threshold, expected)


def test_thresholds_tell_normals_from_spills_that_separate() -> None:
    spills = {name: 1000 * scores for name, scores in SPILL_SCORES.items()}
    detector = fit_one([MSE, CENTRE_MSE], spills=spills)
    for part, is_spill in ((NORMAL_SCORES, False), (spills, True)):
        assert ((detector.combine(part) >= detector.threshold) == is_spill).all()
        for name, scores in detector.standardise(part).items():
            assert ((scores >= detector.scores[name].threshold) == is_spill).all(), name


@pytest.mark.parametrize("rule", RULES)
def test_a_detector_says_what_it_was_made_with(rule: Rule) -> None:
    detector = fit({"mine": wanted("texture", "appearance", rule=rule)})["mine"]
    assert (detector.name, detector.rule) == ("mine", rule)
    assert list(detector.scores) == ["texture", "appearance"]
    assert (detector.height, detector.width) == (16, 24)
    assert detector.occlusion == Occlusion.fit(TRAIN, HOLDOUT)


@pytest.mark.parametrize("constant", [0.0, 0.01, 0.1, 0.3, 1.0])
@pytest.mark.parametrize("count", [1, 7, 10])
def test_scores_that_do_not_vary_are_refused_by_name(constant: float, count: int) -> None:
    normals = NORMAL_SCORES | {MSE: np.full(count, constant)}
    with pytest.raises(InputError, match=rf"score {MSE} is the same for all {count} .*holdout"):
        fit_one([CENTRE_MSE, MSE], normals)


def test_a_score_that_does_not_vary_and_is_not_wanted_harms_nobody() -> None:
    fit_one([CENTRE_MSE], NORMAL_SCORES | {MSE: np.ones(50)})


def test_scores_of_a_network_that_diverged_are_refused() -> None:
    with pytest.raises(InputError, match=MSE):
        fit_one([MSE], NORMAL_SCORES | {MSE: np.full(5, np.nan)})


def test_the_occlusion_threshold_changes_no_decision() -> None:
    detector = fit_one([MSE])
    other = fit_to_scores(
        [MSE], NORMAL_SCORES, SPILL_SCORES, holdout=grainy_wells(50, seed=3, **SIZE)
    )
    assert other.occlusion.threshold != detector.occlusion.threshold
    assert other.threshold == detector.threshold
    assert other.scores == detector.scores


def test_each_detector_is_fitted_as_it_would_be_alone(autoencoder: dict[str, Network]) -> None:
    detectors = {
        "one": wanted("autoencoder.mse", "texture"),
        "other": wanted("texture", "appearance", rule="margin"),
        "third": wanted("appearance", rule="sigma"),
    }
    together = fit(detectors, autoencoder)
    assert list(together) == list(detectors)
    for name, one in detectors.items():
        assert fit({name: one}, autoencoder) == {name: together[name]}


def test_a_score_that_two_detectors_share_is_fitted_and_computed_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    texture = SCORES["texture"]
    assert isinstance(texture, FeatureScore)
    described = []

    def describe(images: Images) -> Features:
        described.append(len(images))
        return texture.describe(images)

    monkeypatch.setitem(SCORES, "texture", texture._replace(describe=describe))
    detectors = fit({name: wanted("appearance", "texture") for name in ("one", "other", "third")})
    assert described == [len(TRAIN), len(HOLDOUT), len(SPILLS)]
    one, *others = (detector.scores["texture"] for detector in detectors.values())
    for other in others:
        assert other.normality is one.normality
        assert other == one


def test_a_shared_score_has_the_same_statistics_in_both_and_the_threshold_of_each_rule() -> None:
    both = fit({rule: wanted("texture", rule=rule) for rule in RULES})
    statistics = {(one.scores["texture"].mean, one.scores["texture"].std) for one in both.values()}
    assert len(statistics) == 1
    assert len({one.scores["texture"].threshold for one in both.values()}) == len(RULES)
    for one in both.values():
        assert one.threshold == one.scores["texture"].threshold


def test_a_network_runs_once_for_each_part_however_many_detectors_need_it(
    autoencoder: dict[str, Network], monkeypatch: pytest.MonkeyPatch
) -> None:
    network, runs = autoencoder["autoencoder"], []
    forward = network.forward

    def counted(images: object) -> object:
        runs.append(images)
        return forward(images)

    monkeypatch.setattr(network, "forward", counted)
    fit({"one": wanted(MSE), "other": wanted(MSE, CENTRE_MSE, "texture")}, autoencoder)
    assert len(runs) == len((HOLDOUT, SPILLS))


def test_only_the_networks_that_are_needed_must_be_there(autoencoder: dict[str, Network]) -> None:
    assert fit({"a": wanted("texture")}).keys() == {"a"}
    assert fit({"a": wanted(MSE)}, autoencoder).keys() == {"a"}
    with pytest.raises(KeyError, match="mnad"):
        fit({"a": wanted("texture"), "b": wanted("mnad.memory")}, autoencoder)


def test_training_photos_alone_say_what_is_normal() -> None:
    before = fit({"a": wanted("texture")})["a"]
    after = fit_detectors({"a": wanted("texture")}, {}, TRAIN, HOLDOUT[:10], SPILLS[:4])["a"]
    assert after.normality() == before.normality() == {"texture": SCORES["texture"].fit(TRAIN)}
    assert after.scores["texture"].mean != before.scores["texture"].mean


def test_statistics_are_of_held_out_normals_and_no_others() -> None:
    fitted = fit({"a": wanted("texture")})["a"].scores["texture"]
    scores = score_images(HOLDOUT, {"texture": fitted.normality}, {})["texture"]
    assert fitted.mean == pytest.approx(np.log(scores).mean())
    assert fitted.std == pytest.approx(np.log(scores).std())


@pytest.mark.parametrize("rule", NEED_SPILLS)
def test_a_rule_that_needs_spills_is_refused_by_its_key_where_there_are_none(rule: Rule) -> None:
    detectors = {"good": wanted("texture", rule="sigma"), "bad": wanted("appearance", rule=rule)}
    with pytest.raises(
        InputError, match=rf"detectors\.bad\.rule is {rule}, .*\(proliv/\): set sigma, or add"
    ):
        fit(detectors, spills=SPILLS[:0])


def test_sigma_needs_no_spills(autoencoder: dict[str, Network]) -> None:
    detectors = {
        "a": wanted("texture", MSE, rule="sigma"),
        "b": wanted(CENTRE_MSE, rule="sigma"),
    }
    without = fit(detectors, autoencoder, spills=SPILLS[:0])
    assert without == fit(detectors, autoencoder)
    for detector in without.values():
        scores = score_images(noise(5, **SIZE), detector.normality(), autoencoder)
        assert np.isfinite(detector.combine(scores)).all()


def test_a_single_spill_is_enough_for_every_rule() -> None:
    fitted = fit({rule: wanted("texture", rule=rule) for rule in RULES}, spills=SPILLS[:1])
    assert all(math.isfinite(detector.threshold) for detector in fitted.values())
