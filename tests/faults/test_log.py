"""Standard error is a pipe that nobody reads: nothing waits for it."""

import os
import time

import pytest

from tests.helpers.scene import Refused, until


@pytest.fixture
def unread(scene):
    """Have the engine's log go to a pipe that is open, full and not read; the value reads it to its end."""
    path = scene.directory / "engine" / "engine.log"
    path.parent.mkdir(parents=True)
    os.mkfifo(path)
    fd = os.open(path, os.O_RDWR | os.O_NONBLOCK)
    while True:
        try:
            os.write(fd, b"\n")
        except BlockingIOError:
            break
    for _ in range(4096):  # room for the engine's first lines, and no more
        os.read(fd, 1)

    def read():
        text = b""
        while True:
            try:
                text += os.read(fd, 65536)
            except BlockingIOError:
                return text.decode()

    yield read
    path.unlink()
    path.write_text("")
    read()
    os.close(fd)


def test_a_log_that_nobody_reads_holds_up_nothing_and_is_counted(scene, unread):
    scene.start()
    slowest = 0.0
    with scene.console("monitor") as monitor, scene.console() as operator:
        for number in range(1, 3_001):
            with pytest.raises(Refused, match="nothing can be changed"):
                monitor.ask("save")
            if number % 100 == 0:
                begun = time.monotonic()
                operator.ask(
                    "admin", what="target", action=("disable", "enable")[number // 100 % 2], numbers=[2]
                )
                slowest = max(slowest, time.monotonic() - begun)
    assert slowest < 0.5
    until(lambda: any("nobody reads the log" in alarm for alarm in scene.alarms()), 8, "an alarm tells of it")
    assert scene.traffic(32).complete

    text = unread()
    until(lambda: not scene.alarms(), 5, "the alarm is over when it is read")
    told = [text]

    def counted():
        told.append(unread())
        return "more like the last one" in "".join(told)

    until(counted, 15, "the refused requests are counted")
    text = "".join(told)
    assert text.count("save refused to a monitor") < 100
    assert text.count("target 2 disabled") + text.count("target 2 enabled") >= 20
