"""`bngtui --once`: one reading for scripts and dumb terminals."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess

import msgspec
import pytest

from bngtui.cli import main
from bngtui.once import reading
from engine.api.messages import State
from tests.helpers.console_states import EVENTS, busy_state
from tests.helpers.driving import COMMAND, ROOT
from tests.helpers.fake_engine import FakeEngine


async def bngtui(*args):
    process = await asyncio.create_subprocess_exec(
        *COMMAND,
        *args,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(), 20)
    return process.returncode, out.decode(), err.decode()


async def test_plain(run_dir):
    async with FakeEngine(run_dir, busy_state(5)):
        code, out, err = await bngtui("--run-dir", str(run_dir), "--once")
    assert (code, err) == (0, "")
    assert "\x1b" not in out
    assert max(map(len, out.splitlines())) <= 80
    for words in (
        "lb1",
        "MASTER",
        "● live",
        "SERVERS",
        "TARGETS",
        "✖ down",
        "web5",
        "EVENTS",
        "ARP conflict",
    ):
        assert words in out


async def test_json_is_the_state(run_dir):
    state = busy_state(5)
    async with FakeEngine(run_dir, state):
        code, out, _ = await bngtui("--run-dir", str(run_dir), "--read-only", "--once", "--json")
    assert code == 0
    assert msgspec.convert(json.loads(out), State) == state


async def test_an_engine_that_is_not_there(run_dir):
    code, out, err = await bngtui("--run-dir", str(run_dir), "--once")
    assert (code, out) == (3, "")
    assert f"{run_dir}/operator.sock: no such socket" in err


@pytest.mark.parametrize("width", [60, 80, 120, 200])
def test_a_reading_fits(width):
    text = reading(busy_state(40), EVENTS, width)
    assert max(map(len, text.splitlines())) <= width
    assert "web40" in text


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["--json"], "--json goes with --once"),
        (["--refresh", "soon"], "'soon' is not a number"),
        (["--refresh", "0"], "from 0.1 to 60"),
        (["--run-dir", "a", "--socket", "b"], "not allowed with"),
    ],
)
def test_usage(args, words, capsys):
    with pytest.raises(SystemExit) as caught:
        main(args)
    assert caught.value.code == 2
    assert words in capsys.readouterr().err
