"""What the console remembers, and what it forgets when the engine is restarted."""

from __future__ import annotations

import msgspec
import pytest

from bngtui.history import KEEP, History
from bngtui.store import KEEP_EVENTS, Store
from engine.api.messages import ConfigStatus, EventFrame, Pending
from engine.domain.notices import Alarm
from tests.helpers.console_states import busy_state, make_event, make_state


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
    assert any("was restarted" in note for note in store.notes)


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
    assert not store.may_change(100.0)
    assert store.freshness(100.0).age_s == 0.0
    assert store.freshness(107.5).age_s == 7.5


def test_before_anything_is_known():
    store = Store()
    assert store.connection == "connecting"
    assert not store.frozen
    assert not store.read_only
    assert store.last_event_id == 0
    assert (store.target_rows(), store.server_rows(), store.arp_rows(), store.node_rows()) == ([], [], [], [])
    assert store.target(1) is None
    assert store.server(1) is None
    assert store.trial(0.0) is None
    fresh = store.freshness(5.0)
    assert (fresh.connection, fresh.seen, fresh.age_s) == ("connecting", None, None)


@pytest.mark.parametrize(
    ("read_only", "connection", "may"),
    [(False, "up", True), (True, "up", False), (False, "down", False), (False, "connecting", False)],
)
def test_who_may_change_something(read_only, connection, may):
    store = Store()
    take(store, now=5.0)
    store.read_only, store.connection = read_only, connection
    assert store.may_change(7.9) is may


def test_nobody_changes_what_cannot_be_seen():
    store = Store()
    store.connection = "up"
    assert not store.may_change(5.0), "there is no reading yet"
    take(store, now=5.0)
    assert store.may_change(7.9)
    assert not store.may_change(8.0)
    assert store.trial(8.0) is None


@pytest.mark.parametrize(("connection", "trouble"), [("up", ""), ("connecting", ""), ("down", "refused")])
def test_the_trouble_is_told_while_there_is_one(connection, trouble):
    store = Store()
    store.connection, store.trouble = connection, "refused"
    assert store.freshness(0.0).trouble == trouble


def test_a_trial_counts_down_from_when_it_was_read():
    store = Store()
    store.connection = "up"
    status = ConfigStatus(revision=2, language="balanceng")
    take(store, now=100.0, config=status)
    assert store.trial(100.0) is None
    pending = Pending(revision=2, reverts_to=1, seconds_left=60.0, actor="root(0)")
    take(store, now=100.0, config=msgspec.structs.replace(status, pending=pending))
    trial = store.trial(102.0)
    assert (trial.revision, trial.reverts_to, trial.seconds_left, trial.may_answer) == (2, 1, 58, True)
    assert not store.trial(115.0).may_answer, "its keys are not offered while the data is old"
    store.read_only = True
    assert not store.trial(102.0).may_answer


def test_events_and_notes_are_bounded_and_the_newest_stay():
    store = Store()
    for number in range(1, KEEP_EVENTS + 3):
        store.take_event(EventFrame(event=make_event(number)))
        store.notes.append(str(number))
    assert KEEP_EVENTS == 1000
    assert len(store.events) == KEEP_EVENTS
    assert store.events[0].id == store.last_event_id == KEEP_EVENTS + 2
    assert len(store.notes) == 20
    assert store.notes[-1] == str(KEEP_EVENTS + 2)


def test_the_first_state_is_not_a_restart():
    store = Store()
    take(store)
    take(store, uptime_s=12_000.0)
    assert not store.notes


def test_a_picture_is_held_until_it_is_let_go_over_a_restart_too():
    store = Store()
    take(store, now=100.0)
    held = store.shown
    store.take_event(EventFrame(event=make_event(1)))
    store.freeze(on=True)
    take(store, now=110.0, boot_id="boot-2")
    assert store.frozen
    assert store.shown is held
    assert store.live.boot_id == "boot-2"
    assert [event.id for event in store.events] == [1]
    assert store.freshness(112.0).held_s == 12.0
    store.freeze(on=False)
    assert store.shown is store.live
    assert store.events == []
    assert store.freshness(112.0).held_s is None


def test_without_a_held_picture_a_restart_begins_with_nothing():
    store = Store()
    take(store)
    store.restarted()
    assert store.shown is None
    assert store.freshness(0.0).age_s is None


def test_alarms_are_those_of_now_whatever_picture_is_held():
    store = Store()
    take(store)
    store.freeze(on=True)
    take(store, alarms=[Alarm(severity="error", subject="target 2", message="down: refused")])
    assert [row.value for row in store.node_rows() if row.id.startswith("alarm")] == [
        "target 2: down: refused"
    ]
    assert not store.shown.alarms


def test_one_of_many_is_found_by_its_number():
    store = Store()
    store.take_state(busy_state(40), 0.0)
    assert store.target(7).name == "web7"
    assert store.server(2).name == "shop"
    assert store.target(41) is None
    rows = store.server_rows()
    assert [row.server.number for row in rows] == [1, 2, 3]
    assert len(store.target_rows()) == 40
    assert len(store.arp_rows()) >= 40
    assert store.node_rows()


def test_held_histories_do_not_grow():
    store = Store()
    take(store, uptime_s=10.0)
    store.freeze(on=True)
    take(store, uptime_s=11.0)
    assert len(store.server_rows()[0].history) == 1
    store.freeze(on=False)
    assert len(store.server_rows()[0].history) == 2
