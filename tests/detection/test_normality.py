"""Photos are compared with what has not seen them, and only what a score looks at is kept."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from stages.common.types import FloatArray, Images, Indices
from stages.wells.detection import batches, gaussians, regions
from stages.wells.detection.features import Features, describe_texture
from stages.wells.detection.gaussians import Gaussians, fit_gaussians
from stages.wells.detection.normality import (
    Learnt,
    Normality,
    learn_normality,
    measure_distances,
    score_images,
)
from stages.wells.detection.regions import Share, learn_share, learn_where
from stages.wells.detection.scores import SCORES, block_errors, networks_of
from stages.wells.networks.base import Network
from stages.wells.networks.registry import NETWORKS
from tests.arrays import on_arrays
from tests.small_wells import in_turn, noise, small_members

pool, squared_distances = on_arrays(regions.pool), on_arrays(gaussians.squared_distances)

TRAIN, SPILLS, IMAGES = noise(40, seed=1, width=24), noise(6, seed=2, width=24), noise(11, width=24)
FOLDS = in_turn(40)
NAMES = list(SCORES)
BY_NETWORK = [name for name in SCORES if networks_of([name])]
BY_FEATURE = ["appearance", "texture"]
COMPARING = [name for name in SCORES if SCORES[name].distance is not None]
Networks = dict[str, list[Network]]


@pytest.fixture(scope="module")
def networks() -> Networks:
    return {name: small_members(name, width=24) for name in NETWORKS}


def described(name: str, networks: Networks, images: Images) -> list[Features]:
    """Return the features that a score sees of images, by fold."""
    score, photos = SCORES[name], torch.from_numpy(images)
    if score.network is None:
        return [score.describe(photos)] * 2
    with torch.no_grad():
        return [score.describe(block_errors(one, photos)) for one in networks[score.network]]


def learn(name: str, networks: Networks, spills: Images = SPILLS) -> Learnt:
    train, known = (described(name, networks, images) for images in (TRAIN, spills))
    return learn_normality(SCORES[name], train, known, FOLDS, rows=4)


@pytest.fixture(scope="module")
def fitted(networks: Networks) -> dict[str, Normality]:
    return {name: learn(name, networks).normality for name in SCORES}


def by_hand(
    name: str, fitted: Normality, member: int, networks: Networks, images: Images
) -> FloatArray:
    """Return a score by one member alone, all positions measured before any is left out."""
    features = described(name, networks, images)[member]
    if fitted.where is not None:
        features = features[:, fitted.where]
    distance = SCORES[name].distance
    found = features[..., 0] if distance is None else distance(fitted.members[member], features)
    return pool(found, fitted.share)


def pretend(
    train: Sequence[Features], spills: Sequence[Features], folds: Indices, rows: int = 4
) -> Learnt:
    """Return what a score that learns where to look learns from made-up features."""
    return learn_normality(SCORES["autoencoder.blocks"], train, spills, folds, rows)


def draw(count: int, seed: int, level: float = 0) -> Features:
    return torch.from_numpy(np.random.default_rng(seed).normal(level, 1, (count, 4 * 6, 3)))


def test_each_member_is_fitted_to_training_photos_of_the_other_folds(networks: Networks) -> None:
    found = learn("texture", networks).normality
    features = describe_texture(torch.from_numpy(TRAIN))
    assert found.members == [fit_gaussians(features[fold != FOLDS]) for fold in (0, 1)]
    assert (found.where, found.share) == (None, "half")


def test_a_member_is_fitted_to_what_its_own_network_sees() -> None:
    train = [draw(40, seed=0), draw(40, seed=0, level=50)]
    found = pretend(train, [draw(0, seed=1)] * 2, FOLDS).normality
    assert np.abs(found.members[0].means).max() < 2
    assert np.abs(found.members[1].means - 50).max() < 2


def test_a_score_that_compares_nothing_has_no_members(fitted: dict[str, Normality]) -> None:
    for name, one in fitted.items():
        assert len(one.members) == (0 if name.endswith(".mse") else 2), name
    assert fitted["mnad.mse"] == Normality(members=[], where=None, share="all")


@pytest.mark.parametrize("name", NAMES)
def test_held_out_photos_are_scored_by_the_member_that_has_not_seen_them(
    name: str, networks: Networks, fitted: dict[str, Normality]
) -> None:
    folds = np.array([0, 1, 1, 0, 0, 1, 0, 1, 1, 1, 0])
    found = score_images(IMAGES, {name: fitted[name]}, networks, folds)[name]
    by_member = [by_hand(name, fitted[name], fold, networks, IMAGES) for fold in (0, 1)]
    assert not np.isclose(by_member[0], by_member[1]).any()
    expected = np.where(folds == 0, by_member[0], by_member[1])
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_new_photos_are_scored_by_the_mean_of_members(
    name: str, networks: Networks, fitted: dict[str, Normality]
) -> None:
    found = score_images(IMAGES, {name: fitted[name]}, networks)[name]
    by_member = [by_hand(name, fitted[name], fold, networks, IMAGES) for fold in (0, 1)]
    np.testing.assert_allclose(found, np.mean(by_member, axis=0), rtol=1e-6, atol=1e-6)


def test_photos_of_no_fold_are_new_ones_among_the_held_out(
    networks: Networks, fitted: dict[str, Normality]
) -> None:
    folds = np.array([0, -1, 1, -1, 0, -1, -1, 1, 1, 0, -1])
    mixed = score_images(IMAGES, fitted, networks, folds)
    new = score_images(IMAGES, fitted, networks)
    held_out = score_images(IMAGES, fitted, networks, np.maximum(folds, 0))
    for name in SCORES:
        expected = np.where(folds < 0, new[name], held_out[name])
        np.testing.assert_allclose(mixed[name], expected, rtol=1e-6, atol=1e-6, err_msg=name)
        assert not np.isclose(new[name], held_out[name])[folds < 0].any()


@pytest.mark.parametrize("name", NAMES)
def test_learning_tells_the_scores_that_scoring_gives(name: str, networks: Networks) -> None:
    learnt = learn(name, networks)
    one = {name: learnt.normality}
    normals = score_images(TRAIN, one, networks, FOLDS)[name]
    np.testing.assert_allclose(learnt.normals, normals, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(
        learnt.spills, score_images(SPILLS, one, networks)[name], rtol=1e-6, atol=1e-6
    )


@pytest.mark.parametrize("together", [1, 4, 11])
@pytest.mark.parametrize("folds", [None, in_turn(11)], ids=["new", "held out"])
def test_scores_do_not_depend_on_how_photos_are_batched(
    together: int,
    folds: Indices | None,
    networks: Networks,
    fitted: dict[str, Normality],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    expected = score_images(IMAGES, fitted, networks, folds)
    monkeypatch.setattr(batches, "TOGETHER", together)
    for name, values in score_images(IMAGES, fitted, networks, folds).items():
        np.testing.assert_allclose(values, expected[name], rtol=1e-5, atol=1e-6, err_msg=name)


def test_scores_do_not_depend_on_the_photos_order(
    networks: Networks, fitted: dict[str, Normality]
) -> None:
    order, folds = np.random.default_rng(1).permutation(11), in_turn(11)
    shuffled = score_images(IMAGES[order], fitted, networks, folds[order])
    for name, values in score_images(IMAGES, fitted, networks, folds).items():
        np.testing.assert_allclose(
            shuffled[name], values[order], rtol=1e-5, atol=1e-6, err_msg=name
        )


@pytest.mark.parametrize("count", [0, 11])
def test_every_score_is_a_number_per_photo_in_double_precision(
    count: int, networks: Networks, fitted: dict[str, Normality]
) -> None:
    found = score_images(IMAGES[:count], fitted, networks)
    assert list(found) == NAMES
    for values in found.values():
        assert values.shape == (count,)
        assert values.dtype == np.float64
        assert np.isfinite(values).all()


@pytest.mark.parametrize(
    "only", [["texture"], ["texture", "appearance"], ["appearance", "mnad.blocks"], BY_NETWORK]
)
def test_the_scores_that_are_wanted_are_the_same_numbers_alone_and_no_others(
    only: list[str], networks: Networks, fitted: dict[str, Normality]
) -> None:
    everything = score_images(IMAGES, fitted, networks)
    found = score_images(IMAGES, {name: fitted[name] for name in only}, networks)
    assert list(found) == only
    for name in only:
        np.testing.assert_array_equal(found[name], everything[name])


def count_runs(networks: Networks, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int, int]]:
    """Return a list that fills with the network, the member and the photos of each run."""
    runs: list[tuple[str, int, int]] = []

    def count(name: str, member: int, network: Network) -> None:
        forward = network.forward

        def counted(images: torch.Tensor) -> object:
            runs.append((name, member, len(images)))
            return forward(images)

        monkeypatch.setattr(network, "forward", counted)

    for name, members in networks.items():
        for number, network in enumerate(members):
            count(name, number, network)
    return runs


def test_each_member_runs_once_however_many_scores_need_it(
    networks: Networks, fitted: dict[str, Normality], monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = count_runs(networks, monkeypatch)
    score_images(IMAGES, fitted, networks)
    assert sorted(runs) == [(name, member, 11) for name in NETWORKS for member in (0, 1)]


def test_held_out_photos_are_seen_by_the_member_of_their_fold_alone(
    networks: Networks, fitted: dict[str, Normality], monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = count_runs(networks, monkeypatch)
    score_images(IMAGES, {"mnad.mse": fitted["mnad.mse"]}, networks, in_turn(11))
    assert sorted(runs) == [("mnad", 0, 6), ("mnad", 1, 5)]


def test_only_the_networks_that_scores_need_must_be_there(
    networks: Networks, fitted: dict[str, Normality]
) -> None:
    surface = {name: fitted[name] for name in BY_FEATURE}
    assert score_images(IMAGES, surface, {}).keys() == set(BY_FEATURE)
    others = {"autoencoder": networks["autoencoder"]}
    with pytest.raises(KeyError, match="mnad"):
        score_images(IMAGES, surface | {"mnad.mse": fitted["mnad.mse"]}, others)


def test_it_looks_where_known_spills_are_told_by_held_out_distances() -> None:
    train, spills = [draw(60, seed=fold) for fold in (0, 1)], [draw(8, seed=2)] * 2
    for one in spills:
        one[:, [8, 9]] += 6
    folds = in_turn(60)
    learnt = pretend(train, spills, folds)
    whole = [fit_gaussians(one[folds != fold]) for fold, one in enumerate(train)]
    held_out = np.empty((60, 24))
    for fold, one in enumerate(train):
        held_out[folds == fold] = squared_distances(whole[fold], one[folds == fold])
    known = np.mean([squared_distances(whole[fold], spills[fold]) for fold in (0, 1)], axis=0)
    places = learn_where(held_out, known, rows=4)
    assert 0 < len(places) < 24
    assert learnt.normality.where == places.tolist()
    assert learnt.normality.share == learn_share(held_out[:, places], known[:, places])


def test_only_what_it_looks_at_is_kept_of_what_was_learnt() -> None:
    train, spills = draw(60, seed=0), draw(8, seed=2)
    spills[:, [8, 9]] += 6
    folds = in_turn(60)
    learnt = pretend([train] * 2, [spills] * 2, folds).normality
    assert learnt.where is not None
    for fold, member in enumerate(learnt.members):
        whole = fit_gaussians(train[folds != fold])
        np.testing.assert_array_equal(member.means, whole.means[learnt.where])
        np.testing.assert_array_equal(member.precisions, whole.precisions[learnt.where])


@pytest.mark.parametrize("name", COMPARING)
def test_where_no_spill_is_known_it_looks_at_all(name: str, networks: Networks) -> None:
    learnt = learn(name, networks, spills=SPILLS[:0])
    assert learnt.normality.where is None
    assert learnt.normality.share == SCORES[name].share
    assert learnt.normals.shape == (40,)
    assert learnt.spills.shape == (0,)


@pytest.mark.parametrize("name", [*BY_FEATURE, "autoencoder.mse"])
def test_a_score_that_does_not_learn_where_is_not_moved_by_spills(
    name: str, networks: Networks
) -> None:
    before, after = (learn(name, networks, spills=spills) for spills in (SPILLS, SPILLS[:2] // 3))
    assert after.normality == before.normality
    np.testing.assert_array_equal(after.normals, before.normals)


@pytest.mark.parametrize("share", ["all", "half", "tenth"])
def test_distances_are_told_by_score_and_member_at_the_positions_looked_at(
    share: Share, networks: Networks, fitted: dict[str, Normality]
) -> None:
    where = [3, 4, 10, 22]
    whole = learn("mnad.blocks", networks, spills=SPILLS[:0]).normality.members
    members = [Gaussians(means=m.means[where], precisions=m.precisions[where]) for m in whole]
    one = {"mnad.blocks": Normality(members=members, where=where, share=share)}
    photos = torch.from_numpy(IMAGES)
    with torch.no_grad():
        (found,) = measure_distances(photos, one, networks).values()
        (last,) = measure_distances(photos, one, networks, [1]).values()
    assert [distances.shape for distances in found] == [(11, 4)] * 2
    for fold, distances in enumerate(found):
        features = described("mnad.blocks", networks, IMAGES)[fold]
        everywhere = squared_distances(whole[fold], features)
        np.testing.assert_allclose(distances, everywhere[:, where], rtol=1e-6, atol=1e-6)
    np.testing.assert_array_equal(last, found[1:])


MEMBER = {"means": [[0, 1], [2, 3]], "precisions": [[[1, 0], [0, 1]]] * 2}
GOOD = {"members": [MEMBER, MEMBER], "where": [4, 7], "share": "tenth"}


@pytest.mark.parametrize("change", [{}, {"where": None}, {"members": []}, {"share": "half"}])
def test_members_that_fit_where_they_look_are_taken(change: dict[str, Any]) -> None:
    Normality.model_validate(GOOD | change)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"where": [4]}, "a distribution for each position of where"),
        ({"where": [4, 7, 9]}, "a distribution for each position of where"),
        ({"where": []}, "a distribution for each position of where"),
        (
            {"members": [MEMBER, {"means": [[0, 1]], "precisions": [[[1, 0], [0, 1]]]}]},
            "a distribution for each position of where",
        ),
        ({"where": [0.5, 1]}, "where"),
        ({"where": "all"}, "where"),
        ({"share": "most"}, "'all', 'half' or 'tenth'"),
        ({"members": None}, "members"),
        ({"unknown": 1}, "unknown"),
    ],
    ids=str,
)
def test_what_does_not_fit_together_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Normality.model_validate(GOOD | change)


@pytest.mark.parametrize("name", NAMES)
def test_json_gives_it_back_bit_by_bit(name: str, fitted: dict[str, Normality]) -> None:
    assert Normality.model_validate_json(fitted[name].model_dump_json()) == fitted[name]
