"""Photos are compared with what has not seen them, and only what a score looks at is kept."""

from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from stages.common.types import FloatArray, Images, Indices
from stages.wells.detection import batches, gaussians, regions
from stages.wells.detection.features import Features
from stages.wells.detection.gaussians import Gaussians
from stages.wells.detection.learning import Learnt, learn_normality
from stages.wells.detection.normality import Normality, measure_distances, score_images
from stages.wells.detection.regions import SHARES, Share
from stages.wells.detection.scores import SCORES, Score, block_errors, networks_of
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


def seen(score: Score, networks: Networks, images: Images) -> list[torch.Tensor]:
    """Return what a score looks at of images, by fold."""
    photos = torch.from_numpy(images)
    if score.network is None:
        return [photos]
    with torch.no_grad():
        return [block_errors(one, photos) for one in networks[score.network]]


def described(name: str, view: str, networks: Networks, images: Images) -> list[Features]:
    """Return the features that a score's view shows of images, by fold."""
    found = seen(SCORES[name], networks, images)
    return [SCORES[name].views[view].describe(one) for one in found] * (3 - len(found))


def learn(name: str, view: int, networks: Networks, spills: Images = SPILLS) -> Learnt:
    """Return what a score learns that has one of its views only: the first, 0, or the last, -1."""
    score = SCORES[name]
    only = list(score.views)[view]
    score = score._replace(views={only: score.views[only]})
    parts = zip(*(seen(score, networks, images) for images in (TRAIN, spills)), strict=True)
    return learn_normality(score, list(parts), FOLDS, rows=4)


@pytest.fixture(scope="module", params=[0, -1], ids=["first view", "last view"])
def view(request: pytest.FixtureRequest) -> int:
    chosen: int = request.param
    return chosen


@pytest.fixture(scope="module")
def fitted(networks: Networks, view: int) -> dict[str, Normality]:
    return {name: learn(name, view, networks).normality for name in SCORES}


def by_hand(
    name: str, fitted: Normality, member: int, networks: Networks, images: Images
) -> FloatArray:
    """Return a score by one member alone, all positions measured before any is left out."""
    features = described(name, fitted.view, networks, images)[member]
    if fitted.where is not None:
        features = features[:, fitted.where]
    distance = SCORES[name].distance
    found = features[..., 0] if distance is None else distance(fitted.members[member], features)
    return pool(found, fitted.share)


def test_a_score_that_compares_nothing_has_no_members(fitted: dict[str, Normality]) -> None:
    for name, one in fitted.items():
        assert len(one.members) == (0 if name.endswith(".mse") else 2), name
    assert fitted["mnad.mse"] == Normality(view="whole", members=[], where=None, share="all")


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
def test_learning_tells_the_scores_that_scoring_gives(
    name: str, networks: Networks, view: int
) -> None:
    learnt = learn(name, view, networks)
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


@pytest.mark.parametrize("share", SHARES)
def test_distances_are_told_by_score_and_member_at_the_positions_looked_at(
    share: Share, networks: Networks, fitted: dict[str, Normality]
) -> None:
    where = [3, 4, 10, 22]
    whole = learn("mnad.blocks", 0, networks, spills=SPILLS[:0]).normality.members
    members = [Gaussians(means=m.means[where], precisions=m.precisions[where]) for m in whole]
    one = {"mnad.blocks": Normality(view="place", members=members, where=where, share=share)}
    photos = torch.from_numpy(IMAGES)
    with torch.no_grad():
        (found,) = measure_distances(photos, one, networks).values()
        (last,) = measure_distances(photos, one, networks, [1]).values()
    assert [distances.shape for distances in found] == [(11, 4)] * 2
    for fold, distances in enumerate(found):
        features = described("mnad.blocks", "place", networks, IMAGES)[fold]
        everywhere = squared_distances(whole[fold], features)
        np.testing.assert_allclose(distances, everywhere[:, where], rtol=1e-6, atol=1e-6)
    np.testing.assert_array_equal(last, found[1:])


MEMBER = {"means": [[0, 1], [2, 3]], "precisions": [[[1, 0], [0, 1]]] * 2}
GOOD = {"view": "place", "members": [MEMBER, MEMBER], "where": [4, 7], "share": "tenth"}


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
        ({"share": "most"}, "'all', 'half', 'tenth' or 'fiftieth'"),
        ({"view": None}, "view"),
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
