"""Servers most of whose frames are dropped for one reason: an alarm that names them, the reason, the share and the mend."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from engine.datapath.contract import SERVER_ROWS, DropReason
from engine.domain.reason import listed
from engine.report.shares import Limits, ShareWatch, Span

if TYPE_CHECKING:
    from collections.abc import Collection

    from numpy.typing import NDArray

    from engine.datapath.contract import Counters
    from engine.domain.notices import EventSeverity

LIMITS = Limits(high=0.5, low=0.25, hold_s=30.0)
"""From a half on more is dropped than served: no server works so, and what scanners send to a busy one stays far below. Half
of it is the end, so that a share that hovers about the limit raises one alarm and not a hundred; and half a minute is
long enough to be seen, and the pace of the events."""

SPANS = (Span(10.0, 1.0, 50), Span(300.0, 10.0, 20))
"""Five frames a second are traffic, of which ten seconds tell enough: a target that everybody waits for comes and goes within
less. A server with fewer is judged over five minutes, and one with a frame a minute not at all."""

CURES: dict[DropReason, str] = {
    DropReason.NO_SERVER: "add a server for that port, or ask who sends this",
    DropReason.NO_TARGET: "see show targets: none of its targets takes new flows",
    DropReason.LOOP: "see show arp for whose MAC the clients' frames come from: a router that is a target too, or another "
    "balancer that sends them back",
    DropReason.MALFORMED: "capture on the interface: a faulty network card, or somebody tries things",
    DropReason.FRAGMENT: "its clients fragment, and not every fragment comes this way; let sessionid be src",
    DropReason.ICMP_NO_FLOW: "errors about connections that this node does not know: another node's, or forged ones",
    DropReason.PROTOCOL: "let the server's protocol be any if that is wanted",
    DropReason.TOO_BIG: "raise the MTU of the interface that leads to its targets, or lower the clients' (MSS)",
    DropReason.TRUNCATED: "switch large receive offload off on the interface (ethtool -K), or raise its MTU",
    DropReason.TX_FULL: "the interface does not take what comes in: look at its queue and its speed",
    DropReason.TX_ERROR: "look at the interface that leads to its targets: down, missing or refusing frames (ip -s link)",
    DropReason.FAULT: "see show events for the fault, and report it",
    DropReason.CHECKSUM: "a faulty network card or cable before this node: see ethtool -S",
    DropReason.TTL: "packets go round in the network before this node: traceroute to the virtual address",
    DropReason.MARTIAN: "somebody forges sources: filter them at the edge (BCP 38)",
    DropReason.OVERLOAD: "a flood, or more of such traffic than a worker has time for: see who sends it (tcpdump), or add workers",
}
"""What to do, by reason."""

_SENDERS_FAULT = frozenset(
    {
        DropReason.NO_SERVER,
        DropReason.MALFORMED,
        DropReason.ICMP_NO_FLOW,
        DropReason.PROTOCOL,
        DropReason.CHECKSUM,
        DropReason.TTL,
        DropReason.MARTIAN,
        DropReason.OVERLOAD,
    }
)
"""Reasons that whoever sends the frames may bring about: warnings, the others are errors."""


class Told(NamedTuple):
    """What is wrong with some servers."""

    reason: DropReason
    servers: tuple[int, ...]
    message: str

    @property
    def severity(self) -> EventSeverity:
        """How bad it is."""
        return "warning" if self.reason in _SENDERS_FAULT else "error"

    @property
    def subject(self) -> str:
        """Whom it is about."""
        return f"server {self.servers[0]}" if len(self.servers) == 1 else f"{len(self.servers)} servers"


class News(NamedTuple):
    """What has become different: `raised` since now, and servers that are `over` by reason."""

    raised: list[Told]
    over: dict[DropReason, tuple[int, ...]]


class DropWatch:
    """Reads the counters once a second; seconds are monotonic."""

    def __init__(self) -> None:
        self._shares = ShareWatch(SERVER_ROWS, len(DropReason), SPANS, LIMITS)

    def look(self, counters: Counters, served: Collection[int], now: float) -> News:
        """Judge the servers in `served`; of any other nothing is wrong, and with none (a backup) all is forgotten."""
        begun, ended = self._shares.look(counters.server_packets, counters.server_dropped, served, now)
        return News(
            [self._told(reason, begun[:, reason]) for reason in _reasons(begun)],
            {reason: tuple(np.flatnonzero(ended[:, reason]).tolist()) for reason in _reasons(ended)},
        )

    def standing(self) -> list[Told]:
        """Return what is wrong now, by reason."""
        wrong = self._shares.wrong
        return [self._told(reason, wrong[:, reason]) for reason in _reasons(wrong)]

    def about(self, server: int) -> list[str]:
        """Say what is wrong with one server."""
        mine = np.zeros(SERVER_ROWS, np.bool_)
        mine[server] = True
        return [self._told(r, mine).message for r in _reasons(self._shares.wrong & mine[:, None])]

    def _told(self, reason: DropReason, which: NDArray[np.bool_]) -> Told:
        shares = self._shares
        servers = tuple(np.flatnonzero(which).tolist())
        dropped, total = int(shares.part[which, reason].sum()), int(shares.whole[which].sum())
        names = listed((f"server {number}" for number in servers), ", ")
        message = (
            f"{names}: {dropped / max(total, 1):.0%} of the frames were dropped as {reason.label} ({dropped} of {total} in "
            f"{shares.span_s[which].max():.0f} s): {reason.help}; {CURES[reason]}"
        )
        return Told(reason, servers, message)


def _reasons(of: NDArray[np.bool_]) -> list[DropReason]:
    return [reason for reason in DropReason if of[:, reason].any()]
