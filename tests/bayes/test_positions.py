"""mle, poly and pixel draw each position by itself, with the probabilities that they report."""

import math

import numpy as np
import pytest
from scipy.stats import chi2, chisquare

from stages.bayes.avatars import Symbols, as_symbols
from stages.bayes.generators.base import Generator, smoothing_mass
from stages.bayes.generators.palette import count_symbols, probability
from stages.bayes.generators.positions import Mle, Poly
from tests.avatar_files import paint_every, paint_rows

# Of five avatars; each position has another distribution.
FIVE = paint_rows("rrs", "rgs", "rgb", "rb ", "rbs")
KINDS: dict[str, Generator] = {
    "mle": Mle(FIVE, np.uint8),
    "poly": Poly(FIVE, np.uint8),
    "pixel": Poly(FIVE, np.uint32),
}
DRAWS = 4000


def drawn_symbols(generator: Generator, symbol: type[np.unsignedinteger]) -> Symbols:
    rng = np.random.default_rng(7)
    return as_symbols(np.stack([generator.sample(rng).avatar for _ in range(DRAWS)]), symbol)


@pytest.mark.parametrize(("kind", "symbol"), [("poly", np.uint8), ("pixel", np.uint32)])
def test_symbols_are_as_frequent_as_they_were_seen_at_their_position(
    kind: str, symbol: type[np.unsignedinteger]
) -> None:
    statistic, degrees = 0.0, 0
    for seen, shown in zip(
        as_symbols(FIVE, symbol).T, drawn_symbols(KINDS[kind], symbol).T, strict=True
    ):
        values, counts = np.unique(seen, return_counts=True)
        assert np.isin(shown, values).all()
        observed = (shown[:, None] == values).sum(axis=0)
        statistic += float(chisquare(observed, counts / counts.sum() * DRAWS).statistic)
        degrees += len(values) - 1
    assert degrees > 3
    assert 0.001 < chi2.sf(statistic, degrees) < 0.999


def test_mle_draws_distinct_values_evenly() -> None:
    statistic, degrees = 0.0, 0
    shown = drawn_symbols(KINDS["mle"], np.uint8)
    for position, seen in enumerate(as_symbols(FIVE, np.uint8).T):
        values = np.unique(seen)
        observed = (shown[:, position, None] == values).sum(axis=0)
        assert observed.sum() == DRAWS
        statistic += float(chisquare(observed).statistic)
        degrees += len(values) - 1
    assert 0.001 < chi2.sf(statistic, degrees) < 0.999


@pytest.mark.parametrize("kind", KINDS)
def test_what_sampling_reports_is_the_avatars_log_probability(kind: str) -> None:
    for seed in range(20):
        one = KINDS[kind].sample(np.random.default_rng(seed))
        assert KINDS[kind].log_probability(one.avatar[None]) == pytest.approx([one.log_probability])


def test_probabilities_are_products_over_positions() -> None:
    avatar = paint_rows("rgs")
    # Pixels: r 5 of 5, g 2 of 5, s 3 of 5.
    assert KINDS["pixel"].log_probability(avatar) == pytest.approx([math.log(2 / 5 * 3 / 5)])
    # Channels of the middle pixel, (0, 200, 0, 255): red 0 in 4 of 5, green 200 in 2, blue 0 in 3;
    # of the last one, (180, 120, 90, 255): 3, 3, 3 and, not being transparent, 4 of 5.
    channels = 4 / 5 * 2 / 5 * 3 / 5 * (3 / 5) ** 3 * 4 / 5
    assert KINDS["poly"].log_probability(avatar) == pytest.approx([math.log(channels)])
    # Distinct values: of the middle pixel 2, 2, 2, 1; of the last one 2, 2, 3, 2.
    assert KINDS["mle"].log_probability(avatar) == pytest.approx([-math.log(2**3 * 2 * 2 * 3 * 2)])


def test_pixels_sum_to_one_over_all_avatars() -> None:
    logs = KINDS["pixel"].log_probability(paint_every("r", "rgb", "sb "))
    assert np.exp(logs).sum() == pytest.approx(1)


@pytest.mark.parametrize("kind", KINDS)
def test_what_was_never_seen_is_impossible_unless_smoothed(kind: str) -> None:
    unseen = paint_rows("wgs")
    assert KINDS[kind].log_probability(unseen) == [-math.inf]
    (smoothed,) = KINDS[kind].log_probability(unseen, mass=0.1)
    assert -200 < smoothed < 0


def test_smoothing_is_additive() -> None:
    palette = count_symbols(as_symbols(FIVE, np.uint32))
    smoothing = 0.5
    expected = 0.0
    for symbol, count in zip(as_symbols(paint_rows("rgw"), np.uint32)[0], (5, 2, 0), strict=True):
        anywhere = float(probability(palette, np.array([symbol]))[0])
        expected += math.log((count + smoothing * anywhere) / (5 + smoothing))
    found = KINDS["pixel"].log_probability(paint_rows("rgw"), smoothing_mass(smoothing, 5))
    assert found == pytest.approx([expected])


def test_symbols_never_seen_share_the_share_of_those_seen_in_one_avatar_alone() -> None:
    palette = count_symbols(as_symbols(paint_rows("rrs", "rgs", "rrs"), np.uint32))
    new = (1 + 1) / (9 + 2)
    white, red = as_symbols(paint_rows("w", "r"), np.uint32)
    assert red in palette.symbols
    assert white not in palette.symbols
    assert probability(palette, white) == pytest.approx(new / 2**32)
    assert probability(palette, red) == pytest.approx((1 - new) * 5 / 9 + new / 2**32)


def test_probabilities_of_all_symbols_sum_to_one() -> None:
    palette = count_symbols(as_symbols(FIVE, np.uint8))
    assert probability(palette, np.arange(256, dtype=np.uint8)).sum() == pytest.approx(1)


def test_avatars_that_are_all_alike_are_drawn_again() -> None:
    for kind in (Mle, Poly):
        one = kind(paint_rows("rg", "rg"), np.uint8).sample(np.random.default_rng(0))
        assert one.avatar.tobytes() == paint_rows("rg").tobytes()
        assert one.log_probability == 0
