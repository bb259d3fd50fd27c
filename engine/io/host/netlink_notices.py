"""The kernel's notices that a link, an IPv4 address or one of our routes has changed: reasons to look now.

What a notice says is not used. Whoever looks, looks at everything, so that a notice which is lost (ENOBUFS: the buffer
of the socket was full, netlink(7)) or cut costs nothing, and a socket that dies costs no more than the haste.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
import sys
from typing import TYPE_CHECKING

from engine.io import packet_filter
from engine.io.packet_filter import ACCEPT, JEQ, LDB_ABS, REJECT, Instruction

if TYPE_CHECKING:
    from collections.abc import Sequence

log = logging.getLogger("engine.host")

_RTMGRP_LINK, _RTMGRP_IPV4_IFADDR, _RTMGRP_IPV4_ROUTE = 0x1, 0x10, 0x40  # linux/rtnetlink.h
_RTM_NEWROUTE, _RTM_DELROUTE = 24, 25
_TYPE_AT = (
    4 if sys.byteorder == "little" else 5
)  # the low byte of nlmsghdr.nlmsg_type, which is the host's order
_PROTOCOL_AT = 16 + 5  # rtmsg.rtm_protocol, behind nlmsghdr


def route_filter(protocols: Sequence[int]) -> list[Instruction]:
    """Accept of all notices about routes those that one of `protocols` is gone, and every other notice.

    A router with the Internet's table tells of thousands of changes a second, none of which is of interest here.
    """
    gone = [instruction for protocol in protocols for instruction in ((JEQ, 0, 1, protocol), ACCEPT)]
    return [
        (LDB_ABS, 0, 0, _TYPE_AT),
        (JEQ, 0, 1, _RTM_NEWROUTE),
        REJECT,
        (JEQ, 1, 0, _RTM_DELROUTE),
        ACCEPT,
        (LDB_ABS, 0, 0, _PROTOCOL_AT),
        *gone,
        REJECT,
    ]


class NetlinkNotices:
    """A netlink socket that is a member of the kernel's groups for links, addresses and routes."""

    def __init__(self, protocols: Sequence[int]) -> None:
        """`protocols`: the rtm_protocol of the routes that matter."""
        self._protocols = protocols
        self._sock: socket.socket | None = None
        self._changed = asyncio.Event()

    def ensure_open(self) -> None:
        """Open the socket, where it is not. Raises OSError."""
        if self._sock is not None:
            return
        flags = socket.SOCK_RAW | socket.SOCK_NONBLOCK
        sock = socket.socket(socket.AF_NETLINK, flags, socket.NETLINK_ROUTE)
        try:
            packet_filter.attach(sock, route_filter(self._protocols))
            sock.bind((0, _RTMGRP_LINK | _RTMGRP_IPV4_IFADDR | _RTMGRP_IPV4_ROUTE))
            asyncio.get_running_loop().add_reader(sock.fileno(), self._read)
        except OSError:
            sock.close()
            raise
        self._sock = sock

    async def changed(self) -> None:
        """Wait until something has changed since the last call."""
        await self._changed.wait()
        self._changed.clear()

    def close(self) -> None:
        """Close the socket."""
        if self._sock is not None:
            asyncio.get_running_loop().remove_reader(self._sock.fileno())
            self._sock.close()
            self._sock = None

    def _read(self) -> None:
        """Empty the socket."""
        self._changed.set()
        while self._sock is not None:
            try:
                self._sock.recv(1)  # the rest of the message is dropped, as of any datagram
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    log.warning("the kernel's notices cannot be read (%s); a new socket is opened", error)
                    self.close()
