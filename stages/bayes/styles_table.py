"""Drawn styles as files for people."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from stages.bayes.styles import DrawnStyle, StyleModel, describe
from stages.common.files import write_text


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
