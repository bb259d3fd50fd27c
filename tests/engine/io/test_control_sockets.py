"""Which control sockets are open, and what they are told to listen for."""

import asyncio
import os
from dataclasses import replace

import pytest

from engine.domain.frame import Frame, FrameMatch, Link, Listening
from engine.io import control_sockets
from engine.io.control_sockets import ControlSockets

LINK = Link(1, "eth0", 2, b"\x02" * 6, 1500, True)
HEAR = Listening(LINK, (FrameMatch(0x0806),), (), ())


class FakeSocket:
    made = []  # noqa: RUF012 - emptied by the fixture
    refuse = False

    def __init__(self, number, name):
        if FakeSocket.refuse:
            raise PermissionError(1, "Operation not permitted")
        self.number, self.name = number, name
        self.heard, self.sent, self.closed, self.bound = [], [], False, True
        self.read, self.write = os.pipe()
        FakeSocket.made.append(self)

    def fileno(self):
        return self.read

    def listen_for(self, listening):
        self.heard.append(listening)

    def send(self, frame):
        self.sent.append(frame)
        return True

    def frames(self):
        os.read(self.read, 1)
        yield Frame(self.number, b"frame")

    def close(self):
        self.closed = True
        os.close(self.read)
        os.close(self.write)


@pytest.fixture
async def sockets(monkeypatch):
    monkeypatch.setattr(control_sockets, "ControlSocket", FakeSocket)
    FakeSocket.made, FakeSocket.refuse = [], False
    arrived = []
    sockets = ControlSockets(arrived.append)
    sockets.arrived = arrived
    yield sockets
    sockets.close()
    assert all(s.closed for s in FakeSocket.made)


async def test_a_socket_is_opened_once_and_told_again_only_what_is_new(sockets):
    sockets.follow({1: HEAR})
    sockets.follow({1: HEAR})
    (socket,) = FakeSocket.made
    assert (socket.name, socket.heard) == ("eth0", [HEAR])
    more = replace(HEAR, matches=(FrameMatch(0x0806), FrameMatch(0x0800)))
    sockets.follow({1: more})
    assert socket.heard == [HEAR, more]


async def test_another_link_of_that_name_gets_a_socket_of_its_own_and_one_that_is_gone_none(sockets):
    sockets.follow({1: HEAR})
    again = replace(HEAR, link=replace(LINK, ifindex=7))
    sockets.follow({1: again})
    first, second = FakeSocket.made
    assert first.closed
    assert second.heard == [again]
    sockets.follow({})
    assert second.closed
    sockets.send(Frame(1, b"x"))  # nobody there


async def test_frames_that_wait_are_announced_and_read(sockets):
    sockets.follow({1: HEAR})
    (socket,) = FakeSocket.made
    os.write(socket.write, b"x")
    for _ in range(100):
        await asyncio.sleep(0.001)
        if sockets.arrived:
            break
    assert sockets.arrived[0] == 1
    assert [f.data for f in sockets.frames(1)] == [b"frame"]
    sockets.send(Frame(1, b"answer"))
    assert socket.sent == [Frame(1, b"answer")]


async def test_an_interface_that_refuses_is_tried_again(sockets):
    FakeSocket.refuse = True
    sockets.follow({1: HEAR, 2: replace(HEAR, link=replace(LINK, number=2, name="eth1"))})
    assert FakeSocket.made == []
    FakeSocket.refuse = False
    sockets.follow({1: HEAR})
    assert [s.number for s in FakeSocket.made] == [1]


async def test_a_socket_whose_interface_was_made_anew_under_the_same_index_is_replaced(sockets):
    sockets.follow({1: HEAR})
    FakeSocket.made[0].bound = False
    sockets.follow({1: HEAR})
    assert [s.closed for s in FakeSocket.made] == [True, False]
    assert FakeSocket.made[1].heard == [HEAR]
