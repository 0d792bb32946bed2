"""Random styles: how often each value of each attribute was seen, and what follows from it.

A style has one value of each attribute. Attributes are taken for independent, so P(style) is the
product of P(value), each estimated by maximum likelihood with additive smoothing:
(n + α) / (N + α d) for n of N observations and d values (Lidstone 1920; Laplace's rule for α = 1,
the plain maximum likelihood for α = 0).
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from functools import reduce
from itertools import product
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stages.common import paths
from stages.common.errors import InputError
from stages.common.yaml_files import read_yaml

Counts = dict[str, dict[str, int]]
Style = tuple[str, ...]
Table = NDArray[np.float64]

DRAWN_TOGETHER = 1024
# Up to here every whole number is a float.
MAX_COUNT = 2**53
# A table over all styles has an axis for each attribute, of which NumPy takes no more.
MAX_STYLES, MAX_ATTRIBUTES = 2**20, 64


class DrawnStyle(NamedTuple):
    """A style, a value of each attribute in their order, with its probability and the log of it."""

    style: Style
    probability: float
    log_probability: float


class StyleModel(NamedTuple):
    """Attributes and their values, in order, and each value's probability."""

    values: dict[str, tuple[str, ...]]
    probabilities: dict[str, Table]


def load_counts(path: Path) -> Counts:
    """Return counts by attribute and value, read from YAML.

    Raises InputError, naming attribute and value, for what is no whole number from 0 to MAX_COUNT,
    for an attribute without values, for more than MAX_STYLES styles or MAX_ATTRIBUTES, and for a
    file that is missing or broken.
    """
    counts = read_yaml(path)
    if not isinstance(counts, dict) or not counts:
        raise InputError(f"{path} must hold attributes, each with counts by value")
    for attribute, values in counts.items():
        if not isinstance(values, dict) or not values:
            raise InputError(f"{path}: {attribute} has no values; write a line `VALUE: COUNT` each")
        for value, count in values.items():
            if type(count) is not int or not 0 <= count <= MAX_COUNT:
                raise InputError(
                    f"{path}: {attribute}: {value}: the count is {count!r:.80}; "
                    f"it must be a whole number from 0 to {MAX_COUNT:,}"
                )
    styles = math.prod(map(len, counts.values()))
    if styles > MAX_STYLES or len(counts) > MAX_ATTRIBUTES:
        raise InputError(
            f"{path} makes {styles:.3g} styles of {len(counts)} attributes, over the limits of "
            f"{MAX_STYLES:,} styles and {MAX_ATTRIBUTES} attributes; count fewer values"
        )
    return {
        str(attribute): {str(value): count for value, count in values.items()}
        for attribute, values in counts.items()
    }


def fit_styles(counts: Counts, smoothing: float) -> StyleModel:
    """Return the model in which each value has its smoothed share of the counts.

    smoothing: α, added to each count. Raises InputError for an attribute that was never observed
    where nothing is smoothed.
    """
    probabilities = {}
    for attribute, values in counts.items():
        smoothed = np.array(list(values.values()), dtype=np.float64) + smoothing
        if not smoothed.sum() > 0:
            raise InputError(
                f"all counts of {attribute} are 0, so nothing follows from them: "
                "count some, or set styles.smoothing above 0"
            )
        probabilities[attribute] = smoothed / smoothed.sum()
    return StyleModel({name: tuple(values) for name, values in counts.items()}, probabilities)


def load_styles(smoothing: float) -> StyleModel:
    """Return the model of the project's own counts; raises InputError as what reads them does."""
    return fit_styles(load_counts(paths.STYLE_COUNTS), smoothing)


def joint(model: StyleModel) -> Table:
    """Return the probability of every style, an axis an attribute; the sum is 1."""
    table: Table = reduce(np.multiply.outer, model.probabilities.values())
    return table


def all_styles(model: StyleModel) -> Iterator[Style]:
    """Yield every style, in the order of the flattened `joint`."""
    return product(*model.values.values())


def posterior(model: StyleModel, given: Mapping[str, str]) -> Table:
    """Return P(style | given) for every style by Bayes' formula, P(style, given) / P(given).

    P(given) is the sum over all styles that agree with it, by the law of total probability. Raises
    InputError for an attribute or a value that there isn't, and where P(given) is 0.
    """
    agreeing = joint(model)
    for attribute, value in given.items():
        axis = _find("attribute", attribute, list(model.values))
        index = _find(f"value of {attribute}", value, model.values[attribute])
        chosen = np.arange(agreeing.shape[axis]) == index
        agreeing = agreeing * np.expand_dims(chosen, [i for i in range(agreeing.ndim) if i != axis])
    evidence = agreeing.sum()
    if not evidence > 0:
        what = ", ".join(f"{attribute}={value}" for attribute, value in given.items())
        raise InputError(f"{what} has probability 0: give other values or set styles.smoothing > 0")
    table: Table = agreeing / evidence
    return table


def marginals(model: StyleModel, table: Table) -> dict[str, dict[str, float]]:
    """Return P(value) by attribute and value, by the law of total probability.

    table: P of every style, in the shape of `joint` or flattened.
    """
    table = table.reshape([len(values) for values in model.values.values()])
    found = {}
    for axis, (attribute, values) in enumerate(model.values.items()):
        others = tuple(other for other in range(table.ndim) if other != axis)
        found[attribute] = dict(zip(values, table.sum(axis=others).tolist(), strict=True))
    return found


def encode_style(model: StyleModel, style: Style) -> list[int]:
    """Return each value's index among those of its attribute; raises InputError for an unknown."""
    return [
        _find(f"value of {attribute}", value, model.values[attribute])
        for attribute, value in zip(model.values, style, strict=True)
    ]


def draw_styles(
    model: StyleModel, rng: np.random.Generator, given: Mapping[str, str] | None = None
) -> Iterator[DrawnStyle]:
    """Yield random styles without end, each with its probability under what is `given`.

    Raises InputError as `posterior` does.
    """
    table = posterior(model, given or {})
    styles = list(all_styles(model))
    while True:
        for index in rng.choice(table.size, DRAWN_TOGETHER, p=table.ravel()):
            probability = float(table.flat[index])
            yield DrawnStyle(styles[index], probability, math.log(probability))


def draw_frequencies(table: Table, count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return how often each style comes up among `count` random ones, in the table's shape."""
    drawn = rng.choice(table.size, count, p=table.ravel())
    return np.bincount(drawn, minlength=table.size).reshape(table.shape)


def describe(model: StyleModel, style: Iterable[str]) -> str:
    """Return a style as people write it: `attribute: value, attribute: value, …`."""
    pairs = zip(model.values, style, strict=True)
    return ", ".join(f"{attribute}: {value}" for attribute, value in pairs)


def _find(kind: str, name: str, known: Sequence[str]) -> int:
    """Return the index of a name among the known; raises InputError, with the nearest, if none."""
    if name not in known:
        near = get_close_matches(name, known, n=3, cutoff=0.5) or known
        raise InputError(f"there is no {kind} {name!r}; did you mean {', '.join(near)}?")
    return known.index(name)
