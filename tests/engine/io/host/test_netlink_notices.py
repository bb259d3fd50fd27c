"""Which of the kernel's notices count, and what becomes of a socket that is in trouble."""

import asyncio
import errno
import socket
import struct
import sys

import pytest

from engine.io.host.netlink_notices import NetlinkNotices, route_filter
from tests.helpers import bpf

NEWLINK, DELLINK, NEWADDR, DELADDR, NEWROUTE, DELROUTE = 16, 17, 20, 21, 24, 25


def notice(kind, protocol=0):
    """A notice as the kernel has it: nlmsghdr and an rtmsg, whose sixth byte is the protocol."""
    return struct.pack("=IHHII", 28, kind, 0, 0, 0) + bytes([2, 32, 0, 0, 254, protocol, 0, 6, 0, 0, 0, 0])


@pytest.mark.skipif(
    sys.byteorder == "big", reason="the interpreter of the test has the kernel's little-endian layout"
)
@pytest.mark.parametrize(
    ("kind", "protocol", "counts"),
    [
        (NEWLINK, 0, True),
        (DELLINK, 98, True),
        (NEWADDR, 0, True),
        (DELADDR, 0, True),
        (DELROUTE, 98, True),
        (DELROUTE, 2, True),
        (DELROUTE, 99, False),
        (DELROUTE, 3, False),
        (NEWROUTE, 98, False),
        (NEWROUTE, 3, False),
    ],
)
def test_of_routes_only_those_of_ours_that_are_gone_count(kind, protocol, counts):
    assert bool(bpf.run(route_filter([98, 2]), notice(kind, protocol))) is counts


async def changed(notices, timeout_s=1.0):
    try:
        async with asyncio.timeout(timeout_s):
            await notices.changed()
    except TimeoutError:
        return False
    return True


class Sock:
    """A socket that answers as it is told to, and then that there is nothing more."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.closed = False

    def recv(self, _):
        answer = self.answers.pop(0) if self.answers else BlockingIOError()
        if isinstance(answer, Exception):
            raise answer
        return answer

    def fileno(self):
        return 1_000_000

    def close(self):
        self.closed = True


async def test_a_notice_wakes_whoever_waits_and_is_read_away():
    notices = NetlinkNotices([98])
    here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    here.setblocking(False)
    notices._sock = here
    assert not await changed(notices, 0.02)
    there.send(b"a notice")
    there.send(b"and another")
    notices._read()
    assert await changed(notices, 0.02)
    assert not await changed(notices, 0.02)
    with pytest.raises(BlockingIOError):
        here.recv(1)
    there.close()
    notices.close()
    notices.close()


async def test_lost_notices_are_a_notice(caplog):
    notices = NetlinkNotices([98])
    notices._sock = sock = Sock(OSError(errno.ENOBUFS, "full"), b"x", OSError(errno.ENOBUFS, "full"))
    notices._read()
    assert await changed(notices, 0.02)
    assert not sock.closed
    assert sock.answers == []
    assert caplog.text == ""


async def test_a_socket_that_dies_is_closed_and_another_one_opened(caplog):
    notices = NetlinkNotices([98])
    notices._sock = sock = Sock(OSError(errno.EBADF, "dead"), b"never read")
    notices._read()
    assert sock.closed
    assert sock.answers == [b"never read"]
    assert "dead" in caplog.text
    notices.ensure_open()
    assert notices._sock is not None
    assert notices._sock.getsockname()[1] == 0x1 | 0x10 | 0x40  # RTMGRP_LINK, _IPV4_IFADDR, _IPV4_ROUTE
    assert not notices._sock.getblocking()
    fd = notices._sock.fileno()
    notices.ensure_open()
    assert notices._sock.fileno() == fd
    notices.close()
    assert notices._sock is None
