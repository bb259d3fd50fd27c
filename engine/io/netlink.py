"""What the engine changes in this host's kernel, and undoes on a clean stop: links, addresses, routes.

`real` addresses belong to the kernel and are added where missing. Virtual addresses never do: for each there is a
blackhole route, so that the host's own stack neither forwards copies of the frames that the packet sockets see (with
ip_forward on), nor answers a target's reply to a check with a reset that would ask for the address by ARP.
"""

from __future__ import annotations

import errno
import logging
import socket
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec
from pyroute2 import AsyncIPRoute
from pyroute2.netlink.exceptions import NetlinkError

from engine.domain.address import Prefix
from engine.domain.frame import Link

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from engine.config.model import Config, Network

log = logging.getLogger("engine.host")

_IFF_UP, _IFF_LOWER_UP = 0x1, 0x1_0000  # linux/if.h: set up, and with a carrier

ROUTE_PROTOCOL = 98
"""Marks the engine's routes (rtm_protocol); a number that no routing daemon of iproute2's rt_protos uses."""


class HostError(Exception):
    """The configuration cannot run on this host; the message says why and what to do."""


class _Added(msgspec.Struct):
    """What was added, kept in the run directory so that it can be removed even after a kill."""

    addresses: list[tuple[str, str, int]] = msgspec.field(
        default_factory=list
    )  # interface, address, prefix length


@dataclass
class Host:
    """The host's links, addresses and routes; `record` is the file that says what was added."""

    record: Path
    addresses: dict[str, set[str]] = field(default_factory=dict)  # by interface name
    lacking: list[str] = field(default_factory=list)
    _added: _Added = field(default_factory=_Added)
    _routes: set[str] = field(default_factory=set)
    _seen: set[int] = field(default_factory=set)  # interfaces by index
    _vlans: dict[tuple[int, int], tuple[int, str]] = field(
        default_factory=dict
    )  # index and name of a VLAN's link, by the index of the one below it and the VLAN
    _netlink: AsyncIPRoute | None = None

    async def open(self) -> None:
        """Open netlink and read what an earlier engine added and did not remove."""
        self._netlink = AsyncIPRoute()
        await self._netlink.setup_endpoint()
        try:
            self._added = msgspec.json.decode(self.record.read_bytes(), type=_Added)
        except FileNotFoundError:
            self._added = _Added()
        except (OSError, msgspec.DecodeError) as error:
            log.warning("%s: cannot be read (%s); addresses added before are left alone", self.record, error)
            self._added = _Added()

    @property
    def netlink(self) -> AsyncIPRoute:
        """The open netlink socket."""
        if self._netlink is None:
            raise RuntimeError("open() comes first")
        return self._netlink

    async def links(self, config: Config) -> dict[int, Link]:
        """Return the configured, enabled interfaces that exist, by number; also refreshes `addresses`."""
        numbers = {i.name: i.number for i in config.interfaces if i.enabled and i.name}
        found: dict[int, Link] = {}
        names: dict[int, str] = {}
        self._vlans = {}
        async for link in await self.netlink.get_links():
            name = link.get("ifname")
            names[link["index"]] = name
            vlan = link.get_nested("IFLA_LINKINFO", "IFLA_INFO_DATA", "IFLA_VLAN_ID")
            if vlan is not None and link.get("link"):
                self._vlans[link.get("link"), vlan] = link["index"], name
            if name in numbers:
                mac = bytes.fromhex((link.get("address") or "00:00:00:00:00:00").replace(":", ""))
                up = bool(link["flags"] & _IFF_UP and link["flags"] & _IFF_LOWER_UP)
                found[numbers[name]] = Link(numbers[name], name, link["index"], mac, link.get("mtu"), up)
        self.addresses = {}
        async for address in await self.netlink.get_addr(family=socket.AF_INET):
            name = names.get(address["index"], "?")
            self.addresses.setdefault(name, set()).add(address.get("local") or address.get("address"))
        return found

    def refuse_owned(self, virtual: Iterable[str]) -> None:
        """Raise HostError where the host itself owns a virtual address: its kernel would answer in place of the engine."""
        owners = {address: name for name, addresses in self.addresses.items() for address in addresses}
        for address in virtual:
            if address in owners:
                raise HostError(
                    f"this host owns the virtual address {address} on {owners[address]}; "
                    f"remove it: ip addr del {address} dev {owners[address]}"
                )

    async def ensure_real(self, networks: Iterable[Network], links: dict[int, Link]) -> None:
        """Add each network's `real` address where it is missing, and set up interfaces that have just appeared.

        One that an operator sets down later stays down. `lacking` says which VLANs have no link to put it on.
        """
        self.lacking = []
        for network in networks:
            link = links.get(network.interface or 0)
            if link is None or network.real is None or network.mask is None:
                continue
            if link.ifindex not in self._seen:
                self._seen.add(link.ifindex)
                if not link.up:
                    await self.netlink.link("set", index=link.ifindex, state="up")
            place = self._place_of_real(network, link)
            if place is None:
                continue
            index, name = place
            if network.real in self.addresses.get(name, set()):
                continue
            prefix = Prefix.parse(network.real, network.mask).family_length
            try:
                await self.netlink.addr("add", index=index, address=network.real, prefixlen=prefix)
            except NetlinkError as error:
                if error.code == errno.EEXIST:
                    continue
                raise HostError(f"{network.real}/{prefix} cannot be added to {name}: {error}") from error
            log.info("added %s/%d to %s", network.real, prefix, name)
            self.addresses.setdefault(name, set()).add(network.real)
            if (name, network.real, prefix) not in self._added.addresses:
                self._added.addresses.append((name, network.real, prefix))
                self._write_record()

    def _place_of_real(self, network: Network, link: Link) -> tuple[int, str] | None:
        """Return index and name of the link that a network's `real` is on: that of its VLAN, where it has one.

        None where the host has no such link. Frames of our own carry the tag all the same; the kernel's cannot.
        """
        if network.vlan is None:
            return link.ifindex, link.name
        place = self._vlans.get((link.ifindex, network.vlan))
        if place is None:
            name = f"{link.name}.{network.vlan}"
            self.lacking.append(
                f"network {network.number} is on VLAN {network.vlan}, which this host has no link of, so its targets "
                f"cannot be checked; ip link add link {link.name} name {name} type vlan id {network.vlan} && "
                f"ip link set {name} up"
            )
        return place

    async def retire_real(self, wanted: Iterable[str]) -> None:
        """Remove addresses that were added here and that no network names any more."""
        keep = set(wanted)
        for entry in [e for e in self._added.addresses if e[1] not in keep]:
            await self._remove_address(*entry)
            self.addresses.get(entry[0], set()).discard(entry[1])
            self._added.addresses.remove(entry)
            self._write_record()

    async def blackhole(self, virtual: Iterable[str]) -> None:
        """Have one blackhole route for each virtual address, and none for other addresses."""
        wanted = set(virtual)
        if not self._routes:
            routes = await self.netlink.get_routes(family=socket.AF_INET, table=254)
            self._routes = {r.get("dst") async for r in routes if r["proto"] == ROUTE_PROTOCOL}
        for address in wanted - self._routes:
            try:
                await self._route("add", address)
            except NetlinkError as error:
                if error.code != errno.EEXIST:
                    raise HostError(f"no blackhole route for {address}: {error}") from error
        for address in self._routes - wanted:
            await self._remove_route(address)
        self._routes = wanted

    async def close(self) -> None:
        """Remove every address and route that was added."""
        if self._netlink is None:
            return
        for address in self._routes:
            await self._remove_route(address)
        self._routes = set()
        for entry in self._added.addresses:
            await self._remove_address(*entry)
        self._added = _Added()
        self.record.unlink(missing_ok=True)
        self.netlink.close()
        self._netlink = None

    async def _remove_address(self, name: str, address: str, prefix: int) -> None:
        index = await self.netlink.link_lookup(ifname=name)
        if not index:
            return
        try:
            await self.netlink.addr("del", index=index[0], address=address, prefixlen=prefix)
        except NetlinkError as error:
            if error.code not in {errno.EADDRNOTAVAIL, errno.ENODEV}:
                log.warning("%s/%d stays on %s: %s", address, prefix, name, error)

    async def _route(self, verb: str, address: str) -> None:
        await self.netlink.route(verb, dst=f"{address}/32", type="blackhole", proto=ROUTE_PROTOCOL)

    async def _remove_route(self, address: str) -> None:
        try:
            await self._route("del", address)
        except NetlinkError as error:
            if error.code != errno.ESRCH:
                log.warning("the blackhole route for %s stays: %s", address, error)

    def _write_record(self) -> None:
        self.record.write_bytes(msgspec.json.encode(self._added))
