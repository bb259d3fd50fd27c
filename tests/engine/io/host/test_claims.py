"""Two engines never have one interface, and nobody else can keep an engine from it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys

import pytest

from engine.io.host import claims
from engine.io.host.claims import Claims, Holder


@pytest.fixture
def index():
    """An index that no interface of this host has."""
    return 1_000_000 + os.getpid()


def test_an_interface_has_one_engine_and_goes_to_the_next_when_it_is_let_go(index):
    first, second = Claims(), Claims()
    assert first.follow({index: "eth0", index + 1: "eth1"}) == {}
    assert first.follow({index: "eth0", index + 1: "eth1"}) == {}
    assert second.follow({index: "eth0"}) == {index: Holder("eth0", os.getpid())}
    assert first.follow({index + 1: "eth1"}) == {}
    assert second.follow({index: "eth0"}) == {}
    assert first.follow({index: "eth0", index + 1: "eth1"}) == {index: Holder("eth0", os.getpid())}
    first.close()
    second.close()
    assert first.follow({index: "eth0"}) == {}
    first.close()


def test_it_goes_with_its_process_and_names_it(index):
    code = f"""
import sys
from engine.io.host.claims import Claims
claims = Claims()
assert claims.follow({{{index}: "eth0"}}) == {{}}
print("held", flush=True)
sys.stdin.read()
"""
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout.readline() == b"held\n"
        mine = Claims()
        (holder,) = mine.follow({index: "eth0"}).values()
        assert str(holder) == (
            f"another engine (pid {other.pid}) forwards on eth0; stop it, or give this one another interface"
        )
        other.kill()
        other.wait()
    assert mine.follow({index: "eth0"}) == {}
    mine.close()


def test_a_name_that_nobody_listens_at_keeps_no_engine_away(index, caplog):
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as squatter:
        squatter.bind(f"\0bng-engine-interface/{index}")
        mine = Claims()
        assert mine.follow({index: "eth0"}) == {}
        assert mine.follow({index: "eth0"}) == {}
        assert caplog.text.count("something that is no engine has taken its claim") == 1
    assert mine.follow({index: "eth0"}) == {}
    mine.close()


def test_another_user_who_listens_there_keeps_no_engine_away(index, monkeypatch):
    squatter = Claims()
    squatter.follow({index: "eth0"})
    real = claims._UCRED
    monkeypatch.setattr(
        claims, "_UCRED", type("Ucred", (), {"size": real.size, "unpack": lambda _self, _raw: (7, 4242, 0)})()
    )
    assert Claims().follow({index: "eth0"}) == {}
    squatter.close()


def test_one_whose_queue_is_full_is_taken_for_an_engine(index):
    first = Claims()
    first.follow({index: "eth0"})
    waiting = []
    second = Claims()
    try:
        for _ in range(5):
            sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
            waiting.append(sock)
            try:
                sock.connect(f"\0bng-engine-interface/{index}")
            except BlockingIOError:
                break
        (holder,) = second.follow({index: "eth0"}).values()
        assert "a process that is not visible here" in str(holder)
    finally:
        for sock in waiting:
            sock.close()
        first.close()
