"""Where a watch goes on after it ended, however it did: as its log says."""

from collections.abc import Mapping
from pathlib import Path

from tools.watch import alarms
from tools.watch.alarms import Alarm, Rule, State
from tools.watch.intake import Layout
from tools.watch.store import Photo, Store


def waited_for(store: Store, folder: Path, layout: Layout) -> set[str]:
    """Return the wells from which photos are expected: no well that is no more."""
    wells = {well for wells in layout.values() for well in wells}
    for well in store.wells():
        if well == folder.name or (folder / well).is_dir():
            wells |= {well} - layout.keys()
    return wells


def restore_states(
    store: Store, history: Mapping[str, list[Photo]], rule: Rule, steady: float, wall: float
) -> dict[str, State]:
    """Return the state of each well of a history, its open alarms among it; end all others'.

    steady, wall: both clocks now.
    """
    states = {}
    for well, photos in history.items():
        clear = [one.spill for one in photos if not one.obstructed]
        states[well] = alarms.start(steady)._replace(recent=tuple(clear[-rule.n :]))
    for one in store.alarms(0):
        if state := states.get(one["well"]):
            began, seen = steady - max(0, wall - one["began"]), one["acknowledged"] is not None
            alarm = Alarm(one["kind"], began, one["photo"], one["ended"] is None, seen)
            states[one["well"]] = state._replace(alarms=(*state.alarms, alarm))
        else:
            store.change("cleared", one["well"], one["kind"], wall)
    return states
