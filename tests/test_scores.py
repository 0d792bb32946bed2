"""Scores measure the reconstruction's error, or how strange wells look, where they should look."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from stages.wells import networks, scores, training
from stages.wells.descriptions import Box
from stages.wells.images import Images
from stages.wells.network import Network
from stages.wells.scores import (
    CENTRE_MSE,
    MSE,
    Ellipse,
    Reference,
    appearance,
    centre_mse,
    coarse_mse,
    ellipse_weights,
    fit_reference,
    kinds_of_spill,
    mse,
    obstruction,
    score_images,
    squared_error,
    texture,
)

CENTRE = Ellipse(row=0.5, column=0.5, half_height=0.25, half_width=0.25)
WHOLE_FRAME = Ellipse(0.5, 0.5, 2, 2)
BOX = Box(top=0.375, bottom=0.875, left=0.25, right=0.75)
IMAGES = np.random.default_rng(0).integers(0, 256, (11, 3, 16, 16), dtype=np.uint8)
SMALL = fit_reference(
    np.random.default_rng(1).integers(0, 256, (30, 3, 16, 16), dtype=np.uint8), CENTRE, BOX
)
GRAIN = 10.0


def grainy_wells(count: int, seed: int, grain: float = GRAIN) -> Images:
    """Give grey images, 32 x 48, whose grain is about as strong as told and differs a little."""
    rng = np.random.default_rng(seed)
    each = (count, 1, 1, 1)
    light, strength = rng.uniform(110, 130, each), grain * rng.uniform(0.8, 1.25, each)
    grey = light + strength * rng.normal(size=(count, 1, 32, 48))
    return np.repeat(grey.clip(0, 255).round().astype(np.uint8), 3, axis=1)


def with_thing(images: Images, rows: slice, columns: slice, grey: int = 10) -> Images:
    changed = images.copy()
    changed[..., rows, columns] = grey
    return changed


# In these frames, the box is rows 12 to 27 and columns 12 to 35, or 4 x 6 blocks.
TRAINING, WELLS = grainy_wells(200, seed=0), grainy_wells(50, seed=1)
REFERENCE = fit_reference(TRAINING, CENTRE, BOX)


@pytest.fixture(scope="module")
def network() -> Network:
    settings = {"height": 16, "width_pixels": 16, "width": 4, "latent": 3}
    return networks.build("autoencoder", settings, seed=0)


def error_at(*pixels: tuple[int, int]) -> tuple[torch.Tensor, torch.Tensor]:
    """Give a black 16 x 16 image and a reconstruction that is 0.6 off there, in one channel."""
    images = torch.zeros(1, 3, 16, 16)
    reconstructions = images.clone()
    for row, column in pixels:
        reconstructions[0, 1, row, column] = 0.6
    return images, reconstructions


def test_squared_error_of_a_pixel_is_the_mean_of_its_channels() -> None:
    errors = squared_error(*error_at((3, 5)))
    assert errors.shape == (1, 16, 16)
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


@pytest.mark.parametrize("edge", [(0, 0), (0, 8), (8, 0), (15, 15), (8, 15), (3, 8)])
def test_centre_mse_does_not_see_an_error_outside_the_ellipse(edge: tuple[int, int]) -> None:
    assert centre_mse(*error_at(edge), CENTRE).item() == 0
    assert mse(*error_at(edge)).item() > 0


@pytest.mark.parametrize("middle", [(8, 8), (5, 7), (8, 11)])
def test_centre_mse_weighs_an_error_inside_more_than_mse_does(middle: tuple[int, int]) -> None:
    # The ellipse covers pi / 16 of the frame, so what lies in it counts about 5 times as much.
    ratio = centre_mse(*error_at(middle), CENTRE) / mse(*error_at(middle))
    assert ratio.item() == pytest.approx(16 / math.pi, rel=0.1)


def test_the_ellipse_is_placed_by_row_and_column() -> None:
    lower_left = Ellipse(row=0.8, column=0.2, half_height=0.1, half_width=0.1)
    assert centre_mse(*error_at((12, 3)), lower_left).item() > 0
    assert centre_mse(*error_at((3, 12)), lower_left).item() == 0


@pytest.mark.parametrize("ellipse", [Ellipse(0.5, 0.5, 0.5, 0.1), Ellipse(0.5, 0.5, 0.1, 0.5)])
def test_the_ellipse_is_as_high_and_as_wide_as_told(ellipse: Ellipse) -> None:
    rows, columns = ellipse_weights(ellipse, 100, 200).nonzero().unbind(1)
    assert len(set(rows.tolist())) == pytest.approx(2 * ellipse.half_height * 100, abs=2)
    assert len(set(columns.tolist())) == pytest.approx(2 * ellipse.half_width * 200, abs=4)


@pytest.mark.parametrize(("height", "width"), [(16, 16), (32, 48), (200, 100)])
def test_weights_are_even_over_the_ellipses_area_and_sum_to_one(height: int, width: int) -> None:
    weights = ellipse_weights(Ellipse(0.6, 0.5, 0.28, 0.19), height, width)
    inside = weights[weights > 0]
    assert weights.sum().item() == pytest.approx(1)
    assert inside.min() == inside.max()
    assert len(inside) == pytest.approx(math.pi * 0.28 * 0.19 * height * width, rel=0.1)


@pytest.mark.parametrize(
    ("row", "column", "pixel"), [(0.45, 0.66, (4, 6)), (0.01, 0.99, (0, 9)), (0.5001, 0.29, (5, 2))]
)
def test_an_ellipse_smaller_than_a_pixel_weighs_the_pixel_it_lies_in(
    row: float, column: float, pixel: tuple[int, int]
) -> None:
    weights = ellipse_weights(Ellipse(row, column, 1e-3, 1e-4), 10, 10)
    assert weights[pixel].item() == 1
    assert weights.sum().item() == 1


def test_centre_mse_over_the_whole_frame_is_mse() -> None:
    generator = torch.Generator().manual_seed(0)
    images, reconstructions = torch.rand(2, 4, 3, 16, 16, generator=generator)
    torch.testing.assert_close(
        centre_mse(images, reconstructions, WHOLE_FRAME), mse(images, reconstructions)
    )


def test_every_score_is_a_number_per_image_in_double_precision(network: Network) -> None:
    found = score_images(network, IMAGES, SMALL)
    assert set(found) == {"mse", "centre_mse", "coarse_mse", "appearance", "texture"}
    assert all(values.shape == (11,) and values.dtype == np.float64 for values in found.values())


def test_scores_are_of_the_networks_reconstructions(network: Network) -> None:
    found = score_images(network, IMAGES, SMALL)
    inputs = torch.from_numpy(IMAGES).float() / 255
    errors: NDArray[np.float32] = (network(inputs) - inputs).detach().numpy() ** 2
    np.testing.assert_allclose(found[MSE], errors.mean(axis=(1, 2, 3)), rtol=1e-5)
    # A pixel's centre lies in the circle of radius 4 pixels about the frame's middle.
    offsets = np.arange(16) - 7.5
    circle = offsets[:, None] ** 2 + offsets**2 <= 16
    np.testing.assert_allclose(found[CENTRE_MSE], errors[:, :, circle].mean(axis=(1, 2)), rtol=1e-5)


def test_scores_do_not_depend_on_the_images_order(network: Network) -> None:
    order = np.random.default_rng(1).permutation(len(IMAGES))
    shuffled = score_images(network, IMAGES[order], SMALL)
    for name, values in score_images(network, IMAGES, SMALL).items():
        np.testing.assert_allclose(shuffled[name], values[order], rtol=1e-5)


@pytest.mark.parametrize("batch", [1, 4, 11])
def test_scores_do_not_depend_on_the_batch_size(
    monkeypatch: pytest.MonkeyPatch, network: Network, batch: int
) -> None:
    expected = score_images(network, IMAGES, SMALL)
    monkeypatch.setattr(training, "EVALUATION_BATCH", batch)
    monkeypatch.setattr(scores, "DESCRIBED_TOGETHER", batch)
    for name, values in score_images(network, IMAGES, SMALL).items():
        np.testing.assert_allclose(values, expected[name], rtol=1e-5)


def test_coarse_mse_forgives_grain_that_changes_sign_and_not_a_patch_of_the_same_energy() -> None:
    images = torch.full((2, 3, 16, 16), 0.5)
    reconstructions = images.clone()
    rows, columns = torch.meshgrid(torch.arange(16), torch.arange(16), indexing="ij")
    reconstructions[0] += 0.1 * (1 - 2 * ((rows + columns) % 2))
    reconstructions[1] += 0.1
    torch.testing.assert_close(
        centre_mse(images, reconstructions, CENTRE), torch.tensor([0.01, 0.01])
    )
    # Of nine neighbours on a chessboard, five are of one sign and four of the other.
    torch.testing.assert_close(
        coarse_mse(images, reconstructions, CENTRE), torch.tensor([0.01 / 81, 0.01])
    )


def test_coarse_mse_sees_only_the_centre() -> None:
    assert coarse_mse(*error_at((0, 0)), CENTRE).item() == 0
    assert coarse_mse(*error_at((8, 8)), CENTRE).item() > 0


def test_coarse_mse_averages_around_the_pixel_it_looks_at() -> None:
    pixel = Ellipse(row=2.5 / 16, column=8.5 / 16, half_height=0.01, half_width=0.01)
    one_ninth = (0.6 / 9) ** 2 / 3
    for row, expected in ((0, 0), (1, one_ninth), (2, one_ninth), (3, one_ninth), (4, 0)):
        assert coarse_mse(*error_at((row, 8)), pixel).item() == pytest.approx(expected)


@pytest.mark.parametrize("only", [["appearance"], ["texture"], ["texture", "appearance"]])
def test_descriptive_scores_ask_no_network_and_are_the_same_numbers(
    monkeypatch: pytest.MonkeyPatch, network: Network, only: list[str]
) -> None:
    expected = score_images(network, IMAGES, SMALL)

    def fail(*_: object) -> None:
        raise AssertionError("the network was asked")

    for method in ("forward", "encode", "eval"):
        monkeypatch.setattr(network, method, fail)
    found = score_images(network, IMAGES, SMALL, only=only)
    assert "mse" not in found
    for name in only:
        np.testing.assert_array_equal(found[name], expected[name])


@pytest.mark.parametrize("only", [["mse"], ["appearance", "coarse_mse"]])
def test_scores_that_need_the_network_are_there_where_they_are_asked_for(
    network: Network, only: list[str]
) -> None:
    everything = score_images(network, IMAGES, SMALL)
    found = score_images(network, IMAGES, SMALL, only=only)
    for name in only:
        np.testing.assert_array_equal(found[name], everything[name])


@pytest.mark.parametrize("score", [appearance, texture, obstruction])
def test_wells_like_those_of_training_score_like_them(
    score: Callable[[Images, Reference], NDArray[np.float64]],
) -> None:
    trained, others = score(TRAINING, REFERENCE), score(WELLS, REFERENCE)
    assert trained.shape == (200,)
    assert (trained > 0).all()
    assert np.median(others) == pytest.approx(np.median(trained), rel=0.25)


@pytest.mark.parametrize("score", [appearance, texture])
@pytest.mark.parametrize("grain", [GRAIN / 4, 3 * GRAIN], ids=["smoother", "rougher"])
def test_a_well_smoother_or_rougher_than_all_of_training_is_strange(
    score: Callable[[Images, Reference], NDArray[np.float64]], grain: float
) -> None:
    strange = score(grainy_wells(50, seed=1, grain=grain), REFERENCE)
    assert strange.min() > 2 * score(WELLS, REFERENCE).max()


def test_appearance_finds_a_bluer_middle_and_texture_does_not_look_at_colour() -> None:
    bluer = WELLS.copy()
    bluer[:, 2, 12:28, 12:36] += 30
    assert appearance(bluer, REFERENCE).min() > 10 * appearance(WELLS, REFERENCE).max()
    assert texture(bluer, REFERENCE).max() < 2 * texture(WELLS, REFERENCE).max()


@pytest.mark.parametrize(
    ("right", "strange"), [(16, False), (22, False), (30, True), (48, True)], ids=str
)
def test_texture_forgives_a_thing_over_less_than_half_of_the_blocks_only(
    right: int, strange: bool
) -> None:
    # From the left up to column 22, a thing touches 3 of the box's 6 columns of blocks.
    covered = texture(with_thing(WELLS, slice(None), slice(0, right)), REFERENCE)
    plain = texture(WELLS, REFERENCE)
    if strange:
        assert covered.min() > 10 * plain.max()
    else:
        assert covered.max() < 3 * plain.max()


def test_texture_of_a_thing_over_one_block_is_that_of_the_blocks_left() -> None:
    before = texture(WELLS, REFERENCE)
    # The strangest blocks don't count, so the more of them there are the same is left.
    one, other = (
        texture(with_thing(WELLS, slice(17, 19), slice(17, 19), grey), REFERENCE)
        for grey in (0, 255)
    )
    np.testing.assert_array_equal(one, other)
    assert (one >= before).all()


@pytest.mark.parametrize(
    ("rows", "columns"),
    [(slice(8, 20), slice(44, 48)), (slice(8, 20), slice(0, 3)), (slice(0, 12), slice(0, 48))],
    ids=["right", "left", "above, from side to side"],
)
def test_obstruction_sees_what_reaches_in_from_a_side(rows: slice, columns: slice) -> None:
    seen = obstruction(with_thing(WELLS, rows, columns), REFERENCE)
    assert seen.min() > 10 * obstruction(WELLS, REFERENCE).max()


def test_obstruction_does_not_see_the_middle() -> None:
    middle = with_thing(WELLS, slice(None), slice(8, 40))
    np.testing.assert_array_equal(obstruction(middle, REFERENCE), obstruction(WELLS, REFERENCE))


def test_obstruction_takes_one_strange_block_for_less_than_three() -> None:
    one, two, three = (
        obstruction(with_thing(WELLS, slice(8, 8 + 4 * blocks), slice(44, 48)), REFERENCE)
        for blocks in (1, 2, 3)
    )
    np.testing.assert_allclose(one, three / 3, rtol=0.1)
    np.testing.assert_allclose(two, 2 * three / 3, rtol=0.1)


def test_a_spill_rougher_than_training_is_a_streak_and_a_smoother_one_an_empty_well() -> None:
    spills = np.concatenate([grainy_wells(3, 2, grain=30), grainy_wells(4, 3, grain=3)])
    assert kinds_of_spill(spills, REFERENCE).tolist() == ["streak"] * 3 + ["empty"] * 4


@pytest.mark.parametrize(("grain", "kind"), [(30.0, "streak"), (3.0, "empty")])
def test_a_spills_kind_is_told_by_most_of_its_middle(grain: float, kind: str) -> None:
    spills = grainy_wells(5, 2, grain)
    other = grainy_wells(5, 3, grain=3 if kind == "streak" else 30)
    # All around the box, and over two of its six columns of blocks.
    changed = other.copy()
    changed[..., 12:28, 20:36] = spills[..., 12:28, 20:36]
    assert kinds_of_spill(changed, REFERENCE).tolist() == [kind] * 5


def test_json_gives_a_reference_back_bit_by_bit() -> None:
    again = Reference.model_validate_json(REFERENCE.model_dump_json())
    assert again == REFERENCE
    for score in (appearance, texture, obstruction):
        np.testing.assert_array_equal(score(WELLS, again), score(WELLS, REFERENCE))


def test_a_reference_keeps_where_scores_look() -> None:
    assert (REFERENCE.centre, REFERENCE.box) == (CENTRE, BOX)
    # One place, 4 x 6 blocks of the box, 8 x 4 at the sides.
    found = REFERENCE.appearance, REFERENCE.texture, REFERENCE.sides
    assert [gaussians.means.shape for gaussians in found] == [(1, 6), (24, 3), (32, 4)]
