"""A map shows where a detector finds a photo strange, and nothing where it doesn't look."""

from collections.abc import Callable, Mapping

import numpy as np
import pytest
import torch

from stages.common.types import FloatArray, Images
from stages.wells.detection import regions
from stages.wells.detection.calibration import fit_detectors
from stages.wells.detection.decision_map import map_blocks, mark_counted
from stages.wells.detection.detector import Detector, score_for
from stages.wells.detection.features import BLOCK
from stages.wells.detection.judge import judge_images
from stages.wells.detection.normality import measure_distances
from stages.wells.detection.params import DetectorParams
from stages.wells.detection.scores import SCORES, networks_of
from stages.wells.networks.registry import NETWORKS, Members
from tests.arrays import on_arrays
from tests.small_wells import grainy_wells, in_turn, noise, small_members, with_specks, with_thing

pool = on_arrays(regions.pool)

SIZE = {"height": 32, "width": 48}
WELLS = grainy_wells(6, seed=2)
TRAIN, FOLDS = grainy_wells(60, seed=0), in_turn(60)
# The middle of these frames, in blocks.
ROWS, COLUMNS = slice(3, 7), slice(3, 9)
BY_FEATURE = ["appearance", "texture"]
TOGETHER = {
    "surface": BY_FEATURE,
    "narrow and wide": ["mnad.blocks", "appearance"],
    "all": list(SCORES),
}
BY_NETWORK = [name for name in SCORES if networks_of([name])]


@pytest.fixture(scope="module")
def networks() -> dict[str, Members]:
    return {name: small_members(name, **SIZE) for name in NETWORKS}


@pytest.fixture(scope="module")
def detectors(networks: dict[str, Members]) -> dict[str, Detector]:
    """Return a detector of each score alone, of those without network, of two and of all.

    To them every block is strange, so that a map shows all that they look at.
    """
    scores = {name: [name] for name in SCORES} | TOGETHER
    wanted = {name: DetectorParams(scores=mine, rule="sigma") for name, mine in scores.items()}
    # Spills differ in 4 x 4 blocks, around which the scores that learn where to look will look.
    spills = with_thing(grainy_wells(9, seed=1), slice(12, 28), slice(16, 32), grey=250)
    fitted = fit_detectors(wanted, networks, TRAIN, FOLDS, spills)
    for detector in fitted.values():
        for name, one in detector.scores.items():
            detector.scores[name] = one.model_copy(update={"rare": 1e-12})
    return fitted


def map_decision(detector: Detector, networks: Mapping[str, Members], images: Images) -> FloatArray:
    """Return how strange each block of images is, `[N, 8, 12]`."""
    return judge_images(detector, networks, images).blocks


def as_distances(mapped: FloatArray, detector: Detector) -> FloatArray:
    """Return the distances that the map of a detector of one score is of."""
    (fitted,) = detector.scores.values()
    return fitted.rare * 2**mapped


@pytest.mark.parametrize("name", [*SCORES, *TOGETHER])
def test_a_map_is_a_finite_number_for_each_block_of_any_photo(
    name: str, detectors: dict[str, Detector], networks: dict[str, Members]
) -> None:
    flat = np.stack([np.full((3, 32, 48), level, dtype=np.uint8) for level in (0, 120, 255)])
    for images in (WELLS, flat, noise(2, **SIZE)):
        mapped = map_decision(detectors[name], networks, images)
        assert mapped.shape == (len(images), 8, 12)
        assert np.isfinite(mapped).all()


@pytest.mark.parametrize("name", [*SCORES, *TOGETHER])
def test_a_photos_map_does_not_depend_on_the_others(
    name: str, detectors: dict[str, Detector], networks: dict[str, Members]
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
    scores = score_for([detector], {}, WELLS)["appearance"]
    shown = as_distances(map_decision(detector, {}, WELLS)[:, ROWS, COLUMNS], detector)
    np.testing.assert_allclose(shown, np.broadcast_to(scores[:, None, None], shown.shape))


@pytest.mark.parametrize("name", BY_NETWORK)
def test_what_a_network_misses_is_shown_where_the_score_looks_and_nowhere_else(
    name: str, detectors: dict[str, Detector], networks: dict[str, Members]
) -> None:
    where = detectors[name].scores[name].normality.where
    looks = np.full(8 * 12, where is None)
    looks[where or []] = True
    if not name.endswith(".mse"):
        assert 0 < looks.sum() < looks.size / 2
    mapped = map_decision(detectors[name], networks, WELLS)
    np.testing.assert_array_equal(mapped != 0, np.broadcast_to(looks.reshape(8, 12), mapped.shape))


@pytest.mark.parametrize("name", ["texture", "autoencoder.excess"])
def test_where_spills_lie_anywhere_the_whole_frame_is_shown_and_the_speck_in_it(
    name: str, networks: dict[str, Members]
) -> None:
    known, photos = with_specks(grainy_wells(12, seed=1)), with_specks(WELLS)
    wanted = {"one": DetectorParams(scores=[name], rule="equal_error")}
    detector = fit_detectors(wanted, networks, TRAIN, FOLDS, known)["one"]
    assert detector.scores[name].normality.view == "anywhere"
    assert mark_counted(detector).all()
    before, after = (map_decision(detector, networks, images) for images in (WELLS, photos))
    for number, change in enumerate(after - before):
        assert change.argmax() == 7 * number


@pytest.mark.parametrize("name", SCORES)
def test_a_hundredth_of_held_out_normals_blocks_is_strange(
    name: str, networks: dict[str, Members]
) -> None:
    wanted = {"one": DetectorParams(scores=[name], rule="sigma")}
    detector = fit_detectors(wanted, networks, TRAIN, FOLDS, WELLS[:0])["one"]
    photos, shown = torch.from_numpy(TRAIN), []
    with torch.no_grad():
        for fold in (0, 1):
            held_out = photos[torch.from_numpy(fold == FOLDS)]
            found = measure_distances(held_out, detector.normality(), networks, [fold])
            shown.append(map_blocks(detector, found).numpy()[:, mark_counted(detector)])
    share = np.mean(np.concatenate(shown) > 0)
    # Where the middle is one, it is one position of 60 photos that is stranger.
    assert share == pytest.approx(0.01, abs=0.001 if name != "appearance" else 0.008)
    assert np.concatenate(shown).min() == 0


@pytest.mark.parametrize("name", [*SCORES, *TOGETHER])
def test_the_blocks_that_are_said_to_count_are_those_that_are_shown(
    name: str, detectors: dict[str, Detector], networks: dict[str, Members]
) -> None:
    shown = map_decision(detectors[name], networks, WELLS) != 0
    counted = mark_counted(detectors[name])
    np.testing.assert_array_equal(shown, np.broadcast_to(counted, shown.shape))


@pytest.mark.parametrize("name", SCORES)
def test_the_score_is_the_share_of_what_is_shown_where_it_looks(
    name: str, detectors: dict[str, Detector], networks: dict[str, Members]
) -> None:
    # Of one member, for that of several is the mean of each one's share.
    alone = {network: members[:1] for network, members in networks.items()}
    detector = detectors[name].model_copy(deep=True)
    fitted = detector.scores[name]
    fitted.normality.members = fitted.normality.members[:1]
    mapped = map_decision(detector, alone, WELLS)
    shown = mapped[:, (mapped != 0).all(axis=0)]
    means = pool(as_distances(shown, detector), fitted.normality.share)
    np.testing.assert_allclose(means, score_for([detector], alone, WELLS)[name], rtol=1e-5)


@pytest.mark.parametrize("name", BY_NETWORK)
def test_members_are_shown_by_their_mean(
    name: str, detectors: dict[str, Detector], networks: dict[str, Members]
) -> None:
    photos = torch.from_numpy(WELLS)
    with torch.no_grad():
        (distances,) = measure_distances(photos, detectors[name].normality(), networks).values()
    mapped = map_decision(detectors[name], networks, WELLS)
    shown = as_distances(mapped[mapped != 0], detectors[name])
    np.testing.assert_allclose(shown, torch.stack(distances).mean(0).ravel(), rtol=1e-9)


@pytest.mark.parametrize("name", BY_NETWORK)
@pytest.mark.parametrize(("row", "column"), [(4, 5), (5, 6)])
def test_an_error_is_shown_in_the_block_where_it_is(
    name: str,
    row: int,
    column: int,
    detectors: dict[str, Detector],
    networks: dict[str, Members],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def shifted(forward: Callable[[torch.Tensor], torch.Tensor]) -> Callable[..., torch.Tensor]:
        def redraw(images: torch.Tensor) -> torch.Tensor:
            redrawn = forward(images).clone()
            top, left = BLOCK * row, BLOCK * column
            redrawn[..., top : top + BLOCK, left : left + BLOCK] += 3
            return redrawn

        return redraw

    before = map_decision(detectors[name], networks, WELLS)
    for member in networks[name.partition(".")[0]]:
        monkeypatch.setattr(member, "forward", shifted(member.forward))
    change = map_decision(detectors[name], networks, WELLS) - before
    assert (change[:, row, column] > 0.1).all()
    change[:, row, column] = 0
    np.testing.assert_array_equal(change, 0)


def test_the_map_of_several_scores_is_the_mean_of_theirs(
    detectors: dict[str, Detector], networks: dict[str, Members]
) -> None:
    maps = [map_decision(detectors[name], networks, WELLS) for name in SCORES]
    together = map_decision(detectors["all"], networks, WELLS)
    np.testing.assert_allclose(together, np.mean(maps, axis=0), rtol=1e-9, atol=1e-9)
