"""Hosts that ask for virtual addresses from time to time: routers and clients on the link, whose questions must not wait.

They are learned while few ask, and then a flood of made-up senders neither gets among them nor pushes one of them out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine.domain.address import Address

MOST = 64
"""A router or two, and on a link with clients of its own those that came first."""

CALM_PPS = 20
"""Questions of unknown hosts a second while which one of them is believed to come back."""

FORGET_S = 4 * 3600.0
"""Routers keep an ARP entry for as long (Cisco IOS: `arp timeout 14400`), so a silent one may still be at work."""


class Askers:
    """Address and MAC of those who asked, by interface."""

    def __init__(self) -> None:
        self._last: dict[tuple[int, Address, bytes], float] = {}  # the longest silent first
        self._second, self._asked, self._before = 0, 0, 0

    def asked(self, interface: int, address: Address, mac: bytes, now: float) -> None:
        """Take in that a host asked for an address of ours, and was answered."""
        key = interface, address, mac
        if self._last.pop(key, None) is None and not self._room(now):
            return
        self._last[key] = now

    def known(self, interface: int) -> list[tuple[Address, bytes]]:
        """Return the hosts of an interface."""
        return [(address, mac) for number, address, mac in self._last if number == interface]

    def _room(self, now: float) -> bool:
        """Whether one more may be learned now; makes room where one has been silent for long."""
        second = int(now)
        if second != self._second:
            self._before = self._asked if second == self._second + 1 else 0
            self._second, self._asked = second, 0
        self._asked += 1
        if max(self._asked, self._before) > CALM_PPS:
            return False
        if len(self._last) >= MOST:
            oldest = next(iter(self._last))
            if now - self._last[oldest] < FORGET_S:
                return False
            del self._last[oldest]
        return True
