"""`ping`: echo replies for the virtual addresses. The kernel answers for `real`.

RFC 792 and RFC 1122 section 3.2.2.6. The address is looked up before anything is answered, and only the master answers:
the module is before `master` in the line.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.domain.frame import AddressSet, FrameClass, FrameMatch
from engine.domain.pace import TokenBucket
from engine.modules.module import Module
from engine.modules.state.world import Outcome
from engine.packets import build, read
from engine.packets.checksum import checksum
from engine.packets.headers import ECHO_REQUEST, ETH_LEN, ETHERTYPE_IPV4, ICMP, IPV4_LEN, Ipv4

if TYPE_CHECKING:
    from engine.domain.frame import Frame
    from engine.modules.state.view import View
    from engine.modules.state.world import World

RATE_PPS = 1000
"""Replies a second: the kernel's own limit for all ICMP it sends (net.ipv4.icmp_msgs_per_sec), enough for every monitor
of 512 addresses, and less than a tenth of a core, so that a ping flood cannot starve ARP and the health checks."""

BURST = 200
"""Replies at once: a monitoring system asking a whole block of addresses in one go."""

_SOURCE_ROUTES = (131, 137)
"""Option types LSRR and SSRR. RFC 7126 sections 4.3 and 4.4 advise to drop such datagrams."""


class Ping(Module):
    """Answers ICMP echo requests to virtual addresses, of any size up to the MTU."""

    name = "ping"

    def __init__(self, world: World, view: View) -> None:
        super().__init__(world, view)
        self.answered = 0
        self.limited = 0
        self._bucket = TokenBucket(RATE_PPS, BURST)

    @property
    def wants(self) -> tuple[FrameMatch, ...]:
        """ICMP to virtual addresses."""
        return (
            FrameMatch(ETHERTYPE_IPV4, ICMP, destination=AddressSet.VIRTUAL, frame_class=FrameClass.ECHO),
        )

    def handle(self, frame: Frame, now: float) -> Outcome:
        """Answer an echo request; consume it, answered or not. Other frames pass."""
        data = frame.data
        if read.ethertype(data) != ETHERTYPE_IPV4:
            return Outcome()
        ip = read.ipv4(data)
        if ip is None or ip.dst not in self.view.virtuals or ip.proto != ICMP:
            return Outcome()
        if not self.view.served_on(ip.dst, frame):  # another VLAN's, or an address that a living host has
            return Outcome(consumed=True)
        if ip.fragment:
            return Outcome(consumed=True)  # an echo of several fragments is not put together
        echo = read.echo(data, ip)
        if echo is None or echo.type != ECHO_REQUEST:
            return Outcome()
        outcome = Outcome(consumed=True)
        link = self.view.link(frame.interface)
        if not self.world.is_master or link is None or data[0:6] != link.mac:
            return outcome  # not to us as a station: a broadcast, or a frame seen by promiscuity
        if not self._answerable(data, ip) or ip.end - ETH_LEN > link.mtu:
            return outcome
        if not self._bucket.take(now):
            self.limited += 1
            return outcome
        self.answered += 1
        outcome.send.append(frame.answer(build.echo_reply(data, ip, link.mac)))
        return outcome

    def note(self) -> str:
        """Say how many were answered, and how many were too many."""
        limited = f", {self.limited} over {RATE_PPS}/s" if self.limited else ""
        return f"{self.answered} echo requests answered{limited}"

    def _answerable(self, data: bytes, ip: Ipv4) -> bool:
        """Whether the sender is one host that may be answered, and the message is intact."""
        source_ok = ip.src.is_host and ip.src not in self.view.virtuals
        station_ok = not data[6] & 1 and data[6:12] not in self.view.own_macs
        return (
            source_ok
            and station_ok
            and checksum(data[ip.start : ip.end]) == 0
            and not _source_routed(data[ETH_LEN + IPV4_LEN : ip.start])
        )


def _source_routed(options: bytes) -> bool:
    """Whether IP options (RFC 791 section 3.1) hold a source route, or are garbled so that nobody can tell."""
    at = 0
    while at < len(options):
        kind = options[at]
        if kind == 0:  # end of list
            return False
        if kind == 1:  # no operation, one byte
            at += 1
            continue
        if kind in _SOURCE_ROUTES or at + 1 >= len(options) or options[at + 1] < 2:
            return True
        at += options[at + 1]
    return False
