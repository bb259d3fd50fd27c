"""What is wanted of the kernel, what is found there, what of it is ours, and how these differ. Nothing here acts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from engine.domain.address import Address, Prefix
from engine.domain.frame import Link

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from engine.config.model import Config, Network

MARK = 98
"""Marks what is ours: IFA_PROTO of addresses, rtm_protocol of routes.

No routing daemon of iproute2's rt_protos has this number; for addresses the kernel names 1 to 3 only (linux/if_addr.h,
IFAPROT_*), and one number for both lets an operator find everything by it. Whoever sets an address again without the
mark (NLM_F_REPLACE, as network managers do) takes it off: net/ipv4/devinet.c, inet_rtm_newaddr, copies the attribute of
the request, absent or not. Kernels before 5.18 ignore it, see `Owned`.
"""


@dataclass(frozen=True, slots=True, order=True)
class Placed:
    """An address with its prefix length on an interface of the kernel."""

    ifindex: int
    address: str
    length: int

    def __str__(self) -> str:
        return f"{self.address}/{self.length}"


@dataclass(frozen=True, slots=True)
class FoundLink:
    """An interface as the kernel has it."""

    ifindex: int
    name: str
    mac: bytes
    mtu: int
    up: bool  # set up, and with a carrier
    below: int | None = None  # of a VLAN's link: index of the one that carries it
    vlan: int | None = None


@dataclass(frozen=True, slots=True)
class FoundAddress:
    """An IPv4 address as the kernel has it."""

    at: Placed
    network: str  # an address of the network it opens: itself, or the peer's on a point-to-point link
    mark: int = 0  # IFA_PROTO; 0 where there is none
    secondary: bool = False  # another address of the same network and length came first
    set_again: bool = False  # somebody has set it anew since it was added


@dataclass(frozen=True, slots=True)
class Found:
    """What was found in the kernel at one moment."""

    links: tuple[FoundLink, ...] = ()
    addresses: tuple[FoundAddress, ...] = ()
    routes: frozenset[str] = frozenset()  # destinations of blackhole routes with our mark
    networks: frozenset[tuple[int, str]] = (
        frozenset()
    )  # index and network of the kernel's routes for addresses

    @property
    def names(self) -> dict[int, str]:
        """Names of the interfaces, by their index."""
        return {link.ifindex: link.name for link in self.links}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the configuration needs: addresses on links, and a blackhole route for each of `routes`."""

    addresses: frozenset[Placed] = frozenset()
    routes: frozenset[str] = frozenset()
    lacking: tuple[str, ...] = ()  # for an operator: links of VLANs that the host does not have


@dataclass(frozen=True, slots=True)
class Owned:
    """What was added here, or left by an engine that is no more.

    `addresses` says of each whether the kernel showed our mark on it. Where it did, an address without the mark is not
    ours any more. Where it did not (Linux before 5.18, whose inet_rtm_newaddr ignores attributes that it does not know)
    it is ours until somebody sets it again, which the kernel notes in its time stamps (`FoundAddress.set_again`).
    """

    addresses: Mapping[Placed, bool] = field(default_factory=dict)
    routes: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Difference:
    """What has to be done so that the kernel has what is wanted."""

    missing_addresses: tuple[Placed, ...] = ()
    missing_routes: tuple[str, ...] = ()
    missing_networks: tuple[Placed, ...] = ()  # addresses of ours whose network has no route
    leftover_addresses: tuple[Placed, ...] = ()
    leftover_routes: tuple[str, ...] = ()


def configured_links(config: Config, found: Iterable[FoundLink]) -> dict[int, Link]:
    """Return the configured, enabled interfaces that exist, by number.

    An interface is the one that has the configured name now, and another one as soon as another index has the name.
    """
    numbers = {i.name: i.number for i in config.interfaces if i.enabled and i.name}
    return {
        numbers[link.name]: Link(numbers[link.name], link.name, link.ifindex, link.mac, link.mtu, link.up)
        for link in found
        if link.name in numbers
    }


def wanted_of(
    networks: Iterable[Network],
    links: Mapping[int, Link],
    virtual: Iterable[str],
    found: Iterable[FoundLink] = (),
) -> Wanted:
    """Return what networks need on the links that there are: each its `real` address, each virtual one its route.

    A network on a VLAN has its address on the link of that VLAN, which the host has to have: frames of our own carry the
    tag all the same, the kernel's cannot.
    """
    vlans = {(link.below, link.vlan): link.ifindex for link in found if link.vlan is not None}
    addresses, lacking = set(), []
    for network in networks:
        link = links.get(network.interface or 0)
        if link is None or network.real is None or network.mask is None:
            continue
        index = link.ifindex if network.vlan is None else vlans.get((link.ifindex, network.vlan))
        if index is None:
            name = f"{link.name}.{network.vlan}"
            lacking.append(
                f"network {network.number} is on VLAN {network.vlan}, which this host has no link of, so its targets "
                f"cannot be checked; ip link add link {link.name} name {name} type vlan id {network.vlan} && "
                f"ip link set {name} up"
            )
            continue
        length = Prefix.parse(network.real, network.mask).family_length
        addresses.add(Placed(index, network.real, length))
    return Wanted(frozenset(addresses), frozenset(virtual), tuple(lacking))


def unclaimed(found: Found, owned: Owned) -> bool:
    """Tell whether something carries our mark that nobody here has added: another engine's, or left by a dead one."""
    marked = any(each.mark == MARK and each.at not in owned.addresses for each in found.addresses)
    return marked or not found.routes <= owned.routes


def still_owned(found: Found, owned: Owned, *, alone: bool) -> Owned:
    """Return what is ours of what was found; where no other engine runs, everything with our mark is."""
    addresses: dict[Placed, bool] = {}
    for each in found.addresses:
        marked = owned.addresses.get(each.at)
        if each.mark == MARK:
            if alone or marked is not None:
                addresses[each.at] = True
        elif marked is False and each.mark == 0 and not each.set_again:
            addresses[each.at] = False
    return Owned(addresses, found.routes if alone else found.routes & owned.routes)


def compare(wanted: Wanted, found: Found, owned: Owned) -> Difference:
    """Return how the kernel differs from what is wanted; nothing that is not `owned` is ever a leftover.

    An address that somebody else has set, with whatever prefix length, serves as well as one of ours.
    """
    there = {each.at for each in found.addresses}
    theirs = {(at.ifindex, at.address) for at in there if at not in owned.addresses}
    return Difference(
        missing_addresses=tuple(
            sorted(
                at for at in wanted.addresses if at not in there and (at.ifindex, at.address) not in theirs
            )
        ),
        missing_routes=tuple(sorted(wanted.routes - found.routes)),
        missing_networks=_without_network(wanted, found, owned),
        leftover_addresses=tuple(sorted(owned.addresses.keys() - wanted.addresses)),
        leftover_routes=tuple(sorted(owned.routes - wanted.routes)),
    )


def network_of(at: Placed) -> Prefix:
    """Return the network that an address is in."""
    mask = (0xFFFFFFFF << 32 - at.length) & 0xFFFFFFFF
    return Prefix(Address.parse(at.address), Address.of(mask.to_bytes(4, "big")))


def _without_network(wanted: Wanted, found: Found, owned: Owned) -> tuple[Placed, ...]:
    """Return the addresses of ours whose network the kernel does not find on their link any more.

    The kernel makes that route with an address, the first of its network, and does not notice when somebody flushes it
    (net/ipv4/fib_frontend.c, fib_add_ifaddr). On a link that is down there is none.
    """
    up = {link.ifindex for link in found.links if link.up}
    return tuple(
        sorted(
            each.at
            for each in found.addresses
            if each.at in wanted.addresses
            and each.at in owned.addresses
            and each.at.ifindex in up
            and not each.secondary
            and each.at.length < 32
            and (each.at.ifindex, str(network_of(each.at))) not in found.networks
        )
    )


def holders(found: Found, addresses: Collection[str]) -> dict[str, str]:
    """Return which of `addresses` the host has itself, each with the name of an interface that has it."""
    names = found.names
    return {
        each.at.address: names.get(each.at.ifindex, "?")
        for each in found.addresses
        if each.at.address in addresses
    }
