"""Finds addresses that are at one MAC: a router that answers for an absent target, or a host that answers for others.

Targets of one machine on purpose look the same: nothing on the wire tells them apart, so they are named too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.domain.mac import mac_text
from engine.domain.notices import Alarm, Notice

if TYPE_CHECKING:
    from engine.domain.address import Address
    from engine.modules.state.view import View
    from engine.modules.state.world import World

NAMED = 4
"""So many addresses of a MAC are named; a message of a thousand is read by nobody."""


class SharedMacs:
    """Owner of the alarms about MACs that several addresses of targets and gateway resolve to."""

    def __init__(self, world: World, view: View) -> None:
        self._world = world
        self._view = view
        self._told: dict[bytes, list[Address]] = {}
        self._stale = True

    def look_again(self) -> None:
        """Have the next `review` look at every MAC: one has changed, or the addresses have."""
        self._stale = True

    @property
    def due(self) -> bool:
        """Whether there is something to review."""
        return self._stale

    def review(self) -> list[Notice]:
        """Return what is new about shared MACs, and keep their alarms."""
        if not self._stale:
            return []
        self._stale = False
        by_mac: dict[bytes, list[Address]] = {}
        for address, neighbour in self._world.neighbours.items():
            if neighbour.mac is not None:
                by_mac.setdefault(neighbour.mac, []).append(address)
        shared = {mac: sorted(addresses) for mac, addresses in by_mac.items() if len(addresses) > 1}
        notices = [self._ended(mac) for mac in self._told if mac not in shared]
        for mac, addresses in shared.items():
            if self._told.get(mac) != addresses:
                text = self._text(mac, addresses)
                subject = ", ".join(self._view.owner(a) for a in addresses[:NAMED])
                notices.append(Notice("arp", "error", subject, text))
                alarm = Alarm(severity="error", subject=subject, message=text)
                self._world.alarms[self._alarm(mac)] = alarm
        self._told = shared
        return notices

    def _text(self, mac: bytes, addresses: list[Address]) -> str:
        gateway = self._view.gateway
        targets = [a for a in addresses if a != gateway]
        named = " and ".join(f"{a} ({self._view.owner(a)})" for a in targets[:NAMED])
        more = f" and {len(targets) - NAMED} more" if len(targets) > NAMED else ""
        if gateway in addresses:
            return (
                f"{mac_text(mac)}, which is the gateway ({gateway}), also answers for {named}{more}; "
                "set net.ipv4.conf.all.proxy_arp=0 on the gateway, or take the target out"
            )
        return (
            f"{mac_text(mac)} answers for {named}{more}; if this is not one machine on purpose, see that each has its "
            "own address: no proxy_arp on a router, net.ipv4.conf.all.arp_ignore=1 and the mask 255.255.255.255 of "
            "the alias on targets"
        )

    def _ended(self, mac: bytes) -> Notice:
        self._world.alarms.pop(self._alarm(mac), None)
        named = ", ".join(map(str, self._told[mac][:NAMED]))
        return Notice("arp", "info", mac_text(mac), f"{named} are no longer all at {mac_text(mac)}")

    @staticmethod
    def _alarm(mac: bytes) -> tuple[str, str]:
        return "arp", f"shared {mac_text(mac)}"
