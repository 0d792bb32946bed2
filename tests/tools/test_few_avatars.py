"""How many avatars it takes is measured on the same held-out ones, and drawn as measured."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from stages.bayes.generators.base import smoothing_mass
from stages.bayes.generators.styled import Styled
from tests.avatar_files import dress_avatars, fit_model
from tests.pictures import watch_chart
from tools import few_avatars

TABLE = pd.DataFrame(
    {
        "avatars": [11, 11, 50, 50, 500, 500],
        "seed": [0, 1] * 3,
        "held_out_bits": [0.5, 0.7, 0.1, 0.3, 0.01, 0.03],
        "accuracy": [0.2, 0.4, 0.8, 0.9, 0.9, 0.94],
        "fidelity": [0.9, 0.92, 0.99, 0.99, 1, 1],
    }
)


def test_prediction_tells_the_bits_and_how_often_the_most_probable_style_is_right() -> None:
    styled = Styled.fit(dress_avatars(24, 0), fit_model(), 0.2)
    holdout, mass = dress_avatars(30, 9), smoothing_mass(0.2, 24)
    found = few_avatars.predict(styled, holdout, mass)
    logs = styled.log_probability(holdout.avatars, mass)
    assert found["held_out_bits"] == pytest.approx(-logs.mean() / (12 * 4 * np.log(2)), abs=1e-4)
    assert found["accuracy"] == 1
    wrong = holdout._replace(styles=(*holdout.styles[1:], holdout.styles[0]))
    assert few_avatars.predict(styled, wrong, mass)["accuracy"] < 1


def test_means_are_over_seeds() -> None:
    means = few_avatars.mean_over_seeds(TABLE)
    assert means.loc[11].to_dict() == pytest.approx(
        {"held_out_bits": 0.6, "accuracy": 0.3, "fidelity": 0.91}
    )
    assert list(means.index) == [11, 50, 500]


def test_the_picture_shows_each_seed_and_tells_the_means(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    panels, saved = watch_chart(monkeypatch, few_avatars)
    few_avatars.draw_few(tmp_path / "few.png", TABLE)
    assert [one.get_title(loc="left") for one in panels] == list(few_avatars.MEASURED.values())
    dots, line = panels[2].lines
    assert dots.get_ydata().tolist() == TABLE["accuracy"].tolist()
    assert line.get_ydata().tolist() == pytest.approx([0.3, 0.85, 0.92])
    assert "11 avatars 30 %" in saved[1]
    assert "from 500 92 %" in saved[1]
