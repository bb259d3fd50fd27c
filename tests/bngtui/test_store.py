"""What the console remembers, and what it forgets when the engine starts anew."""

from __future__ import annotations

from bngtui.history import KEEP, History
from bngtui.store import Store
from engine.api.messages import EventFrame
from tests.helpers.fake_engine import make_event, make_state


def take(store, now=0.0, **changes):
    store.take_state(make_state(**changes), now)


def test_history_has_a_hole_where_readings_were_missed():
    history = History()
    for uptime_s in (10.0, 11.02, 11.98, 12.1, 16.0):
        history.take(make_state(uptime_s=uptime_s))
    series = history.of("target", 1)
    assert [value is None for value in series] == [False, False, False, True, True, True, False]
    assert history.of("target", 99) == []


def test_history_is_bounded():
    history = History()
    history.take(make_state(uptime_s=0.0))
    history.take(make_state(uptime_s=1e9))
    assert len(history.of("server", 1)) == KEEP


def test_a_new_boot_id_begins_again_and_says_so():
    store = Store()
    take(store)
    store.take_event(EventFrame(event=make_event(7), gap=2))
    take(store, boot_id="boot-2", uptime_s=3.0)
    assert store.events == []
    assert store.missed_events == 0
    assert len(store.history.of("target", 1)) == 1
    assert store.shown.boot_id == "boot-2"
    assert any("anew" in note for note in store.notes)


def test_replayed_events_are_taken_once_and_gaps_are_counted():
    store = Store()
    for number in (1, 2, 2, 1, 3):
        store.take_event(EventFrame(event=make_event(number)))
    store.take_event(EventFrame(event=make_event(9), gap=5))
    assert [event.id for event in store.events] == [9, 3, 2, 1]
    assert store.missed_events == 5
    assert store.last_event_id == 9


def test_frozen_is_still_while_the_live_state_goes_on():
    store = Store()
    take(store, uptime_s=10.0)
    store.take_event(EventFrame(event=make_event(1)))
    store.freeze(on=True)
    rows = store.target_rows()
    take(store, uptime_s=11.0)
    store.take_event(EventFrame(event=make_event(2)))
    assert store.shown.uptime_s == 10.0
    assert store.live.uptime_s == 11.0
    assert store.target_rows() == rows
    assert [event.id for event in store.events] == [1]
    store.freeze(on=False)
    assert store.shown.uptime_s == 11.0
    assert [event.id for event in store.events] == [2, 1]
    assert len(store.target_rows()[0].history) == 2


def test_freshness_ages_with_the_clock():
    store = Store()
    assert store.freshness(5.0).age_s is None
    store.connection = "up"
    take(store, now=100.0)
    assert not store.freshness(101.0).stale
    assert store.freshness(103.0).stale
    store.connection = "down"
    assert store.freshness(100.0).stale
    assert not store.may_change
