"""What the page is told of a well."""

from collections.abc import Sequence
from typing import Any

from tools.watch.alarms import OBSTRUCTED, SILENT, SPILL, State
from tools.watch.store import Photo

SHOWN = ("wall", "score", "spill", "obstructed")


def tell_well(
    well: str,
    history: Sequence[Photo],
    state: State,
    _: int = 0,
    normals: int = 0,
    first: float = 0,
    recent: float = 0,
) -> dict[str, Any]:
    """Return a well's last photo, its scores, and whether it drifts, ready for JSON.

    A well is silent or spilling while that alarm is active, else what its last photo's view is.
    normals, first, recent: how many normals it had, the mean score of the first and the last ones.
    """
    last = history[-1]._asdict() if history else dict.fromkeys(("id", *SHOWN))
    active = [alarm.kind for alarm in state.alarms if alarm.active]
    view = OBSTRUCTED if last["obstructed"] else "clear"
    return {
        "well": well,
        "photo": last["id"],
        **{name: last[name] for name in SHOWN},
        "state": next((kind for kind in (SILENT, SPILL) if kind in active), view),
        "history": [(one.wall, one.score) for one in history],
        "normal_mean": recent if normals else None,
        "drift": recent - first if normals else None,
    }
