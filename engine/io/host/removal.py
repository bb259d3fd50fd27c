"""Takes addresses away that are not wanted any more: only where nobody relies on them, and nothing else with them.

The kernel may take more: secondary addresses, and routes of others that go with the last address. What should not have
gone is put back.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from pyroute2.netlink.exceptions import NetlinkError

from engine.io.host.netlink import Netlink
from engine.io.host.reliance import lost_with, order_of_removal, relied_on
from engine.io.host.state import Owned, still_owned

if TYPE_CHECKING:
    from collections.abc import Collection

    from engine.io.host.reliance import ForeignRoute
    from engine.io.host.state import Found, FoundAddress, Placed

log = logging.getLogger("engine.host")

ROUTES_S = 2.0
"""So long the host's routes are read to find out who relies on an address; some 40,000 routes."""

_CONF = Path("/proc/sys/net/ipv4/conf")


async def remove_addresses(
    netlink: Netlink, going: Collection[Placed], found: Found, owned: Owned
) -> tuple[dict[Placed, str], Owned]:
    """Remove addresses of ours that nobody relies on; return why the others stay, and what is ours then."""
    routes = await _foreign_routes()
    if routes is None:
        reason = f"the host has more routes than can be looked through in {ROUTES_S:g} s"
        return dict.fromkeys(going, reason), owned
    addresses = await netlink.addresses()
    ours = still_owned(replace(found, addresses=addresses), owned, alone=False).addresses
    going = [at for at in going if at in ours]
    staying = [at for at in ours if at not in going]
    stays = relied_on(going, addresses, routes, _promoting(found), restored=staying)
    for at in order_of_removal(set(going) - stays.keys(), addresses):
        try:
            await netlink.remove_address(at)
        except NetlinkError as error:
            stays[at] = str(error)
    await _put_back(netlink, staying, addresses, routes)
    left = {at: marked for at, marked in owned.addresses.items() if at not in going or at in stays}
    return stays, Owned(left, owned.routes)


async def _put_back(
    netlink: Netlink,
    staying: Collection[Placed],
    before: Collection[FoundAddress],
    routes: Collection[ForeignRoute],
) -> None:
    """Put back what has gone with an address and should not have: secondary addresses of ours, routes of others."""
    left = {each.at for each in await netlink.addresses()}
    for at in staying:
        if at not in left:
            await netlink.add_address(at)
    for route in lost_with({each.at for each in before} - left, before, routes):
        try:
            netlink.put_back(route)
        except OSError as error:
            log.warning(
                "the route to %s went with an address and cannot be put back: %s",
                route.destination,
                error,
            )


async def _foreign_routes() -> list[ForeignRoute] | None:
    """Return the routes of others; None where there are too many."""
    # A socket of its own: the kernel makes one dump at a time for each, and this one may be given up half-way.
    netlink = Netlink()
    try:
        async with asyncio.timeout(ROUTES_S):
            await netlink.open()
            return await netlink.foreign_routes()
    except TimeoutError:
        return None
    finally:
        netlink.close()


def _promoting(found: Found) -> set[int]:
    """Return the interfaces on which a secondary address takes the place of a primary one that is removed.

    One of the two switches is enough (Linux, include/linux/inetdevice.h, IN_DEV_PROMOTE_SECONDARIES).
    """

    def on(name: str) -> bool:
        try:
            return (_CONF / name / "promote_secondaries").read_text().strip() != "0"
        except OSError:
            return False

    everywhere = on("all")
    return {index for index, name in found.names.items() if everywhere or on(name)}
