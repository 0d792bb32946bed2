"""What a million photos take of a machine, for docs/scale.md: out of docs/growth.csv.

A stage that was not run on so many is reckoned from a tenth of them: its seconds times ten, its
memory by what each photo more took before. Of `validate` one part, the search for the most alike
photo of another fold, grows with the square.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

MILLION, TENTH = 1_000_000, 100_000
# In the order in which `dvc repro` runs them; the others are told on the page.
STAGES = (
    "preprocess",
    "train autoencoder",
    "train mnad",
    "calibrate",
    "validate",
    "evaluate",
)
# The search, timed alone: seconds of a processor for so many photos.
SEARCH_PHOTOS, SEARCH_SECONDS = 68_000, 14.0


class Step(NamedTuple):
    """What a stage takes of one core and of the memory, and how that is known."""

    name: str
    hours: float
    peak_gb: float
    measured: bool
    known: str


def steps(grown: Sequence[Mapping[str, Any]], epochs: int) -> list[Step]:
    """Return what each stage takes for a million photos in the archive.

    grown: rows of `growth.read_table`, of training one epoch each.
    """
    at = {(one["stage"], one["size"]): one for one in grown}
    return [_step(stage, at, epochs) for stage in STAGES]


def search_seconds(photos: float) -> float:
    """Return the processor's seconds of the search among so many photos, by the square."""
    return SEARCH_SECONDS * (photos / SEARCH_PHOTOS) ** 2


def fits(one: Mapping[str, Any], gigabytes: float) -> float:
    """Return how many photos a stage can read with so much memory, by a row of the table."""
    more: float = 1000 * (1000 * gigabytes - one["peak_mb"]) / one["kb_more"]
    return float(one["photos"]) + more


def peak_gb(one: Mapping[str, Any], photos: float) -> float:
    """Return the memory of a stage that reads so many photos, by a row of the table."""
    return float(one["peak_mb"] + one["kb_more"] * (photos - one["photos"]) / 1000) / 1000


def _step(stage: str, at: Mapping[tuple[str, int], Mapping[str, Any]], epochs: int) -> Step:
    measured = (stage, MILLION) in at
    if measured:
        one = at[stage, MILLION]
        seconds, peak, known = one["cpu_seconds"], one["peak_mb"] / 1000, "measured"
    else:
        one = at[stage, TENTH]
        times = MILLION / TENTH
        seconds, peak = times * one["cpu_seconds"], peak_gb(one, times * one["photos"])
        known = f"calculated: {TENTH:,} photos measured, times {times:.0f}"
        if stage == "validate":
            seconds -= times * search_seconds(one["photos"])
            seconds += search_seconds(times * one["photos"])
            known = f"calculated: {TENTH:,} photos measured; one part grows with the square"
    name = f"`{stage}`"
    if stage.startswith("train"):
        seconds, name = epochs * seconds, f"{name}, {epochs} epochs"
        known = f"one epoch measured, times {epochs}" if measured else f"{known} and {epochs}"
    return Step(name, seconds / 3600, peak, measured, known)
