"""Measures of generators count what they say, and what is declared of them means something."""

import numpy as np
import pytest

from stages.bayes.avatar_metrics import (
    Metrics,
    choose_metrics,
    copy_rate,
    distances,
    diversity,
    measure_fidelity,
    measure_holdout,
    measure_sample,
    measure_source,
    unseen_colours,
    unseen_share,
)
from stages.bayes.avatars import AvatarSet
from stages.bayes.drawing import OPTIONS, draw_avatar
from stages.bayes.generators.base import Drawn
from stages.bayes.generators.positions import Poly
from stages.bayes.styles import fit_styles
from tests.avatar_files import paint_rows


def test_resemblance_counts_pixels() -> None:
    drawn, training = paint_rows("rgb", "rgb", "ggg"), paint_rows("rgb", "bbb")
    to_training = distances(drawn, training)
    assert to_training == pytest.approx(np.array([[0, 2 / 3], [0, 2 / 3], [2 / 3, 1]]))
    assert copy_rate(to_training) == pytest.approx(2 / 3)
    assert diversity(drawn) == pytest.approx((0 + 2 / 3 + 2 / 3) / 3)
    assert unseen_colours(paint_rows("rgw", "www"), training) == pytest.approx(4 / 6)
    assert unseen_share(paint_rows("rbg"), training, np.uint32) == pytest.approx(1 / 3)
    # Of the last pixel, green among blue ones, red and alpha were seen.
    assert unseen_share(paint_rows("rbg"), training, np.uint8) == pytest.approx(2 / 12)


def test_held_out_bits_are_told_with_the_standard_error_of_their_mean() -> None:
    training, holdout = paint_rows("rr", "bb"), paint_rows("rr", "rg")
    generator = Poly(training, np.uint32)
    found = measure_holdout(generator, training, holdout, 0.1, np.uint32)
    # Of two pixels with four channels each; the smoothing is that of 0.1 avatars beside two.
    one, other = -generator.log_probability(holdout, 0.1 / 2.1) / (8 * np.log(2))
    assert found["held_out_bits_per_dimension"] == pytest.approx((one + other) / 2)
    assert found["held_out_bits_per_dimension_error"] == pytest.approx(abs(one - other) / 2)
    assert found["unseen_share"] == 1 / 4


def test_a_sample_is_told_by_means() -> None:
    training = paint_rows("rr", "bb")
    copy, other = paint_rows("rr", "rg")
    sample = [Drawn(copy, -1), Drawn(other, -3)]
    found = measure_sample(sample, training)
    assert found["log_probability"] == -2
    assert found["bits_per_dimension"] == pytest.approx(2 / (8 * np.log(2)))
    assert found["copy_rate"] == 1 / 2
    assert found["nearest_distance"] == 1 / 4
    assert found["diversity"] == 1 / 2
    assert found["unseen_colours"] == 1 / 4


def test_a_source_is_told_by_its_numbers_and_copies() -> None:
    training, holdout = AvatarSet(paint_rows("rr", "bb")), AvatarSet(paint_rows("rr", "rg", "bg"))
    expected: Metrics = {"train": 2, "holdout": 3, "diversity": 1}
    assert measure_source(training, holdout) == pytest.approx(expected | {"holdout_copies": 1 / 3})
    nobody = AvatarSet(holdout.avatars[:0])
    assert measure_source(training, nobody) == expected | {"holdout": 0}


def test_fidelity_is_the_share_of_pixels_of_the_true_picture() -> None:
    model = fit_styles({name: dict.fromkeys(values, 1) for name, values in OPTIONS.items()}, 0)
    style = tuple(values[0] for values in model.values.values())
    true = draw_avatar(dict(zip(model.values, style, strict=True)))
    spoiled = true.copy()
    spoiled[:70] = 77
    sample = [Drawn(true, 0, style), Drawn(spoiled, 0, style)]
    found = measure_fidelity(sample, true[None], model)
    assert found["style_fidelity"] == pytest.approx(1 - 70 / 280 / 2)
    assert measure_fidelity([Drawn(true, 0)], true[None], model) == {}
    # Where no avatar to learn from shows the true colour it isn't asked for.
    cut = true.copy()
    cut[:140] = 77
    found = measure_fidelity(sample, cut[None], model)
    assert found["style_fidelity"] == 1
    assert found["style_fidelity_overall"] == pytest.approx(1 - 70 / 280 / 2)


def test_a_person_chooses_by_rounded_bits_and_fidelity_where_they_are_known() -> None:
    bits = {"held_out_bits_per_dimension": 0.12345, "held_out_bits_per_dimension_error": 0.1}
    report: dict[str, Metrics] = {
        "source": {"train": 50, "holdout": 50},
        "tree": {"diversity": 0.3, **bits},
        "style": {**bits, "style_fidelity": 0.987654},
        "mle": {"diversity": 0.5},
    }
    assert choose_metrics(report) == {
        "tree": {"held_out_bits": 0.123},
        "style": {"held_out_bits": 0.123, "fidelity": 0.9877},
        "mle": {},
    }
