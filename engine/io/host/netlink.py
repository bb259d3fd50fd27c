"""What is asked of the kernel's links, addresses and routes by netlink, and told to it (rtnetlink(7))."""

from __future__ import annotations

import errno
import os
import socket
import struct
from typing import TYPE_CHECKING, Any

from pyroute2 import AsyncIPRoute
from pyroute2.netlink import NLM_F_ACK, NLM_F_CREATE, NLM_F_DUMP_INTR, NLM_F_EXCL, NLM_F_REQUEST
from pyroute2.netlink.exceptions import NetlinkError
from pyroute2.netlink.rtnl import RTM_NEWROUTE

from engine.io.host.reliance import ForeignRoute, Hop
from engine.io.host.route_dump import DUMPS, RouteDump
from engine.io.host.state import MARK, Found, FoundAddress, FoundLink, Placed, network_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from engine.io.host.route_dump import KernelRoute

_IFF_UP, _IFF_LOWER_UP = 0x1, 0x1_0000  # linux/if.h: set up, and with a carrier
_IFA_F_SECONDARY = 0x01  # linux/if_addr.h
_RT_TABLE_MAIN, RTPROT_KERNEL, _RTN_UNICAST, _RTN_BLACKHOLE = 254, 2, 1, 6  # linux/rtnetlink.h
_RTNH_F_ONLINK = 4  # linux/rtnetlink.h; a request that has RTNH_F_DEAD or RTNH_F_LINKDOWN is refused
_NLMSGHDR = struct.Struct("=IHHII")  # length, type, flags, sequence, port (linux/netlink.h)
_RTM_FLAGS_AT = _NLMSGHDR.size + 8
_ACK_S = 1.0


class Netlink:
    """An open netlink socket. Every method raises NetlinkError where the kernel refuses, OSError where it is deaf."""

    def __init__(self) -> None:
        self._socket = AsyncIPRoute()
        self._route_dump: RouteDump | None = None

    async def open(self) -> None:
        """Open the socket."""
        await self._socket.setup_endpoint()
        self._route_dump = RouteDump()

    def close(self) -> None:
        """Close it."""
        self._socket.close()
        if self._route_dump is not None:
            self._route_dump.close()

    # -- asked ------------------------------------------------------------------------------------------------------

    async def look(self) -> Found:
        """Return what there is: links, IPv4 addresses, and the blackhole routes that carry our mark."""
        links = await _whole(self._socket.get_links)
        addresses = await self.addresses()
        if self._route_dump is None:
            raise RuntimeError("open() comes first")
        routes = self._route_dump.read(MARK)
        networks = self._route_dump.read(RTPROT_KERNEL)
        return Found(
            tuple(_link(message) for message in links),
            addresses,
            frozenset(route.destination for route in routes if _is_like_ours(route)),
            frozenset(
                (route.ifindex, f"{route.destination}/{route.length}")
                for route in networks
                if route.kind == _RTN_UNICAST
            ),
        )

    async def addresses(self) -> tuple[FoundAddress, ...]:
        """Return the IPv4 addresses of all interfaces."""
        return tuple(_address(message) for message in await _whole(self._dump_addresses))

    async def foreign_routes(self) -> list[ForeignRoute]:
        """Return the IPv4 routes of all tables that are neither ours nor the kernel's own for an address."""
        routes = await _whole(self._dump_routes)
        return [_foreign(message) for message in routes if message["proto"] not in {MARK, RTPROT_KERNEL}]

    async def discards(self, address: str) -> bool:
        """Tell whether the host's routes, whosever they are, discard what goes to an address.

        A lookup that ends at a blackhole fails with EINVAL (net/ipv4/fib_semantics.c, fib_props).
        """
        try:
            await self._socket.route("get", dst=address)
        except NetlinkError as error:
            return bool(error.code == errno.EINVAL)
        return False

    async def _dump_addresses(self) -> AsyncIterator[Any]:
        messages: AsyncIterator[Any] = await self._socket.get_addr(family=socket.AF_INET)
        return messages

    async def _dump_routes(self) -> AsyncIterator[Any]:
        messages: AsyncIterator[Any] = await self._socket.get_routes(family=socket.AF_INET)
        return messages

    # -- told -------------------------------------------------------------------------------------------------------

    async def set_up(self, ifindex: int) -> None:
        """Set an interface up."""
        await self._socket.link("set", index=ifindex, state="up")

    async def add_address(self, at: Placed) -> None:
        """Add an address with our mark."""
        await self._socket.addr("add", index=at.ifindex, address=at.address, prefixlen=at.length, proto=MARK)

    async def remove_address(self, at: Placed) -> None:
        """Remove an address, and nothing where it is gone already."""
        try:
            await self._socket.addr("del", index=at.ifindex, address=at.address, prefixlen=at.length)
        except NetlinkError as error:
            if error.code not in {errno.EADDRNOTAVAIL, errno.ENODEV}:
                raise

    async def add_route(self, address: str) -> None:
        """Add a blackhole route with our mark."""
        await self._socket.route("add", dst=f"{address}/32", type="blackhole", proto=MARK)

    async def add_network(self, at: Placed) -> None:
        """Add the route that the kernel made with an address, as it makes it, so that it goes with the address."""
        await self._socket.route(
            "add",
            dst=str(network_of(at)),
            oif=at.ifindex,
            prefsrc=at.address,
            scope="link",
            proto=RTPROT_KERNEL,
        )

    @staticmethod
    def put_back(route: ForeignRoute) -> None:
        """Add a route of somebody else again, as the kernel had it; nothing where it is there. As `ip route restore`."""
        message = bytearray(route.message)
        flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL
        _NLMSGHDR.pack_into(message, 0, len(message), RTM_NEWROUTE, flags, 1, 0)
        (route_flags,) = struct.unpack_from("=I", message, _RTM_FLAGS_AT)
        struct.pack_into("=I", message, _RTM_FLAGS_AT, route_flags & _RTNH_F_ONLINK)
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as sock:
            sock.settimeout(_ACK_S)
            sock.sendto(message, (0, 0))
            answer = sock.recv(4096)
        (code,) = struct.unpack_from("=i", answer, _NLMSGHDR.size)
        if -code not in {0, errno.EEXIST}:
            raise OSError(-code, os.strerror(-code))

    async def remove_route(self, address: str) -> None:
        """Remove a blackhole route of ours, and nothing where it is gone already."""
        try:
            await self._socket.route("del", dst=f"{address}/32", type="blackhole", proto=MARK)
        except NetlinkError as error:
            if error.code != errno.ESRCH:
                raise


async def _whole(dump: Callable[[], Awaitable[AsyncIterator[Any]]]) -> list[Any]:
    """Return what a dump gives, asked again where it was changed under the kernel's hands: a link may be missing in it.

    (netlink(7), NLM_F_DUMP_INTR.) After `DUMPS` times it is taken as it is.
    """
    for _ in range(DUMPS):
        messages = [message async for message in await dump()]
        if not any(message["header"]["flags"] & NLM_F_DUMP_INTR for message in messages):
            break
    return messages


def _link(message: Any) -> FoundLink:
    mac = bytes.fromhex((message.get("address") or "00:00:00:00:00:00").replace(":", ""))
    up = bool(message["flags"] & _IFF_UP and message["flags"] & _IFF_LOWER_UP)
    vlan = message.get_nested("IFLA_LINKINFO", "IFLA_INFO_DATA", "IFLA_VLAN_ID")
    below = message.get("link") if vlan is not None else None
    # A name that is not UTF-8 comes as bytes.
    name = os.fsdecode(message.get("ifname") or "")
    return FoundLink(message["index"], name, mac, message.get("mtu"), up, below, vlan)


def _address(message: Any) -> FoundAddress:
    network = message.get("address")
    stamps = message.get("cacheinfo")
    return FoundAddress(
        Placed(message["index"], message.get("local") or network, message["prefixlen"]),
        network=network or message.get("local"),
        mark=message.get("proto") or 0,
        secondary=bool(message["flags"] & _IFA_F_SECONDARY),
        set_again=stamps is not None and stamps["tstamp"] != stamps["cstamp"],
    )


def _is_like_ours(route: KernelRoute) -> bool:
    """Tell whether a route looks like one that is added here, its mark apart."""
    return route[1:6] == (32, _RT_TABLE_MAIN, _RTN_BLACKHOLE, 0, 0)


def _foreign(message: Any) -> ForeignRoute:
    hops = [
        Hop(hop["oif"], hop.get("gateway"), bool(hop["flags"] & _RTNH_F_ONLINK))
        for hop in message.get("multipath") or ()
    ]
    if message.get("oif") is not None or message.get("nh_id") is not None:
        onlink = bool(message["flags"] & _RTNH_F_ONLINK)
        hops.append(Hop(message.get("oif") or 0, message.get("gateway"), onlink))
    destination = message.get("dst")
    start = message.offset
    return ForeignRoute(
        "default" if destination is None else f"{destination}/{message['dst_len']}",
        message.get("prefsrc"),
        tuple(hops),
        bytes(message.data[start : start + message["header"]["length"]]),
    )
