"""Guessed styles, a right one and a wrong one, as a picture."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from PIL import Image

from stages.bayes.avatars import Avatar, AvatarSet
from stages.bayes.gallery import lay_on_background
from stages.bayes.generators.styled import style_codes
from stages.bayes.inference import choose_examples, indices_in_table
from stages.bayes.labels import LINE, Name, height_of, lay_out, write_names
from stages.bayes.styles import Style, StyleModel, all_styles, joint, marginals
from stages.common.charts import new_chart, render
from stages.common.pictures import BLUE, PALE, TEXT_SIZE, VERMILION, font, save_picture, wrap
from stages.common.types import FloatArray

# What is less probable is left out, unless it was guessed or is true.
LEAST_SHOWN = 0.01
# Lines that an avatar takes.
LEAST_HEIGHT = 14
TRUE, GUESSED, OTHER = BLUE, VERMILION, PALE


class Guess(NamedTuple):
    """An avatar, P(value | avatar) by attribute and value, and the guessed and the true style."""

    avatar: Avatar
    probabilities: Mapping[str, Mapping[str, float]]
    guessed: Style
    true: Style


def save_guesses(logs: FloatArray, holdout: AvatarSet, model: StyleModel, path: Path) -> None:
    """Draw a style that is guessed rightly and one that isn't, as far as there are such.

    logs: ln P(style | avatar) of the held-out avatars, `[N, S]`.
    """
    truth = indices_in_table(style_codes(holdout, model), joint(model))
    guesses, styles = logs.argmax(axis=1), list(all_styles(model))
    shown = [
        Guess(
            holdout.avatars[chosen],
            marginals(model, np.exp(logs[chosen])),
            styles[guesses[chosen]],
            holdout.styles[chosen],
        )
        for chosen in choose_examples(logs, truth).values()
    ]
    right = (guesses == truth).sum()
    save_picture(
        path,
        f"The style of {right} of {len(truth)} held-out avatars is guessed rightly",
        "P(value | avatar) of each attribute. Blue is the true value, orange a wrong one that was "
        f"guessed, grey any other of at least {LEAST_SHOWN}. Shown are, of the right guesses, the "
        "middle one by how sure they are, and of the wrong ones the surest.",
        draw_guesses(shown),
    )


def draw_guesses(shown: Sequence[Guess]) -> Image.Image:
    """Return a picture of avatars, each beside bars of P(value | avatar), below what is wrong."""
    names = [lay_out(choose_values(guess)) for guess in shown]
    heights = [max(LEAST_HEIGHT, height_of(one)) for one in names]
    chart = new_chart(LINE * sum(heights) + 0.35 * len(shown))
    panels = chart.subplots(
        len(shown), 2, squeeze=False, width_ratios=[1, 2], height_ratios=heights
    )
    for (picture, axes), guess, written, height in zip(panels, shown, names, heights, strict=True):
        picture.imshow(np.asarray(lay_on_background(guess.avatar)))
        picture.set_anchor("NW")
        picture.axis("off")
        lines = wrap(tell_mistakes(guess), font(TEXT_SIZE + 1, bold=True))
        picture.set_title("\n".join(lines))
        write_names(axes, written, height)
        _draw_bars(axes, guess, written)
    return render(chart)


def tell_mistakes(guess: Guess) -> str:
    """Return which values are guessed wrongly, each with its probability and what is true."""
    pairs = zip(guess.probabilities.items(), guess.guessed, guess.true, strict=True)
    mistakes = [
        f"{attribute} {guessed} (P {values[guessed]:.2f}), it is {true}"
        for (attribute, values), guessed, true in pairs
        if guessed != true
    ]
    return f"Guessed wrongly: {'; '.join(mistakes)}" if mistakes else "Guessed rightly"


def choose_values(guess: Guess) -> dict[str, list[str]]:
    """Return the values to show by attribute: probable ones, the guessed and the true one."""
    pairs = zip(guess.probabilities.items(), guess.guessed, guess.true, strict=True)
    return {
        attribute: [one for one in values if values[one] >= LEAST_SHOWN or one in wanted]
        for (attribute, values), *wanted in pairs
    }


def _draw_bars(axes: Axes, guess: Guess, names: Sequence[Name]) -> None:
    colours = dict.fromkeys(zip(guess.probabilities, guess.guessed, strict=True), GUESSED)
    colours |= dict.fromkeys(zip(guess.probabilities, guess.true, strict=True), TRUE)
    for attribute, value, _, middle in names:
        if value is not None:
            probability = guess.probabilities[attribute][value]
            axes.barh(middle, probability, 0.75, color=colours.get((attribute, value), OTHER))
            axes.text(probability + 0.01, middle, f"{probability:.2f}", va="center_baseline")
    axes.set_xlim(0, 1.1)
    axes.set_xticks([])
    axes.spines["bottom"].set_visible(False)
