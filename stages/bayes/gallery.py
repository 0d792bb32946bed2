"""Rows of avatars: what generators draw, beside what they learn from."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from stages.bayes.avatar_metrics import HELD_OUT_BITS, Metrics, distances
from stages.bayes.avatars import Avatar, Avatars
from stages.bayes.generators.base import Drawn
from stages.bayes.generators.registry import GENERATORS, INDEPENDENT, title
from stages.common.pictures import FRAME, VERMILION, Row, draw_rows, save_picture

# Left, top, right, bottom.
Box = tuple[int, int, int, int]

COLUMNS = 6
# A detail is so many times as small as its avatar, on each side.
DETAIL = 8
# Light enough to look white, dark enough to show white clothes.
BACKGROUND = "#dcdcdc"
# Pixels a side; tiles of smaller avatars show their pixels as squares.
TILE = 264
LEGEND = "ln P is the log-probability of exactly this avatar"
STYLED = " and, if one is below, of the style that it was drawn for"


def lay_on_background(avatar: Avatar) -> Image.Image:
    """Return an avatar on the background, magnified by a whole number where it is small.

    What is very long gets background beside it.
    """
    layer = Image.fromarray(avatar)
    size = max(layer.width, -(-layer.height // 2)), max(layer.height, -(-layer.width // 2))
    picture = Image.new("RGB", size, BACKGROUND)
    picture.paste(layer, mask=layer)
    times = -(-TILE // picture.width)
    return picture.resize((times * size[0], times * size[1]), Image.Resampling.NEAREST)


def save_published(
    name: str, drawn: Sequence[Drawn], training: Avatars, path: Path, *below: Image.Image
) -> None:
    """Show what the generator of that name draws, in one row, and further pictures below.

    Unless it draws noise, each avatar stands above the nearest of those to learn from,
    `[N, H, W, 4]`.
    """
    legend = LEGEND + (STYLED if drawn[0].style else "")
    subtitle = f"{len(drawn)} avatars that it draws; {legend}."
    rows = [_row("", drawn)]
    if name not in INDEPENDENT:
        rows.append(_nearest_row(drawn, training))
    save_picture(path, title(name), subtitle, draw_rows(rows, len(drawn)), *below)


def save_comparison(
    training: Avatars,
    drawn: Mapping[str, Sequence[Drawn]],
    report: Mapping[str, Metrics],
    path: Path,
) -> None:
    """Show avatars to learn from, `[N, H, W, 4]`, above what generators draw, by their name.

    report: metrics of each generator. Of those that draw noise one avatar is shown, with a detail.
    """
    rows = [Row("Avatars to learn from", [lay_on_background(one) for one in training[:COLUMNS]])]
    noise = {name: drawn[name][0] for name in drawn if name in INDEPENDENT}
    if noise:
        rows.append(_noise_row(noise, choose_detail(training)))
    for name in drawn:
        if name not in INDEPENDENT:
            rows.append(_row(title(name), drawn[name][:COLUMNS]))
    styled = any(one.style for sample in drawn.values() for one in sample)
    subtitle = f"{LEGEND}{STYLED if styled else ''}."
    save_picture(path, tell_finding(report), subtitle, draw_rows(rows, COLUMNS))


def tell_finding(report: Mapping[str, Metrics]) -> str:
    """Return how the worst and the best generator differ, by metrics of each, as a sentence.

    By held-out bits, or where nothing is held out by colours that no avatar has.
    """
    key = HELD_OUT_BITS
    if any(key not in metrics for metrics in report.values()):
        key = "unseen_colours"
    worst, best = (choose(report, key=lambda name: report[name][key]) for choose in (max, min))
    high, low = report[worst][key], report[best][key]
    if key == HELD_OUT_BITS:
        found = f"{worst} needs {high:.2f} bits per channel value of a held-out avatar"
        return found if worst == best else f"{found}, {best} only {low:.2f}"
    found = f"{100 * high:.0f} % of the pixels that {worst} draws have a colour of no avatar"
    return found if worst == best else f"{found}, of {best}'s {100 * low:.0f} %"


def tell_difference(share: float) -> str:
    """Return how an avatar differs from one that it resembles, by the share of such pixels."""
    if share == 0:
        return "a copy"
    percent = f"{100 * share:.1f}" if share >= 0.001 else "less than 0.1"
    return f"differs at {percent} % of the pixels"


def choose_detail(training: Avatars) -> Box:
    """Return which detail of avatars `[N, H, W, 4]` shows what varies much and what never does.

    It is the one with the largest product of two shares: of pixels that are the same in all, and of
    those that differ between one avatar and the next.
    """
    differ = (training[1:] != training[:-1]).any(axis=3).mean(axis=0)
    height, width = (-(-side // DETAIL) for side in differ.shape)
    places = [
        (left, top, left + width, top + height)
        for top in range(0, differ.shape[0] - height + 1, height)
        for left in range(0, differ.shape[1] - width + 1, width)
    ]

    def tell(place: Box) -> float:
        left, top, right, bottom = place
        inside = differ[top:bottom, left:right]
        return float((inside == 0).mean() * inside.mean())

    return max(places, key=tell)


def _row(label: str, drawn: Sequence[Drawn]) -> Row:
    """Return a row of avatars, each over its ln P and, if it has one, its style."""
    captions = ["\n".join([_log(one), *(one.style or ())]) for one in drawn]
    return Row(label, [lay_on_background(one.avatar) for one in drawn], captions)


def _nearest_row(drawn: Sequence[Drawn], training: Avatars) -> Row:
    """Return a row of the avatars to learn from that are nearest to drawn ones."""
    found = distances(np.stack([one.avatar for one in drawn]), training)
    tiles = [lay_on_background(training[nearest]) for nearest in found.argmin(axis=1)]
    captions = [tell_difference(share) for share in found.min(axis=1)]
    return Row("The nearest avatar to learn from", tiles, captions)


def _noise_row(noise: Mapping[str, Drawn], place: Box) -> Row:
    """Return a row of whole avatars over ln P, each beside its detail over what its noise is."""
    tiles, captions = [], []
    for name, one in noise.items():
        whole = lay_on_background(one.avatar)
        times = whole.width // one.avatar.shape[1]
        left, top, right, bottom = (times * side for side in place)
        detail = whole.crop((left, top, right, bottom)).resize(whole.size, Image.Resampling.NEAREST)
        for picture, box in (
            (whole, (left, top, right, bottom)),
            (detail, (0, 0, detail.width - 1, detail.height - 1)),
        ):
            ImageDraw.Draw(picture).rectangle(box, outline=VERMILION, width=FRAME // 2)
        tiles += [whole, detail]
        captions += [f"{name}\n{_log(one)}", GENERATORS[name].description]
    label = "Avatars of independent pixels, each beside its detail in the frame"
    return Row(label, tiles, captions)


def _log(one: Drawn) -> str:
    return f"ln P = {one.log_probability:,.1f}".replace("-", "−")
