"""Reads the routes of one rtm_protocol, 20 times as fast as pyroute2: it is done every second, for 512 of them perhaps.

Strict checking (Linux 4.20, netlink(7) NETLINK_GET_STRICT_CHK) lets the kernel choose the routes; without it all of them
would be handed out, a full table of the Internet on a router.
"""

from __future__ import annotations

import os
import socket
import struct
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

_NLMSGHDR = struct.Struct("=IHHII")  # length, type, flags, sequence, port (linux/netlink.h)
_RTMSG = struct.Struct("=BBBBBBBBI")  # linux/rtnetlink.h: see `KernelRoute`
_RTATTR = struct.Struct("=HH")
_NLMSG_ERROR, _NLMSG_DONE, _RTM_GETROUTE = 2, 3, 26
_NLM_F_REQUEST, _NLM_F_DUMP, _NLM_F_DUMP_INTR = 0x1, 0x300, 0x10
_RTA_DST, _RTA_OIF, _RTA_PRIORITY, _RTA_TABLE = 1, 4, 6, 15
_SOL_NETLINK, _NETLINK_GET_STRICT_CHK = 270, 12
_BUFFER_BYTES = 1 << 16  # the kernel fills up to 32 KiB at a time (net/netlink/af_netlink.c, netlink_recvmsg)

REPLY_S = 1.0
"""A dump is made while it is read, so nothing is waited for; should the kernel say nothing, no longer than this."""

DUMPS = 5
"""How often a dump that the kernel calls inconsistent (NLM_F_DUMP_INTR) is made anew; then it is taken as it is."""


class KernelRoute(NamedTuple):
    """An IPv4 route, as far as it is of interest here."""

    destination: str
    length: int
    table: int
    kind: int  # rtm_type
    tos: int
    priority: int
    ifindex: int  # 0: it has no link, or several


class RouteDump:
    """A netlink socket for dumps of routes."""

    def __init__(self) -> None:
        """Open it. Raises OSError."""
        self._sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
        self._sequence = 0
        try:
            self._sock.setsockopt(_SOL_NETLINK, _NETLINK_GET_STRICT_CHK, 1)
            self._sock.settimeout(REPLY_S)
            self._sock.bind((0, 0))
        except OSError:
            self._sock.close()
            raise

    def read(self, protocol: int) -> list[KernelRoute]:
        """Return the IPv4 routes of all tables that have `protocol`. Raises OSError."""
        for _ in range(DUMPS):
            self._sequence += 1
            size = _NLMSGHDR.size + _RTMSG.size
            header = _NLMSGHDR.pack(size, _RTM_GETROUTE, _NLM_F_REQUEST | _NLM_F_DUMP, self._sequence, 0)
            self._sock.send(header + _RTMSG.pack(socket.AF_INET, 0, 0, 0, 0, protocol, 0, 0, 0))
            routes, whole = self._receive()
            if whole:
                break
        return routes

    def close(self) -> None:
        """Close the socket."""
        self._sock.close()

    def _receive(self) -> tuple[list[KernelRoute], bool]:
        """Return the routes of one dump, and whether it is consistent."""
        routes: list[KernelRoute] = []
        whole = True
        while True:
            for kind, flags, sequence, payload in messages(self._sock.recv(_BUFFER_BYTES)):
                if sequence != self._sequence:
                    continue  # the rest of a dump that was given up
                whole = whole and not flags & _NLM_F_DUMP_INTR
                if kind == _NLMSG_DONE:
                    return routes, whole
                if kind == _NLMSG_ERROR:
                    (code,) = struct.unpack_from("=i", payload)
                    raise OSError(-code, os.strerror(-code))
                routes.append(decoded(payload))


def messages(data: bytes) -> Iterator[tuple[int, int, int, bytes]]:
    """Yield type, flags, sequence number and payload of the netlink messages in `data`."""
    at = 0
    while at + _NLMSGHDR.size <= len(data):
        size, kind, flags, sequence, _ = _NLMSGHDR.unpack_from(data, at)
        yield kind, flags, sequence, data[at + _NLMSGHDR.size : at + size]
        at += size + 3 & ~3


def decoded(payload: bytes) -> KernelRoute:
    """Return the route that a message of type RTM_NEWROUTE carries."""
    _, length, _, tos, table, _, _, kind, _ = _RTMSG.unpack_from(payload)
    destination, priority, ifindex = bytes(4), 0, 0
    at = _RTMSG.size
    while at + _RTATTR.size <= len(payload):
        size, attribute = _RTATTR.unpack_from(payload, at)
        value = payload[at + _RTATTR.size : at + size]
        if attribute == _RTA_DST:
            destination = value
        elif attribute == _RTA_TABLE:
            (table,) = struct.unpack("=I", value)
        elif attribute == _RTA_PRIORITY:
            (priority,) = struct.unpack("=I", value)
        elif attribute == _RTA_OIF:
            (ifindex,) = struct.unpack("=I", value)
        at += size + 3 & ~3
    return KernelRoute(socket.inet_ntoa(destination), length, table, kind, tos, priority, ifindex)
