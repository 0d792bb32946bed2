"""Names of attributes over those of their values, beside the lines of a chart."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from matplotlib.axes import Axes

from stages.common.pictures import TEXT_SIZE, font, wrap

# Inches that a line of text takes.
LINE = 0.17
# Pixels of a name before it is wrapped, and lines between attributes.
NAME_WIDTH, SPACE = 235, 0.5


class Name(NamedTuple):
    """The name of a value, or of an attribute (without value): its lines and where their middle is.

    middle: in lines from above.
    """

    attribute: str
    value: str | None
    text: str
    middle: float


def lay_out(groups: Mapping[str, Sequence[str]]) -> list[Name]:
    """Return the names of attributes, each over those of its values, one below the other."""
    names: list[Name] = []
    top = 0.0
    for attribute, values in groups.items():
        for value in (None, *values):
            lines = wrap(attribute if value is None else value, font(TEXT_SIZE), NAME_WIDTH)
            names.append(Name(attribute, value, "\n".join(lines), top + len(lines) / 2))
            top += len(lines)
        top += SPACE
    return names


def height_of(names: Sequence[Name]) -> float:
    """Return how many lines names take, with the space below them."""
    last = names[-1]
    return last.middle + (1 + last.text.count("\n")) / 2 + SPACE


def write_names(axes: Axes, names: Sequence[Name], height: float) -> None:
    """Write names beside a panel that is so many lines high."""
    axes.set_yticks([one.middle for one in names], [one.text for one in names])
    axes.set_ylim(height, 0)
    axes.tick_params(axis="y", length=0)
    for label, one in zip(axes.get_yticklabels(), names, strict=True):
        label.set_fontweight("bold" if one.value is None else "normal")
