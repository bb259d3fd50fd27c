"""The dashboard's editor in tmux, against the engine in the lab: a change from the first key to the rollback."""

import re
import subprocess
import sys
import time
import uuid
from pathlib import Path

import msgspec
import pytest

from engine.api.messages import Revision, RunningConfig
from tests.helpers.paths import ROOT
from tests.helpers.scene import Console, until

pytestmark = [pytest.mark.terminal]

COMMAND = "from bngtui.cli import main; raise SystemExit(main())"
SEEN_S = 0.3
"""From the last key to the finding on the screen: the promise."""

POLL_S = 0.01


class Terminal:
    """The console in a tmux of its own."""

    def __init__(self, run_dir, state_home, size):
        self.socket = f"bng-{uuid.uuid4().hex[:8]}"
        program = f"{sys.executable} -c '{COMMAND}' --run-dir {run_dir}; echo left $?; sleep 60"
        width, height = map(str, size)
        settings = {"LC_ALL": "C.UTF-8", "PYTHONPATH": ROOT, "XDG_STATE_HOME": state_home}
        env = [part for name, value in settings.items() for part in ("-e", f"{name}={value}")]
        self.tmux("-f", "/dev/null", "new-session", "-d", "-x", width, "-y", height, *env, program)

    def tmux(self, *args):
        return subprocess.run(
            ["tmux", "-L", self.socket, *args], capture_output=True, text=True, timeout=10, check=True
        ).stdout

    def text(self):
        return self.tmux("capture-pane", "-p")

    def press(self, *keys):
        self.tmux("send-keys", *keys)

    def see(self, words, timeout_s=10.0):
        """Wait for words on the screen; returns how long it took."""
        began = time.monotonic()
        while words not in (text := self.text()):
            assert time.monotonic() - began < timeout_s, f"no {words!r} in:\n{text}"
            time.sleep(POLL_S)
        return time.monotonic() - began

    def row(self, words):
        return next(line for line in self.text().splitlines() if words in line)

    def close(self):
        subprocess.run(
            ["tmux", "-L", self.socket, "kill-server"], capture_output=True, timeout=10, check=False
        )


@pytest.fixture
def open_terminal(own_scene, tmp_path):
    opened = []

    def open_(size):
        opened.append(Terminal(own_scene.balancer.run_dir, tmp_path / "state", size))
        opened[-1].see("● live")
        return opened[-1]

    yield open_
    for terminal in opened:
        terminal.close()


def running(scene):
    return msgspec.convert(scene.ask("running"), RunningConfig)


def open_weight(terminal):
    """Open the editor and put the cursor behind `dsr enable` of target 1."""
    terminal.press("C")
    terminal.see("● as it runs")
    terminal.press("C-f")
    terminal.see("Find")
    terminal.press("-l", "dsr enable")
    terminal.see("> dsr enable")
    terminal.press("Enter")
    terminal.see("dsr enable: direct server return")
    terminal.press("End")


@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
def test_edit_typo_mend_review_apply_confirm_and_roll_back(own_scene, open_terminal, size):
    before = running(own_scene)
    terminal = open_terminal(size)
    open_weight(terminal)

    # A weight, with a typo: the finding is there within 300 ms of the last key.
    terminal.press("Enter")
    # Typed again where the machine was busy with something else just then.
    took = []
    while len(took) < 3 and (not took or took[-1] >= SEEN_S):
        for _ in range(7 if took else 0):
            terminal.press("BSpace")
        terminal.press("-l", "wight 3")
        took.append(terminal.see('unknown word "wight" in target 1; did you mean weight'))
    assert min(took) < SEEN_S, took
    assert "✖" in terminal.row("wight 3")

    # Mended.
    for _ in range(7):
        terminal.press("BSpace")
    terminal.press("-l", "weight 3")
    terminal.see("● valid")

    # The difference and what it would do.
    terminal.press("F2")
    terminal.see("What would happen")
    terminal.see("~ target 1  weight 1 → 3")
    assert re.search(r"\+ +weight 3", terminal.text())
    assert running(own_scene).revision == before.revision

    # Applied on trial: it runs, the file is as it was, every console counts down.
    terminal.press("a")
    terminal.see(f"on trial: back to {before.revision} in ")
    until(lambda: own_scene.target(1).weight == 3, 5, "the weight is 3")
    assert running(own_scene).pending is not None
    other = open_terminal((80, 24))
    other.see("on trial: back to")
    other.see("F8 keep")

    # Confirmed, from the other one.
    other.press("F8")
    other.see("stays, and is in the file")
    until(lambda: running(own_scene).pending is None, 5, "it is confirmed")
    assert "weight 3" in Path(running(own_scene).file).read_text()
    time.sleep(0.5)

    # Rolled back from the history.
    terminal.press("Escape")
    terminal.see("Targets")
    terminal.press("H")
    terminal.see("History ● revision")
    terminal.see("weight 1 → 3")
    terminal.press("Down")
    terminal.press("b")
    terminal.see(f"Roll back to revision {before.revision}?")
    terminal.see("weight 3 → 1")
    time.sleep(0.5)
    terminal.press("y")
    terminal.see("on trial: back to")
    until(lambda: own_scene.target(1).weight == 1, 5, "the weight is 1 again")
    terminal.press("F8")
    terminal.see("stays, and is in the file")
    assert running(own_scene).text == before.text
    assert Path(running(own_scene).file).read_text() == before.text
    states = [msgspec.convert(one, Revision) for one in own_scene.ask("history")]
    assert [one.confirmed for one in states[:2]] == [True, True]


def test_two_edit_at_once_and_the_second_is_told(own_scene, open_terminal):
    one, two = open_terminal((120, 40)), open_terminal((80, 24))
    for terminal, weight in ((one, 5), (two, 7)):
        open_weight(terminal)
        terminal.press("Enter")
        terminal.press("-l", f"weight {weight}")
        terminal.see("● valid")
        terminal.press("F2")
        terminal.see(f"weight 1 → {weight}")
    one.press("a")
    one.see("on trial: back to")
    one.press("F8")
    one.see("stays, and is in the file")
    two.press("a")
    two.see("Not applied: somebody else changed the configuration.")
    two.see("meanwhile target 1: weight 1 → 5")
    assert own_scene.target(1).weight == 5
    time.sleep(0.5)
    two.press("r")
    two.see("weight 5 → 7")
    two.press("a")
    two.see("on trial: back to")
    until(lambda: own_scene.target(1).weight == 7, 5, "the second's weight runs")


def test_a_killed_console_loses_no_text(own_scene, open_terminal):
    first = open_terminal((80, 24))
    open_weight(first)
    first.press("Enter")
    first.press("-l", "weight 9")
    first.see("■ changed")
    time.sleep(0.6)
    first.close()  # the terminal is gone, and its console with it
    second = open_terminal((80, 24))
    second.press("C")
    second.see("that was not applied. Go")
    time.sleep(0.5)
    second.press("g")
    second.see("weight 9")
    second.see("● valid")
    with Console(own_scene.balancer.run_dir / "operator.sock") as console:
        assert "weight 9" not in console.ask("running")["text"]
