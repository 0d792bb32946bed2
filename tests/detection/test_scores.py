"""Scores measure the reconstruction's error, or how strange wells look, where they should look."""

import math

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from stages.common.types import FloatArray, Images
from stages.wells.detection import scores
from stages.wells.detection.scores import (
    APPEARANCE,
    COLUMN,
    HALF_HEIGHT,
    HALF_WIDTH,
    ROW,
    SCORES,
    TEXTURE,
    NetworkScore,
    Scores,
    centre_mse,
    coarse_mse,
    ellipse_weights,
    mse,
    networks_of,
    score_images,
    squared_error,
)
from stages.wells.networks import base
from stages.wells.networks.base import Network
from stages.wells.networks.registry import NETWORKS
from tests.small_wells import GRAIN, grainy_wells, noise, small_network, with_thing

IMAGES = noise(11)
SMALL = {name: score.fit(noise(30, seed=1)) for name, score in SCORES.items()}
BY_FEATURE = [APPEARANCE, TEXTURE]
BY_NETWORK = sorted(SCORES.keys() - BY_FEATURE)
# The well's middle in these frames: rows 12 to 27 and columns 12 to 35, or 4 x 6 blocks.
TRAINING, WELLS = grainy_wells(200, seed=0), grainy_wells(50, seed=1)
NORMALITY = {name: SCORES[name].fit(TRAINING) for name in BY_FEATURE}


@pytest.fixture(scope="module")
def networks() -> dict[str, Network]:
    return {name: small_network(name) for name in NETWORKS}


def place_ellipse(
    monkeypatch: pytest.MonkeyPatch,
    row: float,
    column: float,
    half_height: float,
    half_width: float,
) -> None:
    for name, value in (
        ("ROW", row),
        ("COLUMN", column),
        ("HALF_HEIGHT", half_height),
        ("HALF_WIDTH", half_width),
    ):
        monkeypatch.setattr(scores, name, value)


def error_at(*pixels: tuple[int, int]) -> tuple[torch.Tensor, torch.Tensor]:
    """Return a black 32 x 48 image and a reconstruction that is 0.6 off there, in one channel."""
    images = torch.zeros(1, 3, 32, 48)
    reconstructions = images.clone()
    for row, column in pixels:
        reconstructions[0, 1, row, column] = 0.6
    return images, reconstructions


def score(name: str, images: Images) -> FloatArray:
    """Return one score that needs no network."""
    return score_images(images, {name: NORMALITY[name]}, {})[name]


def score_all(images: Images, networks: dict[str, Network]) -> Scores:
    return score_images(images, SMALL, networks)


def test_squared_error_of_a_pixel_is_the_mean_of_its_channels() -> None:
    errors = squared_error(*error_at((3, 5)))
    assert errors.shape == (1, 32, 48)
    assert errors[0, 3, 5].item() == pytest.approx(0.36 / 3)
    assert errors.sum().item() == pytest.approx(0.36 / 3)


def test_mse_is_the_mean_over_channels_and_pixels_of_each_image() -> None:
    images = torch.zeros(3, 3, 2, 2)
    reconstructions = images.clone()
    reconstructions[1, 0, 0, 0] = 0.6
    reconstructions[2] = -0.5
    torch.testing.assert_close(
        mse(images, reconstructions), torch.tensor([0, 0.36 / 12, 0.25]), rtol=1e-6, atol=0
    )


@pytest.mark.parametrize("edge", [(0, 0), (0, 24), (20, 0), (31, 47), (20, 47), (10, 24)])
def test_centre_mse_does_not_see_an_error_outside_the_ellipse(edge: tuple[int, int]) -> None:
    assert centre_mse(*error_at(edge)).item() == 0
    assert mse(*error_at(edge)).item() > 0


@pytest.mark.parametrize("middle", [(20, 24), (14, 22), (20, 32), (28, 24)])
def test_centre_mse_weighs_an_error_inside_more_than_mse_does(middle: tuple[int, int]) -> None:
    # The ellipse covers a sixth of the frame, so what lies in it counts about 6 times as much.
    ratio = centre_mse(*error_at(middle)) / mse(*error_at(middle))
    assert ratio.item() == pytest.approx(1 / (math.pi * HALF_HEIGHT * HALF_WIDTH), rel=0.1)


def test_the_ellipse_is_placed_by_row_and_column(monkeypatch: pytest.MonkeyPatch) -> None:
    rows, columns = ellipse_weights(100, 200).nonzero().double().mean(0).tolist()
    assert rows + 0.5 == pytest.approx(100 * ROW, abs=0.5)
    assert columns + 0.5 == pytest.approx(200 * COLUMN, abs=0.5)
    place_ellipse(monkeypatch, row=0.8, column=0.2, half_height=0.1, half_width=0.1)
    assert centre_mse(*error_at((25, 9))).item() > 0
    assert centre_mse(*error_at((6, 38))).item() == 0


@pytest.mark.parametrize(
    ("half_height", "half_width"), [(HALF_HEIGHT, HALF_WIDTH), (0.3, 0.1), (0.1, 0.3)]
)
def test_the_ellipse_is_as_high_and_as_wide_as_told(
    half_height: float, half_width: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    place_ellipse(monkeypatch, ROW, COLUMN, half_height, half_width)
    rows, columns = ellipse_weights(100, 200).nonzero().unbind(1)
    assert len(set(rows.tolist())) == pytest.approx(2 * half_height * 100, abs=2)
    assert len(set(columns.tolist())) == pytest.approx(2 * half_width * 200, abs=4)


@pytest.mark.parametrize(("height", "width"), [(16, 16), (32, 48), (200, 100)])
def test_weights_are_even_over_the_ellipses_area_and_sum_to_one(height: int, width: int) -> None:
    weights = ellipse_weights(height, width)
    inside = weights[weights > 0]
    assert weights.sum().item() == pytest.approx(1)
    assert inside.min() == inside.max()
    area = math.pi * HALF_HEIGHT * HALF_WIDTH * height * width
    assert len(inside) == pytest.approx(area, rel=0.1)


@pytest.mark.parametrize(
    ("row", "column", "pixel"), [(0.45, 0.66, (4, 6)), (0.01, 0.99, (0, 9)), (0.5001, 0.29, (5, 2))]
)
def test_an_ellipse_smaller_than_a_pixel_weighs_the_pixel_it_lies_in(
    row: float, column: float, pixel: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    place_ellipse(monkeypatch, row, column, half_height=1e-3, half_width=1e-4)
    weights = ellipse_weights(10, 10)
    assert weights[pixel].item() == 1
    assert weights.sum().item() == 1


def test_centre_mse_over_the_whole_frame_is_mse(monkeypatch: pytest.MonkeyPatch) -> None:
    place_ellipse(monkeypatch, 0.5, 0.5, half_height=2, half_width=2)
    generator = torch.Generator().manual_seed(0)
    images, reconstructions = torch.rand(2, 4, 3, 16, 16, generator=generator)
    torch.testing.assert_close(centre_mse(images, reconstructions), mse(images, reconstructions))


def test_coarse_mse_forgives_grain_that_changes_sign_and_not_a_patch_of_the_same_energy() -> None:
    images = torch.full((2, 3, 32, 48), 0.5)
    reconstructions = images.clone()
    rows, columns = torch.meshgrid(torch.arange(32), torch.arange(48), indexing="ij")
    reconstructions[0] += 0.1 * (1 - 2 * ((rows + columns) % 2))
    reconstructions[1] += 0.1
    torch.testing.assert_close(centre_mse(images, reconstructions), torch.tensor([0.01, 0.01]))
    # Of nine neighbours on a chessboard, five are of one sign and four of the other.
    torch.testing.assert_close(coarse_mse(images, reconstructions), torch.tensor([0.01 / 81, 0.01]))


def test_coarse_mse_sees_only_the_centre() -> None:
    assert coarse_mse(*error_at((0, 0))).item() == 0
    assert coarse_mse(*error_at((20, 24))).item() > 0


def test_coarse_mse_averages_around_the_pixel_it_looks_at(monkeypatch: pytest.MonkeyPatch) -> None:
    place_ellipse(monkeypatch, 2.5 / 32, 8.5 / 48, half_height=0.01, half_width=0.01)
    one_ninth = (0.6 / 9) ** 2 / 3
    for row, expected in ((0, 0), (1, one_ninth), (2, one_ninth), (3, one_ninth), (4, 0)):
        assert coarse_mse(*error_at((row, 8))).item() == pytest.approx(expected)


def test_the_scores_are_errors_of_each_network_its_own_and_features() -> None:
    errors = {f"{name}.{error}" for name in NETWORKS for error in ("mse", "centre_mse")}
    coarse = {f"{name}.coarse_mse" for name in NETWORKS}
    assert SCORES.keys() == {*errors, *coarse, "mnad.memory", *BY_FEATURE}


@pytest.mark.parametrize("name", SCORES)
def test_a_score_says_which_network_it_needs(name: str) -> None:
    network, dot, _ = name.rpartition(".")
    assert networks_of([name]) == ({network} if dot else set())
    assert (SCORES[name].fit(IMAGES) is None) == bool(dot), "only features are fitted"


def test_scores_that_share_a_network_need_it_once() -> None:
    assert networks_of(BY_FEATURE) == set()
    assert networks_of(["mnad.mse", TEXTURE, "mnad.memory"]) == {"mnad"}
    assert networks_of(SCORES) == set(NETWORKS)


def test_every_score_is_a_number_per_image_in_double_precision(
    networks: dict[str, Network],
) -> None:
    found = score_all(IMAGES, networks)
    assert list(found) == list(SMALL)
    assert all(values.shape == (11,) and values.dtype == np.float64 for values in found.values())


def test_no_images_have_no_scores(networks: dict[str, Network]) -> None:
    found = score_all(IMAGES[:0], networks)
    assert list(found) == list(SMALL)
    assert all(values.shape == (0,) and values.dtype == np.float64 for values in found.values())


@pytest.mark.parametrize("name", NETWORKS)
def test_scores_are_of_the_networks_reconstructions(
    name: str, networks: dict[str, Network]
) -> None:
    found = score_all(IMAGES, networks)
    inputs = torch.from_numpy(IMAGES).float() / 255
    errors: NDArray[np.float32] = (networks[name](inputs) - inputs).detach().numpy() ** 2
    np.testing.assert_allclose(found[f"{name}.mse"], errors.mean(axis=(1, 2, 3)), rtol=1e-5)
    offsets = (np.arange(16) + 0.5) / 16
    rows, columns = (offsets[:, None] - ROW) / HALF_HEIGHT, (offsets - COLUMN) / HALF_WIDTH
    middle = errors[:, :, rows**2 + columns**2 <= 1].mean(axis=(1, 2))
    np.testing.assert_allclose(found[f"{name}.centre_mse"], middle, rtol=1e-5)


def test_scores_do_not_depend_on_the_images_order(networks: dict[str, Network]) -> None:
    order = np.random.default_rng(1).permutation(len(IMAGES))
    shuffled = score_all(IMAGES[order], networks)
    for name, values in score_all(IMAGES, networks).items():
        np.testing.assert_allclose(shuffled[name], values[order], rtol=1e-5)


@pytest.mark.parametrize("batch", [1, 4, 11])
def test_scores_do_not_depend_on_the_batch_size(
    monkeypatch: pytest.MonkeyPatch, networks: dict[str, Network], batch: int
) -> None:
    expected = score_all(IMAGES, networks)
    monkeypatch.setattr(base, "BATCH", batch)
    monkeypatch.setattr(scores, "DESCRIBED_TOGETHER", batch)
    for name, values in score_all(IMAGES, networks).items():
        np.testing.assert_allclose(values, expected[name], rtol=1e-5)


@pytest.mark.parametrize(
    "only",
    [[APPEARANCE], [TEXTURE], [TEXTURE, APPEARANCE], [APPEARANCE, "mnad.memory"], BY_NETWORK],
    ids=str,
)
def test_the_scores_that_are_wanted_are_the_same_numbers_alone_and_no_others(
    only: list[str], networks: dict[str, Network]
) -> None:
    everything = score_all(IMAGES, networks)
    found = score_images(IMAGES, {name: SMALL[name] for name in only}, networks)
    assert list(found) == only
    for name in only:
        np.testing.assert_array_equal(found[name], everything[name])


@pytest.mark.parametrize(
    ("only", "idle"),
    [(BY_FEATURE, ["autoencoder", "mnad"]), ([TEXTURE, "mnad.mse"], ["autoencoder"])],
)
def test_a_network_that_no_score_needs_is_not_asked_for(
    only: list[str],
    idle: list[str],
    networks: dict[str, Network],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: object) -> None:
        raise AssertionError("the network was asked")

    for name in idle:
        for method in ("forward", "encode", "eval"):
            monkeypatch.setattr(networks[name], method, fail)
    wanted = {name: SMALL[name] for name in only}
    found = score_images(IMAGES, wanted, networks)
    without = score_images(
        IMAGES, wanted, {name: one for name, one in networks.items() if name not in idle}
    )
    for name in only:
        np.testing.assert_array_equal(found[name], without[name])


@pytest.mark.parametrize("name", BY_NETWORK)
def test_a_network_that_a_score_needs_must_be_there(
    name: str, networks: dict[str, Network]
) -> None:
    needed = SCORES[name].network
    others = {key: network for key, network in networks.items() if key != needed}
    with pytest.raises(KeyError, match=str(needed)):
        score_images(IMAGES, {APPEARANCE: SMALL[APPEARANCE], name: None}, others)


def test_a_network_runs_once_however_many_scores_need_it(
    networks: dict[str, Network], monkeypatch: pytest.MonkeyPatch
) -> None:
    network, runs = networks["autoencoder"], []
    forward = network.forward

    def counted(images: torch.Tensor) -> object:
        runs.append(len(images))
        return forward(images)

    monkeypatch.setattr(network, "forward", counted)
    score_all(IMAGES, networks)
    assert runs == [len(IMAGES)]


@pytest.mark.parametrize("name", BY_NETWORK)
def test_a_score_of_a_network_is_the_mean_of_what_it_finds_where_it_looks(
    name: str, networks: dict[str, Network]
) -> None:
    one = SCORES[name]
    assert isinstance(one, NetworkScore)
    network, images = networks[one.network].eval(), torch.from_numpy(IMAGES).float() / 255
    with torch.no_grad():
        located = one.locate(network, images, network(images))
        measured = one.measure(network, images, network(images))
    assert len(located) == len(IMAGES)
    assert 16 % located.shape[1] == 16 % located.shape[2] == 0
    looks = torch.ones(located.shape[1:]).bool()
    if one.in_middle:
        looks = ellipse_weights(16, 16) > 0
    assert one.in_middle == name.endswith((".centre_mse", ".coarse_mse"))
    torch.testing.assert_close(measured, located[:, looks].mean(1))


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
    shapes = {name: fitted.means.shape for name, fitted in NORMALITY.items() if fitted}
    assert shapes == {APPEARANCE: (1, 6), TEXTURE: (24, 3)}
