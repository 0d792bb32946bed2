"""What the page is told of a well."""

from collections.abc import Sequence
from typing import Any

from tools.watch.alarms import OBSTRUCTED, SILENT, SPILL, State
from tools.watch.store import Photo, Tally

# What is told of the last photo.
OF_LAST = ("wall", "score", "spill", "obstructed")


def tell_well(well: str, history: Sequence[Photo], state: State, tally: Tally) -> dict[str, Any]:
    """Return a well's last photo, its scores, and whether it drifts, ready for JSON.

    A well is silent or spilling while that alarm is active, else what its last photo's view is.
    """
    last = history[-1]._asdict() if history else dict.fromkeys(("id", *OF_LAST))
    active = [alarm.kind for alarm in state.alarms if alarm.active]
    view = OBSTRUCTED if last["obstructed"] else "clear"
    return {
        "well": well,
        "photo": last["id"],
        **{name: last[name] for name in OF_LAST},
        "state": next((kind for kind in (SILENT, SPILL) if kind in active), view),
        "history": [(one.wall, one.score) for one in history],
        "normal_mean": tally.recent if tally.normals else None,
        "drift": tally.recent - tally.first if tally.normals else None,
    }
