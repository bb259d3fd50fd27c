"""A text is checked while it is typed: by the engine, or here while there is none."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path
from types import SimpleNamespace

import pytest

from bngtui.editor.checking import LONGEST_S, QUIET_S, TRIED_S, Checker
from engine.api.client import EngineUnreachable, RequestError
from engine.config.finding import Finding

FOUND = Finding(file="bng.conf", line=1, column=1, severity="error", code="c", message="m")


class Bench:
    """A checker whose clock and pauses are the test's. `answers` are given one after the other."""

    def __init__(self, monkeypatch):
        self.now = 100.0
        self.text = "text\n"
        self.asked = []
        self.told = []
        self.slept = []
        self.answers = []
        self.on_sleep = lambda: None
        self.on_ask = lambda: None
        monkeypatch.setattr("bngtui.editor.checking.asyncio.sleep", self.sleep)
        self.checker = Checker(
            SimpleNamespace(ask=self.ask),
            lambda: (self.text, "bng.conf"),
            lambda findings, by: self.told.append((findings, by)),
            clock=lambda: self.now,
        )

    async def sleep(self, wait_s):
        self.slept.append(wait_s)
        self.now += wait_s
        self.on_sleep()

    async def ask(self, op, **args):
        self.asked.append((op, args))
        self.on_ask()
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def run(self, told):
        """Check until so many answers were told."""
        work = asyncio.create_task(self.checker.run())
        async with asyncio.timeout(5):
            while len(self.told) < told:
                await asyncio.get_running_loop().run_in_executor(None, lambda: None)
        work.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await work


@pytest.fixture
def bench(monkeypatch):
    return Bench(monkeypatch)


async def test_the_engine_is_asked_when_the_typing_rests(bench):
    bench.answers = [[FOUND]]
    bench.checker.touch()
    await bench.run(1)
    assert bench.told == [([FOUND], "engine")]
    assert bench.asked == [("check", {"text": "text\n", "file": "bng.conf", "timeout_s": TRIED_S})]
    assert bench.slept == [pytest.approx(QUIET_S)]


async def test_a_key_prolongs_the_pause(bench):
    bench.answers = [[]]
    bench.checker.touch()
    bench.on_sleep = lambda: bench.checker.touch() if len(bench.slept) == 1 else None
    await bench.run(1)
    assert bench.slept == [pytest.approx(QUIET_S)] * 2
    assert len(bench.asked) == 1


async def test_where_nobody_types_it_does_not_wait(bench):
    bench.answers = [[]]
    bench.checker.touch(now=True)
    await bench.run(1)
    assert bench.slept == []


async def test_an_answer_about_an_old_text_is_dropped(bench):
    bench.answers = [[FOUND], []]

    def typed():
        if len(bench.asked) == 1:
            bench.text = "newer\n"
            bench.checker.touch(now=True)

    bench.on_ask = typed
    bench.checker.touch(now=True)
    await bench.run(1)
    assert bench.told == [([], "engine")]
    assert [args["text"] for _, args in bench.asked] == ["text\n", "newer\n"]


@pytest.mark.parametrize(("took_s", "pause_s"), [(0.01, QUIET_S), (0.5, 1.0), (10.0, LONGEST_S)])
async def test_the_pause_grows_with_the_time_a_check_takes(bench, took_s, pause_s):
    bench.answers = [[], []]

    def take_time():
        bench.now += took_s

    bench.on_ask = take_time
    bench.checker.touch(now=True)
    await bench.run(1)
    bench.checker.touch()
    await bench.run(2)
    assert bench.slept == [pytest.approx(pause_s)]


async def test_a_refusal_is_a_finding(bench):
    bench.answers = [RequestError("refused", "too many lines")]
    bench.checker.touch(now=True)
    await bench.run(1)
    (((finding,), by),) = bench.told
    assert by == "engine"
    assert (finding.line, finding.column, finding.severity) == (1, 1, "error")
    assert (finding.code, finding.message, finding.file) == ("refused", "too many lines", "bng.conf")


async def test_without_an_engine_it_is_checked_here(bench):
    bench.text = "wrong\n"
    bench.answers = [EngineUnreachable(Path("s"), "gone")]
    bench.checker.touch(now=True)
    await bench.run(1)
    (((finding, *_), by),) = bench.told
    assert by == "here"
    assert 'unknown word "wrong"' in finding.message
