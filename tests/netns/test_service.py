"""The engine as a service: what its manager hears, and how the log looks in the journal."""

from __future__ import annotations

import os
import re
import signal
import socket
import time
from contextlib import contextmanager

import pytest

from tests.helpers.scene import Scene, until

pytestmark = pytest.mark.netns

PERIOD_S = 3.0


@contextmanager
def manager(path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(str(path))
        sock.setblocking(False)
        yield sock


def heard(sock):
    """What has come since it was asked last."""
    said = []
    while True:
        try:
            said.append(sock.recv(200).decode())
        except BlockingIOError:
            return said


def test_the_manager_hears_of_an_engine_that_forwards_and_nothing_while_a_worker_hangs(
    lab, tmp_path, monkeypatch
):
    with manager(tmp_path / "notify") as sock:
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        monkeypatch.setenv("WATCHDOG_USEC", str(int(PERIOD_S * 1e6)))
        scene = Scene(lab, tmp_path).start()
        try:
            until(lambda: "WATCHDOG=1" in heard(sock), PERIOD_S, "the watchdog is fed")
            heard(sock)
            time.sleep(PERIOD_S)
            assert heard(sock).count("WATCHDOG=1") >= 2
            worker = scene.balancer.json("show", "processes")[1]["pid"]
            os.kill(worker, signal.SIGSTOP)
            time.sleep(PERIOD_S / 2)
            heard(sock)
            time.sleep(1)
            assert heard(sock) == []
            os.kill(worker, signal.SIGCONT)
            until(lambda: "WATCHDOG=1" in heard(sock), PERIOD_S, "the watchdog is fed again")
        finally:
            status = scene.stop()
            print(scene.balancer.log_text())
        assert status == 0
        assert heard(sock)[-1] == "STOPPING=1"


def test_lines_for_the_journal_have_their_priority_and_no_time(lab, tmp_path, monkeypatch):
    log = tmp_path / "engine" / "engine.log"
    log.parent.mkdir()
    log.touch()
    found = log.stat()
    monkeypatch.setenv("JOURNAL_STREAM", f"{found.st_dev}:{found.st_ino}")
    scene = Scene(lab, tmp_path).start()
    scene.stop()
    lines = log.read_text().splitlines()
    assert lines
    assert not [line for line in lines if not re.match(r"<[3-6]>\S", line)]
    assert not [line for line in lines if re.match(r"<\d>\d{4}-", line)]


def test_a_reload_as_the_unit_does_it_applies_the_edited_file_and_fails_at_a_broken_one(engine):
    """ExecReload of the unit: the engine's own file, edited by hand meanwhile."""
    file = engine.config
    text = file.read_text()
    file.write_text(text.replace("targets 1,2\n", "method hash\n targets 1,2\n", 1))
    done = engine.ctl("reload", str(file))
    assert done.returncode == 0, done.stderr
    assert engine.json("show", "servers")[0]["method"] == "hash"
    file.write_text(text.replace("ipaddr 172.16.1.10\n", "ipadr 172.16.1.10\n", 1))
    done = engine.ctl("reload", str(file))
    assert done.returncode == 1
    assert f"{file}:21:11: error: unknown word" in done.stderr
    assert engine.json("show", "servers")[0]["method"] == "hash", "what ran goes on"
