"""The prompt on a terminal of its own."""

import os
import pty
import re
import select
import subprocess
import termios
import time

import pyte
import pytest

from bngtui.command.prompt import history_file
from tests.helpers import states

PROMPT = r"bng#\Z"


class Terminal:
    def __init__(self, words, environment):
        self.master, slave = pty.openpty()
        termios.tcsetwinsize(slave, (24, 80))
        self.screen = pyte.Screen(80, 24)
        self.stream = pyte.ByteStream(self.screen)
        self.process = subprocess.Popen(
            words,
            env=environment | {"TERM": "xterm", "PROMPT_TOOLKIT_NO_CPR": "1"},
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
        )
        os.close(slave)

    def type(self, text):
        os.write(self.master, text.encode())

    def until(self, pattern):
        """Read until what stands on the screen, blanks at the ends of lines aside, matches."""
        deadline = time.monotonic() + 10
        while not re.search(pattern, self.shown()):
            assert time.monotonic() < deadline, f"{pattern!r} never came:\n{self.shown()}"
            if select.select([self.master], [], [], 0.1)[0]:
                self.stream.feed(os.read(self.master, 65536))

    def shown(self):
        return "\n".join(line.rstrip() for line in self.screen.display).rstrip()

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self.master)


@pytest.fixture
def terminal(engine, command, tmp_path):
    words, environment = command
    terminal = Terminal(words, environment | {"XDG_STATE_HOME": str(tmp_path / "state")})
    yield terminal
    terminal.close()


def test_the_prompt_runs_completes_remembers_and_leaves(terminal, tmp_path, engine):
    terminal.until(PROMPT)
    terminal.type("show ver\r")
    terminal.until(r"6\.18\.0[\s\S]*" + PROMPT)
    terminal.type("drain tar\t")
    terminal.until(r"drain target\Z")
    terminal.type("web\t")  # the engine is asked for its names
    terminal.until(r"drain target web[\s\S]*web2")
    terminal.type("2\r")
    terminal.until("target 2: draining[\\s\\S]*" + PROMPT)
    terminal.type("half a line")
    terminal.until(r"half a line\Z")
    terminal.type("\x03")  # drops the line, not the program
    terminal.until(r"half a line\n" + PROMPT)
    terminal.type("nonsense\r")
    terminal.until(r"unknown command 'nonsense'[\s\S]*" + PROMPT)
    terminal.type("exit\r")
    assert terminal.process.wait(10) == 0
    assert engine.backend.now.targets[1].admin == "draining"
    history = tmp_path / "state/bng/bngctl_history"
    assert "+show ver\n" in history.read_text()
    assert history.stat().st_mode & 0o077 == 0


def test_ctrl_c_leaves_watch_and_ctrl_d_the_prompt(terminal, engine):
    terminal.until(PROMPT)
    terminal.type("watch\r")
    deadline = time.monotonic() + 10
    # The prompt listens for changes of the configuration itself.
    while sum(console.wants_events for console in set(engine.server._consoles)) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    engine.do(engine.server.publish_event, states.event(7))
    terminal.until("message 7")
    terminal.process.send_signal(2)
    terminal.until(r"message 7\n(\^C)?" + PROMPT)
    terminal.type("\x04")
    assert terminal.process.wait(10) == 0


def test_a_block_goes_on_until_it_is_closed_and_ctrl_c_drops_it(terminal, engine):
    terminal.until(PROMPT)
    terminal.type("server 1 {\r")
    terminal.until(r"\n\.\.\.>\Z")
    terminal.type("meth\t")
    terminal.until(r"\.\.\.> method\Z")
    terminal.type("ha\t")
    terminal.until(r"method hash\Z")
    terminal.type("\r")
    terminal.until(r"\.\.\.> method hash\n\.\.\.>\Z")
    terminal.type("\x03")
    terminal.until(PROMPT)
    assert not engine.backend.calls_of("command")
    terminal.type("server 1 {\rmethod hash\r}\r")
    terminal.until(r"revision 2 runs[\s\S]*" + PROMPT)
    (args,) = engine.backend.calls_of("command")
    assert args.text == "server 1 {\nmethod hash\n}\n"


def test_what_is_pasted_is_one_change(terminal, engine):
    terminal.until(PROMPT)
    terminal.type("\x1b[200~no enable target 2\rregister target 2\renable target 2\x1b[201~\r")
    terminal.until(r"revision 2 runs[\s\S]*" + PROMPT)
    (args,) = engine.backend.calls_of("command")
    assert args.text == "no enable target 2\nregister target 2\nenable target 2\n"


def test_a_batch_that_is_refused_is_kept_to_be_mended(terminal, engine):
    terminal.until(PROMPT)
    terminal.type("begin\r")
    terminal.until(r"bng\(begin\)#\Z")
    terminal.type("enable server 1\rsrever 2\rserver 1 { metod rr }\rcommit\r")
    terminal.until(r"command:2:12: error:[\s\S]*1 error; nothing was changed\nbng\(begin\)#\Z")
    terminal.type("abort\r")
    terminal.until(PROMPT)
    terminal.type("enable server 1\r")
    terminal.until("server 1: already enabled")
    assert engine.backend.running.number == 1


def test_every_prompt_counts_a_change_under_trial_down_and_tables_mention_it(terminal, engine, canned):
    terminal.until(PROMPT)

    def other_operator(trial, number):
        engine.backend.trial = trial
        engine.backend.now.config = canned.m.ConfigStatus(
            revision=2, language="balanceng", pending=trial, differs=["target 2 disabled (file: enabled)"]
        )
        engine.server.publish_event(states.event(number, kind="config"))

    engine.do(other_operator, canned.pending(), 8)
    terminal.until(r"bng\(confirm 4[12]s\)#\Z")  # nobody pressed a key
    terminal.until(r"bng\(confirm 40s\)#\Z")
    terminal.type("show servers\r")
    terminal.until(
        r"revision 2 by root\(0\) pid 7 waits to be confirmed: 42 s left[\s\S]*\(file: enabled\); save writes[\s\S]*confirm \d+s\)#\Z"
    )
    engine.do(other_operator, None, 9)
    terminal.until(PROMPT)


def test_the_history_is_where_xdg_wants_it(monkeypatch):
    monkeypatch.setenv("HOME", "/home/o")
    assert str(history_file({})) == "/home/o/.local/state/bng/bngctl_history"
    assert str(history_file({"XDG_STATE_HOME": "/s"})) == "/s/bng/bngctl_history"
    assert str(history_file({"XDG_STATE_HOME": "relative"})) == "/home/o/.local/state/bng/bngctl_history"
