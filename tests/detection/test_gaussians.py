"""Distances from fitted distributions are Mahalanobis distances, at each position for itself."""

import json
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from pydantic import ValidationError

from stages.common.types import FloatArray
from stages.wells.detection import gaussians as of_tensors
from stages.wells.detection.gaussians import LEAST_EXCESS, Gaussians
from tests.arrays import from_arrays, on_arrays

fit_gaussians = from_arrays(of_tensors.fit_gaussians)
squared_distances = on_arrays(of_tensors.squared_distances)
squared_excess = on_arrays(of_tensors.squared_excess)

COVARIANCE = np.array([[4, 1.5], [1.5, 1]])


def draw(count: int, positions: int, features: int, seed: int = 0) -> FloatArray:
    return np.random.default_rng(seed).normal(3, 0.1, (count, positions, features))


def written(gaussians: Gaussians) -> dict[str, Any]:
    values: dict[str, Any] = json.loads(gaussians.model_dump_json())
    return values


@pytest.mark.parametrize(
    ("precision", "expected"),
    [
        # Offsets are (1, 3). Deviations 2 and 1/2: 1^2 / 4 + 3^2 * 4.
        ([[0.25, 0], [0, 4]], 36.25),
        # 2 * 1 * 1 - 2 * 1 * 3 + 2 * 3 * 3.
        ([[2, -1], [-1, 2]], 14),
    ],
    ids=["uncorrelated", "correlated"],
)
def test_a_distance_is_what_mahalanobis_computes_by_hand(
    precision: list[list[float]], expected: float
) -> None:
    gaussians = Gaussians(means=np.array([[10.0, 20]]), precisions=np.array([precision]))
    found = squared_distances(gaussians, np.array([[[11.0, 23]], [[10, 20]], [[9, 17]]]))
    assert found.shape == (3, 1)
    assert found[:, 0].tolist() == pytest.approx([expected, 0, expected])


@pytest.mark.parametrize(
    ("offset", "expected"),
    [
        # As above, 1^2 / 4 + 3^2 * 4; of what is below the mean, nothing.
        ([1, 3], 36.25),
        ([1, -3], 0.25),
        ([-1, 3], 36),
        ([-1, -3], 0),
        ([0, 0], 0),
    ],
    ids=str,
)
def test_only_what_is_above_the_mean_is_in_excess(offset: list[float], expected: float) -> None:
    mean = np.array([[10.0, 20]])
    gaussians = Gaussians(means=mean, precisions=np.array([[[0.25, 0], [0, 4]]]))
    found = squared_excess(gaussians, mean[None] + offset)
    assert found.tolist() == [[pytest.approx(expected + LEAST_EXCESS, rel=1e-12)]]


def test_excess_above_the_mean_counts_by_the_correlation_as_distances_do() -> None:
    fitted = fit_gaussians(draw(30, positions=4, features=3))
    above = fitted.means + np.abs(draw(7, positions=4, features=3, seed=1))
    np.testing.assert_array_equal(
        squared_excess(fitted, above), squared_distances(fitted, above) + LEAST_EXCESS
    )


def test_excess_has_a_logarithm_that_is_not_far_below_that_of_usual_photos() -> None:
    fitted = fit_gaussians(draw(30, positions=1, features=3))
    usual = np.log(squared_excess(fitted, draw(200, positions=1, features=3, seed=1)))
    least = np.log(squared_excess(fitted, fitted.means[None] - 5))
    assert usual.mean() - 10 * usual.std() < least.item() <= usual.min()


def test_no_package_that_happens_to_be_installed_has_a_say_in_how_it_is_computed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail() -> Any:
        raise AssertionError("PyTorch asked opt_einsum")

    there = SimpleNamespace(
        enabled=True, strategy="auto", is_available=lambda: True, get_opt_einsum=fail
    )
    monkeypatch.setattr(torch.backends, "opt_einsum", there)
    gaussians = Gaussians(means=np.zeros((1, 2)), precisions=np.eye(2)[None])
    found = of_tensors.squared_distances(gaussians, torch.tensor([[[3.0, 4.0]]]).double())
    assert found.item() == 25


def test_a_fit_to_many_finds_the_distribution_that_they_were_drawn_from() -> None:
    drawn = np.random.default_rng(0).multivariate_normal([5, -7], COVARIANCE, (20_000, 1))
    fitted = fit_gaussians(drawn)
    np.testing.assert_allclose(fitted.means, [[5, -7]], atol=0.05)
    np.testing.assert_allclose(fitted.precisions[0] @ COVARIANCE, np.eye(2), atol=0.05)


def test_a_fit_to_fewer_images_than_features_still_gives_usable_distances() -> None:
    fitted = fit_gaussians(draw(3, positions=2, features=6))
    distances = squared_distances(fitted, draw(5, positions=2, features=6, seed=1))
    assert distances.shape == (5, 2)
    assert np.isfinite(distances).all()
    assert (distances > 0).all()


def test_what_never_varied_among_few_images_counts_where_it_does() -> None:
    drawn = draw(4, positions=1, features=3)
    drawn[..., 2] = 5
    usual = drawn.mean(axis=0, keepdims=True)
    moved = usual + np.array([0, 0, 1])
    before, after = squared_distances(fit_gaussians(drawn), np.concatenate([usual, moved]))[:, 0]
    assert before == pytest.approx(0, abs=1e-9)
    assert after > 10


def test_what_lies_off_the_correlation_is_stranger_than_what_lies_along_it() -> None:
    drawn = np.random.default_rng(0).multivariate_normal([0, 0], COVARIANCE, (500, 1))
    along, off = squared_distances(fit_gaussians(drawn), np.array([[[2.0, 1]], [[2, -1]]]))
    assert off[0] > 4 * along[0]


def test_positions_know_nothing_of_each_other() -> None:
    features, others = draw(20, positions=2, features=3), draw(20, positions=2, features=3, seed=1)
    changed = features.copy()
    changed[:, 1] = 50 * features[::-1, 1] + 7
    fitted, refitted = fit_gaussians(features), fit_gaussians(changed)
    np.testing.assert_array_equal(refitted.means[0], fitted.means[0])
    np.testing.assert_array_equal(refitted.precisions[0], fitted.precisions[0])
    assert not np.allclose(refitted.precisions[1], fitted.precisions[1])

    moved = others.copy()
    moved[:, 1] += 100
    before, after = squared_distances(fitted, others), squared_distances(fitted, moved)
    np.testing.assert_allclose(after[:, 0], before[:, 0], rtol=1e-12)
    assert (after[:, 1] > before[:, 1]).all()


def test_each_position_is_compared_with_its_own_mean_by_its_own_precision() -> None:
    precisions = np.stack([np.eye(2), 3 * np.eye(2)])
    gaussians = Gaussians(means=np.array([[0.0, 0], [100, 200]]), precisions=precisions)
    found = squared_distances(gaussians, np.array([[[1.0, 0], [100, 202]]]))
    assert found.tolist() == [[1, 12]]


def test_a_position_is_fitted_as_it_would_be_alone() -> None:
    features = draw(20, positions=3, features=2)
    together = fit_gaussians(features)
    for position in range(3):
        alone = fit_gaussians(features[:, [position]])
        np.testing.assert_array_equal(alone.means[0], together.means[position])
        np.testing.assert_array_equal(alone.precisions[0], together.precisions[position])


def test_json_gives_distributions_back_bit_by_bit() -> None:
    gaussians = fit_gaussians(draw(20, positions=4, features=5))
    again = Gaussians.model_validate_json(gaussians.model_dump_json(indent=1))
    assert again == gaussians
    assert again.means.tobytes() == gaussians.means.tobytes()
    assert again.precisions.tobytes() == gaussians.precisions.tobytes()
    others = draw(7, positions=4, features=5, seed=1)
    np.testing.assert_array_equal(
        squared_distances(again, others), squared_distances(gaussians, others)
    )


@pytest.mark.parametrize("value", [1e-300, 5e-324, 0.1 + 0.2, 1 / 3, 1.7e308, -1e-17])
def test_json_keeps_awkward_numbers(value: float) -> None:
    gaussians = Gaussians(means=np.array([[value]]), precisions=np.array([[[value]]]))
    again = Gaussians.model_validate_json(gaussians.model_dump_json())
    assert again.means.item() == again.precisions.item() == value


@pytest.mark.parametrize("name", ["means", "precisions"])
def test_distributions_that_differ_in_one_bit_are_not_equal(name: str) -> None:
    gaussians = fit_gaussians(draw(20, positions=2, features=3))
    values: dict[str, NDArray[np.float64]] = {
        "means": gaussians.means.copy(),
        "precisions": gaussians.precisions.copy(),
    }
    assert Gaussians(**values) == gaussians
    values[name].flat[-1] = np.nextafter(values[name].flat[-1], np.inf)
    assert Gaussians(**values) != gaussians


@pytest.mark.parametrize(
    ("means", "precisions"),
    [
        ((3,), (3, 3)),
        ((3,), (1, 3, 3)),
        ((), ()),
        ((2, 3), (2, 3)),
        ((2, 3), (3, 3)),
        ((2, 3), (1, 3, 3)),
        ((2, 3), (2, 3, 2)),
        ((2, 3), (2, 2, 3)),
        ((2, 3, 1), (2, 3, 1, 1)),
    ],
    ids=str,
)
def test_shapes_that_do_not_fit_together_are_refused(
    means: tuple[int, ...], precisions: tuple[int, ...]
) -> None:
    with pytest.raises(ValidationError, match="must be"):
        Gaussians(means=np.ones(means), precisions=np.ones(precisions))


@pytest.mark.parametrize("name", ["means", "precisions"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_no_finite_number_is_refused(name: str, value: float) -> None:
    values = {"means": np.ones((2, 3)), "precisions": np.ones((2, 3, 3))}
    values[name].flat[1] = value
    with pytest.raises(ValidationError, match="finite"):
        Gaussians(**values)


@pytest.mark.parametrize(
    "change",
    [
        {"means": [[1, 2, 3], [1, 2]]},
        {"means": "words"},
        {"means": [["one", "two", "three"]]},
        {"means": None},
        {"precisions": [[[None] * 3] * 3] * 2},
        {"unknown": 1},
    ],
    ids=str,
)
def test_json_that_holds_no_distributions_is_refused(change: dict[str, Any]) -> None:
    values = written(fit_gaussians(draw(20, positions=2, features=3))) | change
    with pytest.raises(ValidationError):
        Gaussians.model_validate_json(json.dumps(values))


@pytest.mark.parametrize("name", ["means", "precisions"])
def test_distributions_without_one_of_their_arrays_are_refused(name: str) -> None:
    values = written(fit_gaussians(draw(20, positions=2, features=3)))
    del values[name]
    with pytest.raises(ValidationError, match=name):
        Gaussians.model_validate_json(json.dumps(values))


@pytest.mark.parametrize("broken", [{"a": 1}, [[{}]], "words", None])
def test_what_are_no_numbers_is_a_wrong_value(broken: object) -> None:
    with pytest.raises(ValidationError):
        Gaussians.model_validate({"means": broken, "precisions": [[[1]]]})
