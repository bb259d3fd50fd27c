"""Servers most of whose frames are dropped for one reason: an alarm that names them, the reason, the share and the mend."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from engine.datapath.contract import SERVER_ROWS, DropReason
from engine.domain.reason import listed
from engine.report.window import Window

if TYPE_CHECKING:
    from collections.abc import Collection

    from numpy.typing import NDArray

    from engine.datapath.contract import Counters
    from engine.domain.notices import EventSeverity

RAISE_SHARE = 0.5
"""From here on more is dropped than served: no server works so, and what scanners send to a busy one stays far below."""

CLEAR_SHARE = 0.25
"""Half of it, so that a share that hovers about the limit raises one alarm and not a hundred."""

HOLD_S = 30.0
"""The least time an alarm stands: long enough to be seen, and the pace of its events."""

SHORT_S, SHORT_FRAMES = 10.0, 50
"""Where a server gets so many frames in so long, that time decides: five a second are traffic, and a target that
everybody waits for comes and goes within less."""

LONG_S, LONG_FRAMES = 300.0, 20
"""Where it gets fewer, so many of the last five minutes do. A server with a frame a minute is not judged at all."""

_LONG_STEP_S = 10.0

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
        self._windows = (Window(SHORT_S, 1.0), Window(LONG_S, _LONG_STEP_S))
        self._raised = np.zeros((SERVER_ROWS, len(DropReason)), np.bool_)
        self._since = np.full((SERVER_ROWS, len(DropReason)), -math.inf)
        self._dropped = np.zeros((SERVER_ROWS, len(DropReason)), np.int64)
        self._total = np.zeros(SERVER_ROWS, np.int64)
        self._span_s = np.zeros(SERVER_ROWS)

    def look(self, counters: Counters, served: Collection[int], now: float) -> News:
        """Judge the servers in `served`; of any other nothing is wrong, and with none (a backup) all is forgotten."""
        if not served:
            for window in self._windows:
                window.clear()
            return self._go_over(np.zeros_like(self._raised), now)
        values = np.column_stack((counters.server_packets, counters.server_dropped))
        for window in self._windows:
            window.take(values, now)
        mask = np.zeros(SERVER_ROWS, np.bool_)
        mask[list(served)] = True
        judged = self._measure() & mask
        share = self._dropped / np.maximum(self._total, 1)[:, None]
        limit = np.where(self._raised, CLEAR_SHARE, RAISE_SHARE)
        wrong = (share >= limit) & judged[:, None]
        wrong |= self._raised & (now - self._since < HOLD_S) & mask[:, None]
        return self._go_over(wrong, now)

    def standing(self) -> list[Told]:
        """Return what is wrong now, by reason."""
        return [self._told(reason, self._raised[:, reason]) for reason in self._reasons(self._raised)]

    def about(self, server: int) -> list[str]:
        """Say what is wrong with one server."""
        mine = np.zeros(SERVER_ROWS, np.bool_)
        mine[server] = True
        return [self._told(reason, mine).message for reason in self._reasons(self._raised & mine[:, None])]

    def _measure(self) -> NDArray[np.bool_]:
        """Take the figures of each server from the shortest time that tells enough; True where there is one."""
        judged = np.zeros(SERVER_ROWS, np.bool_)
        for window, least in zip(self._windows, (SHORT_FRAMES, LONG_FRAMES), strict=True):
            if not window.full:
                continue
            growth = window.growth()
            total = growth.sum(axis=1)
            here = ~judged & (total >= least)
            self._dropped[here], self._total[here] = growth[here, 1:], total[here]
            self._span_s[here] = window.span_s
            judged |= here
        return judged

    def _go_over(self, wrong: NDArray[np.bool_], now: float) -> News:
        begun, ended = wrong & ~self._raised, self._raised & ~wrong
        self._since[begun] = now
        self._raised = wrong
        return News(
            [self._told(reason, begun[:, reason]) for reason in self._reasons(begun)],
            {reason: tuple(np.flatnonzero(ended[:, reason]).tolist()) for reason in self._reasons(ended)},
        )

    @staticmethod
    def _reasons(of: NDArray[np.bool_]) -> list[DropReason]:
        return [reason for reason in DropReason if of[:, reason].any()]

    def _told(self, reason: DropReason, which: NDArray[np.bool_]) -> Told:
        servers = tuple(np.flatnonzero(which).tolist())
        dropped, total = int(self._dropped[which, reason].sum()), int(self._total[which].sum())
        names = listed((f"server {number}" for number in servers), ", ")
        span_s = int(self._span_s[which].max())
        message = (
            f"{names}: {dropped / max(total, 1):.0%} of the frames were dropped as {reason.label} ({dropped} of {total} in "
            f"{span_s} s): {reason.help}; {CURES[reason]}"
        )
        return Told(reason, servers, message)
