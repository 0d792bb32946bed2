"""Avatars are drawn as their styles say."""

import numpy as np
import pytest

from stages.bayes.drawing import HEIGHT, OPTIONS, WIDTH, draw_avatar, draw_avatars
from stages.bayes.styles import fit_styles, load_counts
from stages.common.errors import InputError
from tests.wells_files import ROOT

COURSE = load_counts(ROOT / "data/styles.yaml")
PLAIN = {
    "прическа": "длинные прямые",
    "цвет волос": "рыжий",
    "аксесуар": "нет очков",
    "одежда": "футболка с круглым вырезом",
    "цвет одежды": "зеленый",
}


def share_of(avatar: np.ndarray, colour: tuple[int, int, int]) -> float:
    return float((avatar == (*colour, 255)).all(axis=-1).mean())


def test_every_value_that_was_counted_can_be_drawn() -> None:
    assert {name: set(values) for name, values in OPTIONS.items()} == {
        name: set(values) for name, values in COURSE.items()
    }


def test_each_value_changes_the_picture() -> None:
    pictures = {
        draw_avatar(PLAIN | {attribute: value}).tobytes()
        for attribute, values in COURSE.items()
        for value in values
    }
    # The plain avatar is drawn once for each attribute.
    assert len(pictures) == sum(map(len, COURSE.values())) - len(COURSE) + 1


def test_hair_and_clothes_have_their_colours() -> None:
    avatar = draw_avatar(PLAIN)
    assert avatar.shape == (HEIGHT, WIDTH, 4)
    assert share_of(avatar, (0xC9, 0x33, 0x05)) > 0.1
    assert share_of(avatar, (0xA7, 0xFF, 0xC4)) > 0.1
    assert share_of(draw_avatar(PLAIN | {"прическа": "нет волос"}), (0xC9, 0x33, 0x05)) == 0


def test_shoulders_reach_the_lower_edge_and_the_corners_are_empty() -> None:
    avatar = draw_avatar(PLAIN)
    assert (avatar[-1, WIDTH // 4 : -WIDTH // 4, 3] == 255).all()
    assert avatar[0, 0].tolist() == avatar[0, -1].tolist() == [0, 0, 0, 0]


def test_faces_vary_only_where_they_may() -> None:
    first, second = draw_avatar(PLAIN), draw_avatar(PLAIN)
    assert first.tobytes() == second.tobytes()
    varied = {draw_avatar(PLAIN, np.random.default_rng(seed)).tobytes() for seed in range(8)}
    assert len(varied) > 4
    again = draw_avatar(PLAIN, np.random.default_rng(3)).tobytes()
    assert again == draw_avatar(PLAIN, np.random.default_rng(3)).tobytes()


def test_what_cannot_be_drawn_is_refused() -> None:
    with pytest.raises(InputError, match="прическа=ирокез can't be drawn; what can: нет волос"):
        draw_avatar(PLAIN | {"прическа": "ирокез"})
    with pytest.raises(InputError, match="not from hat"):
        draw_avatar({"hat": "cap"})


@pytest.mark.parametrize("varied", [False, True])
def test_a_set_is_drawn_of_random_styles_with_varied_faces_only_if_wished(varied: bool) -> None:
    # A single style is possible, so that avatars differ by their faces alone.
    model = fit_styles({name: {value: 1} for name, value in PLAIN.items()}, 0)
    found = draw_avatars(model, 6, varied, np.random.default_rng(0))
    assert found.attributes == tuple(PLAIN)
    assert found.styles == (tuple(PLAIN.values()),) * 6
    pictures = {avatar.tobytes() for avatar in found.avatars}
    assert (draw_avatar(PLAIN).tobytes() in pictures) or varied
    assert (len(pictures) > 1) == varied
