"""Alarms of the engine's own: raised, changed, taken back, and told once."""

from types import SimpleNamespace

from engine.report.alarms import FAULT_AGAIN_S, Alarms


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


def test_a_fault_whose_words_change_all_the_time_is_told_now_and_then_with_a_count():
    events, now = [], [0.0]
    alarms = Alarms(SimpleNamespace(add=events.append), lambda: now[0])
    for second in range(2 * int(FAULT_AGAIN_S) + 1):
        now[0] = second
        alarms.report_fault("turn", ValueError(f"no room for {second}"))
        assert next(a.message for a in alarms).endswith(f"no room for {second}")
    assert [e.message.rpartition(": ")[2] for e in events] == [
        "no room for 0",
        "no room for 10 (9 times more meanwhile)",
        "no room for 20 (9 times more meanwhile)",
    ]
    alarms.report_fault("another", ValueError("no room"))
    assert len(events) == 4
