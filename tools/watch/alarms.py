"""When a well raises an alarm, and how long it stays: a pure state machine, after ANSI/ISA-18.2.

An alarm is latched: it goes only when inactive and acknowledged. Times are seconds of a steady
clock. What is due is raised at its own time, however seldom `on_time` is asked.
"""

from typing import Literal, NamedTuple

# A spill is seen; the view has been obstructed for a while; no photo has come for a while.
KINDS = SPILL, OBSTRUCTED, SILENT = ("spill", "obstructed", "silent")
What = Literal["raised", "cleared", "acknowledged", "gone"]


class Rule(NamedTuple):
    """Spill: on with k of the last n clear photos at or above the threshold, off when clear photos
    have stayed below `lower` for off_delay. lower: score - threshold, at most 0; others: seconds.
    """

    k: int
    n: int
    lower: float
    off_delay: float
    obstructed_after: float
    silent_after: float


class Seen(NamedTuple):
    """What a photo shows: its time, its margin over the threshold, its view, its number."""

    at: float
    margin: float
    obstructed: bool
    photo: int


class Alarm(NamedTuple):
    """An alarm of a well. photo: that raised it, of an obstruction the first, None of silence."""

    kind: str
    began: float
    photo: int | None
    active: bool
    acknowledged: bool


class State(NamedTuple):
    """What is remembered of a well, with at most one alarm of each kind.

    recent: of its last n clear photos, whether each was at or above the threshold; below_since:
    since when all clear photos were below the lower one; obstructed_since, obstructed_by: time and
    number of the first photo since which none was clear; last: of the last photo, or of the start.
    """

    recent: tuple[bool, ...]
    below_since: float | None
    obstructed_since: float | None
    obstructed_by: int | None
    last: float
    alarms: tuple[Alarm, ...]


class Change(NamedTuple):
    """What became of an alarm, and how it is now. One that comes again before it was acknowledged
    is `raised` again, with its first time and photo; `gone` follows what ended it for good.
    """

    what: What
    alarm: Alarm


def start(at: float) -> State:
    """Return the state of a well of which no photo has come yet."""
    return State((), None, None, None, at, ())


def find(state: State, kind: str) -> Alarm | None:
    """Return the alarm of a kind, if there is one."""
    return next((alarm for alarm in state.alarms if alarm.kind == kind), None)


def on_photo(rule: Rule, state: State, seen: Seen) -> tuple[State, list[Change]]:
    """Return the state after a photo, and what changed; one older than the last counts as new.

    An obstructed one ends silence, but tells nothing of a spill, neither for nor against it.
    """
    at = max(seen.at, state.last)
    state, changes = on_time(rule, state, at)
    state = _clear(state._replace(last=at), SILENT, changes)
    if seen.obstructed:
        if state.obstructed_since is None:
            state = state._replace(obstructed_since=at, obstructed_by=seen.photo)
        return state, changes

    above, below = seen.margin >= 0, None
    if seen.margin < rule.lower:
        below = at if state.below_since is None else state.below_since
    recent = (*state.recent, above)[-rule.n :]
    state = State(recent, below, None, None, at, state.alarms)
    state = _clear(state, OBSTRUCTED, changes)
    if above and sum(recent) >= rule.k:
        state = _raise(state, SPILL, at, seen.photo, changes)
    # By photos alone, not by time: a well that nobody sees any more may still be spilling.
    elif below is not None and at >= below + rule.off_delay:
        state = _clear(state, SPILL, changes)
    return state, changes


def on_time(rule: Rule, state: State, at: float) -> tuple[State, list[Change]]:
    """Return the state at a time, and what changed: silence and obstruction that became due."""
    due: list[tuple[float, str, int | None]] = [(state.last + rule.silent_after, SILENT, None)]
    if state.obstructed_since is not None:
        began = state.obstructed_since + rule.obstructed_after
        due.append((began, OBSTRUCTED, state.obstructed_by))
    changes: list[Change] = []
    for began, kind, photo in sorted(due):
        if began <= at:
            state = _raise(state, kind, began, photo, changes)
    return state, changes


def acknowledge(rule: Rule, state: State, kind: str, at: float) -> tuple[State, list[Change]]:
    """Return the state after a person acknowledged an alarm, and what changed; then what is due."""
    alarm, changes = find(state, kind), list[Change]()
    if alarm and not alarm.acknowledged:
        state = _put(state, "acknowledged", alarm._replace(acknowledged=True), changes)
    state, due = on_time(rule, state, at)
    return state, changes + due


def _raise(state: State, kind: str, at: float, photo: int | None, told: list[Change]) -> State:
    alarm = find(state, kind) or Alarm(kind, at, photo, active=False, acknowledged=False)
    return state if alarm.active else _put(state, "raised", alarm._replace(active=True), told)


def _clear(state: State, kind: str, told: list[Change]) -> State:
    alarm = find(state, kind)
    if not alarm or not alarm.active:
        return state
    return _put(state, "cleared", alarm._replace(active=False), told)


def _put(state: State, what: What, alarm: Alarm, told: list[Change]) -> State:
    """Return the state with an alarm as it is now, or without it where it is over; tell of it."""
    over = alarm.acknowledged and not alarm.active
    told += [Change(what, alarm)] + [Change("gone", alarm)] * over
    others = tuple(one for one in state.alarms if one.kind != alarm.kind)
    return state._replace(alarms=others if over else (*others, alarm))
