"""Small avatars for tests."""

from collections.abc import Sequence
from itertools import product

import numpy as np

from stages.bayes.avatars import Avatars, AvatarSet
from stages.bayes.styles import Counts, Style, StyleModel, all_styles, fit_styles

PAINTS = {
    " ": (0, 0, 0, 0),
    "r": (200, 0, 0, 255),
    "g": (0, 200, 0, 255),
    "b": (0, 0, 200, 255),
    "w": (250, 250, 250, 255),
    "s": (180, 120, 90, 255),
}
COUNTS: Counts = {"hat": {"cap": 3, "none": 1}, "coat": {"red": 1, "green": 2, "blue": 1}}

# A colour before two forms; nobody wears a crown.
OUTFITS: Counts = {
    "coat": {"red": 1, "green": 2, "blue": 1},
    "hat": {"cap": 3, "none": 1, "crown": 0},
    "eyes": {"open": 1, "shut": 2},
}


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


def paint_outfit(style: Style, brow: str, mouth: str) -> str:
    """Return the row of an avatar that wears an outfit: a cap of the coat's colour, or hair.

    The last pixel of the hat is at the other end. Nothing tells brow and mouth.
    """
    coat, hat, eyes = style
    paint = coat[0]
    worn = paint + paint + "w" if hat == "cap" else "wss"
    return worn[:2] + 2 * paint + ("ws" if eyes == "open" else " w") + brow + mouth + worn[2]


def dress_outfits() -> AvatarSet:
    """Return an avatar of each outfit but the blue cap; most have brow and mouth of one paint."""
    styles = [
        style
        for style in all_styles(fit_styles(OUTFITS, 1))
        if style[1] != "crown" and style[:2] != ("blue", "cap")
    ]
    faces = zip(styles, "wswwsswsss", "wswwsswssw", strict=True)
    rows = [paint_outfit(style, brow, mouth) for style, brow, mouth in faces]
    return AvatarSet(paint_rows(*rows), tuple(OUTFITS), tuple(styles))
