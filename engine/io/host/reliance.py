"""Who relies on an address: what the kernel would take away with it, or leave without a ground to stand on.

Deleting an IPv4 address takes more with it than itself (Linux, net/ipv4/devinet.c and fib_frontend.c):
`__inet_del_ifa` deletes the secondary addresses of its network, unless promote_secondaries is set;
`fib_sync_down_addr` deletes every route that has it as preferred source; and with the last address of an interface
`fib_disable_ip` deletes every route over that interface. A gateway that only this address reaches keeps its route, but
nobody could add that route again. A next hop that is declared onlink (ip-route(8)) needs no address: its route relies
on nobody, and is put back where it goes with the last address (`lost_with`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from engine.domain.address import Address
from engine.io.host.state import network_of

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from engine.domain.address import Prefix
    from engine.io.host.state import FoundAddress, Placed


@dataclass(frozen=True, slots=True)
class Hop:
    """A next hop of a route."""

    ifindex: int  # 0: not known (a next hop object that the kernel does not spell out)
    gateway: str | None = None  # None: on the link itself, or of another family
    onlink: bool = False


@dataclass(frozen=True, slots=True)
class ForeignRoute:
    """A route that is neither ours nor one that the kernel made for an address."""

    destination: str
    source: str | None = None
    hops: tuple[Hop, ...] = ()
    message: bytes = b""  # as the kernel gave it, by which it can be put back


def relied_on(
    candidates: Collection[Placed],
    addresses: Collection[FoundAddress],
    routes: Collection[ForeignRoute],
    promoting: Collection[int],
    restored: Collection[Placed] = (),
) -> dict[Placed, str]:
    """Return those of `candidates` that somebody relies on, and why; the others can go together.

    `restored`: addresses that are added again where they go with a candidate. `promoting`: indices of interfaces on which the kernel promotes a secondary address when the primary goes. What
    only other candidates rely on can go with them; so it is asked again until nothing changes.
    """
    going = {each.at: each for each in addresses if each.at in candidates}
    kept: dict[Placed, str] = {}
    while True:
        staying = [each for each in addresses if each.at not in going]
        reasons = {at: _reason(each, staying, routes, promoting, restored) for at, each in going.items()}
        found = {at: reason for at, reason in reasons.items() if reason is not None}
        if not found:
            return kept
        kept |= found
        for at in found:
            del going[at]


def lost_with(
    gone: Collection[Placed], addresses: Collection[FoundAddress], routes: Collection[ForeignRoute]
) -> list[ForeignRoute]:
    """Return the routes that the kernel has deleted because of the addresses in `gone`, if only for a moment."""
    emptied = {at.ifindex for at in gone} - {each.at.ifindex for each in addresses if each.at not in gone}
    sources = {at.address for at in gone}
    return [
        route
        for route in routes
        if route.source in sources or any(hop.ifindex in emptied for hop in route.hops)
    ]


def order_of_removal(candidates: Collection[Placed], addresses: Collection[FoundAddress]) -> list[Placed]:
    """Return the candidates, secondary addresses first: each is there still when its turn comes."""
    secondary: Mapping[Placed, bool] = {each.at: each.secondary for each in addresses}
    return sorted(candidates, key=lambda at: (not secondary.get(at, False), at))


def _reason(
    each: FoundAddress,
    staying: Collection[FoundAddress],
    routes: Collection[ForeignRoute],
    promoting: Collection[int],
    restored: Collection[Placed],
) -> str | None:
    ifindex, address = each.at.ifindex, each.at.address
    beside = [other for other in staying if other.at.ifindex == ifindex]
    network = _network(each)
    if not each.secondary and ifindex not in promoting:
        for other in beside:
            if other.at in restored:
                continue
            if other.secondary and other.at.length == each.at.length and _covers(network, other.network):
                return f"{other.at} is secondary to it and would go with it (promote_secondaries is off)"
    if all(other.at.address != address for other in staying):
        for route in routes:
            if route.source == address:
                return f"the route to {route.destination} has it as its source"
    for route in routes:
        for hop in route.hops:
            if hop.ifindex not in {ifindex, 0} or hop.onlink:
                continue
            if not beside:
                return f"it is the last address of its interface, over which the route to {route.destination} goes"
            if hop.gateway is not None and _covers(network, hop.gateway):
                others = (_network(other) for other in beside)
                if not any(_covers(other, hop.gateway) for other in others):
                    return f"the route to {route.destination} has its gateway {hop.gateway} in the address's network"
    return None


def _network(each: FoundAddress) -> Prefix:
    return network_of(replace(each.at, address=each.network))


def _covers(network: Prefix, address: str) -> bool:
    return Address.parse(address) in network
