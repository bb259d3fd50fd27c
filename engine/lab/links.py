"""The wiring of the lab over netlink: links, addresses, routes and the kernel's per-namespace settings.

Each function acts in the namespace that the calling thread is in (`namespaces.inside`).
"""

from __future__ import annotations

import contextlib
import errno
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextlib.contextmanager
def netlink() -> Iterator[Any]:
    """Yield a routing socket of this namespace, closed after the block."""
    with IPRoute() as socket:
        yield socket


def index_of(socket: Any, name: str) -> int:
    """Return the index of a link; LookupError where there is no link of that name."""
    found = socket.link_lookup(ifname=name)
    if not found:
        raise LookupError(f"no interface {name} in this namespace")
    return int(found[0])


def sysctl(key: str, value: int | str) -> None:
    """Set net.KEY (`ipv4/ip_forward`) here; a key that this kernel does not have (IPv6 off) is ignored."""
    with contextlib.suppress(FileNotFoundError):
        Path("/proc/sys/net", key).write_text(str(value), encoding="ascii")


def read_sysctl(key: str) -> str:
    """Return net.KEY here."""
    return Path("/proc/sys/net", key).read_text(encoding="ascii").strip()


def quiet_defaults() -> None:
    """Set what a namespace would inherit from the host, so that the lab is the same on every host.

    (Documentation/networking/ip-sysctl.rst: `net.core.devconf_inherit_init_net`.)
    """
    for where in ("all", "default"):
        sysctl(f"ipv6/conf/{where}/disable_ipv6", 1)  # no router solicitations in the captures
        for key in ("rp_filter", "arp_ignore", "arp_announce", "arp_filter"):
            sysctl(f"ipv4/conf/{where}/{key}", 0)
    sysctl("ipv4/ip_forward", 0)
    with netlink() as socket:
        socket.link("set", index=index_of(socket, "lo"), state="up")


def bridge(name: str) -> None:
    """Create a bridge; with STP off, the default, its ports forward at once."""
    with netlink() as socket:
        socket.link("add", ifname=name, kind="bridge")
        socket.link("set", index=index_of(socket, name), state="up")


def cable(name: str, mac: str, peer: dict[str, Any], master: str | None = None) -> None:
    """Create a veth pair with this end here; `peer` has the other's ifname, address and net_ns_fd."""
    with netlink() as socket:
        socket.link("add", ifname=name, kind="veth", address=mac, peer=peer)
        index = index_of(socket, name)
        if master is not None:
            socket.link("set", index=index, master=index_of(socket, master))
        socket.link("set", index=index, state="up")


def set_link(name: str, *, up: bool | None = None, mtu: int | None = None) -> None:
    """Set a link up or down, or change its MTU in bytes."""
    with netlink() as socket:
        wanted: dict[str, Any] = {}
        if up is not None:
            wanted["state"] = "up" if up else "down"
        if mtu is not None:
            wanted["mtu"] = mtu
        socket.link("set", index=index_of(socket, name), **wanted)


def addresses(name: str, values: list[str], prefix: int) -> None:
    """Add addresses to a link and bring it up."""
    with netlink() as socket:
        index = index_of(socket, name)
        for value in values:
            socket.addr("add", index=index, address=value, prefixlen=prefix)
        socket.link("set", index=index, state="up")


def alias(value: str, *, present: bool) -> None:
    """Add an address (/32) to the loopback interface, or remove it; no error where that is done already."""
    with netlink() as socket:
        try:
            socket.addr(
                "add" if present else "del", index=index_of(socket, "lo"), address=value, prefixlen=32
            )
        except NetlinkError as error:
            if error.code not in {errno.EEXIST, errno.EADDRNOTAVAIL}:
                raise


def default_route(gateway: str, interface: str, *, onlink: bool = False) -> None:
    """Route everything to the gateway; `onlink` where the interface has no address yet (the balancer's)."""
    flags = ["onlink"] if onlink else []
    with netlink() as socket:
        index = index_of(socket, interface)
        socket.route("add", dst="0.0.0.0/0", gateway=gateway, oif=index, flags=flags)
