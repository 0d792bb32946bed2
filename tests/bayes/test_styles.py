"""Styles have the probabilities that maximum likelihood and Bayes' formula give them."""

import csv
import math
import subprocess
from itertools import islice, product
from pathlib import Path

import numpy as np
import pytest

from stages.bayes.params import DrawStyleParams
from stages.bayes.samples import write_styles
from stages.bayes.styles import (
    Counts,
    StyleModel,
    all_styles,
    describe,
    draw_frequencies,
    draw_styles,
    fit_styles,
    joint,
    load_counts,
    marginals,
    posterior,
)
from stages.bayes.styles_metrics import agreement
from stages.common.errors import InputError
from stages.common.params import load_params
from tests.processes import run_module
from tests.wells_files import ROOT

TOY: Counts = {"hat": {"cap": 3, "none": 1}, "coat": {"red": 0, "blue": 2, "grey": 2}}
COURSE = load_counts(ROOT / "data/styles.yaml")


def toy(smoothing: float = 1) -> StyleModel:
    return fit_styles(TOY, smoothing)


@pytest.mark.parametrize(
    ("smoothing", "cap", "red"),
    [(0, 3 / 4, 0), (1, 4 / 6, 1 / 7), (2, 5 / 8, 2 / 10), (0.5, 0.7, 1 / 11)],
)
def test_a_values_probability_is_its_smoothed_share(
    smoothing: float, cap: float, red: float
) -> None:
    model = toy(smoothing)
    assert model.probabilities["hat"] == pytest.approx([cap, 1 - cap])
    assert model.probabilities["coat"] == pytest.approx([red, (1 - red) / 2, (1 - red) / 2])


def test_the_probability_printed_by_the_report_comes_out() -> None:
    # Smoothing 2, as the report adds one to each count twice.
    model = fit_styles(COURSE, 2)
    style = (
        "короткая прямые",
        "серебристо серый",
        "круглые очки",
        "футболка с круглым вырезом",
        "зеленый",
    )
    index = list(all_styles(model)).index(style)
    assert joint(model).flat[index] == 0.0020026987056325214


@pytest.mark.parametrize("smoothing", [0, 0.5, 1, 2])
def test_probabilities_of_all_styles_sum_to_one(smoothing: float) -> None:
    table = joint(fit_styles(COURSE, smoothing))
    assert table.size == 4032
    assert table.sum() == pytest.approx(1, abs=1e-12)


def test_a_styles_probability_is_the_product_of_its_values_shares() -> None:
    expected = {
        (hat, coat): p * q
        for (hat, p), (coat, q) in product(
            [("cap", 4 / 6), ("none", 2 / 6)], [("red", 1 / 7), ("blue", 3 / 7), ("grey", 3 / 7)]
        )
    }
    model = toy()
    assert dict(zip(all_styles(model), joint(model).ravel(), strict=True)) == pytest.approx(
        expected
    )


def test_what_is_given_divides_by_its_probability_and_rules_the_rest_out() -> None:
    model = toy()
    table = posterior(model, {"coat": "blue"})
    assert table.sum() == pytest.approx(1)
    assert table == pytest.approx(np.array([[0, 4 / 6, 0], [0, 2 / 6, 0]]))
    assert posterior(model, {}) == pytest.approx(joint(model))


def test_marginals_sum_the_other_attributes_out() -> None:
    # A table whose attributes depend on each other: marginals must not assume otherwise.
    table = np.array([[0.1, 0.2, 0.3], [0.4, 0, 0]])
    for shaped in (table, table.ravel()):
        found = marginals(toy(), shaped)
        assert found["hat"] == pytest.approx({"cap": 0.6, "none": 0.4})
        assert found["coat"] == pytest.approx({"red": 0.5, "blue": 0.2, "grey": 0.3})


def test_a_million_drawn_styles_agree_with_the_model() -> None:
    model = fit_styles(COURSE, 1)
    table = joint(model)
    counts = draw_frequencies(table, 1_000_000, np.random.default_rng(0))
    assert counts.sum() == 1_000_000
    assert agreement(counts, table)["p_value"] > 0.001
    assert agreement(counts, joint(fit_styles(COURSE, 2)))["p_value"] < 1e-9


def test_the_generator_draws_each_style_as_often_as_it_says() -> None:
    model = toy(0)
    drawn = list(islice(draw_styles(model, np.random.default_rng(1)), 4000))
    for style in set(all_styles(model)):
        found = [one for one in drawn if one.style == style]
        expected = 3 / 8 if style[0] == "cap" else 1 / 8
        if style[1] == "red":
            assert not found
            continue
        assert len(found) / 4000 == pytest.approx(expected, abs=0.03)
        assert found[0].probability == pytest.approx(expected)
        assert found[0].log_probability == pytest.approx(math.log(expected))


def test_drawn_styles_have_what_is_given_and_its_conditional_probability() -> None:
    drawn = draw_styles(toy(), np.random.default_rng(0), {"hat": "none"})
    for style, probability, _ in islice(drawn, 50):
        assert style[0] == "none"
        assert probability == pytest.approx({"red": 1 / 7}.get(style[1], 3 / 7))


def test_the_generator_goes_on_for_ever_and_repeats_by_its_seed() -> None:
    model = fit_styles(COURSE, 1)
    one, other, third = (
        [drawn.style for drawn in islice(draw_styles(model, np.random.default_rng(seed)), 3000)]
        for seed in (0, 0, 1)
    )
    assert one == other != third


def test_a_style_is_written_as_people_write_it() -> None:
    assert describe(toy(), ("cap", "red")) == "hat: cap, coat: red"


def test_drawn_styles_are_published_as_a_table_and_as_people_write_them(tmp_path: Path) -> None:
    drawn = list(islice(draw_styles(toy(), np.random.default_rng(0)), 3))
    write_styles(tmp_path, toy(), drawn)
    with (tmp_path / "styles.csv").open(encoding="utf-8", newline="") as file:
        head, *rows = csv.reader(file)
    assert head == ["hat", "coat", "probability", "log_probability"]
    lines = (tmp_path / "styles.txt").read_text(encoding="utf-8").splitlines()
    for one, line, row in zip(drawn, lines, rows, strict=True):
        assert tuple(row[:2]) == one.style
        assert [float(cell) for cell in row[2:]] == [one.probability, one.log_probability]
        assert line == f"hat: {one.style[0]}, coat: {one.style[1]} {one.probability!r}"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"hot": "cap"}, "no attribute 'hot'; did you mean hat"),
        ({"hat": "cape"}, "no value of hat 'cape'; did you mean cap"),
        ({"hat": "zzz"}, "did you mean cap, none"),
    ],
)
def test_an_unknown_attribute_or_value_is_refused_with_the_nearest(
    given: dict[str, str], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        posterior(toy(), given)


def test_what_has_probability_0_is_refused() -> None:
    with pytest.raises(InputError, match="coat=red has probability 0"):
        posterior(toy(0), {"coat": "red"})


def test_counts_of_zero_alone_are_refused_where_nothing_is_smoothed() -> None:
    counts = {"hat": {"cap": 0, "none": 0}}
    with pytest.raises(InputError, match=r"all counts of hat are 0.*styles\.smoothing"):
        fit_styles(counts, 0)
    assert fit_styles(counts, 1).probabilities["hat"] == pytest.approx([0.5, 0.5])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("hat: {cap: -1}", "hat: cap: the count is -1"),
        ("hat: {cap: 1.5}", "the count is 1.5"),
        ("hat: {cap: many}", "the count is 'many'"),
        ("hat: {cap: true}", "the count is True"),
        ("hat: {}", "hat has no values"),
        ("hat:", "hat has no values"),
        ("hat: 3", "hat has no values"),
        ("", "must hold attributes"),
        ("[1]", "must hold attributes"),
        ("{", "can't be read as YAML"),
    ],
)
def test_wrong_counts_are_refused_by_name(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "styles.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=message):
        load_counts(path)


def test_missing_counts_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere\.yaml"):
        load_counts(tmp_path / "nowhere.yaml")


def run_tool(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command on the project's own counts."""
    return run_module("tools.style", *arguments, folder=ROOT)


def test_the_command_prints_styles_with_what_is_given_and_their_probability() -> None:
    done = run_tool("--given", "одежда=худи", "-n", "7", "--seed", "3")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == 7
    model = fit_styles(COURSE, load_params(DrawStyleParams, ROOT / "params.yaml").styles.smoothing)
    table = posterior(model, {"одежда": "худи"})
    for line in lines:
        text, probability = line.partition(" (ln")[0].rsplit(" ", 1)
        style = tuple(pair.split(": ")[1] for pair in text.split(", "))
        assert style[3] == "худи"
        assert float(probability) == table.flat[list(all_styles(model)).index(style)]
    assert run_tool("--given", "одежда=худи", "-n", "7", "--seed", "3").stdout == done.stdout


def test_the_command_prints_the_probability_of_each_value() -> None:
    done = run_tool("--marginals", "--given", "одежда=худи")
    assert done.returncode == 0, done.stderr
    lines = dict(line.rsplit(" ", 1) for line in done.stdout.splitlines())
    assert float(lines["одежда: худи"]) == 1
    assert float(lines["одежда: комбинезон"]) == 0
    colours = [float(value) for name, value in lines.items() if name.startswith("цвет одежды")]
    assert sum(colours) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["одежа=худи"], "одежда"),
        (["одежда=худы"], "худи"),
        (["худи"], "ATTRIBUTE=VALUE"),
        (["одежда=худи", "одежда=худи"], "given twice"),
    ],
)
def test_the_command_refuses_what_it_does_not_know(given: list[str], message: str) -> None:
    done = run_tool(*(f"--given={text}" for text in given))
    assert done.returncode == 1
    assert message in done.stderr
    assert "Traceback" not in done.stderr
