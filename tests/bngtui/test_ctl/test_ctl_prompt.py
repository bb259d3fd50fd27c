"""The prompt on a terminal of its own."""

import os
import pty
import select
import subprocess
import termios
import time

import pytest

from bngtui.command.prompt import history_file

PROMPT = "bng#"  # the blank after it is a movement of the cursor


class Terminal:
    def __init__(self, words, environment):
        self.master, slave = pty.openpty()
        termios.tcsetwinsize(slave, (24, 80))
        self.seen = ""
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

    def until(self, text):
        """Read until `text`, and go on after it the next time."""
        deadline = time.monotonic() + 10
        while text not in self.seen:
            assert time.monotonic() < deadline, f"{text!r} never came: {self.seen!r}"
            if select.select([self.master], [], [], 0.1)[0]:
                self.seen += os.read(self.master, 65536).decode(errors="replace")
        self.seen = self.seen.partition(text)[2]

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
    terminal.until("6.18.0")
    terminal.until(PROMPT)
    terminal.type("drain tar\t")
    terminal.until("get ")
    terminal.type("web\t")  # the engine is asked for its names
    terminal.until("web2")
    terminal.type("2\r")
    terminal.until("target 2: draining")
    terminal.until(PROMPT)
    terminal.type("half a line\x03")  # Ctrl-C drops the line, not the program
    terminal.until(PROMPT)
    terminal.type("nonsense\r")
    terminal.until("unknown command 'nonsense'")
    terminal.until(PROMPT)
    terminal.type("exit\r")
    assert terminal.process.wait(10) == 0
    assert engine.backend.now.targets[1].admin == "draining"
    history = tmp_path / "state/bng/bngctl_history"
    assert "+show ver\n" in history.read_text()
    assert history.stat().st_mode & 0o077 == 0


def test_ctrl_c_leaves_watch_and_ctrl_d_the_prompt(terminal, engine, canned):
    terminal.until(PROMPT)
    terminal.type("watch\r")
    deadline = time.monotonic() + 10
    while not any(console.wants_events for console in set(engine.server._consoles)):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    engine.do(engine.server.publish_event, canned.event(7))
    terminal.until("message 7")
    terminal.process.send_signal(2)
    terminal.until(PROMPT)
    terminal.type("\x04")
    assert terminal.process.wait(10) == 0


def test_the_history_is_where_xdg_wants_it(monkeypatch):
    monkeypatch.setenv("HOME", "/home/o")
    assert str(history_file({})) == "/home/o/.local/state/bng/bngctl_history"
    assert str(history_file({"XDG_STATE_HOME": "/s"})) == "/s/bng/bngctl_history"
    assert str(history_file({"XDG_STATE_HOME": "relative"})) == "/home/o/.local/state/bng/bngctl_history"
