"""The registry of check kinds, and the runner that draws from it."""

import asyncio

from engine.domain.address import Address
from engine.domain.checks import CHECK_KINDS, ProbeAnswer, ProbeKey, ProbeStart
from engine.health.registry import CHECK_RUNS, CheckRun
from engine.health.runner import Prober

A, B = Address.parse("172.16.1.100"), Address.parse("172.16.1.252")


def start(kind):
    return ProbeStart(ProbeKey(1, kind, A, None, 3, 10), B)


def test_every_kind_that_a_configuration_can_name_runs():
    assert set(CHECK_RUNS) == set(CHECK_KINDS), (
        "engine/health/registry.py and engine/domain/checks.py name the same"
    )


async def drained(prober):
    await asyncio.gather(*prober._tasks)


async def test_the_answer_comes_with_the_key_of_its_probe():
    asked, answers = [], []

    async def run(probe):
        asked.append(probe)
        return ProbeAnswer(ok=True, rtt_ms=2.0)

    prober = Prober(lambda key, answer: answers.append((key, answer)), {"new": CheckRun(run)})
    prober.start(start("new"))
    await drained(prober)
    assert asked == [start("new")]
    assert answers == [(start("new").key, ProbeAnswer(ok=True, rtt_ms=2.0))]
    await prober.close()


async def test_a_missing_right_is_told_with_what_the_kind_needs():
    answers = []

    async def run(_probe):
        raise PermissionError(1, "Operation not permitted")

    prober = Prober(lambda _key, answer: answers.append(answer), {"new": CheckRun(run, needs="CAP_X")})
    prober.start(start("new"))
    await drained(prober)
    assert answers == [ProbeAnswer(ok=False, error="not permitted: new needs CAP_X")]


async def test_a_check_that_fails_itself_is_an_answer(caplog):
    answers = []

    async def run(_probe):
        raise RuntimeError("no such thing")

    prober = Prober(lambda key, answer: answers.append((key, answer)), {"new": CheckRun(run)})
    prober.start(start("new"))
    await drained(prober)
    error = "the check itself failed: RuntimeError: no such thing"
    assert answers == [(start("new").key, ProbeAnswer(ok=False, error=error))]
    assert "check new of 172.16.1.100 failed" in caplog.text


async def test_closing_ends_what_is_under_way_and_gives_back_what_is_shared():
    closed, answers = [], []

    async def run(_probe):
        await asyncio.sleep(60)

    runs = {"new": CheckRun(run, close=lambda: closed.append(1)), "other": CheckRun(run)}
    prober = Prober(lambda key, answer: answers.append((key, answer)), runs)
    prober.start(start("new"))
    await asyncio.sleep(0)
    await prober.close()
    assert (closed, answers) == ([1], [])
