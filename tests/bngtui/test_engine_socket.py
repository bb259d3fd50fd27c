"""Which socket serves what, and what is said where none does."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from bngtui import engine_socket
from bngtui.engine_socket import Access, EngineSocket
from bngtui.options import Options
from engine.api.client import EngineUnreachable
from tests.helpers.fake_engine import FakeEngine

RUN = Path("/r")
OPERATOR, MONITOR = RUN / "operator.sock", RUN / "monitor.sock"


@pytest.mark.parametrize(
    ("access", "paths"),
    [
        (Access.LOOK, (MONITOR, OPERATOR)),
        (Access.CHANGE, (OPERATOR,)),
        (Access.OPERATE, (OPERATOR, MONITOR)),
        (Access.MONITOR, (MONITOR,)),
    ],
)
def test_the_sockets_of_a_purpose(access, paths):
    assert EngineSocket(RUN).paths(access) == paths
    assert EngineSocket(RUN, Path("/one.sock")).paths(access) == (Path("/one.sock"),)


def test_the_sockets_of_a_console():
    assert Options(run_dir=RUN).engine_socket == EngineSocket(RUN)
    assert Options(run_dir=RUN, socket=OPERATOR).engine_socket == EngineSocket(RUN, OPERATOR)
    assert Options().access is Access.OPERATE
    assert Options(read_only=True).access is Access.MONITOR


@pytest.mark.parametrize(
    ("access", "name", "role"),
    [
        (Access.LOOK, "monitor.sock", "monitor"),
        (Access.CHANGE, "operator.sock", "operator"),
        (Access.OPERATE, "operator.sock", "operator"),
        (Access.MONITOR, "monitor.sock", "monitor"),
    ],
)
async def test_what_was_opened_is_told(run_dir, access, name, role):
    async with FakeEngine(run_dir), await EngineSocket(run_dir).open(access) as client:
        assert client.path == run_dir / name
        assert client.hello.role == role


class Answers:
    """In place of Client.connect: what each socket does."""

    def __init__(self, monkeypatch, **answers):
        self.answers, self.tried = answers, []
        monkeypatch.setattr(engine_socket.Client, "connect", self.connect)

    async def connect(self, path, *, timeout_s):
        self.tried.append((path.name, timeout_s))
        answer = self.answers[path.stem]
        if answer is None:
            return path
        error = EngineUnreachable(path, str(answer))
        error.__cause__ = answer
        raise error


async def test_who_looks_gets_the_other_socket_whatever_is_wrong_with_the_first(monkeypatch):
    for wrong in (FileNotFoundError("gone"), PermissionError("no"), TimeoutError("silent")):
        answers = Answers(monkeypatch, monitor=wrong, operator=None)
        assert await EngineSocket(RUN).open(Access.LOOK, timeout_s=0.5) == OPERATOR
        assert answers.tried == [("monitor.sock", 0.5), ("operator.sock", 0.5)]


async def test_a_console_gets_the_other_socket_only_where_the_first_is_not_permitted(monkeypatch):
    Answers(monkeypatch, operator=PermissionError("no"), monitor=None)
    assert await EngineSocket(RUN).open(Access.OPERATE) == MONITOR
    answers = Answers(monkeypatch, operator=FileNotFoundError("gone"), monitor=None)
    with pytest.raises(EngineUnreachable, match=r"operator\.sock: gone"):
        await EngineSocket(RUN).open(Access.OPERATE)
    assert [name for name, _ in answers.tried] == ["operator.sock"]


async def test_the_reason_is_that_of_the_socket_that_counts(monkeypatch):
    Answers(monkeypatch, monitor=FileNotFoundError("gone"), operator=PermissionError("no"))
    with pytest.raises(EngineUnreachable, match=r"monitor\.sock: gone"):
        await EngineSocket(RUN).open(Access.LOOK)
    # Not permitted to operate, and the monitor's socket is missing: that one is what to mend.
    Answers(monkeypatch, operator=PermissionError("no"), monitor=FileNotFoundError("gone"))
    with pytest.raises(EngineUnreachable, match=r"monitor\.sock: gone"):
        await EngineSocket(RUN).open(Access.OPERATE)


async def test_a_change_never_goes_to_the_monitors_socket(monkeypatch):
    answers = Answers(monkeypatch, operator=PermissionError("no"), monitor=None)
    with pytest.raises(EngineUnreachable, match=r"operator\.sock: no"):
        await EngineSocket(RUN).open(Access.CHANGE)
    assert [name for name, _ in answers.tried] == ["operator.sock"]


async def test_one_question_without_a_loop(run_dir):
    async with FakeEngine(run_dir):
        state = await asyncio.to_thread(EngineSocket(run_dir).ask, "state", Access.LOOK)
        assert state.hostname
        with pytest.raises(EngineUnreachable):
            await asyncio.to_thread(EngineSocket(run_dir / "not").ask, "state", Access.LOOK, timeout_s=1)
