"""Scores measure the reconstruction's error, or how strange wells look, where they should look."""

from functools import partial

import numpy as np
import pytest
import torch

from stages.common.types import FloatArray, Images
from stages.wells.detection import batches, gaussians, scores
from stages.wells.detection.batches import in_batches
from stages.wells.detection.learning import learn_normality
from stages.wells.detection.normality import Normality, score_images
from stages.wells.detection.scores import PERFECT, SCORES, networks_of
from stages.wells.networks.base import Network
from stages.wells.networks.registry import NETWORKS
from tests.arrays import from_arrays, on_arrays
from tests.small_wells import GRAIN, grainy_wells, in_turn, noise, small_network, with_thing

fit_gaussians = from_arrays(gaussians.fit_gaussians)
block_errors = on_arrays(scores.block_errors)
mean_error, log_errors = on_arrays(scores.mean_error), on_arrays(scores.log_errors)
relative_errors = on_arrays(scores.relative_errors)

APPEARANCE, TEXTURE = "appearance", "texture"
BY_FEATURE = [APPEARANCE, TEXTURE]
IMAGES = noise(11, width=24)
# The well's middle in these frames: rows 12 to 27 and columns 12 to 35, or 4 x 6 blocks.
TRAINING, WELLS = grainy_wells(200, seed=0), grainy_wells(50, seed=1)


def learn(name: str) -> Normality:
    """Return what is normal for a score that needs no network."""
    train = torch.from_numpy(TRAINING)
    folds = in_turn(len(TRAINING))
    return learn_normality(SCORES[name], [(train, train[:0])], folds, rows=8).normality


NORMALITY = {name: learn(name) for name in BY_FEATURE}


@pytest.fixture(scope="module", params=NETWORKS)
def network(request: pytest.FixtureRequest) -> Network:
    return small_network(request.param, width=24)


def score(name: str, images: Images) -> FloatArray:
    """Return one score that needs no network."""
    return score_images(images, {name: NORMALITY[name]}, {})[name]


def errors_of(network: Network, images: Images) -> FloatArray:
    """Return the error of each channel and pixel, `[N, 3, H, W]`."""
    inputs = torch.from_numpy(images).float() / 255
    with torch.no_grad():
        errors: FloatArray = (network(inputs) - inputs).numpy().astype(np.float64)
    return errors


def test_there_are_three_scores_of_each_network_and_two_of_features() -> None:
    errors = {f"{name}.{error}" for name in NETWORKS for error in ("mse", "blocks", "excess")}
    assert SCORES.keys() == {*errors, *BY_FEATURE}


@pytest.mark.parametrize("name", SCORES)
def test_a_score_says_which_network_it_needs(name: str) -> None:
    network, dot, _ = name.rpartition(".")
    assert SCORES[name].network == (network if dot else None)
    assert networks_of([name]) == ({network} if dot else set())


def test_scores_that_share_a_network_need_it_once() -> None:
    assert networks_of(BY_FEATURE) == set()
    assert networks_of(["mnad.mse", TEXTURE, "mnad.blocks"]) == {"mnad"}
    assert networks_of(SCORES) == set(NETWORKS)


def test_known_spills_tell_where_blocks_and_excess_look_and_no_others() -> None:
    regions = {name: [view.region for view in one.views.values()] for name, one in SCORES.items()}
    learning = {name for name, found in regions.items() if "told" in found}
    assert learning == {f"{name}.{kind}" for name in NETWORKS for kind in ("blocks", "excess")}


def test_block_errors_are_means_of_each_blocks_pixels_row_by_row(
    network: Network,
) -> None:
    found = block_errors(network, IMAGES)
    assert found.shape == (11, 4 * 6, 6)
    assert found.dtype == np.float64
    errors = errors_of(network, IMAGES)
    for row in range(4):
        for column in range(6):
            rows, columns = slice(4 * row, 4 * row + 4), slice(4 * column, 4 * column + 4)
            block, one = errors[:, :, rows, columns], found[:, 6 * row + column]
            np.testing.assert_allclose(one[:, :3], (block**2).mean(axis=(2, 3)), rtol=1e-5)
            np.testing.assert_allclose(one[:, 3:], block.mean(axis=(2, 3)), atol=1e-6)


@pytest.mark.parametrize("batch", [1, 4, 11])
def test_block_errors_do_not_depend_on_how_many_images_a_network_sees_at_once(
    network: Network, batch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = block_errors(network, IMAGES)
    monkeypatch.setattr(batches, "TOGETHER", batch)
    found = in_batches(partial(scores.block_errors, network), IMAGES)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_no_images_have_no_block_errors(network: Network) -> None:
    assert block_errors(network, IMAGES[:0]).shape == (0, 24, 6)


@pytest.mark.parametrize("name", NETWORKS)
def test_mse_is_the_mean_squared_error_over_the_frame(name: str) -> None:
    network = small_network(name, width=24)
    plain = Normality(view="whole", members=[], where=None, share="all")
    found = score_images(IMAGES, {f"{name}.mse": plain}, {name: [network]})[f"{name}.mse"]
    expected = (errors_of(network, IMAGES) ** 2).mean(axis=(1, 2, 3))
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_a_blocks_mean_error_is_that_of_its_channels() -> None:
    found = mean_error(np.array([[[1.0, 2, 6, 9, 9, 9], [0, 0, 3, 9, 9, 9]]]))
    assert found.tolist() == [[[3], [1]]]


def test_the_log_of_no_error_is_finite_and_that_of_a_grey_level_hardly_moved() -> None:
    found = log_errors(np.array([[[0, 255.0**-2, 1, 9, 9, 9]]]))[0, 0]
    assert found[0] == pytest.approx(np.log(PERFECT))
    assert found[1:].tolist() == pytest.approx([-2 * np.log(255), 0], abs=0.01)


@pytest.mark.parametrize("times", [1.0, 3.0])
def test_errors_that_are_larger_all_over_a_photo_are_relatively_the_same(times: float) -> None:
    rng = np.random.default_rng(0)
    squared, plain = rng.uniform(0.02, 0.1, (5, 24, 3)), rng.uniform(-0.1, 0.1, (5, 24, 3))
    usual, larger = (np.concatenate([one**2 * squared, one * plain], axis=2) for one in (1, times))
    found = relative_errors(larger)
    np.testing.assert_allclose(found, relative_errors(usual), atol=1e-3)
    assert found.shape == (5, 24, 2)


def test_a_block_that_is_redrawn_worse_or_less_evenly_than_the_others_stands_out() -> None:
    # Squared errors 0.01, of which 0.0099 is of the mean error: the variance is 0.0001.
    errors = np.full((1, 24, 6), 0.01)
    errors[..., 3:] = 0.0099**0.5
    errors[0, 9, 3:] = 0
    errors[0, 5] *= 40
    errors[0, 5, 3:] = 0.3999**0.5
    found = relative_errors(errors)[0]
    np.testing.assert_allclose(found[5], [np.log(40), 0], atol=1e-4)
    np.testing.assert_allclose(found[9], [0, np.log(100)], atol=0.05)
    assert not np.delete(found, [5, 9], axis=0).any()


def test_a_network_that_errs_beyond_measure_leaves_relative_errors_finite() -> None:
    rng = np.random.default_rng(0)
    errors = rng.normal(0, 1, (3, 4 * 4, 6)) + 1e4
    errors[..., :3] = np.float32(errors[..., 3:] ** 2) * (1 - 1e-6)
    assert np.isfinite(relative_errors(errors)).all()


def test_blocks_sees_what_is_redrawn_better_than_usual_and_excess_does_not() -> None:
    rng = np.random.default_rng(0)
    train = np.exp(rng.normal(-6, 0.3, (200, 24, 3)))
    usual, better, worse = train.mean(axis=0), train.mean(axis=0) / 10, train.mean(axis=0) * 10
    seen = np.stack([usual, better, worse])
    found = {}
    for kind in ("blocks", "excess"):
        one = SCORES[f"autoencoder.{kind}"]
        assert one.distance is not None
        describe, distance = on_arrays(one.views["place"].describe), on_arrays(one.distance)
        found[kind] = distance(fit_gaussians(describe(train)), describe(seen)).mean(axis=1)
    assert found["blocks"][1] > 20 * found["blocks"][0]
    assert found["blocks"][2] == pytest.approx(found["blocks"][1], rel=0.5)
    assert found["excess"][1] < found["excess"][0]
    assert found["excess"][2] > 20 * found["excess"][0]


@pytest.mark.parametrize("name", BY_FEATURE)
def test_wells_like_those_of_training_score_like_them(name: str) -> None:
    trained, others = score(name, TRAINING), score(name, WELLS)
    assert trained.shape == (200,)
    assert (trained > 0).all()
    assert np.median(others) == pytest.approx(np.median(trained), rel=0.25)


@pytest.mark.parametrize("name", BY_FEATURE)
@pytest.mark.parametrize("grain", [GRAIN / 4, 3 * GRAIN], ids=["smoother", "rougher"])
def test_a_well_smoother_or_rougher_than_all_of_training_is_strange(
    name: str, grain: float
) -> None:
    strange = score(name, grainy_wells(50, seed=1, grain=grain))
    assert strange.min() > 2 * score(name, WELLS).max()


def test_appearance_finds_a_bluer_middle_and_texture_does_not_look_at_colour() -> None:
    bluer = WELLS.copy()
    bluer[:, 2, 12:28, 12:36] += 30
    assert score(APPEARANCE, bluer).min() > 10 * score(APPEARANCE, WELLS).max()
    assert score(TEXTURE, bluer).max() < 2 * score(TEXTURE, WELLS).max()


@pytest.mark.parametrize(
    ("right", "strange"), [(16, False), (22, False), (30, True), (48, True)], ids=str
)
def test_texture_forgives_a_thing_over_less_than_half_of_the_blocks_only(
    right: int, strange: bool
) -> None:
    # From the left up to column 22, a thing touches 3 of the middle's 6 columns of blocks.
    covered = score(TEXTURE, with_thing(WELLS, slice(None), slice(0, right)))
    plain = score(TEXTURE, WELLS)
    if strange:
        assert covered.min() > 10 * plain.max()
    else:
        assert covered.max() < 3 * plain.max()


def test_texture_of_a_thing_over_one_block_is_that_of_the_blocks_left() -> None:
    before = score(TEXTURE, WELLS)
    # The strangest blocks don't count, so the more of them there are the same is left.
    one, other = (
        score(TEXTURE, with_thing(WELLS, slice(17, 19), slice(17, 19), grey)) for grey in (0, 255)
    )
    np.testing.assert_array_equal(one, other)
    assert (one >= before).all()


def test_normality_is_of_the_middle_as_a_whole_and_of_each_of_its_blocks() -> None:
    shapes = {
        name: [one.means.shape for one in fitted.members] for name, fitted in NORMALITY.items()
    }
    assert shapes == {APPEARANCE: [(1, 6)] * 2, TEXTURE: [(24, 3)] * 2}
