"""Which control sockets are open, and what they are told to listen for."""

import asyncio
import os
from dataclasses import replace

import pytest

from engine.domain.address import Address
from engine.domain.frame import Frame, FrameClass, FrameMatch, Link, Listening
from engine.io import control_sockets
from engine.io.control_sockets import ControlSockets

LINK = Link(1, "eth0", 2, b"\x02" * 6, 1500, True)
HEAR = Listening(LINK, (FrameMatch(0x0806),), (), ())


class FakeQueue:
    """A queue on a pipe: each byte is a frame."""

    def __init__(self, frame_class):
        self.frame_class, self.left = frame_class, 100
        self.read_fd, self.write_fd = os.pipe()
        os.set_blocking(self.read_fd, False)
        self.read = self.unread = 0

    def fileno(self):
        return self.read_fd

    def put(self, data=b"x"):
        os.write(self.write_fd, data)

    def frames(self):
        while self.left:
            try:
                data = os.read(self.read_fd, 1)
            except BlockingIOError:
                return
            self.left -= 1
            self.read += 1
            yield Frame(1, self.frame_class.value.encode() + data)

    def spent(self, _now):
        return not self.left

    def close(self):
        os.close(self.read_fd)
        os.close(self.write_fd)


class FakeSocket:
    made = []  # noqa: RUF012 - emptied by the fixture
    refuse = False

    def __init__(self, number, name):
        if FakeSocket.refuse:
            raise PermissionError(1, "Operation not permitted")
        self.number, self.name = number, name
        self.heard, self.sent, self.closed, self.bound = [], [], False, True
        self.queues = [FakeQueue(FrameClass.CHECKS), FakeQueue(FrameClass.ECHO)]
        FakeSocket.made.append(self)

    def listen_for(self, listening):
        self.heard.append(listening)

    def send(self, frame):
        self.sent.append(frame)
        return True

    def frames(self, _now):
        for queue in self.queues:
            yield from queue.frames()

    def close(self):
        self.closed = True
        for queue in self.queues:
            queue.close()


async def until(true):
    for _ in range(300):
        if true():
            return
        await asyncio.sleep(0.001)
    raise AssertionError


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


async def test_frames_that_wait_are_announced_and_read_the_most_urgent_first(sockets):
    sockets.follow({1: HEAR})
    (socket,) = FakeSocket.made
    checks, echo = socket.queues
    echo.put(b"1")
    await until(lambda: sockets.arrived)
    checks.put(b"2")
    assert sockets.arrived[0] == 1
    assert [f.data for f in sockets.frames(1)] == [b"checks2", b"echo1"]
    sockets.send(Frame(1, b"answer"))
    assert socket.sent == [Frame(1, b"answer")]
    assert [(c.interface, c.frame_class.value, c.read) for c in sockets.counts()] == [
        (1, "checks", 1),
        (1, "echo", 1),
    ]


async def test_a_queue_that_has_spent_its_budget_is_left_alone_for_a_while_and_the_others_are_not(sockets):
    sockets.follow({1: HEAR})
    (socket,) = FakeSocket.made
    checks, echo = socket.queues
    echo.left = 2
    echo.put(b"1234")
    await until(lambda: sockets.arrived)
    assert [f.data for f in sockets.frames(1)] == [b"echo1", b"echo2"]
    sockets.arrived.clear()
    await asyncio.sleep(control_sockets.PAUSE_S / 2)
    assert sockets.arrived == []  # frames wait, and nobody is woken
    checks.put()
    await until(lambda: sockets.arrived)
    assert [f.data for f in sockets.frames(1)] == [b"checksx"]
    echo.left = 100
    sockets.arrived.clear()
    await until(lambda: sockets.arrived)
    assert [f.data for f in sockets.frames(1)] == [b"echo3", b"echo4"]


async def test_a_queue_that_pauses_is_not_woken_by_another_filter_nor_after_its_end(sockets):
    sockets.follow({1: HEAR})
    (socket,) = FakeSocket.made
    socket.queues[1].left = 1
    socket.queues[1].put(b"123")
    await until(lambda: sockets.arrived)
    list(sockets.frames(1))
    sockets.arrived.clear()
    sockets.follow({1: replace(HEAR, virtual=(Address.parse("10.0.0.1"),))})
    await asyncio.sleep(control_sockets.PAUSE_S / 2)
    assert sockets.arrived == []
    sockets.follow({})
    await asyncio.sleep(control_sockets.PAUSE_S)
    assert sockets.arrived == []


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
