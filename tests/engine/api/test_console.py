"""One conversation: what is asked, who may, and what is said when it cannot be done."""

from __future__ import annotations

import asyncio
import logging

import pytest

from engine.api import console as console_module
from engine.api.console import Console
from engine.api.ops import OPS
from engine.domain.errors import OpError
from tests.helpers.states import event

EVERYTHING = {
    "check": {"text": "a\nb\n"},
    "diff": {"text": "modules slb\n"},
    "explain": {"client": "10.1.1.1", "server": "1"},
    "admin": {"what": "target", "action": "drain", "numbers": [1]},
    "revision": {"revision": 1},
    "revision-diff": {"old": 1, "new": 1},
    "trend": {"what": "target", "number": 1},
    "trends": {"what": "target", "measure": "pps"},
}


async def test_a_monitor_sees_everything_and_changes_nothing(server, raw, backend):
    async with raw("monitor") as peer:
        await peer.frame()
        for name, op in OPS.items():
            answer = await peer.ask({"id": 1, "op": name, "args": EVERYTHING.get(name, {})})
            while answer["type"] != "response":
                answer = await peer.frame()
            assert answer["ok"] is not op.changes, answer
    assert not [name for name, _, _ in backend.calls if OPS[name].changes]


async def test_an_op_of_the_table_reaches_the_backend_with_its_arguments_typed(server, raw, backend):
    async with raw() as peer:
        await peer.frame()
        for name, args in EVERYTHING.items():
            assert (await peer.ask({"id": 1, "op": name, "args": args}))["ok"] is True
    assert [(name, type(args)) for name, args, _ in backend.calls] == [(n, OPS[n].args) for n in EVERYTHING]


async def test_kept_events_are_given_by_number(server, raw):
    async with raw() as peer:
        await peer.frame()

        async def ids(**args):
            return [e["id"] for e in (await peer.ask({"id": 1, "op": "events", "args": args}))["result"]]

        assert await ids() == [1, 2, 3]
        assert await ids(since=1) == [2, 3]
        assert await ids(limit=2) == [2, 3]


async def test_whoever_subscribes_anew_gets_what_was_kept_anew(server, raw, backend):
    async with raw() as peer:
        await peer.frame()
        for since, expected in ((0, [1, 2, 3]), (2, [3]), (None, [])):
            assert (await peer.ask({"id": 1, "op": "subscribe", "args": {"state": False, "since": since}}))[
                "ok"
            ]
            assert [(await peer.frame())["event"]["id"] for _ in expected] == expected
        await peer.ask({"id": 2, "op": "subscribe", "args": {"state": False, "events": False, "since": 0}})
        server.publish_event(event(9))
        assert (await peer.ask({"id": 3, "op": "conf"}))["id"] == 3


@pytest.mark.parametrize(("length", "cut"), [(200, False), (201, True)])
async def test_a_long_request_is_cut_in_the_log(length, cut):
    args = OPS["check"].args(text="", file="")
    file = "x" * (length - len(console_module._shown(args)))
    shown = console_module._shown(OPS["check"].args(text="", file=file))
    assert ("… (" in shown) is cut
    assert '"file":"xxx' in shown
    assert shown.endswith("… (201 characters)") is cut
    assert len(shown.split("…")[0]) == 200


async def test_the_log_has_no_configuration_text():
    """A command is short enough to be logged whole, and may hold what only some may know."""
    text = "vrrp { password geheim }"
    shown = console_module._shown(OPS["command"].args(text=text, confirm_within_s=30))
    assert f'"text":"({len(text)} characters)"' in shown
    assert "geheim" not in shown


async def test_only_changes_that_were_made_are_logged_as_such(server, raw, backend, caplog):
    caplog.set_level(logging.INFO, logger="engine.api")
    change = {"id": 1, "op": "admin", "args": EVERYTHING["admin"]}
    async with raw("monitor") as peer, raw() as operator:
        await peer.frame()
        await operator.frame()
        await peer.ask(change)
        assert "admin refused to a monitor" in caplog.text
        assert "admin {" not in caplog.text
        await operator.ask({"id": 1, "op": "conf"})
        await operator.ask({**change, "args": {**change["args"], "numbers": [77]}})
        assert "conf" not in caplog.text
        assert "admin {" not in caplog.text
        await operator.ask(change)
        assert "admin {" in caplog.text


async def test_a_long_name_of_an_op_is_not_repeated_whole(server, raw):
    async with raw() as peer:
        await peer.frame()
        answer = await peer.ask({"id": 1, "op": "x" * 5000})
    assert answer["error"]["message"] == f"no op {'x' * 80!r}"


async def test_an_answer_too_large_is_declined_and_the_connection_lives(server, raw, backend):
    async def large(op, args, actor):
        return "x" * 5_000_000

    backend.call = large
    async with raw() as peer:
        await peer.frame()
        answer = await peer.ask({"id": 4, "op": "conf"})
        assert (answer["id"], answer["error"]["code"]) == (4, "too-large")
        assert answer["error"]["message"].startswith("the answer to conf is a frame of 5000")
        assert (await peer.ask({"id": 5, "op": "events"}))["ok"] is True


async def test_a_refusal_brings_its_findings(server, raw, backend):
    async def refuse(op, args, actor):
        raise OpError("invalid", "two things are wrong", [{"line": 1}, {"line": 2}])

    backend.call = refuse
    async with raw() as peer:
        await peer.frame()
        error = (await peer.ask({"id": 4, "op": "conf"}))["error"]
    assert error == {
        "code": "invalid",
        "message": "two things are wrong",
        "findings": [{"line": 1}, {"line": 2}],
    }


async def test_a_request_that_cannot_be_read_is_answered_by_its_number_if_that_can_be_read(server, raw):
    async with raw() as peer:
        await peer.frame()
        assert (await peer.ask({"id": 77}))["id"] == 77
        assert (await peer.ask({"op": "conf"}))["id"] == 0
        assert (await peer.ask({"id": "x", "op": "conf"}))["id"] == 0


async def test_after_a_refusal_that_ends_it_the_rest_is_read_for_a_second_at_most(server, raw, monkeypatch):
    monkeypatch.setattr(console_module, "LINGER_S", 0.2)
    async with raw() as peer:
        await peer.frame()
        began = asyncio.get_running_loop().time()
        await peer.send(b"\xff\xff\xff\xff")
        assert (await peer.frame())["error"]["code"] == "too-large"
        for _ in range(3):
            await peer.send(b"more")
            await asyncio.sleep(0.02)
        assert await asyncio.wait_for(peer.reader.read(), 2) == b""
        assert 0.15 < asyncio.get_running_loop().time() - began < 1


async def test_a_writer_that_fails_is_told_and_a_console_that_leaves_is_not(caplog):
    class Outbox:
        def __init__(self, error):
            self.error = error

        async def run(self):
            raise self.error

        async def answer(self, _frame):
            await asyncio.sleep(0)
            raise ConnectionResetError

    class Backend:
        engine_version = boot_id = hostname = "x"

    for error, told in ((OSError("gone"), False), (ValueError("a fault"), True)):
        console = Console("operator", "somebody", Outbox(error), Backend(), None, frame_s=1)
        await console.converse(asyncio.StreamReader())
        assert ("the writer failed" in caplog.text) is told
