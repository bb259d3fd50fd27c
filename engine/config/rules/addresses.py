"""Rules about addresses: whether they are in a network, who has them, and which are used twice."""

# ruff: noqa: D401 - the docstring of a rule is the rule

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from engine.config.rules.rule import error, port_text, warning
from engine.domain.address import Address

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.config.positions import Key
    from engine.config.rules.rule import IndexedConfig, Problem


def _addresses(indexed: IndexedConfig) -> Iterator[tuple[Key, str, str]]:
    """Yield the place, the title and the address of everything that must be in a network."""
    for server in indexed.config.servers:
        if server.ipaddr:
            yield ("server", server.number, "ipaddr"), f"server {server.number}", server.ipaddr
    for target in indexed.config.targets:
        if target.ipaddr:
            yield ("target", target.number, "ipaddr"), f"target {target.number}", target.ipaddr
    if indexed.config.gateway and indexed.config.gateway.ipaddr:
        yield ("gateway", "ipaddr"), "the gateway", indexed.config.gateway.ipaddr


def _own(indexed: IndexedConfig) -> Iterator[tuple[Key, str, str]]:
    """Yield the place, the title and the address of everything that a network defines."""
    for network in indexed.config.networks:
        for word, address in (("real", network.real), ("virt", network.virt)):
            if address:
                yield (
                    ("network", network.number, word),
                    f"the {word} address of network {network.number}",
                    address,
                )


def network_address(indexed: IndexedConfig) -> Iterator[Problem]:
    """A network's address has no host bits."""
    for net in indexed.nets:
        right = str(net.prefix.first)
        if net.network.addr != right:
            message = f"{net.network.addr} is not the address of a network with the mask {net.network.mask}"
            yield error(
                "network-address", ("network", net.network.number, "addr"), message, f"write addr {right}"
            )


def overlap(indexed: IndexedConfig) -> Iterator[Problem]:
    """Two networks do not share addresses: an address would be in both."""
    ordered = sorted(indexed.nets, key=lambda net: (net.prefix.first, net.prefix.length))
    for one, other in pairwise(ordered):
        if other.prefix.first in one.prefix:
            message = f"network {other.network.number} shares addresses with network {one.network.number}"
            hint = "give each network its own addresses"
            key: Key = ("network", other.network.number, "addr")
            yield error("network-overlap", key, message, hint, ("network", one.network.number))


def outside(indexed: IndexedConfig) -> Iterator[Problem]:
    """Servers, targets and the gateway are in a network; without one the engine cannot reach them by MAC."""
    if any(key[:1] == ("network",) for key in indexed.broken):
        return  # its addresses would all seem to be outside
    if not indexed.config.networks:
        for key, title, _ in _addresses(indexed):
            message = f"{title} has an address, but no network is defined"
            yield error("no-network", key, message, "define the network it is in, with its interface")
            return  # one is enough: it is the same for every other
    for key, title, address in _addresses(indexed):
        if indexed.net_of(address) is None:
            message = f"{title} has the address {address}, which is outside every network"
            yield error("outside-networks", key, message, "correct the address, or define its network")
    for net in indexed.nets:
        for word, own in (("real", net.network.real), ("virt", net.network.virt)):
            if own and Address.parse(own) not in net.prefix:
                message = f"{word} {own} is outside network {net.network.number}"
                yield error(
                    "outside-networks", ("network", net.network.number, word), message, "correct the address"
                )


def reserved(indexed: IndexedConfig) -> Iterator[Problem]:
    """The first and the last address of a network are not a host's (RFC 1122 section 3.2.1.3; RFC 3021 exempts /31)."""
    for key, title, address in (*_addresses(indexed), *_own(indexed)):
        net, parsed = indexed.net_of(address), Address.parse(address)
        if net and net.prefix.family_length < 31 and parsed in {net.prefix.first, net.prefix.last}:
            what = "network" if parsed == net.prefix.first else "broadcast"
            message = f"{title} has the {what} address of network {net.network.number}"
            yield error(
                "reserved-address", key, message, "use another address", ("network", net.network.number)
            )


def server_twice(indexed: IndexedConfig) -> Iterator[Problem]:
    """One address, port and protocol is one server."""
    first: dict[tuple[str, int, str], int] = {}
    for server in indexed.config.servers:
        if not server.ipaddr:
            continue
        other = first.setdefault((server.ipaddr, server.port, server.protocol), server.number)
        if other != server.number:
            where = f"{server.ipaddr} port {port_text(server.port)} protocol {server.protocol}"
            message = f"server {server.number} has the same address as server {other}: {where}"
            hint = "give one of them another address or port, or put the targets into one server"
            yield error(
                "duplicate-server", ("server", server.number, "ipaddr"), message, hint, ("server", other)
            )


def conflict(indexed: IndexedConfig) -> Iterator[Problem]:
    """An address has one use: a virtual server's is not a node's own, and a target's is neither that nor the gateway's."""
    owner: dict[str, tuple[str, str, Key]] = {}
    for key, title, address in (*_own(indexed), *reversed(list(_addresses(indexed)))):
        role = str(key[2]) if key[0] == "network" else str(key[0])
        seen = owner.setdefault(address, (role, title, key[:2]))
        shared = role == seen[0] and role in {"server", "target"}
        if seen[1] != title and not shared:
            message = f"{title} has the address of {seen[1]}, {address}"
            hint = "give each its own address"
            if (role, seen[0]) == ("target", "gateway"):
                # Its MAC would be the router's, through which every client comes.
                hint = "give the target an address of its own: the router cannot be balanced to"
            yield error("address-conflict", key, message, hint, seen[2])


def target_twice(indexed: IndexedConfig) -> Iterator[Problem]:
    """Two targets with the same address, port and protocol in one server are one machine twice."""
    first: dict[tuple[str, int, str], int] = {}
    for target in indexed.config.targets:
        if not target.ipaddr:
            continue
        other = first.setdefault((target.ipaddr, target.port, target.protocol), target.number)
        if other != target.number:
            message = f"target {target.number} has the same address, port and protocol as target {other}"
            hint = "use one target in both servers; for a larger share give it a weight"
            yield warning(
                "duplicate-target", ("target", target.number, "ipaddr"), message, hint, ("target", other)
            )


def no_real(indexed: IndexedConfig) -> Iterator[Problem]:
    """Without `real` a network has no source address for ARP requests and health checks."""
    for network in indexed.config.networks:
        bad = ("network", network.number) in indexed.broken
        if network.enabled and network.real is None and not bad:
            message = (
                f"network {network.number} has no real address, the source of ARP requests and health checks"
            )
            hint = "add real with a free address of the network"
            yield warning("no-real", ("network", network.number), message, hint)


RULES = (
    network_address,
    overlap,
    outside,
    reserved,
    server_twice,
    conflict,
    target_twice,
    no_real,
)
"""In the order in which they are applied."""
