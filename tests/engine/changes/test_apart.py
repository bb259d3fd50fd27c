"""Texts of monitors, in a process of their own: the same answers, and bounded."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from dataclasses import replace

import pytest

from engine.changes.apart import Apart, Question, Text, answer, flows_of
from engine.changes.configuration import host_interfaces
from engine.config.difference.compare import Flows
from engine.config.load import load
from engine.domain.errors import OpError
from tests.helpers.changes import ACTOR, HASH, SEED

MONITOR = replace(ACTOR, monitor=True)


async def test_a_check_finds_what_a_check_finds():
    text = SEED.replace("ipaddr 172.16.1.100", "ipaddr 172.16.1.1000")
    asked = Question(new=Text(text=text, file="x.conf"), interfaces=host_interfaces())
    found = await Apart().ask(asked, MONITOR)
    assert found.findings == load(text, "x.conf", host_interfaces=host_interfaces()).findings
    assert any(f.severity == "error" for f in found.findings)
    assert (found.changes, found.unified) == ([], "")


async def test_a_difference_is_what_a_difference_is(transactions):
    flows = Flows(servers={1: 7}, targets={1: 3, 2: 4}, pairs={(1, 1): 3, (1, 2): 4})
    running = transactions.running
    asked = Question(
        new=Text(text=HASH, file="x.conf"),
        old=Text(text=running.text, file="running", language=running.language),
        base=running.revision,
        names=("revision 1", "x.conf"),
        interfaces=host_interfaces(),
        **flows_of(flows),
    )
    assert await Apart().ask(asked, MONITOR) == transactions.diff(HASH, "x.conf", flows)
    assert answer(asked).changes


async def test_what_takes_too_long_ends_and_the_next_has_its_turn(monkeypatch):
    pids = []
    real = asyncio.create_subprocess_exec

    async def started(*command, **more):
        process = await real(*command[:1], "-c", "import time; time.sleep(60)", **more)
        pids.append(process.pid)
        return process

    reader = Apart(0.2)
    asked = Question(new=Text(text=SEED, file="x.conf"))
    with monkeypatch.context() as patch:
        patch.setattr(asyncio, "create_subprocess_exec", started)
        begun = time.monotonic()
        with pytest.raises(OpError, match="takes too long to read"):
            await reader.ask(asked, MONITOR)
        assert time.monotonic() - begun < 5
    with pytest.raises(ProcessLookupError):
        os.kill(pids[0], 0)
    reader._longest_s = 20
    assert (await reader.ask(asked, MONITOR)).findings is not None


async def test_who_has_gone_before_the_turn_is_not_served(monkeypatch):
    reader = Apart()
    monkeypatch.setattr(reader, "_ask", lambda _: pytest.fail("begun"))
    with pytest.raises(OpError, match="has gone"):
        await reader.ask(Question(new=Text(text=SEED, file="x.conf")), replace(MONITOR, left=lambda: True))


async def test_it_gives_up_what_it_does_not_need():
    code = """
import os, resource
from engine.changes.apart import limit_oneself
limit_oneself()
print(os.getpriority(os.PRIO_PROCESS, 0), os.geteuid() != 0, resource.getrlimit(resource.RLIMIT_FSIZE)[0])
"""
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE)
    told, _ = await process.communicate()
    assert told.decode().split() == ["19", "True", "0"]
