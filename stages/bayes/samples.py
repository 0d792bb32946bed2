"""Avatars that a generator draws, one a seed, and drawn styles, as files for people."""

import math
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from stages.bayes.generators.base import Drawn, Generator, bits_per_dimension
from stages.bayes.styles import DrawnStyle, StyleModel, describe
from stages.common.files import write_text
from stages.common.pictures import save_image


def draw_samples(generator: Generator, seeds: Iterable[int]) -> list[Drawn]:
    """Return the avatars that a generator draws, one a seed."""
    return [generator.sample(np.random.default_rng(seed)) for seed in seeds]


def write_samples(
    folder: Path, name: str, samples: Iterable[tuple[int, Drawn]], model: StyleModel
) -> pd.DataFrame:
    """Write a PNG for each avatar, and avatars.csv; return what stands in it.

    samples: seeds, each with the avatar drawn with it. The table has a row for each: its file, its
    seed, ln P, the bits that this is for each channel value, P where a float can hold it, and its
    style if it was drawn for one. Raises InputError where the disk can't take them.
    """
    rows = []
    for seed, one in samples:
        file = f"{name}_{seed}.png"
        save_image(Image.fromarray(one.avatar), folder / file, optimize=True)
        probability = math.exp(one.log_probability)
        row = {
            "file": file,
            "seed": seed,
            "log_probability": one.log_probability,
            "bits_per_dimension": bits_per_dimension(one.log_probability, one.avatar.size),
            "probability": probability if probability > 0 else None,
        }
        if one.style:
            row["style"] = describe(model, one.style)
        rows.append(row)
    table = pd.DataFrame(rows)
    write_text(folder / "avatars.csv", table.to_csv(index=False))
    return table


def write_styles(folder: Path, model: StyleModel, drawn: Sequence[DrawnStyle]) -> None:
    """Write styles with their probabilities as a table, styles.csv, and as people do, styles.txt.

    Raises InputError where the disk can't take them.
    """
    rows = pd.DataFrame([one.style for one in drawn], columns=list(model.values))
    rows["probability"] = [one.probability for one in drawn]
    rows["log_probability"] = [one.log_probability for one in drawn]
    write_text(folder / "styles.csv", rows.to_csv(index=False))
    lines = [f"{describe(model, one.style)} {one.probability!r}\n" for one in drawn]
    write_text(folder / "styles.txt", "".join(lines))
