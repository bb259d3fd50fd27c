"""The host's kernel as the engine wants it: addresses and routes compared with what is wanted, and put right.

`real` addresses belong to the kernel and are added where missing. Virtual addresses never do: for each there is a
blackhole route, so that the host's own stack neither forwards copies of the frames that the packet sockets see (with
ip_forward on), nor answers a target's reply to a check with a reset that would ask for the address by ARP.

Nothing is remembered that the kernel can be asked: what is ours carries a mark there (`state.MARK`).
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pyroute2.netlink.exceptions import NetlinkError

from engine.domain.notices import Notice
from engine.io.host.claims import Claims, Holder
from engine.io.host.netlink import RTPROT_KERNEL, Netlink
from engine.io.host.netlink_notices import NetlinkNotices
from engine.io.host.presence import Presence
from engine.io.host.record import Record
from engine.io.host.removal import remove_addresses
from engine.io.host.repairs import Repairs
from engine.io.host.state import (
    MARK,
    Found,
    Owned,
    Placed,
    compare,
    configured_links,
    holders,
    network_of,
    still_owned,
    unclaimed,
    wanted_of,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
    from pathlib import Path

    from engine.config.model import Config, Network
    from engine.domain.frame import Link
    from engine.domain.notices import EventSeverity

log = logging.getLogger("engine.host")

REPLY_S = 5.0
"""So long the kernel may take to answer; then the socket is taken for dead, and another one opened."""

ASK_AGAIN_S = 10.0
"""How often it is asked again whether an address that is not wanted any more can go."""

GONE = frozenset({errno.ENODEV, errno.ENETDOWN})
"""The link has gone or is down since it was looked at: no refusal, and the next look sees it."""


class HostError(Exception):
    """The configuration cannot run on this host; the message says why and what to do."""


@dataclass
class Righted:
    """What came of putting right: what to tell, what is wrong all the same, and what the host refused."""

    notices: list[Notice] = field(default_factory=list)
    wrong: dict[str, str] = field(default_factory=dict)  # alarms that are true now, by what they are about
    refusals: list[str] = field(default_factory=list)

    def tell(self, severity: EventSeverity, text: str) -> None:
        """Add something to tell."""
        self.notices.append(Notice("datapath", severity, "host", text))


class Host:
    """The host's links, addresses and routes; `record` is the file that says what was added."""

    def __init__(self, record: Path) -> None:
        self.addresses: dict[str, set[str]] = {}  # by interface name
        self._record = Record(record)
        self._netlink: Netlink | None = None
        self._presence: Presence | None = None
        self._claims = Claims()
        self._elsewhere: dict[int, Holder] = {}  # interfaces that another engine has, by index
        self._notices = NetlinkNotices((MARK, RTPROT_KERNEL))
        self._found = Found()
        self._owned = Owned()
        self._stood: frozenset[Placed | str] = frozenset()  # what was wanted and there at the last comparison
        self._repairs = Repairs()
        self._set_up: set[int] = set()  # interfaces by index
        self._stays: dict[Placed, str] = {}  # leftovers, and who relies on them
        self._ask_again_at = 0.0

    async def open(self) -> None:
        """Show other engines that this one is here, and read what an earlier one added and did not remove."""
        self._presence = Presence()
        self._owned = self._record.read()

    # -- what there is ----------------------------------------------------------------------------------------------

    async def links(self, config: Config) -> dict[int, Link]:
        """Look at the host; return the configured, enabled interfaces that exist and no other engine has, by number."""
        with contextlib.suppress(OSError):  # the next look tries again; it comes within a second anyway
            self._notices.ensure_open()
        async with self._asking() as netlink:
            self._take(await netlink.look())
        found = configured_links(config, self._found.links)
        self._elsewhere = self._claims.follow({link.ifindex: link.name for link in found.values()})
        return {number: link for number, link in found.items() if link.ifindex not in self._elsewhere}

    async def changed(self) -> None:
        """Wait until the kernel says that a link, an address or a route has changed."""
        await self._notices.changed()

    def refuse_held(self) -> None:
        """Raise HostError where another engine has an interface."""
        for holder in self._elsewhere.values():
            raise HostError(str(holder))

    def refuse_owned(self, virtual: Iterable[str]) -> None:
        """Raise HostError where the host itself owns a virtual address: its kernel would answer in place of the engine."""
        for address, name in holders(self._found, set(virtual)).items():
            raise HostError(
                f"this host owns the virtual address {address} on {name}; "
                f"remove it: ip addr del {address} dev {name}"
            )

    def _take(self, found: Found) -> None:
        self._found = found
        self.addresses = {}
        for each in found.addresses:
            name = self._name(each.at)
            self.addresses.setdefault(name, set()).add(each.at.address)

    def _name(self, at: Placed) -> str:
        return self._found.names.get(at.ifindex, "?")

    # -- putting right ----------------------------------------------------------------------------------------------

    async def put_right(
        self, networks: Iterable[Network], links: Mapping[int, Link], virtual: Iterable[str], now: float
    ) -> Righted:
        """Have what is wanted, and take away what is ours and not wanted any more; `now` in monotonic seconds.

        Goes by what `links` has found. What the host refuses keeps nothing else from being put right.
        """
        networks = list(networks)
        wanted = wanted_of(networks, links, virtual, self._found.links)
        righted = Righted()
        if wanted.lacking:
            righted.wrong["vlan"] = "; ".join(wanted.lacking)
        self._owned = self._still_owned()
        difference = compare(wanted, self._found, self._owned)
        async with self._asking() as netlink:
            carriers = {
                links[n.interface or 0].ifindex for n in networks if n.real and (n.interface or 0) in links
            }
            await self._set_new_links_up(netlink, carriers, links, righted)
            added = await self._add_addresses(netlink, difference.missing_addresses, righted, now)
            await self._add_routes(netlink, difference.missing_routes, righted, now)
            await self._add_networks(netlink, difference.missing_networks, righted, now)
            if difference.missing_addresses or difference.missing_routes:
                self._take(await netlink.look())
                self._own(added)
            await self._remove_routes(netlink, difference.leftover_routes)
            await self._remove_leftovers(netlink, difference.leftover_addresses, righted, now)
        there = {each.at for each in self._found.addresses} | self._found.routes
        self._stood = (self._stood | there) & (wanted.addresses | wanted.routes)
        self._tell_contests(righted, now)
        self._record.write(self._owned)
        return righted

    def _still_owned(self) -> Owned:
        alone = unclaimed(self._found, self._owned) and self._presence is not None and self._presence.alone()
        owned = still_owned(self._found, self._owned, alone=alone)
        for each in self._found.addresses:
            if each.at in self._owned.addresses and each.at not in owned.addresses:
                log.info(
                    "%s of %s is not ours any more: somebody else has set it", each.at, self._name(each.at)
                )
        return owned

    async def _set_new_links_up(
        self, netlink: Netlink, needed: Collection[int], links: Mapping[int, Link], righted: Righted
    ) -> None:
        """Set up interfaces that have just appeared; one that an operator sets down later stays down."""
        self._set_up &= set(self._found.names)
        for link in links.values():
            if link.ifindex not in needed or link.ifindex in self._set_up:
                continue
            try:
                if not link.up:
                    await netlink.set_up(link.ifindex)
            except NetlinkError as error:
                if error.code not in GONE:
                    righted.refusals.append(f"{link.name} cannot be set up: {error}")
            else:
                self._set_up.add(link.ifindex)

    async def _add_addresses(
        self, netlink: Netlink, missing: Sequence[Placed], righted: Righted, now: float
    ) -> list[Placed]:
        added = []
        for at in missing:
            if not self._repairs.due(at, now):
                continue
            name = self._name(at)
            try:
                await netlink.add_address(at)
            except NetlinkError as error:
                if error.code not in {errno.EEXIST, *GONE}:
                    righted.refusals.append(f"{at} cannot be added to {name}: {error}")
                continue
            added.append(at)
            if at not in self._stood:
                log.info("added %s to %s", at, name)
            elif self._repairs.done(at, now):
                righted.tell("warning", f"the address {at} of {name} was gone and is back")
        return added

    async def _add_routes(
        self, netlink: Netlink, missing: Sequence[str], righted: Righted, now: float
    ) -> None:
        back, added, in_place = [], [], []
        for address in missing:
            if not self._repairs.due(address, now):
                continue
            try:
                await netlink.add_route(address)
            except NetlinkError as error:
                if error.code != errno.EEXIST:
                    righted.refusals.append(f"no blackhole route for {address}: {error}")
                elif not await netlink.discards(address):
                    in_place.append(address)
                continue
            added.append(address)
            if address in self._stood and self._repairs.done(address, now):
                back.append(address)
        self._owned = Owned(self._owned.addresses, self._owned.routes.union(added))
        if back:
            righted.tell("warning", f"{_routes_for(back)} {_was(back)} gone and {_is(back)} back")
        if in_place:
            righted.wrong["routes in place"] = (
                f"another route stands in place of {_routes_for(in_place)}, by which the host discards what it hears "
                f"besides the engine; remove it: ip route del {in_place[0]}"
            )

    async def _add_networks(
        self, netlink: Netlink, missing: Sequence[Placed], righted: Righted, now: float
    ) -> None:
        for at in missing:
            network = network_of(at)
            thing = (at.ifindex, str(network))
            if not self._repairs.due(thing, now):
                continue
            try:
                await netlink.add_network(at)
            except NetlinkError as error:
                if error.code not in {errno.EEXIST, *GONE}:
                    righted.refusals.append(f"no route to {network} over {self._name(at)}: {error}")
            else:
                if self._repairs.done(thing, now):
                    righted.tell(
                        "warning", f"the route to {network} over {self._name(at)} was gone and is back"
                    )

    def _own(self, added: Collection[Placed]) -> None:
        """Own what was just added, and note whether the kernel shows our mark on it."""
        marks = {each.at: each.mark == MARK for each in self._found.addresses if each.at in added}
        self._owned = Owned({**self._owned.addresses, **marks}, self._owned.routes)

    def _tell_contests(self, righted: Righted, now: float) -> None:
        contested = self._repairs.contested(now)
        addresses = sorted(f"{at} of {self._name(at)}" for at in contested if isinstance(at, Placed))
        routes = sorted(address for address in contested if isinstance(address, str))
        networks = sorted(f"the route to {thing[1]}" for thing in contested if isinstance(thing, tuple))
        what = [
            *(f"the address {text}" for text in addresses),
            *([_routes_for(routes)] if routes else []),
            *networks,
        ]
        if what:
            righted.wrong["contested"] = (
                f"something on this host takes {_several(what)} away again and again; put back once a second. "
                "A network manager has to leave alone what is not its own (systemd-networkd: KeepConfiguration=, "
                "ManageForeignRoutes=no)"
            )

    # -- taking away ------------------------------------------------------------------------------------------------

    async def _remove_routes(self, netlink: Netlink, going: Collection[str]) -> None:
        for address in going:
            try:
                await netlink.remove_route(address)
            except NetlinkError as error:
                log.warning("the blackhole route for %s stays: %s", address, error)
        self._owned = Owned(self._owned.addresses, self._owned.routes - set(going))

    async def _remove_leftovers(
        self, netlink: Netlink, leftovers: Sequence[Placed], righted: Righted, now: float
    ) -> None:
        """Remove addresses that are not wanted any more, except those that somebody relies on: told, and left."""
        self._stays = {at: reason for at, reason in self._stays.items() if at in leftovers}
        if not leftovers or (now < self._ask_again_at and set(leftovers) == set(self._stays)):
            return
        self._ask_again_at = now + ASK_AGAIN_S
        stays, self._owned = await remove_addresses(netlink, leftovers, self._found, self._owned)
        for at, reason in stays.items():
            if self._stays.get(at) != reason:
                righted.tell("warning", f"{at} stays on {self._name(at)}: {reason}")
        for at in leftovers:
            if at not in stays:
                righted.tell("info", f"removed {at} from {self._name(at)}, where it is not needed any more")
        self._stays = stays

    async def close(self) -> None:
        """Take away what is ours, except what somebody relies on: that stays, and it is said why."""
        if self._presence is None:
            return
        try:
            await self._take_back()
        except (OSError, NetlinkError) as error:
            log.warning("what was added stays: %s", error)
        else:
            self._record.remove()
        self._close_sockets()

    def _close_sockets(self) -> None:
        self._claims.close()
        self._notices.close()
        if self._netlink is not None:
            self._netlink.close()
            self._netlink = None
        if self._presence is not None:
            self._presence.close()
            self._presence = None

    async def _take_back(self) -> None:
        async with self._asking() as netlink:
            self._take(await netlink.look())
            self._owned = self._still_owned()
            await self._remove_routes(netlink, self._owned.routes)
            going = self._owned.addresses
            stays, self._owned = await remove_addresses(netlink, going, self._found, self._owned)
            for at, reason in stays.items():
                log.warning("%s stays on %s: %s", at, self._name(at), reason)

    @contextlib.asynccontextmanager
    async def _asking(self) -> AsyncIterator[Netlink]:
        """Lend the netlink socket; one that is deaf is closed, and the next to ask gets another. Raises OSError."""
        try:
            async with asyncio.timeout(REPLY_S):
                if self._netlink is None:
                    netlink = Netlink()
                    await netlink.open()
                    self._netlink = netlink
                yield self._netlink
        except OSError as error:
            if self._netlink is not None:
                self._netlink.close()
                self._netlink = None
            if isinstance(error, TimeoutError):
                raise OSError(errno.ETIMEDOUT, f"the kernel gave no answer within {REPLY_S:g} s") from error
            raise


def _several(texts: Sequence[str], most: int = 4) -> str:
    """Join texts as a sentence has them, the first ones only where there are many."""
    if len(texts) > most:
        texts = [*texts[: most - 1], f"{len(texts) - most + 1} more"]
    return " and ".join(filter(None, [", ".join(texts[:-1]), texts[-1]]))


def _routes_for(addresses: Sequence[str]) -> str:
    return f"the blackhole {'route' if len(addresses) == 1 else 'routes'} for {_several(addresses)}"


def _was(things: Sequence[str]) -> str:
    return "was" if len(things) == 1 else "were"


def _is(things: Sequence[str]) -> str:
    return "is" if len(things) == 1 else "are"
