"""A map shows where a detector finds a photo strange, and nothing where it doesn't look."""

import numpy as np
import pytest
import torch

from stages.common.types import FloatArray, Images
from stages.wells.detection.calibration import fit_detectors
from stages.wells.detection.decision_map import FULL_HEAT, MAGNIFICATION, map_decision, overlay
from stages.wells.detection.detector import Detector, score_for
from stages.wells.detection.features import BLOCK
from stages.wells.detection.params import DetectorParams
from stages.wells.detection.scores import SCORES, ellipse_weights
from stages.wells.networks.base import Network
from stages.wells.networks.registry import NETWORKS
from tests.small_wells import grainy_wells, noise, small_network, with_thing

SIZE = {"height": 32, "width": 48}
WELLS = grainy_wells(6, seed=2)
# The middle of these frames, in blocks.
ROWS, COLUMNS = slice(3, 7), slice(3, 9)
IN_MIDDLE = [f"{name}.{error}" for name in NETWORKS for error in ("centre_mse", "coarse_mse")]
EVERYWHERE = ["autoencoder.mse", "mnad.mse", "mnad.memory"]
BY_FEATURE = ["appearance", "texture"]


@pytest.fixture(scope="module")
def networks() -> dict[str, Network]:
    return {name: small_network(name, **SIZE).eval() for name in NETWORKS}


@pytest.fixture(scope="module")
def detectors(networks: dict[str, Network]) -> dict[str, Detector]:
    """Return a detector of each score alone, of those without network and of all."""
    scores = {name: [name] for name in SCORES} | {"surface": BY_FEATURE, "all": list(SCORES)}
    wanted = {name: DetectorParams(scores=mine, rule="sigma") for name, mine in scores.items()}
    train, holdout = grainy_wells(60, seed=0), grainy_wells(30, seed=1)
    return fit_detectors(wanted, networks, train, holdout, WELLS[:0])


def in_units_of_the_score(mapped: FloatArray, detector: Detector) -> FloatArray:
    """Undo the standardisation of a detector of one score."""
    (fitted,) = detector.scores.values()
    return np.exp(mapped * fitted.std + fitted.mean)


@pytest.mark.parametrize("name", [*SCORES, "surface", "all"])
def test_a_map_is_a_finite_number_for_each_block_of_any_photo(
    name: str, detectors: dict[str, Detector], networks: dict[str, Network]
) -> None:
    flat = np.stack([np.full((3, 32, 48), level, dtype=np.uint8) for level in (0, 120, 255)])
    for images in (WELLS, flat, noise(2, **SIZE)):
        mapped = map_decision(detectors[name], networks, images)
        assert mapped.shape == (len(images), 8, 12)
        assert np.isfinite(mapped).all()


@pytest.mark.parametrize("name", [*SCORES, "surface", "all"])
def test_a_photos_map_does_not_depend_on_the_others(
    name: str, detectors: dict[str, Detector], networks: dict[str, Network]
) -> None:
    together = map_decision(detectors[name], networks, WELLS)
    alone = map_decision(detectors[name], networks, WELLS[2:3])
    np.testing.assert_allclose(alone[0], together[2], rtol=1e-3, atol=1e-3)


def test_a_network_that_the_detector_does_not_need_is_not_asked_for(
    detectors: dict[str, Detector],
) -> None:
    assert map_decision(detectors["surface"], {}, WELLS).shape == (6, 8, 12)
    with pytest.raises(KeyError, match="mnad"):
        map_decision(detectors["mnad.mse"], {}, WELLS)


@pytest.mark.parametrize("name", [*BY_FEATURE, "surface"])
def test_a_painted_middle_is_strange_all_over_and_what_is_around_it_is_not_looked_at(
    name: str, detectors: dict[str, Detector]
) -> None:
    painted = with_thing(WELLS, slice(12, 28), slice(12, 36))
    before, after = (map_decision(detectors[name], {}, images) for images in (WELLS, painted))
    assert (after[:, ROWS, COLUMNS] > before[:, ROWS, COLUMNS] + 3).all()
    for mapped in (before, after):
        assert (mapped[:, ROWS, COLUMNS] != 0).all()
        mapped[:, ROWS, COLUMNS] = 0
        assert (mapped == 0).all()


@pytest.mark.parametrize(("row", "column"), [(3, 3), (3, 8), (5, 6), (6, 3), (6, 8)])
def test_texture_shows_the_block_that_was_painted_over(
    row: int, column: int, detectors: dict[str, Detector]
) -> None:
    top, left = BLOCK * row, BLOCK * column
    painted = with_thing(WELLS, slice(top, top + BLOCK), slice(left, left + BLOCK), grey=120)
    before, after = (map_decision(detectors["texture"], {}, images) for images in (WELLS, painted))
    for change in after - before:
        assert np.unravel_index(change.argmax(), change.shape) == (row, column)


def test_appearance_shows_the_photos_own_score_all_over_the_middle(
    detectors: dict[str, Detector],
) -> None:
    detector = detectors["appearance"]
    scores = detector.combine(score_for([detector], {}, WELLS))
    mapped = map_decision(detector, {}, WELLS)[:, ROWS, COLUMNS]
    np.testing.assert_allclose(mapped, np.broadcast_to(scores[:, None, None], mapped.shape))


@pytest.mark.parametrize("name", IN_MIDDLE)
def test_errors_of_the_middle_are_shown_in_the_ellipses_blocks_alone(
    name: str, detectors: dict[str, Detector], networks: dict[str, Network]
) -> None:
    ellipse = ellipse_weights(32, 48).numpy().reshape(8, BLOCK, 12, BLOCK).any(axis=(1, 3))
    mapped = map_decision(detectors[name], networks, WELLS)
    assert 0 < ellipse.sum() < ellipse.size / 2
    np.testing.assert_array_equal(mapped != 0, np.broadcast_to(ellipse, mapped.shape))


@pytest.mark.parametrize("name", EVERYWHERE)
def test_what_is_looked_at_everywhere_is_shown_everywhere_and_its_mean_is_the_score(
    name: str, detectors: dict[str, Detector], networks: dict[str, Network]
) -> None:
    detector = detectors[name]
    mapped = map_decision(detector, networks, WELLS)
    assert (mapped != 0).all()
    means = in_units_of_the_score(mapped, detector).mean(axis=(1, 2))
    np.testing.assert_allclose(means, score_for([detector], networks, WELLS)[name], rtol=1e-5)


@pytest.mark.parametrize("name", [*IN_MIDDLE, "autoencoder.mse", "mnad.mse"])
@pytest.mark.parametrize(("row", "column"), [(4, 5), (5, 6), (6, 7)])
def test_an_error_is_shown_in_the_block_where_it_is(
    name: str,
    row: int,
    column: int,
    detectors: dict[str, Detector],
    networks: dict[str, Network],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def redraw(images: torch.Tensor) -> torch.Tensor:
        redrawn = images + 0.01
        # In the block's middle, for what is coarse sees a pixel further.
        top, left = BLOCK * row + 1, BLOCK * column + 1
        redrawn[..., top : top + 2, left : left + 2] += 1
        return redrawn

    network = networks[name.partition(".")[0]]
    monkeypatch.setattr(network, "forward", redraw)
    mapped = map_decision(detectors[name], networks, WELLS)
    errors = np.where(mapped == 0, 0, in_units_of_the_score(mapped, detectors[name]))
    for one in errors:
        assert np.unravel_index(one.argmax(), one.shape) == (row, column)
    np.testing.assert_allclose(errors[:, row - 1, column - 1], 0.01**2, rtol=1e-3)


def test_memory_shows_each_patchs_distance_to_its_item(
    detectors: dict[str, Detector],
    networks: dict[str, Network],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    distances = torch.rand(6, 4, 6, generator=torch.Generator().manual_seed(0)) + 0.1
    monkeypatch.setattr(networks["mnad"], "distances", lambda images: distances)
    mapped = map_decision(detectors["mnad.memory"], networks, WELLS)
    # A patch of 8 x 8 pixels is 2 x 2 blocks.
    expected = distances.numpy().repeat(2, axis=1).repeat(2, axis=2)
    found = in_units_of_the_score(mapped, detectors["mnad.memory"])
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_the_map_of_several_scores_is_the_mean_of_theirs(
    detectors: dict[str, Detector], networks: dict[str, Network]
) -> None:
    maps = [map_decision(detectors[name], networks, WELLS) for name in SCORES]
    together = map_decision(detectors["all"], networks, WELLS)
    np.testing.assert_allclose(together, np.mean(maps, axis=0), rtol=1e-9, atol=1e-9)


BLUE = (30, 60, 200)


def plain_photo() -> Images:
    photo = np.empty((3, 16, 24), dtype=np.uint8)
    photo[:] = np.reshape(BLUE, (3, 1, 1))
    return photo


def overlaid(strange: float, threshold: float = 2.0) -> FloatArray:
    """Return the colour of a photo that is strange all over."""
    picture = np.asarray(overlay(plain_photo(), np.full((4, 6), strange), threshold))
    assert (picture == picture[0, 0]).all()
    colour: FloatArray = picture[0, 0].astype(np.float64)
    return colour


def test_an_overlay_is_as_large_as_its_photo_magnified_and_shows_each_block_in_its_place() -> None:
    blocks = np.zeros((4, 6))
    blocks[1, 4] = 100
    pixels = np.asarray(overlay(plain_photo(), blocks, 2.0))
    assert pixels.shape == (16 * MAGNIFICATION, 24 * MAGNIFICATION, 3)
    hot = (pixels != BLUE).any(axis=2)
    side = BLOCK * MAGNIFICATION
    assert hot[side : 2 * side, 4 * side : 5 * side].all()
    assert hot.sum() == side**2


@pytest.mark.parametrize("strange", [0.0, -3.0])
def test_an_overlay_shows_the_photo_where_nothing_is_strange(strange: float) -> None:
    np.testing.assert_array_equal(overlaid(strange), BLUE)


def test_an_overlay_shows_half_of_the_photo_at_the_threshold_and_none_at_full_heat() -> None:
    hottest = overlaid(2.0 * FULL_HEAT)
    assert (hottest != BLUE).all()
    np.testing.assert_array_equal(overlaid(50.0), hottest)
    # Half-way from the photo to the colour of half the heat, which is redder than the photo.
    half = 2 * overlaid(2.0) - BLUE
    assert half[0] > BLUE[0] + 100
    assert (half >= -1).all()
    assert (half <= 256).all()


@pytest.mark.parametrize("threshold", [0.5, 2.0, 8.0])
def test_an_overlays_heat_is_relative_to_the_threshold(threshold: float) -> None:
    for share in (0.25, 0.5, 1.0):
        np.testing.assert_array_equal(overlaid(share * threshold, threshold), overlaid(2 * share))


@pytest.mark.parametrize("threshold", [0.0, -1.0])
def test_an_overlay_of_a_threshold_that_calls_everything_a_spill_is_all_heat(
    threshold: float,
) -> None:
    np.testing.assert_array_equal(overlaid(0.5, threshold), overlaid(50.0))
