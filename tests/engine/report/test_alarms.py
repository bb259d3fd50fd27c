"""Alarms of the engine's own: raised, changed, taken back, and told once."""

from types import SimpleNamespace

from engine.report.alarms import Alarms


def make():
    events = []
    return Alarms(SimpleNamespace(add=events.append)), events


def test_an_alarm_says_whether_it_says_something_new():
    alarms, events = make()
    assert alarms.set("host", "host", "refused")
    assert not alarms.set("host", "host", "refused")
    assert alarms.set("host", "host", "refused otherwise")
    assert [(a.severity, a.subject, a.message) for a in alarms] == [("error", "host", "refused otherwise")]
    assert events == []


def test_a_cleared_alarm_is_gone_and_new_again_later():
    alarms, _ = make()
    alarms.set("host", "host", "refused")
    alarms.clear("host")
    alarms.clear("host")
    assert list(alarms) == []
    assert alarms.set("host", "host", "refused")


def test_a_fault_is_an_alarm_and_an_event_once():
    alarms, events = make()
    for _ in range(3):
        alarms.report_fault("turn", ValueError("no room"))
    text = "fault in the engine, forwarding goes on: ValueError: no room"
    assert [(a.subject, a.message) for a in alarms] == [("engine", text)]
    assert [(e.kind, e.severity, e.subject, e.message) for e in events] == [
        ("config", "error", "engine", text)
    ]
    alarms.report_fault("turn", ValueError("less room"))
    assert len(events) == 2
