"""The facts about a host that `doctor` judges by, asked of netlink (interfaces, addresses) and /proc (the rest).

/sys is not read: inside `ip netns exec` it may show another namespace, while netlink and /proc/sys/net show this one.
"""

from __future__ import annotations

import os
import platform
import socket
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from engine.io import seccomp
from engine.io.privileges import worker_user

_CAPABILITIES = {
    "CAP_NET_ADMIN": 12,
    "CAP_NET_RAW": 13,
    "CAP_SYS_ADMIN": 21,
    "CAP_BPF": 39,
}  # linux/capability.h
_ARPHRD_ETHER = 1


@dataclass(frozen=True)
class LinkFacts:
    """A network interface as the kernel has it; `mtu` in bytes of IP packet."""

    name: str
    up: bool = True
    mtu: int = 1500
    ethernet: bool = True
    gro: bool | None = None  # None: could not be asked
    lro: bool | None = None
    bridge_port: bool = False
    xdp: bool = False  # an XDP program that is not the engine's sees frames first


@dataclass(frozen=True)
class AddressFacts:
    """An IPv4 address of the host."""

    address: str
    prefix: int
    link: str


@dataclass(frozen=True)
class FolderFault:
    """What keeps the engine from making files in a folder; `path` is the folder, or the nearest one above that exists."""

    kind: Literal["not-a-folder", "not-writable"]
    path: str


@dataclass(frozen=True)
class HostFacts:
    """Everything that advice is drawn from. `folders` maps a folder of the engine to what keeps it from writing there."""

    uid: int = 0
    capabilities: frozenset[str] = frozenset({"CAP_NET_ADMIN", "CAP_NET_RAW", "CAP_BPF"})
    packet_socket_errno: int | None = None  # of an attempt to open one; None: it opened
    kernel: str = "6.1.0"
    python: tuple[int, int] = (3, 11)
    ip_forward: bool = False
    links: dict[str, LinkFacts] = field(default_factory=dict)
    addresses: tuple[AddressFacts, ...] = ()
    folders: dict[str, FolderFault | None] = field(default_factory=dict)
    worker_user: str | None = "bng-worker"  # whom workers would run as; None: there is nobody, or no choice
    libseccomp: bool = True
    neighbours_max: int | None = None  # net.ipv4.neigh.default.gc_thresh3; None: a namespace does not show it


def collect(run_dir: Path, state_dir: Path) -> HostFacts:
    """Return the facts of this host and this process; what cannot be asked keeps a value that no rule complains about."""
    links, addresses = _network()
    return HostFacts(
        uid=os.geteuid(),
        capabilities=_capabilities(),
        packet_socket_errno=_packet_socket_errno(),
        kernel=platform.release(),
        python=sys.version_info[:2],
        ip_forward=_read("/proc/sys/net/ipv4/ip_forward").strip() == "1",
        links=links,
        addresses=addresses,
        folders={str(folder): _folder_fault(folder) for folder in (run_dir, state_dir)},
        worker_user=_worker_user(),
        libseccomp=seccomp.library() is not None,
        neighbours_max=int(_read("/proc/sys/net/ipv4/neigh/default/gc_thresh3") or 0) or None,
    )


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""


def _capabilities() -> frozenset[str]:
    for line in _read("/proc/self/status").splitlines():
        if line.startswith("CapEff:"):
            bits = int(line.split()[1], 16)
            return frozenset(name for name, bit in _CAPABILITIES.items() if bits >> bit & 1)
    return frozenset()


def _worker_user() -> str | None:
    """Return the name of whom workers would run as, None where this process may not choose: in most user namespaces."""
    user = worker_user()
    for line in _read("/proc/self/uid_map").splitlines():
        first, _, count = (int(word) for word in line.split())
        if user is not None and os.geteuid() == 0 and first <= user.pw_uid < first + count:
            return user.pw_name
    return None


def _packet_socket_errno() -> int | None:
    try:
        socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0).close()
    except OSError as error:
        return error.errno
    return None


def _folder_fault(folder: Path) -> FolderFault | None:
    """Return what keeps files from being made in the folder, or the folder in the nearest one that exists."""
    nearest = folder.absolute()
    while not nearest.exists() and nearest != nearest.parent:
        nearest = nearest.parent
    if not nearest.is_dir():
        return FolderFault("not-a-folder", str(nearest))
    if not os.access(nearest, os.W_OK | os.X_OK):
        return FolderFault("not-writable", str(nearest))
    return None


def _network() -> tuple[dict[str, LinkFacts], tuple[AddressFacts, ...]]:
    from pyroute2 import IPRoute  # noqa: PLC0415 - half a second that `check` need not wait for

    with IPRoute() as ip:
        rows = list(ip.get_links())
        owned = list(ip.get_addr(family=socket.AF_INET))
    names = {row["index"]: _name(row) for row in rows}
    features = _offloads(list(names.values()))
    links = {names[row["index"]]: _link(row, features) for row in rows}
    addresses = tuple(
        AddressFacts(
            row.get_attr("IFA_LOCAL") or row.get_attr("IFA_ADDRESS"), row["prefixlen"], names[row["index"]]
        )
        for row in owned
        if row["index"] in names
    )
    return links, addresses


def _link(row: Any, features: dict[str, tuple[bool | None, bool | None]]) -> LinkFacts:
    name = _name(row)
    gro, lro = features.get(name, (None, None))
    attached = row.get_attr("IFLA_XDP")
    return LinkFacts(
        name=name,
        up=row["state"] == "up",
        mtu=row.get_attr("IFLA_MTU"),
        ethernet=row["ifi_type"] == _ARPHRD_ETHER,
        gro=gro,
        lro=lro,
        bridge_port=row.get_attr("IFLA_MASTER") is not None,
        xdp=bool(attached and attached.get_attr("IFLA_XDP_ATTACHED")),
    )


def _name(row: Any) -> str:
    """Return an interface's name; one that is not UTF-8 comes as bytes."""
    return os.fsdecode(row.get_attr("IFLA_IFNAME"))


def _offloads(names: list[str]) -> dict[str, tuple[bool | None, bool | None]]:
    """Return generic and large receive offload of each interface; one that cannot be asked is left out."""
    from pyroute2.ethtool import Ethtool  # noqa: PLC0415 - as above

    found: dict[str, tuple[bool | None, bool | None]] = {}
    with Ethtool() as ethtool:
        for name in names:
            try:
                features = ethtool.get_features(name).features
            except Exception:  # noqa: BLE001, S112 - pyroute2 lets ioctl's, struct's and its own errors through
                continue
            on = {
                key: bool(features[key].enable) if key in features else None for key in ("rx-gro", "rx-lro")
            }
            found[name] = (on["rx-gro"], on["rx-lro"])
    return found
