"""The tree that a generator has learnt, as a picture: which shape is drawn given which.

A tree has hundreds of groups, most of them of a pixel or two. The picture shows the largest, and a
small square where their branches part; what lies between is left out.
"""

from collections.abc import Collection, Mapping
from itertools import count

import numpy as np
from PIL import Image, ImageColor, ImageDraw

from stages.bayes.avatars import Avatar, Avatars
from stages.bayes.gallery import lay_on_background
from stages.bayes.generators.styled import Styled
from stages.bayes.generators.tree import ROOT, Tree
from stages.common.pictures import (
    GAP,
    GREY,
    INK,
    MARGIN,
    PAPER,
    TEXT_SIZE,
    VERMILION,
    WIDTH,
    fit_tile,
    font,
    line_height,
    stack,
    wrap,
)
from stages.common.types import Indices, Marks

LARGEST = 16
# Pixels: how wide a tile is at most, a square, and a line, and how far a group is below another.
TILE, SQUARE, LINE, STEP = 96, 13, 3, 30
# How dark what is behind a group gets, of 255 at most: any avatar's pixels, and the black ones.
FAINTEST, FAINT = 20, 0.25
LEGEND = (
    "Orange are pixels that always change together, over the mean avatar; their number is below. "
    "The topmost are drawn first, the others given {given}. Squares are smaller groups where "
    "branches part; further ones are left out."
)


def draw_shape_tree(generator: Tree | Styled, avatars: Avatars) -> Image.Image:
    """Return what a generator learnt from avatars `[N, H, W, 4]`: its tree, under a heading."""
    group_of_pixel = find_groups(generator)
    given = "what is above them"
    if isinstance(generator, Styled):
        given = f"the style and {given}"
    tree = draw_tree(group_of_pixel, fade(avatars), generator.order, generator.parents)
    return stack(_write_heading(len(generator.order), given), tree)


def find_groups(generator: Tree | Styled) -> Indices:
    """Return the group of each pixel, `[P]`, row by row."""
    if isinstance(generator, Styled):
        shapes = generator.shapes
        return np.searchsorted(shapes.starts, shapes.column_of, side="right") - 1
    groups = generator.groups
    number = len(groups.pixels)
    found = np.empty(number, dtype=np.intp)
    found[groups.pixels] = np.searchsorted(groups.starts, np.arange(number), side="right") - 1
    return found


def fade(avatars: Avatars) -> Avatar:
    """Return the mean of avatars `[N, H, W, 4]`, faint and without colours, `[H, W, 4]`."""
    ink = np.zeros((*avatars.shape[1:3], 1))
    # One by one, for as floats all at once take much memory.
    for avatar in avatars:
        darkness = 255 - avatar[..., :3].mean(axis=2, keepdims=True)
        ink += avatar[..., 3:] / 255 * (FAINTEST + FAINT * darkness)
    faded = np.full(avatars.shape[1:], 255, dtype=np.uint8)
    faded[..., :3] = 255 - (ink / len(avatars)).round().astype(np.uint8)
    return faded


def draw_tree(
    group_of_pixel: Indices, backdrop: Avatar, order: Indices, parents: Indices
) -> Image.Image:
    """Return the tree of the largest groups, from the top down, each over a backdrop `[H, W, 4]`.

    group_of_pixel: `[P]`; order: groups, each after its parent, `[G]`; parents: of each group, or
    ROOT, `[G]`. Groups without a parent stand side by side at the top.
    """
    sizes = np.bincount(group_of_pixel, minlength=len(order))
    largest = choose_largest(sizes)
    above = prune(order, parents, largest)
    columns = line_up(above)
    width = min(TILE, (WIDTH - 2 * MARGIN + GAP) // (round(max(columns.values())) + 1) - GAP)
    cards = {
        group: _draw_card(group_of_pixel == group, backdrop, int(sizes[group]), width)
        if group in largest
        else Image.new("RGB", (SQUARE, SQUARE), GREY)
        for group in above
    }
    tops: dict[int, int] = {}
    for group, parent in above.items():
        tops[group] = tops[parent] + cards[parent].height + STEP if parent != ROOT else 0
    height = max(tops[group] + card.height for group, card in cards.items())
    picture = Image.new("RGB", (WIDTH, height + MARGIN), PAPER)
    draw = ImageDraw.Draw(picture)
    middles = {g: round(MARGIN + width / 2 + at * (width + GAP)) for g, at in columns.items()}
    for group, parent in above.items():
        if parent != ROOT:
            x, y = middles[parent], tops[parent] + cards[parent].height
            turn = y + STEP // 2
            corners = [(x, y), (x, turn), (middles[group], turn), (middles[group], tops[group])]
            draw.line(corners, GREY, LINE, joint="curve")
    for group, card in cards.items():
        picture.paste(card, (middles[group] - card.width // 2, tops[group]))
    return picture


def choose_largest(sizes: Indices) -> list[int]:
    """Return the groups with the most pixels, LARGEST of them, by the pixels of each, `[G]`."""
    return [int(group) for group in np.argsort(-sizes, kind="stable")[:LARGEST]]


def prune(order: Indices, parents: Indices, chosen: Collection[int]) -> dict[int, int]:
    """Return the tree of the chosen groups and of those where their branches part.

    It gives each group the nearest of them above it, or ROOT, and names it after that.
    """
    # Of each group: the topmost of those kept that are itself or below it.
    tops: dict[int, list[int]] = {group: [] for group in [ROOT, *order.tolist()]}
    above: dict[int, int] = {}
    for group in order[::-1].tolist():
        if group in chosen or len(tops[group]) > 1:
            above |= dict.fromkeys(tops[group], group)
            tops[group] = [group]
        tops[int(parents[group])] += tops[group]
    above |= dict.fromkeys(tops[ROOT], ROOT)
    return {group: above[group] for group in order.tolist() if group in above}


def line_up(above: Mapping[int, int]) -> dict[int, float]:
    """Return the column of each group, counted from the left; a parent is amid its children's.

    above: the parent of each group, or ROOT, groups after their parents. Those with none below
    them have a column each.
    """
    below: dict[int, list[int]] = {group: [] for group in [ROOT, *above]}
    for group, parent in above.items():
        below[parent].append(group)
    columns: dict[int, float] = {}
    taken = count()

    def place(group: int) -> float:
        beneath = [place(one) for one in below[group]]
        columns[group] = (beneath[0] + beneath[-1]) / 2 if beneath else next(taken)
        return columns[group]

    for root in below[ROOT]:
        place(root)
    return columns


def _draw_card(within: Marks, backdrop: Avatar, size: int, width: int) -> Image.Image:
    """Return a group of so many pixels, `[P]` bool, marked on the backdrop, over its size."""
    marked = backdrop.copy()
    marked[within.reshape(marked.shape[:2]), :3] = ImageColor.getrgb(VERMILION)
    tile = fit_tile(lay_on_background(marked), width)
    plain, text = font(TEXT_SIZE - 1), f"{size:,}"
    card = Image.new("RGB", (width, tile.height + line_height(plain)), PAPER)
    card.paste(tile, (0, 0))
    draw = ImageDraw.Draw(card)
    draw.text(((width - plain.getlength(text)) // 2, tile.height), text, INK, plain)
    return card


def _write_heading(groups: int, given: str) -> Image.Image:
    """Return what a tree of so many groups shows, over how to read it.

    given: what all groups but the first are drawn given.
    """
    which = f"the {LARGEST} largest of {groups:,}" if groups > LARGEST else f"all {groups}"
    bold, plain = font(TEXT_SIZE, bold=True), font(TEXT_SIZE)
    lines = [(f"Which shape is drawn given which: {which}", bold, INK)]
    lines += [(line, plain, GREY) for line in wrap(LEGEND.format(given=given), plain)]
    step = line_height(plain)
    picture = Image.new("RGB", (WIDTH, GAP + step * len(lines) + GAP), PAPER)
    draw = ImageDraw.Draw(picture)
    for number, (line, written, colour) in enumerate(lines):
        draw.text((MARGIN, GAP // 2 + number * step), line, colour, written)
    return picture
