"""Alarms come after k of n clear photos, stay until acknowledged, and fear no order of events."""

from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from tools.watch.alarms import (
    KINDS,
    OBSTRUCTED,
    SILENT,
    SPILL,
    Alarm,
    Change,
    Rule,
    Seen,
    State,
    acknowledge,
    find,
    on_photo,
    on_time,
    start,
)

RULE = Rule(k=2, n=3, lower=-0.5, off_delay=3, obstructed_after=5, silent_after=10)
ABOVE, BETWEEN, BELOW, HAND = 0.0, -0.5, -0.51, None


class Event(NamedTuple):
    """So many seconds after the last one: a margin, HAND, `time`, or a kind to acknowledge."""

    after: float
    what: float | str | None


# Margins on either side of both thresholds and on them; binary fractions, which add up exactly.
PHOTOS = st.sampled_from([1.5, ABOVE, -0.25, BETWEEN, -0.75, -4.0, HAND])
AFTER = st.integers(0, 48).map(lambda quarters: quarters / 4)
TIMES = st.builds(Event, AFTER, st.just("time"))
EVENTS = st.lists(
    st.one_of(
        st.builds(Event, AFTER, PHOTOS),
        TIMES,
        st.builds(Event, AFTER, st.sampled_from(KINDS)),
    ),
    max_size=40,
)
RULES = st.builds(
    lambda k, more, lower, *seconds: Rule(k, k + more, lower, *seconds),
    st.integers(1, 3),
    st.integers(0, 3),
    st.sampled_from([0.0, -0.5, -1.0]),
    *[st.integers(0, 12).map(float)] * 2,
    st.integers(1, 12).map(float),
)


def play(
    events: list[Event], rule: Rule = RULE, state: State | None = None
) -> tuple[list[State], list[list[Change]]]:
    """Return the states after each event, the first before all, and what each event changed.

    Photos are numbered from 0 by the events' places.
    """
    states, changes, at = [state or start(0)], [], (state or start(0)).last
    for number, event in enumerate(events):
        at += event.after
        if event.what == "time":
            after, told = on_time(rule, states[-1], at)
        elif isinstance(event.what, str):
            after, told = acknowledge(rule, states[-1], event.what, at)
        else:
            margin = -9.0 if event.what is None else event.what
            seen = Seen(at, margin, event.what is None, number)
            after, told = on_photo(rule, states[-1], seen)
        states.append(after)
        changes.append(told)
    return states, changes


def photos(*margins: float | None) -> list[Event]:
    """Return photos a second apart."""
    return [Event(1, margin) for margin in margins]


def told(events: list[Event], rule: Rule = RULE) -> list[tuple[int, str, str]]:
    """Return what was told: the event's number, what, and the alarm's kind."""
    _, changes = play(events, rule)
    return [(i, one.what, one.alarm.kind) for i, some in enumerate(changes) for one in some]


def test_a_spill_is_raised_by_the_photo_that_makes_k_of_the_last_n_clear_ones() -> None:
    assert told(photos(ABOVE, BELOW, ABOVE)) == [(2, "raised", SPILL)]
    states, _ = play(photos(ABOVE, BELOW, ABOVE))
    assert states[-1].alarms == (Alarm(SPILL, 3, 2, active=True, acknowledged=False),)
    assert told(photos(ABOVE, BELOW, BELOW, ABOVE)) == []
    assert told(photos(ABOVE), RULE._replace(k=1, n=1)) == [(0, "raised", SPILL)]


def test_the_same_spill_is_raised_once() -> None:
    assert told(photos(*[ABOVE] * 6)) == [(1, "raised", SPILL)]


def test_it_ends_after_clear_photos_have_stayed_below_the_lower_threshold_for_the_delay() -> None:
    spill = photos(ABOVE, ABOVE)
    assert told([*spill, *photos(*[BELOW] * 4)])[1:] == [(5, "cleared", SPILL)]
    assert told([*spill, *photos(*[BELOW] * 3)])[1:] == []
    assert told([*spill, *photos(*[BETWEEN] * 9)])[1:] == []
    assert told([*spill, *photos(BELOW, BELOW, BELOW, BETWEEN, BELOW, BELOW, BELOW)])[1:] == []


def test_time_alone_ends_no_spill_and_neither_does_an_obstructed_photo() -> None:
    events = [*photos(ABOVE, ABOVE, BELOW), Event(9, "time"), Event(0, HAND), Event(1, HAND)]
    assert told(events)[1:] == []


def test_obstructed_photos_count_neither_for_nor_against_a_spill() -> None:
    assert told(photos(ABOVE, HAND, HAND, HAND, ABOVE)) == [(4, "raised", SPILL)]
    obstructed = [Event(1, HAND)] * 4
    states, _ = play([*photos(ABOVE), *obstructed])
    assert states[-1].recent == (True,)


def test_an_alarm_goes_only_when_it_is_over_and_acknowledged_in_either_order() -> None:
    spill, over, seen = photos(ABOVE, ABOVE), photos(*[BELOW] * 4), [Event(0, SPILL)]
    assert told([*spill, *over, *seen])[1:] == [
        (5, "cleared", SPILL),
        (6, "acknowledged", SPILL),
        (6, "gone", SPILL),
    ]
    assert told([*spill, *seen, *over])[1:] == [
        (2, "acknowledged", SPILL),
        (6, "cleared", SPILL),
        (6, "gone", SPILL),
    ]
    for events in ([*spill, *over, *seen], [*spill, *seen, *over]):
        assert play(events)[0][-1].alarms == ()


def test_one_that_comes_again_unacknowledged_is_the_same_alarm() -> None:
    states, changes = play(photos(ABOVE, ABOVE, *[BELOW] * 4, ABOVE, ABOVE))
    assert changes[-1] == [Change("raised", states[2].alarms[0])]
    states, _ = play([*photos(ABOVE, ABOVE), Event(0, SPILL), *photos(*[BELOW] * 4, ABOVE, ABOVE)])
    assert states[-1].alarms == (Alarm(SPILL, 8, 8, active=True, acknowledged=False),)


def test_acknowledging_what_is_not_there_or_was_acknowledged_changes_nothing() -> None:
    states, changes = play(
        [Event(1, SPILL), *photos(ABOVE, ABOVE), Event(0, SPILL), Event(0, SPILL)]
    )
    assert (changes[0], changes[-1]) == ([], [])
    assert states[0] == states[1]
    assert states[-1] == states[-2]


def test_nobody_acknowledges_an_alarm_before_it_is_raised() -> None:
    assert told([Event(10, SILENT)]) == [(0, "raised", SILENT)]


def test_an_obstructed_view_is_an_alarm_of_its_own_until_a_clear_photo() -> None:
    events = photos(BELOW, *[HAND] * 6, BELOW)
    assert told(events) == [(6, "raised", OBSTRUCTED), (7, "cleared", OBSTRUCTED)]
    alarm = find(play(events)[0][-2], OBSTRUCTED)
    assert alarm == Alarm(OBSTRUCTED, 7, 1, active=True, acknowledged=False)
    assert told(photos(*[HAND] * 4, BELOW, *[HAND] * 5)) == []


def test_silence_is_an_alarm_of_its_own_until_any_photo() -> None:
    for photo in (BELOW, HAND):
        events = [*photos(photo), Event(9.75, "time"), Event(0.25, "time"), Event(1, photo)]
        spoken = [one for one in told(events) if one[2] == SILENT]
        assert spoken == [(2, "raised", SILENT), (3, "cleared", SILENT)]
    alarm = find(play(events)[0][-2], SILENT)
    assert alarm == Alarm(SILENT, 11, None, active=True, acknowledged=False)
    assert told([Event(10, "time")]) == [(0, "raised", SILENT)]


def test_what_became_due_at_once_is_told_in_the_order_of_its_time() -> None:
    for seconds, kinds in ((5, [OBSTRUCTED, SILENT]), (15, [SILENT, OBSTRUCTED])):
        rule = RULE._replace(obstructed_after=seconds)
        assert [kind for *_, kind in told([Event(1, HAND), Event(20, "time")], rule)] == kinds


def test_a_photo_that_seems_older_than_the_last_counts_as_new() -> None:
    state, _ = on_photo(RULE, start(100), Seen(105, ABOVE, False, 0))
    state, changes = on_photo(RULE, state, Seen(3, ABOVE, False, 1))
    assert state.last == 105
    assert changes[-1].alarm.began == 105


@given(EVENTS, RULES)
def test_every_change_follows_from_the_alarm_before_it(events: list[Event], rule: Rule) -> None:
    standing: dict[str, Alarm] = {}
    states, changes = play(events, rule)
    for state, some in zip(states[1:], changes, strict=True):
        for what, alarm in some:
            before = standing.get(alarm.kind)
            assert (
                before is None
                or before._replace(active=alarm.active, acknowledged=alarm.acknowledged) == alarm
            ), "an alarm keeps its time and photo"
            if what == "raised":
                assert before is None or (not before.active and not before.acknowledged)
                assert alarm.active
                assert not alarm.acknowledged
            elif what == "cleared":
                assert before is not None
                assert before.active > alarm.active
            elif what == "acknowledged":
                assert before is not None
                assert before.acknowledged < alarm.acknowledged
            else:
                assert before == alarm
                assert alarm.acknowledged > alarm.active
            standing[alarm.kind] = alarm
            if what == "gone":
                del standing[alarm.kind]
        assert {alarm.kind: alarm for alarm in state.alarms} == standing
        assert len(state.alarms) == len(standing)


@given(EVENTS, RULES)
def test_what_is_active_is_what_the_whole_past_tells(events: list[Event], rule: Rule) -> None:
    """Against a reference that looks back over all photos anew, and keeps no state but `spill`."""
    states, _ = play(events, rule)
    seen: list[tuple[float, float | None]] = []
    at, spill = 0.0, False
    for event, state in zip(events, states[1:], strict=True):
        at += event.after
        if not isinstance(event.what, str):
            seen.append((at, event.what))
            clear = [(when, margin) for when, margin in seen if margin is not None]
            margins = [margin for _, margin in clear]
            if event.what is not None:
                if event.what >= 0 and sum(one >= 0 for one in margins[-rule.n :]) >= rule.k:
                    spill = True
                low = last_run([margin < rule.lower for margin in margins])
                if low and at - clear[-low][0] >= rule.off_delay:
                    spill = False
        hands = last_run([margin is None for _, margin in seen])
        active = {
            SPILL: spill,
            OBSTRUCTED: bool(hands) and at - seen[-hands][0] >= rule.obstructed_after,
            SILENT: at - (seen[-1][0] if seen else 0) >= rule.silent_after,
        }
        found = {kind: bool((alarm := find(state, kind)) and alarm.active) for kind in KINDS}
        if not isinstance(event.what, str):
            # With no delay it is due at once, and raised with the next event.
            active[OBSTRUCTED] &= rule.obstructed_after > 0 or hands != 1
        assert found == active


def last_run(marks: list[bool]) -> int:
    """Return how many of the last are True in a row."""
    return next((i for i, mark in enumerate(reversed(marks)) if not mark), len(marks))


@given(EVENTS, RULES, st.data())
def test_how_often_time_is_told_changes_nothing(
    events: list[Event], rule: Rule, data: st.DataObject
) -> None:
    events = [event for event in events if event.what not in KINDS]
    often = []
    for event in events:
        share = data.draw(st.integers(0, 4)) / 4
        often += [
            Event(event.after * share, "time"),
            event._replace(after=event.after * (1 - share)),
        ]
    seldom, more = (
        [
            (one.what, one.alarm.kind, one.alarm.began)
            for some in play(each, rule)[1]
            for one in some
        ]
        for each in (events, often)
    )
    assert more == seldom


@given(EVENTS, RULES)
def test_all_goes_when_wells_are_seen_to_be_normal_and_all_is_acknowledged(
    events: list[Event], rule: Rule
) -> None:
    calm = [Event(rule.off_delay + 1, BELOW - 4), Event(rule.off_delay + 1, BELOW - 4)]
    states, _ = play([*events, *calm, *(Event(0, kind) for kind in KINDS)], rule)
    assert states[-1].alarms == ()


@given(EVENTS, RULES, st.lists(st.just(Event(1, HAND)), max_size=9))
def test_obstructed_photos_leave_what_is_known_of_spills(
    events: list[Event], rule: Rule, hands: list[Event]
) -> None:
    before = play(events, rule)[0][-1]
    after = play(hands, rule, before)[0][-1]
    assert (after.recent, after.below_since) == (before.recent, before.below_since)
    assert find(after, SPILL) == find(before, SPILL)


@given(EVENTS, RULES)
def test_memory_stays_small(events: list[Event], rule: Rule) -> None:
    for state in play(events, rule)[0]:
        assert len(state.recent) <= rule.n
        assert len({alarm.kind for alarm in state.alarms}) == len(state.alarms) <= len(KINDS)
