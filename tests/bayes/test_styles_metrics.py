"""What is said of a model of styles is right, and what is declared of it means something."""

import numpy as np
import pytest

from stages.bayes.styles import draw_frequencies, fit_styles, joint
from stages.bayes.styles_metrics import (
    agreement,
    choose_metrics,
    extremes,
    measure_styles,
)
from tests.avatar_files import fit_model


def test_extremes_name_the_most_and_the_least_likely_style() -> None:
    model = fit_styles({"hat": {"cap": 3, "none": 1}, "coat": {"red": 1, "blue": 7}}, 0)
    found = extremes(model, joint(model))
    assert found["most_likely"]["style"] == "hat: cap, coat: blue"
    assert found["least_likely"]["style"] == "hat: none, coat: red"
    assert found["most_likely"]["probability"] == pytest.approx(21 / 32)
    assert found["least_likely"]["probability"] == pytest.approx(1 / 32)


def test_agreement_is_pearsons_statistic() -> None:
    # (60 - 50)^2 / 50 + (40 - 50)^2 / 50 = 4 with one degree of freedom: p = 0.0455.
    found = agreement(np.array([60, 40]), np.array([0.5, 0.5]))
    assert found["chi2"] == pytest.approx(4)
    assert found["degrees"] == 1
    assert found["p_value"] == pytest.approx(0.0455, abs=1e-4)


def test_rare_styles_are_tested_together() -> None:
    # Of 100, two kinds are expected twice each: they are tested as one.
    found = agreement(np.array([50, 46, 2, 2]), np.array([0.5, 0.46, 0.02, 0.02]))
    assert found["chi2"] == pytest.approx(0)
    assert found["degrees"] == 2


def test_an_impossible_style_that_was_seen_agrees_with_nothing() -> None:
    assert agreement(np.array([99, 1]), np.array([1.0, 0]))["p_value"] == 0


def test_the_report_is_of_the_model_and_the_sample() -> None:
    model = fit_model()
    table = joint(model)
    sample = draw_frequencies(table, 5000, np.random.default_rng(0))
    found = measure_styles(model, table, sample, 1)["styles"]
    assert (found["number"], found["smoothing"]) == (6, 1)
    # Of hats 4 : 2 and of coats 2 : 3 : 2.
    hats, coats = np.array([4, 2]) / 6, np.array([2, 3, 2]) / 7
    bits = -(hats * np.log2(hats)).sum() - (coats * np.log2(coats)).sum()
    assert found["entropy_bits"] == pytest.approx(bits)
    assert found["perplexity"] == pytest.approx(2**bits)
    assert found["large_sample"] == {"size": 5000, **agreement(sample, table)}
    assert found["most_likely"]["style"] == "hat: cap, coat: green"


def test_a_person_judges_by_two_rounded_numbers() -> None:
    report = {"styles": {"entropy_bits": 1.23456, "large_sample": {"p_value": 0.123456}}}
    found = choose_metrics(report)
    assert found == {"styles": {"entropy_bits": 1.235, "chi2_p_value": 0.1235}}
