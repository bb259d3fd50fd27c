"""The log holds up nobody, and does not repeat itself."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import time

import pytest

from engine.io.log_lines import ALIKE_MOST, ALIKE_S, WAITING_MOST, LogLines


class Clock:
    def __init__(self):
        self.ahead = 0.0

    def __call__(self):
        return time.monotonic() + self.ahead


@pytest.fixture
def pipe():
    reading, writing = os.pipe()
    yield reading, writing
    for fd in (reading, writing):
        os.close(fd)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def log(pipe, clock):
    handler = LogLines(pipe[1], whole=("test.events",), clock=clock)
    handler.setFormatter(logging.Formatter("%(levelname)s %(message)s"))
    logger = logging.Logger("test")  # noqa: LOG001 - one that nobody else has
    logger.addHandler(handler)
    logger.lines = handler
    return logger


def read(pipe, count, seconds=5):
    """Return so many lines of what was written."""
    data, deadline = b"", time.monotonic() + seconds
    while data.count(b"\n") < count and time.monotonic() < deadline:
        data += os.read(pipe[0], 65536)
    return data.decode().splitlines()


def test_a_line_is_written_as_it_is(log, pipe):
    log.info("one of %d", 2)
    log.error("zwölf\nlines")
    assert read(pipe, 3) == ["INFO one of 2", "ERROR zwölf", "lines"]


def test_nobody_waits_for_a_reader_and_what_is_dropped_is_counted(log, pipe, clock):
    begun = time.monotonic()
    for number in range(WAITING_MOST + 3_000):
        word = str(number).translate(str.maketrans("0123456789", "abcdefghij"))
        log.info("%s %s", word, "x" * 100)  # no two of one cause
    assert time.monotonic() - begun < 5
    assert log.lines.dropped > 1_000
    clock.ahead = 6.0
    assert log.lines.waits_s() > 5
    dropped = log.lines.dropped
    lines = read(pipe, 7_000 - dropped + 1, 10)
    assert f"WARNING {dropped} lines of the log were dropped: nobody read it" in lines
    assert len(lines) == 7_000 - dropped + 1
    log.lines.flush()
    assert (log.lines.dropped, log.lines.waits_s()) == (0, 0.0)


def test_lines_of_one_cause_are_counted_and_the_count_is_written(log, pipe, clock):
    for pid in range(1_000):
        log.warning("pid %d: refused", pid)
    log.warning("something else")
    lines = read(pipe, ALIKE_MOST + 1)
    assert lines == [*(f"WARNING pid {n}: refused" for n in range(ALIKE_MOST)), "WARNING something else"]
    clock.ahead = ALIKE_S
    log.info("later")
    count, later = read(pipe, 2)
    assert count.startswith(f"WARNING {1_000 - ALIKE_MOST} more like the last one in 10 s: pid 999: refused")
    assert later == "INFO later"
    log.warning("pid 5: refused")
    assert read(pipe, 1) == ["WARNING pid 5: refused"]


def test_every_event_is_written(log, pipe):
    for number in range(100):
        log.handle(
            logging.LogRecord("test.events", logging.INFO, "", 0, f"target {number} is down", None, None)
        )
    assert len(read(pipe, 100)) == 100


def test_at_the_end_the_count_is_written_and_a_reader_that_is_away_is_not_waited_for():
    code = """
import logging, os, sys
from engine.io.log_lines import LogLines
logging.basicConfig(level=logging.INFO, handlers=[LogLines(2)])
for n in range(int(sys.argv[1])):
    logging.info("%s line %d", "x" * (n % 7), n)
"""
    command = [sys.executable, "-c", code]
    done = subprocess.run([*command, "300"], stderr=subprocess.PIPE, text=True, timeout=20, check=True)
    assert "more like the last one" in done.stderr.splitlines()[-1]
    reading, writing = os.pipe()
    try:
        begun = time.monotonic()
        filled = code.replace('"x" * (n % 7)', '"x" * n')
        subprocess.run([*command[:2], filled, "3000"], stderr=writing, timeout=20, check=True)
        assert time.monotonic() - begun < 15
    finally:
        os.close(reading)
        os.close(writing)


def test_a_reader_that_is_gone_is_no_fault(pipe):
    reading, writing = os.pipe()
    os.close(reading)
    handler = LogLines(writing)
    logger = logging.Logger("test")  # noqa: LOG001 - one that nobody else has
    logger.addHandler(handler)
    logger.error("nobody hears it")
    handler.close()
    os.close(writing)
