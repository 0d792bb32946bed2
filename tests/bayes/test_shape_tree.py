"""The picture of a learnt tree shows its largest groups, each below what it is drawn given."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from stages.bayes.generators.styled import Styled
from stages.bayes.generators.tree import ROOT, Tree
from stages.bayes.shape_tree import (
    LARGEST,
    choose_largest,
    draw_shape_tree,
    draw_tree,
    fade,
    find_groups,
    line_up,
    prune,
)
from stages.common.pictures import WIDTH, save_image
from stages.common.types import Indices
from tests.avatar_files import dress_avatars, fit_model, paint_rows
from tests.pictures import assert_draws_the_same_bytes

# Below group 0: 1 with 3, below which are 4 and 5; and 2 with 6.
PARENTS = np.array([ROOT, 0, 0, 1, 3, 3, 2])
ORDER = np.arange(7)


def marked(picture: Image.Image) -> Indices:
    """Return rows and columns of what is marked as a group's, and so no grey, `[M, 2]`."""
    return np.argwhere(np.ptp(np.asarray(picture), axis=2) > 50)


def draw(parents: Sequence[int], pixels: int = 4) -> Image.Image:
    """Draw a tree whose groups are so many pixels each, in a square."""
    groups = np.repeat(np.arange(len(parents)), pixels)
    backdrop = np.full((pixels, len(parents), 4), 255, dtype=np.uint8)
    return draw_tree(groups, backdrop, np.arange(len(parents)), np.array(parents))


def test_a_group_hangs_on_the_nearest_chosen_one_above_it() -> None:
    assert prune(ORDER, PARENTS, [0, 3, 5, 6]) == {0: ROOT, 3: 0, 5: 3, 6: 0}


def test_a_group_where_branches_part_is_kept_though_it_was_not_chosen() -> None:
    assert prune(ORDER, PARENTS, [4, 5]) == {3: ROOT, 4: 3, 5: 3}
    assert prune(ORDER, PARENTS, [4, 5, 6]) == {0: ROOT, 3: 0, 6: 0, 4: 3, 5: 3}


def test_groups_that_nothing_joins_all_stand_at_the_top() -> None:
    apart = np.full(7, ROOT)
    assert prune(ORDER, apart, [2, 5]) == {2: ROOT, 5: ROOT}


def test_pruned_groups_stand_after_their_parents_whatever_their_numbers() -> None:
    parents = np.array([2, 0, ROOT])
    assert list(prune(np.array([2, 0, 1]), parents, [0, 1, 2]).items()) == [
        (2, ROOT),
        (0, 2),
        (1, 0),
    ]


def test_each_end_has_its_own_column_and_a_parent_is_amid_its_children() -> None:
    columns = line_up(prune(ORDER, PARENTS, ORDER.tolist()))
    assert columns == {4: 0, 5: 1, 3: 0.5, 1: 0.5, 6: 2, 2: 2, 0: 1.25}


def test_groups_at_the_top_stand_side_by_side() -> None:
    assert line_up({3: ROOT, 1: 3, 2: ROOT}) == {1: 0, 3: 0, 2: 1}


def test_the_largest_groups_are_those_with_the_most_pixels_of_equals_the_first() -> None:
    sizes = np.full(LARGEST + 3, 5)
    sizes[1], sizes[-1] = 1, 9
    assert choose_largest(sizes) == [LARGEST + 2, 0, *range(2, LARGEST)]


def test_the_groups_of_a_tree_are_known_pixel_by_pixel() -> None:
    # The last pixel changes as the first does.
    tree = Tree.fit(paint_rows("rgwr", "rbwr", "bgsb", "bbwb"), 0.5)
    first, second, third, last = find_groups(tree)
    assert first == last
    assert len({first, second, third}) == 3


def test_the_groups_of_styled_avatars_are_known_pixel_by_pixel() -> None:
    avatars = dress_avatars(12, 0)
    groups = find_groups(Styled.fit(avatars, fit_model(), 0.1))
    hat, skin, coat = groups.reshape(3, 4)
    assert {len(set(part.tolist())) for part in (hat, skin, coat)} == {1}
    assert hat[0] != skin[0]


def test_what_a_group_is_drawn_given_stands_above_it() -> None:
    rows, columns = marked(draw([ROOT, 0, 0])).T
    # One tile above two others.
    upper = rows < (rows.min() + rows.max()) / 2
    assert columns[~upper].min() < columns[upper].min()
    assert columns[upper].max() < columns[~upper].max()
    assert draw([ROOT, 0, 1]).height > draw([ROOT, 0, 0]).height > draw([ROOT] * 3).height


def test_groups_beyond_the_largest_are_not_marked_but_stand_where_branches_part() -> None:
    # A small root, with as many larger groups below it as there is room for.
    groups = np.repeat(np.arange(LARGEST + 1), [1, *[2] * LARGEST])
    backdrop = np.full((1, len(groups), 4), 255, dtype=np.uint8)
    below = np.array([ROOT, *[0] * LARGEST])
    joined, apart = (
        draw_tree(groups, backdrop, np.arange(LARGEST + 1), parents)
        for parents in (below, np.full_like(below, ROOT))
    )
    assert len(marked(joined)) == len(marked(apart)) > 0
    assert joined.height > apart.height


def test_mean_avatars_are_faint_and_grey_and_nothing_is_white() -> None:
    faded = fade(paint_rows("r w", "b w"))
    assert (faded[..., 3] == 255).all()
    assert (np.ptp(faded[..., :3], axis=-1) == 0).all()
    dark, nothing, light = faded[0, :, 0]
    assert 150 < dark < light < nothing == 255


@pytest.mark.parametrize("number", [2, 12])
def test_small_avatars_have_a_tree_as_wide_as_all_pictures(number: int) -> None:
    training = dress_avatars(number, 0)
    for generator in (
        Tree.fit(training.avatars, 0.1),
        Styled.fit(training, fit_model(), 0.1),
        Styled.fit(training, fit_model(), 0.1).as_if_independent(),
    ):
        picture = draw_shape_tree(generator, training.avatars)
        assert picture.width == WIDTH
        assert len(marked(picture))


def test_the_same_tree_gives_the_same_png_bytes(tmp_path: Path) -> None:
    avatars = dress_avatars(8, 0).avatars

    def save(path: Path) -> None:
        save_image(draw_shape_tree(Tree.fit(avatars, 0.1), avatars), path)

    assert_draws_the_same_bytes(save, tmp_path)
