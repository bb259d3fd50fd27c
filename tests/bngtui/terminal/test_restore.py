"""The console in real terminals: a pty that is read by pyte, and tmux."""

from __future__ import annotations

import asyncio
import os
import re
import shlex
import shutil
import signal
import subprocess
import termios
import time
import uuid

import pytest

from tests.helpers.console_states import busy_state, make_state
from tests.helpers.driving import COMMAND, ROOT, Pty, cpu_s
from tests.helpers.fake_engine import FakeEngine

pytestmark = pytest.mark.terminal


async def test_sigterm_restores_the_terminal(run_dir):
    async with FakeEngine(run_dir), Pty("--run-dir", str(run_dir), "--mouse") as console:
        await console.until(lambda: "● live" in console.text())
        raw = termios.tcgetattr(console.slave)
        assert not raw[3] & termios.ECHO
        os.kill(console.pid, signal.SIGTERM)
        assert await console.exit_code() == 143
        await asyncio.sleep(0.2)
        out = bytes(console.raw)
        for on, off in [
            (b"\x1b[?1049h", b"\x1b[?1049l"),
            (b"\x1b[?25l", b"\x1b[?25h"),
            (b"\x1b[?1000h", b"\x1b[?1000l"),
            (b"\x1b[?1003h", b"\x1b[?1003l"),
            (b"\x1b[?2004h", b"\x1b[?2004l"),
        ]:
            assert -1 < out.rindex(on) < out.rindex(off)
        # Wiped before it is left, and nothing written on the main screen after that.
        assert out.rindex(b"\x1b[2J") < out.rindex(b"\x1b[?1049l")
        assert re.sub(rb"\x1b\[\?[0-9]+[hl]", b"", out[out.rindex(b"\x1b[?1049l") :]) == b""
        assert termios.tcgetattr(console.slave) == console.before


async def test_the_mouse_is_left_alone_unless_asked_for(run_dir):
    async with FakeEngine(run_dir), Pty("--run-dir", str(run_dir)) as console:
        await console.until(lambda: "● live" in console.text())
        console.type("q")
        assert await console.exit_code() == 0
        assert b"\x1b[?1003h" not in console.raw
        assert b"\x1b[?1000h" not in console.raw


async def test_a_terminal_that_dies_ends_the_console(run_dir):
    async with FakeEngine(run_dir), Pty("--run-dir", str(run_dir)) as console:
        await console.until(lambda: "● live" in console.text())
        console.read(on=False)
        os.close(console.slave)
        os.close(console.master)
        assert await console.exit_code() in {-signal.SIGHUP, 129}


async def test_no_spinning_where_hangup_is_ignored(run_dir):
    """As under nohup: no signal tells that the terminal died."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        console = Pty("--run-dir", str(run_dir))
    finally:
        signal.signal(signal.SIGHUP, before)
    async with FakeEngine(run_dir), console:
        await console.until(lambda: "● live" in console.text())
        console.read(on=False)
        os.close(console.slave)
        os.close(console.master)
        used = cpu_s(console.pid)
        assert await console.exit_code(5.0) != 0
        assert used < 5


async def test_sixteen_colours_on_a_serial_console(run_dir):
    async with FakeEngine(run_dir, busy_state(12)), Pty("--run-dir", str(run_dir), term="vt220") as console:
        await console.until(lambda: "+ live" in console.text())
        assert "x down" in console.text()
        assert b"38;2;" not in console.raw
        assert b"38;5;" not in console.raw
        assert console.text().isascii()


def run(*args, **more):
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [*COMMAND, *args], capture_output=True, text=True, timeout=30, env=env, check=False, **more
    )


def test_without_a_terminal_it_says_what_to_do():
    done = run(stdin=subprocess.DEVNULL)
    assert done.returncode == 2
    assert "--once prints one reading" in done.stderr


async def test_an_unknown_theme_names_those_there_are(run_dir):
    async with Pty("--run-dir", str(run_dir), "--theme", "nigth") as console:
        assert await console.exit_code() == 2
        await asyncio.sleep(0.1)
        assert (
            "no theme 'nigth'; there are colour-safe, contrast, night, paper, serial"
            in console.text().replace("\n", "")
        )


@pytest.fixture
def tmux():
    if shutil.which("tmux") is None:
        reason = "tmux is not installed"
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(reason)
    socket = f"bngtui-{uuid.uuid4().hex[:8]}"

    def call(*args: str) -> str:
        return subprocess.run(
            ["tmux", "-L", socket, *args], capture_output=True, text=True, timeout=10, check=True
        ).stdout

    yield call
    subprocess.run(["tmux", "-L", socket, "kill-server"], capture_output=True, timeout=10, check=False)


async def test_an_operator_in_tmux(run_dir, tmux):
    async def see(words, timeout_s=15.0):
        deadline = asyncio.get_running_loop().time() + timeout_s
        while words not in (text := await asyncio.to_thread(tmux, "capture-pane", "-p")):
            assert asyncio.get_running_loop().time() < deadline, f"no {words!r} in:\n{text}"
            await asyncio.sleep(0.05)
        return text

    async def press(*keys):
        await asyncio.to_thread(tmux, "send-keys", *keys)

    async with FakeEngine(run_dir, make_state()) as engine:
        command = f"{COMMAND[0]} -c '{COMMAND[2]}' --run-dir {run_dir}; echo left $?; sleep 60"
        # A shell that exports its size must not pin the console to it.
        env = ["-e", f"PYTHONPATH={ROOT}", "-e", "LC_ALL=C.UTF-8", "-e", "COLUMNS=80", "-e", "LINES=24"]
        start = ["-f", "/dev/null", "new-session", "-d", "-x", "80", "-y", "24"]
        tmux(*start, *env, command)
        await see("● live")
        await press("j")
        await see("▸ ● up         2  web2")
        await press("d")
        await see("Disable target 2 web2?")
        await see("204 sessions end at once")
        await asyncio.sleep(0.4)
        await press("y")
        await see("Done: target 2 web2 is disabled.")
        await see("○ disabled   2  web2")
        assert engine.calls[0][0].numbers == [2]
        await asyncio.to_thread(tmux, "resize-window", "-x", "120", "-y", "40")
        await see("Trend")
        await press("?")
        await see("Change (asks before it does)")
        await press("q")
        await see("● live")
        await press("q")
        text = await see("left 0")
        assert "Targets" not in text


# -- stopped by the shell ---------------------------------------------------------------------------------------------


async def test_after_a_stop_the_whole_screen_is_drawn_anew(run_dir):
    async with FakeEngine(run_dir, busy_state(5)), Pty("--run-dir", str(run_dir)) as console:
        await console.until(lambda: "web5" in console.text() and "● live" in console.text())
        os.kill(console.pid, signal.SIGTSTP)
        deadline = time.monotonic() + 5
        while os.waitpid(console.pid, os.WNOHANG | os.WUNTRACED) == (0, 0):  # noqa: ASYNC222 - does not block
            assert time.monotonic() < deadline
            await asyncio.sleep(0.02)
        await asyncio.sleep(0.2)
        assert bytes(console.raw).rindex(b"\x1b[?1049l") > bytes(console.raw).rindex(b"\x1b[?1049h")
        console.screen.reset()
        os.kill(console.pid, signal.SIGCONT)
        for words in ("● live", "Servers 3", "Targets 5", "web1", "web5", "Events", "quit"):
            await console.until(lambda words=words: words in console.text())


async def test_who_has_no_shell_below_does_not_stop_for_ever(run_dir):
    async with FakeEngine(run_dir), Pty("--run-dir", str(run_dir)) as console:
        await console.until(lambda: "● live" in console.text())
        console.type("\x1a")
        await console.until(lambda: "There is no shell below this console" in console.text())
        console.type("q")
        assert await console.exit_code() == 0


async def test_ctrl_z_stops_where_a_shell_can_go_on_with_it(run_dir):
    """A shell with job control starts it, in a process group of its own."""
    script = f"set -m; {shlex.join([*COMMAND, '--run-dir', str(run_dir)])}; echo STOPPED; fg; echo LEFT"
    async with FakeEngine(run_dir), Pty(command=["/bin/bash", "-c", script]) as console:
        await console.until(lambda: "● live" in console.text())
        console.type("\x1a")
        await console.until(lambda: b"STOPPED" in console.raw)
        await console.until(lambda: "● live" in console.text() and "quit" in console.text())
        console.type("q")
        await console.until(lambda: b"LEFT" in console.raw)


# -- signs and colours --------------------------------------------------------------------------------------------------


async def test_a_terminal_of_few_colours_has_the_signs_its_locale_has(run_dir):
    async with FakeEngine(run_dir), Pty("--run-dir", str(run_dir), term="xterm") as console:
        await console.until(lambda: "● live" in console.text())
        assert not re.search(rb"\x1b\[[0-9;]*[34]8;[0-9;]*m", bytes(console.raw)), "sixteen colours"


async def test_cells_are_cells_in_ascii(run_dir):
    state = busy_state(5)
    names = ["web1", "店舗の二", "cafe\u0301", "\U0001f469\u200d\U0001f469\u200d\U0001f467", "é"]
    for target, name in zip(state.targets, names, strict=True):
        target.name = name
    async with FakeEngine(run_dir, state), Pty("--run-dir", str(run_dir), term="linux") as console:
        await console.until(lambda: "+ live" in console.text() and "172.17.2.105" in console.text())
        assert console.text().isascii()
        rows = [row for row in console.text().splitlines() if re.search(r"172\.17\.2\.10\d:80", row)]
        assert len(rows) == 5
        assert len({row.index("172.17.2.10") for row in rows}) == 1


async def test_no_color_sends_none_and_faults_stand_out(run_dir):
    async with (
        FakeEngine(run_dir, busy_state(5)),
        Pty("--run-dir", str(run_dir), env={"NO_COLOR": "1"}) as console,
    ):
        await console.until(lambda: "✖ down" in console.text() and "● live" in console.text())
        for codes in re.findall(rb"\x1b\[([0-9;]*)m", bytes(console.raw)):
            numbers = {int(code or 0) for code in codes.split(b";")}
            assert not numbers & {*range(30, 39), *range(40, 49), *range(90, 98), *range(100, 108)}, codes
        lines = console.text().splitlines()
        y = next(y for y, row in enumerate(lines) if "✖ down" in row and "172.17.2.103" in row)
        cell = console.screen.buffer[y][lines[y].index("✖")]
        assert cell.bold
        assert cell.reverse
        well = next(y for y, row in enumerate(lines) if "● up" in row and "172.17.2.102" in row)
        assert not console.screen.buffer[well][lines[well].index("●")].bold
