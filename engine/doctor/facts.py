"""Asks this host what `doctor` wants to know: netlink for interfaces and addresses, /proc for the rest.

/sys is not read: inside `ip netns exec` it may show another namespace, while netlink and /proc/sys/net show this one.
"""

from __future__ import annotations

import os
import platform
import socket
import sys
from pathlib import Path
from typing import Any

from engine.doctor.rules import AddressFacts, HostFacts, LinkFacts

_CAPABILITIES = {
    "CAP_NET_ADMIN": 12,
    "CAP_NET_RAW": 13,
    "CAP_SYS_ADMIN": 21,
    "CAP_BPF": 39,
}  # linux/capability.h
_ARPHRD_ETHER = 1


def collect(run_dir: Path, state_dir: Path) -> HostFacts:
    """Return the facts of this host and this process; what cannot be asked is left at its harmless value."""
    links, addresses = _network()
    return HostFacts(
        uid=os.geteuid(),
        capabilities=_capabilities(),
        packet_socket=_packet_socket(),
        kernel=platform.release(),
        python=sys.version_info[:2],
        ip_forward=_read("/proc/sys/net/ipv4/ip_forward").strip() == "1",
        links=links,
        addresses=addresses,
        folders={str(folder): _unwritable(folder) for folder in (run_dir, state_dir)},
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


def _packet_socket() -> str | None:
    try:
        socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0).close()
    except OSError as error:
        return error.strerror or str(error)
    return None


def _unwritable(folder: Path) -> str | None:
    """Why files cannot be made in the folder, or the folder in the nearest one that exists; None where they can."""
    nearest = folder.absolute()
    while not nearest.exists() and nearest != nearest.parent:
        nearest = nearest.parent
    if not nearest.is_dir():
        return f"{nearest} is not a folder"
    if not os.access(nearest, os.W_OK | os.X_OK):
        return f"{nearest} may not be written by this user"
    return None


def _network() -> tuple[dict[str, LinkFacts], tuple[AddressFacts, ...]]:
    from pyroute2 import IPRoute  # noqa: PLC0415 - half of a second that `check` need not wait for

    with IPRoute() as ip:
        rows = list(ip.get_links())
        owned = list(ip.get_addr(family=socket.AF_INET))
    names = {row["index"]: row.get_attr("IFLA_IFNAME") for row in rows}
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
    name = row.get_attr("IFLA_IFNAME")
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


def _offloads(names: list[str]) -> dict[str, tuple[bool | None, bool | None]]:
    """Ask each interface for its generic and its large receive offload; one that does not tell is left out."""
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
