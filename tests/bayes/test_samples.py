"""What generators draw is drawn by its seed, and published with its probability."""

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from stages.bayes.avatars import AvatarSet
from stages.bayes.generators.base import Drawn, draw_index
from stages.bayes.generators.registry import GENERATORS
from stages.bayes.samples import draw_samples, write_samples
from tests.avatar_files import dress_avatars, fit_model, paint_rows

MODEL = fit_model()


@pytest.mark.parametrize(
    ("chance", "index"), [(0, 0), (0.24, 0), (0.26, 2), (0.74, 2), (0.76, 3), (0.999, 3)]
)
def test_a_chance_falls_on_an_index_by_its_weight(chance: float, index: int) -> None:
    # A weight of nothing is never drawn, also where the chance lies on its edge.
    assert draw_index(np.array([1.0, 0, 2, 1]), chance) == index
    assert draw_index(np.array([1.0, 0, 1]), 0.5) == 2


def test_samples_are_those_of_their_seeds() -> None:
    generator = GENERATORS["pixel"].fit(AvatarSet(paint_rows("rgb", "bgr", "wws")), MODEL, 0.1)
    first = draw_samples(generator, range(4, 8))
    again = draw_samples(generator, [7, 5])
    assert [one.avatar.tolist() for one in again] == [first[i].avatar.tolist() for i in (3, 1)]
    assert len({one.avatar.tobytes() for one in draw_samples(generator, range(40))}) > 5


def test_each_sample_has_a_picture_and_a_row(tmp_path: Path) -> None:
    first, second = paint_rows("rg", "bb")
    samples = [(4, Drawn(first, -2.5)), (9, Drawn(second, -2000.0))]
    write_samples(tmp_path, "tree", samples, MODEL)
    for name, avatar in (("tree_4", first), ("tree_9", second)):
        with Image.open(tmp_path / f"{name}.png") as picture:
            assert np.asarray(picture).tolist() == avatar.tolist()
    rows = pd.read_csv(tmp_path / "avatars.csv")
    assert rows["file"].tolist() == ["tree_4.png", "tree_9.png"]
    assert rows["seed"].tolist() == [4, 9]
    assert rows["log_probability"].tolist() == [-2.5, -2000]
    assert rows["bits_per_dimension"].tolist() == pytest.approx(
        [2.5 / 8 / math.log(2), 2000 / 8 / math.log(2)]
    )
    # What no float can hold is left out.
    assert rows["probability"][0] == pytest.approx(math.exp(-2.5))
    assert math.isnan(rows["probability"][1])
    assert "style" not in rows


def test_a_sample_of_a_style_has_it_in_its_row(tmp_path: Path) -> None:
    (avatar,) = paint_rows("rg")
    write_samples(tmp_path, "style", [(0, Drawn(avatar, -1.0, ("cap", "red")))], MODEL)
    assert pd.read_csv(tmp_path / "avatars.csv")["style"].tolist() == ["hat: cap, coat: red"]


def test_every_generator_can_be_fitted_and_drawn_from() -> None:
    training = dress_avatars(8, 0)
    for name, kind in GENERATORS.items():
        (one,) = draw_samples(kind.fit(training, MODEL, 0.1), [0])
        assert one.avatar.shape == training.avatars.shape[1:]
        assert (one.style is None) == (name != "style")
        assert kind.symbol == (np.uint8 if name in ("mle", "poly") else np.uint32)
