"""Small avatars for tests."""

from collections.abc import Sequence
from itertools import product

import numpy as np

from stages.bayes.avatars import Avatars, AvatarSet
from stages.bayes.styles import Counts, StyleModel, fit_styles

PAINTS = {
    " ": (0, 0, 0, 0),
    "r": (200, 0, 0, 255),
    "g": (0, 200, 0, 255),
    "b": (0, 0, 200, 255),
    "w": (250, 250, 250, 255),
    "s": (180, 120, 90, 255),
}
COUNTS: Counts = {"hat": {"cap": 3, "none": 1}, "coat": {"red": 1, "green": 2, "blue": 1}}


def paint_rows(*avatars: str) -> Avatars:
    """Return avatars of one row, `[N, 1, W, 4]`, a paint a pixel."""
    return np.array([[[PAINTS[paint] for paint in avatar]] for avatar in avatars], dtype=np.uint8)


def paint_every(*choices: Sequence[str]) -> Avatars:
    """Return all avatars of one row whose pixels are among the choices, position by position."""
    return paint_rows(*("".join(paints) for paints in product(*choices)))


def fit_model(smoothing: float = 1) -> StyleModel:
    """Return the distribution of styles that COUNTS makes."""
    return fit_styles(COUNTS, smoothing)


def dress_avatars(number: int, seed: int, width: int = 12) -> AvatarSet:
    """Return avatars that show their styles: hat and coat as colours of some pixels each.

    The hat covers what would be skin; the coat has two stripes; the rest is always the same.
    """
    rng = np.random.default_rng(seed)
    styles, rows = [], []
    for _ in range(number):
        hat, coat = rng.choice(["cap", "none"]), rng.choice(["red", "green", "blue"])
        styles.append((str(hat), str(coat)))
        third = width // 3
        rows.append(("w" if hat == "cap" else "s") * third + "s" * third + str(coat)[0] * third)
    return AvatarSet(paint_rows(*rows), tuple(COUNTS), tuple(styles))
