"""What the engine makes of faults of its parts: it goes on, and it stops whole."""

from __future__ import annotations

import types

import pytest

from engine.domain.frame import Frame
from engine.engine import Engine
from engine.report.alarms import Alarms
from engine.report.events import EventLog


@pytest.fixture
def engine():
    made = object.__new__(Engine)
    made.event_log = EventLog()
    made.alarms = Alarms(made.event_log)
    made.measuring = types.SimpleNamespace(note=lambda _key, _answer: None)
    return made


def failing_at(bad, did):
    def handle(what, *_more):
        if what == bad:
            raise RuntimeError(f"at {what!r}")
        did.append(what)

    return handle


def test_a_frame_that_a_module_fails_at_costs_that_frame(engine):
    frames, did = [Frame(1, b"one"), Frame(1, b"two"), Frame(1, b"three")], []
    engine.control_sockets = types.SimpleNamespace(frames=lambda _number: iter(frames))
    engine.chain = types.SimpleNamespace(handle=failing_at(frames[1], did))
    engine._act = lambda _outcome: None
    engine._receive(1)
    engine._receive(1)
    assert did == [frames[0], frames[2]] * 2
    (event,) = engine.event_log.since(0, 9)
    assert "fault in the engine, forwarding goes on: RuntimeError" in event.message
    assert len(list(engine.alarms)) == 1


def test_an_answer_that_a_module_fails_at_is_told(engine):
    engine.chain = types.SimpleNamespace(result=failing_at("key", []))
    engine._answered("key", None)
    assert "RuntimeError: at 'key'" in engine.event_log.since(0, 9)[0].message


@pytest.mark.parametrize("bad", ["farewell", "sockets", "prober", "rota", "disk", "forwarding", "server"])
async def test_the_host_gets_its_own_back_whatever_else_fails(engine, bad):
    did = []
    note = failing_at(bad, did)

    async def note_later(what):
        note(what)

    engine.chain = types.SimpleNamespace(farewell=lambda: note("farewell") or [])
    engine.control_sockets = types.SimpleNamespace(close=lambda: note("sockets"))
    engine.prober = types.SimpleNamespace(close=lambda: note_later("prober"))
    engine._end_writing = lambda: note_later("disk")
    engine.rota = types.SimpleNamespace(stop=lambda: note_later("rota"))
    engine.forwarding = types.SimpleNamespace(stop=lambda: note("forwarding"))
    engine.server = types.SimpleNamespace(close=lambda: note_later("server"))
    engine.event_file = types.SimpleNamespace(close=lambda: note("events"))
    engine.recorder = types.SimpleNamespace(close=lambda: note("trends"))
    engine.last_run = types.SimpleNamespace(end=lambda: note("mark"))
    engine.host = types.SimpleNamespace(close=lambda: note_later("host"))
    with pytest.raises(RuntimeError, match=bad):
        await engine._finish()
    order = [
        *(
            "farewell",
            "sockets",
            "prober",
            "rota",
            "disk",
            "forwarding",
            "server",
            "events",
            "trends",
            "mark",
        ),
        "host",
    ]
    assert did == [one for one in order if one != bad]
