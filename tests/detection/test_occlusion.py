"""An occluded view is one with something strange at the sides of the frame, and nothing else."""

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from stages.common.types import FloatArray, Images
from stages.wells.detection import occlusion
from stages.wells.detection.features import describe_sides
from stages.wells.detection.gaussians import Gaussians, fit_gaussians
from stages.wells.detection.occlusion import Occlusion, strangest
from tests.small_wells import grainy_wells, with_thing

# The sides of these frames are 8 x 4 blocks: columns 0 to 7 and 40 to 47.
TRAINING, WELLS = grainy_wells(200, seed=0), grainy_wells(50, seed=1)
NORMALITY = fit_gaussians(describe_sides(torch.from_numpy(TRAINING)))


def score(images: Images, normality: Gaussians = NORMALITY) -> FloatArray:
    return strangest(describe_sides(torch.from_numpy(images)), normality).numpy()


def fit_to(values: FloatArray, monkeypatch: pytest.MonkeyPatch) -> Occlusion:
    """Return what is fitted where training wells' sides are as strange as told."""
    monkeypatch.setattr(occlusion, "strangest", lambda sides, normality: torch.from_numpy(values))
    fitted = Occlusion.fit(TRAINING)
    monkeypatch.undo()
    return fitted


def test_sides_like_those_of_training_score_like_them() -> None:
    trained, others = score(TRAINING), score(WELLS)
    assert trained.shape == (200,)
    assert (trained > 0).all()
    assert np.median(others) == pytest.approx(np.median(trained), rel=0.25)


@pytest.mark.parametrize(
    ("rows", "columns"),
    [(slice(8, 20), slice(44, 48)), (slice(8, 20), slice(0, 3)), (slice(0, 12), slice(0, 48))],
    ids=["right", "left", "above, from side to side"],
)
def test_what_reaches_in_from_a_side_is_seen(rows: slice, columns: slice) -> None:
    covered = with_thing(WELLS, rows, columns)
    assert score(covered).min() > 10 * score(WELLS).max()
    assert Occlusion.fit(TRAINING).find(covered).all()


def test_the_middle_is_not_seen() -> None:
    middle = with_thing(WELLS, slice(None), slice(8, 40))
    np.testing.assert_array_equal(score(middle), score(WELLS))
    fitted = Occlusion.fit(TRAINING)
    np.testing.assert_array_equal(fitted.find(middle), fitted.find(WELLS))


def test_one_strange_block_is_less_than_three() -> None:
    one, two, three = (
        score(with_thing(WELLS, slice(8, 8 + 4 * blocks), slice(44, 48))) for blocks in (1, 2, 3)
    )
    np.testing.assert_allclose(one, three / 3, rtol=0.1)
    np.testing.assert_allclose(two, 2 * three / 3, rtol=0.1)


@pytest.mark.parametrize(
    ("count", "expected"),
    # Between the 99th and the 100th of 100 values 1 to 100, one part in a hundred up.
    [(100, 99.01), (101, 100), (1001, 991), (1, 1)],
)
def test_a_view_is_occluded_above_the_99th_percentile_of_training_wells(
    count: int, expected: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = np.random.default_rng(0).permutation(np.arange(1.0, count + 1))
    assert fit_to(values, monkeypatch).threshold == pytest.approx(expected)


def test_one_in_a_hundred_training_wells_is_called_occluded() -> None:
    training = grainy_wells(1000, seed=2)
    found = Occlusion.fit(training).find(training)
    assert found.shape == (1000,)
    assert found.dtype == np.bool_
    assert found.sum() == 10


def test_a_view_at_the_threshold_is_clear(monkeypatch: pytest.MonkeyPatch) -> None:
    fitted = fit_to(np.full(5, 2.0), monkeypatch)
    values = np.array([1.0, fitted.threshold, np.nextafter(fitted.threshold, np.inf)])
    monkeypatch.setattr(occlusion, "strangest", lambda sides, normality: torch.from_numpy(values))
    assert fitted.find(WELLS[:3]).tolist() == [False, False, True]


def test_new_wells_are_called_occluded_about_as_seldom() -> None:
    fitted = Occlusion.fit(TRAINING)
    assert fitted.normality == NORMALITY
    assert fitted.normality.means.shape == (32, 4)
    assert fitted.find(grainy_wells(1000, seed=3)).mean() < 0.05


def test_json_gives_it_back_bit_by_bit() -> None:
    fitted = Occlusion.fit(TRAINING)
    again = Occlusion.model_validate_json(fitted.model_dump_json())
    assert again == fitted
    np.testing.assert_array_equal(score(WELLS, again.normality), score(WELLS))


@pytest.mark.parametrize(
    "change",
    [
        {"unknown": 1},
        {"threshold": float("inf")},
        {"threshold": None},
        {"normality": None},
        {"normality": {"means": [[0, 1]]}},
    ],
    ids=str,
)
def test_a_wrong_value_is_refused(change: dict[str, object]) -> None:
    values = Occlusion.fit(TRAINING).model_dump() | change
    with pytest.raises(ValidationError):
        Occlusion.model_validate(values)
