"""Detectors are fitted together, by held-out normals and known spills, and share what they can."""

import math
from collections.abc import Iterable
from typing import get_args

import numpy as np
import pytest
import torch

from stages.common.errors import InputError
from stages.common.types import Images, Indices
from stages.wells.detection.calibration import choose_scores, fit_detectors
from stages.wells.detection.detector import Detector, score_for, standardise
from stages.wells.detection.features import Features, describe_texture
from stages.wells.detection.gaussians import fit_gaussians
from stages.wells.detection.normality import Scores, score_images
from stages.wells.detection.occlusion import Occlusion
from stages.wells.detection.params import DetectorParams
from stages.wells.detection.scores import SCORES
from stages.wells.detection.thresholds import Rule, place
from stages.wells.networks.base import Network
from stages.wells.networks.registry import Members
from tests.small_wells import (
    fit_to_scores,
    grainy_wells,
    in_turn,
    noise,
    small_members,
    with_thing,
)

MSE, BLOCKS = "autoencoder.mse", "autoencoder.blocks"
RULES: list[Rule] = list(get_args(Rule))
NEED_SPILLS = [rule for rule in RULES if rule != "sigma"]
SIZE = {"height": 16, "width": 24}
TRAIN, FOLDS = grainy_wells(60, seed=0, **SIZE), in_turn(60)
SPILLS = grainy_wells(9, seed=2, grain=40, **SIZE)


def draw(count: int, strangeness: float, seed: int) -> Scores:
    normal = np.random.default_rng(seed).normal(strangeness, 1, (2, count))
    return {MSE: 1e-3 * np.exp(0.3 * normal[0]), BLOCKS: 1e-4 * np.exp(normal[1])}


NORMAL_SCORES, SPILL_SCORES = draw(50, 0, seed=0), draw(12, 2, seed=1)
OTHER_SCORES = draw(200, 1, seed=2)


def fit_one(
    names: Iterable[str],
    normals: Scores = NORMAL_SCORES,
    spills: Scores = SPILL_SCORES,
    rule: Rule = "equal_error",
) -> Detector:
    return fit_to_scores(names, normals, spills, rule)


def wanted(*scores: str, rule: Rule = "equal_error") -> DetectorParams:
    return DetectorParams(scores=list(scores), rule=rule)


def fit(
    detectors: dict[str, DetectorParams],
    networks: dict[str, Members] | None = None,
    spills: Images = SPILLS,
    folds: Indices = FOLDS,
) -> dict[str, Detector]:
    return fit_detectors(detectors, networks or {}, TRAIN, folds, spills)


def stranger(images: Images) -> Images:
    """Return images with twice the contrast."""
    doubled: Images = (120 + 2 * (images.astype(float) - 120)).clip(0, 255).astype(np.uint8)
    return doubled


@pytest.fixture(scope="module")
def autoencoder() -> dict[str, Members]:
    return {"autoencoder": small_members("autoencoder", **SIZE)}


@pytest.mark.parametrize("name", [MSE, BLOCKS])
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
    # For a single spill, the threshold is half-way between the logs' means, 1 and 4.
    assert detector.threshold == pytest.approx(1.5 / math.sqrt(2 / 3))


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("unit", [1e-3, 7, 255**2])
def test_the_scores_unit_changes_no_decision(rule: Rule, unit: float) -> None:
    detector = fit_one([MSE, BLOCKS], rule=rule)
    normals, spills, others = (
        {name: unit * scores for name, scores in part.items()}
        for part in (NORMAL_SCORES, SPILL_SCORES, OTHER_SCORES)
    )
    scaled = fit_one([MSE, BLOCKS], normals, spills, rule)
    expected = detector.combine(OTHER_SCORES) >= detector.threshold
    assert expected.any()
    assert not expected.all()
    np.testing.assert_array_equal(scaled.combine(others) >= scaled.threshold, expected)


def test_thresholds_tell_normals_from_spills_that_separate() -> None:
    spills = {name: 1000 * scores for name, scores in SPILL_SCORES.items()}
    detector = fit_one([MSE, BLOCKS], spills=spills)
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
    assert detector.occlusion == Occlusion.fit(TRAIN)


@pytest.mark.parametrize("constant", [0.0, 0.01, 0.1, 0.3, 1.0])
@pytest.mark.parametrize("count", [1, 7, 10])
def test_scores_that_do_not_vary_are_refused_by_name(constant: float, count: int) -> None:
    normals = NORMAL_SCORES | {MSE: np.full(count, constant)}
    with pytest.raises(
        InputError, match=rf"score {MSE} is the same for all {count} held-out .*add images"
    ):
        fit_one([BLOCKS, MSE], normals)


def test_a_score_that_does_not_vary_and_is_not_wanted_harms_nobody() -> None:
    fit_one([BLOCKS], NORMAL_SCORES | {MSE: np.ones(50)})


def test_scores_of_a_network_that_diverged_are_refused() -> None:
    with pytest.raises(InputError, match=MSE):
        fit_one([MSE], NORMAL_SCORES | {MSE: np.full(5, np.nan)})


def test_each_detector_is_fitted_as_it_would_be_alone(autoencoder: dict[str, Members]) -> None:
    detectors = {
        "one": wanted(BLOCKS, "texture"),
        "other": wanted("texture", "appearance", rule="equal_error"),
        "third": wanted("appearance", rule="sigma"),
    }
    together = fit(detectors, autoencoder)
    assert list(together) == list(detectors)
    for name, one in detectors.items():
        assert fit({name: one}, autoencoder) == {name: together[name]}


def test_a_score_that_two_detectors_share_is_fitted_and_computed_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    texture, described = SCORES["texture"], []
    view = texture.views["place"]

    def describe(images: torch.Tensor) -> Features:
        described.append(len(images))
        return view.describe(images)

    views = {"place": view._replace(describe=describe)}
    monkeypatch.setitem(SCORES, "texture", texture._replace(views=views))
    detectors = fit({name: wanted("appearance", "texture") for name in ("one", "other", "third")})
    assert described == [len(TRAIN), len(SPILLS)]
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


def test_each_member_sees_each_part_once_however_many_detectors_need_it(
    autoencoder: dict[str, Members], monkeypatch: pytest.MonkeyPatch
) -> None:
    runs: list[tuple[Network, int]] = []

    def count(network: Network) -> None:
        forward = network.forward

        def counted(images: torch.Tensor) -> object:
            runs.append((network, len(images)))
            return forward(images)

        monkeypatch.setattr(network, "forward", counted)

    for member in autoencoder["autoencoder"]:
        count(member)
    fit({"one": wanted(MSE), "other": wanted(MSE, BLOCKS, "texture")}, autoencoder)
    one, other = autoencoder["autoencoder"]
    parts = (len(TRAIN), len(SPILLS))
    assert runs == [(member, part) for member in (one, other) for part in parts]


def test_only_the_networks_that_are_needed_must_be_there(autoencoder: dict[str, Members]) -> None:
    assert fit({"a": wanted("texture")}).keys() == {"a"}
    assert fit({"a": wanted(MSE)}, autoencoder).keys() == {"a"}
    with pytest.raises(KeyError, match="mnad"):
        fit({"a": wanted("texture"), "b": wanted("mnad.blocks")}, autoencoder)


def test_each_fold_is_compared_with_training_photos_of_the_others() -> None:
    features = describe_texture(torch.from_numpy(TRAIN))
    members = [fit_gaussians(features[fold != FOLDS]) for fold in (0, 1)]
    assert fit({"a": wanted("texture")})["a"].scores["texture"].normality.members == members


def test_statistics_are_of_training_photos_as_held_out_ones(
    autoencoder: dict[str, Members],
) -> None:
    detector = fit({"a": wanted("texture", BLOCKS)}, autoencoder)["a"]
    scores = score_for([detector], autoencoder, TRAIN, FOLDS)
    for name, fitted in detector.scores.items():
        assert fitted.mean == pytest.approx(np.log(scores[name]).mean(), rel=1e-6)
        assert fitted.std == pytest.approx(np.log(scores[name]).std(), rel=1e-6)


@pytest.mark.parametrize("rule", RULES)
def test_thresholds_lie_between_held_out_normals_and_known_spills_as_new_photos(
    rule: Rule, autoencoder: dict[str, Members]
) -> None:
    detector = fit({"a": wanted("texture", BLOCKS, rule=rule)}, autoencoder)["a"]
    normals = score_for([detector], autoencoder, TRAIN, FOLDS)
    spills = score_for([detector], autoencoder, SPILLS)
    expected = place(rule, detector.combine(normals), detector.combine(spills))
    assert detector.threshold == pytest.approx(expected, rel=1e-5)
    for name, fitted in detector.scores.items():
        standard = (
            standardise(torch.from_numpy(part[name]), fitted.mean, fitted.std).numpy()
            for part in (normals, spills)
        )
        assert fitted.threshold == pytest.approx(place(rule, *standard), rel=1e-5)


def test_other_known_spills_move_the_thresholds_and_nothing_that_normals_tell() -> None:
    detectors = {"a": wanted("texture", "appearance")}
    before, after = (fit(detectors, spills=one)["a"] for one in (SPILLS, stranger(SPILLS)))
    assert after.threshold > before.threshold
    for name, fitted in after.scores.items():
        assert fitted.threshold > before.scores[name].threshold
        assert fitted.mean == before.scores[name].mean
        assert fitted.normality == before.scores[name].normality


def test_spills_that_are_known_tell_where_to_look(autoencoder: dict[str, Members]) -> None:
    spills = with_thing(grainy_wells(9, seed=2, **SIZE), slice(4, 12), slice(8, 16), grey=250)
    fitted = fit({"a": wanted(BLOCKS)}, autoencoder, spills)["a"].scores[BLOCKS].normality
    assert fitted.where is not None
    # Of 6 blocks a row, and no more than those around the thing.
    assert set(fitted.where) <= {6 * row + column for row in range(4) for column in (1, 2, 3, 4)}
    assert [len(one.means) for one in fitted.members] == [len(fitted.where)] * 2


def test_a_score_that_only_blurs_what_the_others_tell_is_left_out() -> None:
    rng = np.random.default_rng(0)
    telling = {MSE: 1.0, "texture": 1.0, BLOCKS: 0.0}
    normals, spills = (
        {name: np.exp(rng.normal(shift * level, 1, count)) for name, level in telling.items()}
        for shift, count in ((0, 400), (1.5, 60))
    )
    found = fit_one(telling, normals, spills)
    assert list(found.scores) == [MSE, "texture"]
    assert found == fit_one([MSE, "texture"], normals, spills)


@pytest.mark.parametrize(("count", "kept"), [(1, [MSE, BLOCKS]), (2, [MSE])])
def test_one_known_spill_is_too_few_to_leave_a_score_out_by(count: int, kept: list[str]) -> None:
    # The spills are the strangest by one score, and the least strange by the other.
    ordered = np.arange(50.0)
    normals = {MSE: ordered, BLOCKS: ordered}
    spills = {MSE: np.full(count, 60.0), BLOCKS: np.full(count, -60.0)}
    assert choose_scores(normals, spills) == kept


@pytest.mark.parametrize(("blurred", "kept"), [(1, [MSE, BLOCKS]), (2, [MSE])])
def test_a_score_is_left_out_for_a_gain_of_more_than_a_thousandth(
    blurred: int, kept: list[str]
) -> None:
    # Of 1000 normals, one or two are stranger than all spills by the second score.
    normals = {MSE: np.zeros(1000), BLOCKS: np.zeros(1000)}
    normals[BLOCKS][:blurred] = 99
    spills = {MSE: np.full(10, 3.0), BLOCKS: np.full(10, 3.0)}
    assert choose_scores(normals, spills) == kept


def test_another_division_into_folds_moves_statistics_and_thresholds() -> None:
    before, after = (
        fit({"a": wanted("texture")}, folds=folds)["a"] for folds in (FOLDS, np.sort(FOLDS))
    )
    assert after.scores["texture"].mean != before.scores["texture"].mean
    assert after.threshold != before.threshold


def test_there_may_be_more_folds_than_two() -> None:
    folds = in_turn(60, folds=3)
    fitted = fit({"a": wanted("texture")}, folds=folds)["a"]
    assert len(fitted.scores["texture"].normality.members) == 3
    scores = score_for([fitted], {}, TRAIN, folds)
    assert fitted.combine(scores).std() == pytest.approx(1)


@pytest.mark.parametrize("rule", NEED_SPILLS)
def test_a_rule_that_needs_spills_is_refused_by_its_key_where_there_are_none(rule: Rule) -> None:
    detectors = {"good": wanted("texture", rule="sigma"), "bad": wanted("appearance", rule=rule)}
    with pytest.raises(
        InputError, match=rf"detectors\.bad\.rule is {rule}, .*\(proliv/\): set sigma, or add"
    ):
        fit(detectors, spills=SPILLS[:0])


def test_sigma_needs_no_spills(autoencoder: dict[str, Members]) -> None:
    detectors = {
        "a": wanted("texture", MSE, rule="sigma"),
        "b": wanted(BLOCKS, rule="sigma"),
    }
    without = fit(detectors, autoencoder, spills=SPILLS[:0])
    assert without["a"] == fit(detectors, autoencoder)["a"]
    assert without["b"].scores[BLOCKS].normality.where is None
    for detector in without.values():
        scores = score_images(noise(5, **SIZE), detector.normality(), autoencoder)
        assert np.isfinite(detector.combine(scores)).all()


def test_a_single_spill_is_enough_for_every_rule() -> None:
    fitted = fit({rule: wanted("texture", rule=rule) for rule in RULES}, spills=SPILLS[:1])
    assert all(math.isfinite(detector.threshold) for detector in fitted.values())
