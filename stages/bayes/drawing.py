"""Avatars drawn from their styles.

The artwork is „Avataaars“ by Pablo Stanley (avataaars.com, free for personal and commercial use),
composed by DiceBear and rendered by resvg.
"""

import io
import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from itertools import islice
from typing import Any

import numpy as np
import resvg_py
from dicebear import Avatar as ComposedAvatar
from dicebear import Style as Artwork
from PIL import Image

from stages.bayes.avatars import Avatar, AvatarSet
from stages.bayes.styles import StyleModel, draw_styles
from stages.common.errors import InputError

# What `avatars.source` says where avatars are drawn.
DRAWN = "drawn"
HEIGHT, WIDTH = 280, 264
# Where the artwork lies within DiceBear's square canvas.
CANVAS, FRAME = 'viewBox="0 0 280 280"', f'viewBox="8 0 {WIDTH} {HEIGHT}"'

Options = dict[str, Any]

# By attribute and value: what DiceBear is told.
OPTIONS: dict[str, dict[str, Options]] = {
    "прическа": {
        "нет волос": {"topProbability": 0},
        "длинные в пучок": {"topVariant": ["bun"]},
        "длинные волнистые": {"topVariant": ["curvy"]},
        "длинные прямые": {"topVariant": ["straight02"]},
        "короткая волнистые": {"topVariant": ["shortWaved"]},
        "короткая прямые": {"topVariant": ["shortFlat"]},
        "короткая курчавые": {"topVariant": ["shortCurly"]},
    },
    "цвет волос": {
        "черный": {"hairColor": ["#2c1b18"]},
        "блонд": {"hairColor": ["#b58143"]},
        "каштановый": {"hairColor": ["#724133"]},
        "пастельный розовый": {"hairColor": ["#f59797"]},
        "рыжий": {"hairColor": ["#c93305"]},
        "серебристо серый": {"hairColor": ["#e8e1e1"]},
    },
    "аксесуар": {
        "нет очков": {"accessoriesProbability": 0},
        "круглые очки": {"accessoriesVariant": ["round"]},
        "солнцезащитные очки": {"accessoriesVariant": ["sunglasses"]},
    },
    "одежда": {
        "худи": {"clothesVariant": ["hoodie"]},
        "комбинезон": {"clothesVariant": ["overall"]},
        "футболка с круглым вырезом": {"clothesVariant": ["shirtCrewNeck"]},
        "футболка с V-вырезом": {"clothesVariant": ["shirtVNeck"]},
    },
    "цвет одежды": {
        "черный": {"clothesColor": ["#262e33"]},
        "синий": {"clothesColor": ["#5199e4"]},
        "серый": {"clothesColor": ["#929598"]},
        "зеленый": {"clothesColor": ["#a7ffc4"]},
        "оранжевый": {"clothesColor": ["#ffdeb5"]},
        "розовый": {"clothesColor": ["#ff488e"]},
        "красный": {"clothesColor": ["#ff5c5c"]},
        "белый": {"clothesColor": ["#ffffff"]},
    },
}
# What a style leaves open: the face, by its options' first values unless faces vary.
FACE: dict[str, tuple[str, ...]] = {
    "skinColor": ("#edb98a", "#614335", "#d08b5b", "#ae5d29", "#ffdbb4"),
    "mouthVariant": ("smile", "default", "serious", "twinkle"),
    "eyesVariant": ("default", "happy", "side", "squint", "wink"),
    "eyebrowsVariant": ("default",),
}
DEFAULTS: Options = {
    "seed": "avatar",
    "idRandomization": False,
    "facialHairProbability": 0,
    # Hair and glasses, unless a style has none.
    "topProbability": 100,
    "accessoriesProbability": 100,
    "accessoriesColor": ["#262e33"],
}


def draw_avatar(style: Mapping[str, str], rng: np.random.Generator | None = None) -> Avatar:
    """Return the avatar of a style, a value by attribute, `[280, 264, 4]` RGBA.

    With a generator of random numbers skin, mouth and eyes vary; else they are always the same.
    Raises InputError for attributes or values that can't be drawn.
    """
    options = dict(DEFAULTS)
    for name, values in FACE.items():
        options[name] = [values[0] if rng is None else values[rng.integers(len(values))]]
    if style.keys() != OPTIONS.keys():
        raise InputError(
            f"avatars can be drawn from the attributes {', '.join(OPTIONS)}, "
            f"not from {', '.join(style) or 'none'}"
        )
    for attribute, value in style.items():
        if value not in OPTIONS[attribute]:
            raise InputError(
                f"{attribute}={value} can't be drawn; what can: {', '.join(OPTIONS[attribute])}"
            )
        options |= OPTIONS[attribute][value]
    drawing = ComposedAvatar(_artwork(), options).to_string().replace(CANVAS, FRAME)
    png = resvg_py.svg_to_bytes(
        svg_string=drawing, width=WIDTH, height=HEIGHT, skip_system_fonts=True
    )
    with Image.open(io.BytesIO(png)) as image:
        return np.asarray(image.convert("RGBA"))


def draw_avatars(
    model: StyleModel, number: int, varied: bool, rng: np.random.Generator
) -> AvatarSet:
    """Return avatars of random styles, and these; raises InputError as `draw_avatar` does.

    varied: whether skin, mouth and eyes vary too.
    """
    styles = tuple(one.style for one in islice(draw_styles(model, rng), number))
    named = [dict(zip(model.values, style, strict=True)) for style in styles]
    avatars = np.stack([draw_avatar(style, rng if varied else None) for style in named])
    return AvatarSet(avatars, tuple(model.values), styles)


@cache
def _artwork() -> Artwork:
    definition = files("dicebear_styles").joinpath("avataaars.json").read_text(encoding="utf-8")
    return Artwork(json.loads(definition))
