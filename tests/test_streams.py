"""Every command with its standard streams closed, full or read by nobody: a quiet end or one line (engine/streams.py)."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading

import pytest

from tests.helpers.console_states import busy_state
from tests.helpers.fake_engine import FakeEngine
from tests.helpers.paths import ROOT, SAMPLES

MODULES = {
    "bng-engine": "engine.cli",
    "bngctl": "bngtui.ctl",
    "bngtui": "bngtui.cli",
    "bng-lab": "engine.lab.cli",
}
SAMPLE = str(SAMPLES / "dsr.conf")
COMMANDS = [
    "bngctl --version",
    "bngctl help",
    "bngctl nonsense",
    "bngctl",
    "bngctl RUN show targets --json",
    "bngctl RUN show events",
    "bngctl RUN enable target 1",
    f"bngctl RUN check {SAMPLE}",
    "bngctl RUN check -",
    "bngctl --run-dir /nowhere show targets",
    "bngtui --version",
    "bngtui --theme zz",
    "bngtui",
    "bngtui RUN --once",
    "bngtui RUN --once --json",
    "bngtui --run-dir /nowhere --once",
    "bng-engine",
    "bng-engine run --help",
    "bng-engine run /nowhere",
    f"bng-engine check {SAMPLE}",
    "bng-engine check /nowhere",
    f"bng-engine doctor {SAMPLE}",
    "bng-lab --version",
    "bng-lab exec --prefix no-such-lab client -- true",
]
STREAMS = ["<&-", ">&-", "<&- >&- 2>&-", ">/dev/full", "2>/dev/full", "| true"]


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory):
    """A run directory where an engine answers."""
    folder = tmp_path_factory.mktemp("run")
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    engine = FakeEngine(folder, busy_state(50))
    asyncio.run_coroutine_threadsafe(engine.server.start(), loop).result(5)
    yield folder
    asyncio.run_coroutine_threadsafe(engine.server.close(), loop).result(5)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(5)
    loop.close()


def run(command, run_dir, streams=""):
    """Run a command by a shell; returns the status of the command itself, and what it said."""
    name, _, rest = command.partition(" ")
    program = f"import sys; from {MODULES[name]} import main; sys.exit(main())"
    line = f"{sys.executable} -c '{program}' {rest} {streams}".replace("RUN", f"--run-dir {run_dir}")
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", line],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        timeout=30,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("command", COMMANDS)
def test_no_stream_makes_a_traceback(run_dir, command):
    plain, out, _ = run(command, run_dir)
    for streams in STREAMS:
        status, _, error = run(command, run_dir, streams)
        said = error.splitlines()
        assert not [line for line in said if line.startswith(("Traceback", "Exception ignored", "  File"))], (
            streams
        )
        if streams == ">/dev/full" and out:
            assert (status, said[-1]) == (
                1,
                f"{command.split()[0]}: standard output: no space left on device",
            )
        elif streams == "| true":
            # A small answer is in the pipe before the reader has gone.
            assert status in {plain, 0, 1}, streams
        else:
            assert status == plain, streams


def test_a_socket_is_not_taken_for_a_closed_stream(run_dir):
    """The next descriptor that is opened has the number of the closed one, so what is printed would go to the engine."""
    status, _, error = run("bngctl RUN show events", run_dir, ">&- 2>&-")
    assert (status, error) == (0, "")


@pytest.mark.parametrize("command", ["bngtui RUN --once", "bngctl RUN show targets"])
def test_a_reader_that_has_enough_ends_it_quietly(run_dir, command):
    status, out, error = run(command, run_dir, "| head -3")
    assert (status, error) == (0, "")
    assert len(out.splitlines()) == 3
