"""Every kind of check, and how it runs. A new one is declared in engine.domain.checks, and gets a file and a line here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.health import ping, tcpopen, udp

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from engine.domain.checks import ProbeAnswer, ProbeStart


@dataclass(frozen=True, slots=True)
class CheckRun:
    """How one kind runs.

    `run` makes one attempt, within `ProbeKey.attempt_s`; it may raise PermissionError, and then `needs` tells the
    operator what is missing. `close` gives back what attempts share, at the end of the engine.
    """

    run: Callable[[ProbeStart], Awaitable[ProbeAnswer]]
    needs: str = ""
    close: Callable[[], None] | None = None


CHECK_RUNS: dict[str, CheckRun] = {
    "ping": CheckRun(
        ping.run, needs="CAP_NET_RAW, or this group in net.ipv4.ping_group_range", close=ping.close
    ),
    "tcpopen": CheckRun(tcpopen.run),
    "udp": CheckRun(udp.run),
    "dns": CheckRun(udp.run),
}
