"""What the service manager hears, when it hears nothing, and lines as the journal takes them."""

import logging
import os
import socket
import sys

import pytest

from engine.io.service_manager import Watchdog, log_format, notify


@pytest.mark.parametrize("address", ["file", "@abstract"])
def test_a_message_reaches_the_manager(tmp_path, address):
    name = f"@bng-test-{os.getpid()}" if address[0] == "@" else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(name.replace("@", "\0", 1) if name[0] == "@" else name)
        manager.settimeout(2)
        notify("READY=1", {"NOTIFY_SOCKET": name})
        assert manager.recv(100) == b"READY=1"


def test_nobody_to_hear_is_no_error(tmp_path):
    notify("READY=1", {})
    notify("READY=1", {"NOTIFY_SOCKET": str(tmp_path / "gone")})


def test_a_manager_that_reads_nothing_is_not_waited_for(tmp_path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        for _ in range(2000):
            notify("WATCHDOG=1", {"NOTIFY_SOCKET": str(tmp_path / "notify")})


class Fed:
    """A watchdog of 20 s, and when it was fed."""

    def __init__(self, **environ):
        self.silent, self.now, self.at = 0.0, 0.0, []
        environ = {"WATCHDOG_USEC": "20000000"} | environ
        self.dog = Watchdog(lambda: self.silent, environ, lambda text: self.at.append((self.now, text)))

    def turn(self, now, silent=0.0):
        self.now, self.silent = now, silent
        self.dog.feed(now)


def test_a_watchdog_is_fed_three_times_in_its_period_however_often_the_loop_turns():
    fed = Fed()
    for turn in range(1, 401):
        fed.turn(100 + turn / 10)
    assert [text for _, text in fed.at] == ["WATCHDOG=1"] * 6
    assert max(b - a for (a, _), (b, _) in zip(fed.at, fed.at[1:], strict=False)) < 20 / 3 + 0.2


def test_it_is_not_fed_for_a_worker_that_hangs():
    fed = Fed()
    fed.turn(100)
    for second in range(1, 60):
        fed.turn(100 + second, silent=float(second))
    assert len(fed.at) == 1
    fed.turn(161)
    assert len(fed.at) == 2, "the worker was replaced"


@pytest.mark.parametrize(
    "environ", [{"WATCHDOG_USEC": "0"}, {"WATCHDOG_USEC": "x"}, {"WATCHDOG_USEC": ""}, {"WATCHDOG_PID": "1"}]
)
def test_nobody_watches_this_process(environ):
    fed = Fed(**environ)
    fed.turn(100)
    assert fed.at == []


def test_the_process_that_is_meant_is_watched():
    assert Fed(WATCHDOG_PID=str(os.getpid())).dog.period_s == 20


def record(level, text, error=None):
    return logging.LogRecord("engine", level, __file__, 1, text, (), error)


def test_the_journal_gets_priorities_and_no_second_time(tmp_path):
    with (tmp_path / "stream").open("w") as stream:
        found = os.fstat(stream.fileno())
        form = log_format(stream, {"JOURNAL_STREAM": f"{found.st_dev}:{found.st_ino}"})
    assert form.format(record(logging.ERROR, "no interface")) == "<3>no interface"
    assert form.format(record(logging.WARNING, "slow")) == "<4>slow"
    assert form.format(record(logging.INFO, "one\ntwo")) == "<6>one\n<6>two"
    try:
        int("x")
    except ValueError:
        text = form.format(record(logging.CRITICAL, "a fault", sys.exc_info()))
    assert len(text.splitlines()) > 3
    assert all(line.startswith("<2>") for line in text.splitlines())


@pytest.mark.parametrize("journal", [{}, {"JOURNAL_STREAM": "1:2"}, {"JOURNAL_STREAM": ""}])
def test_elsewhere_a_line_has_its_time_and_level(tmp_path, journal):
    """Standard error may lead elsewhere although the journal has another stream of the service."""
    with (tmp_path / "stream").open("w") as stream:
        text = log_format(stream, journal).format(record(logging.ERROR, "no interface"))
    assert text.endswith(" ERROR   no interface")
    assert not text.startswith("<")
