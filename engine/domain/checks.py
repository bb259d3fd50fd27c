"""Health checks: the kinds a configuration can ask for, the identity of one, and what an attempt of it found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from engine.domain.address import Address

DEFAULT_INTERVAL_S = 3
"""Seconds between two checks where a file gives none (the value of BalanceNG's examples)."""

DEFAULT_TIMEOUT_S = 10
"""Age of the last good answer at which a target is down, where a file gives none (BalanceNG's examples)."""


class CheckSettings(msgspec.Struct, frozen=True):
    """What a configuration says of one check; `port` is None for a kind that asks none. Times are in seconds."""

    port: int | None = None
    interval: int = DEFAULT_INTERVAL_S
    timeout: int = DEFAULT_TIMEOUT_S


@dataclass(frozen=True, slots=True)
class CheckKind:
    """A kind of check: its word in the configuration, the grammar of the word's value, and what it means to people."""

    word: str
    meaning: str  # a line of help
    example: str  # a value: "80,3,10"
    asks_port: bool = False  # `WORD PORT,INTERVAL,TIMEOUT` instead of `WORD INTERVAL,TIMEOUT`
    over_tcp: bool = False  # its port is one of TCP, so a VIP check may open it too
    over_udp: bool = (
        False  # its port is one of UDP, where a VIP check asks the same (engine.packets.questions)
    )
    gateway_meaning: str = ""  # a line of help in the gateway's block; empty: no check of a gateway

    @property
    def parts(self) -> tuple[str, ...]:
        """The fields of `CheckSettings` that a file gives, in the order it gives them."""
        return ("port", "interval", "timeout") if self.asks_port else ("interval", "timeout")

    @property
    def form(self) -> str:
        """How the value is written: `PORT,INTERVAL,TIMEOUT`."""
        return ",".join(self.parts).upper()

    def values(self, settings: CheckSettings) -> dict[str, int]:
        """Return what a file gives of these settings, by field, in the order it gives them."""
        return {part: getattr(settings, part) for part in self.parts}


CHECK_KINDS: dict[str, CheckKind] = {
    kind.word: kind
    for kind in (
        CheckKind(
            "ping",
            "health check by ICMP echo, in seconds",
            "3,8",
            gateway_meaning="check of the gateway, in seconds",
        ),
        CheckKind(
            "tcpopen",
            "health check by a TCP connection, in seconds",
            "80,3,10",
            asks_port=True,
            over_tcp=True,
        ),
        CheckKind(
            "udp",
            "health check by an empty datagram, in seconds: a refusal is bad, silence says nothing",
            "53,3,10",
            asks_port=True,
            over_udp=True,
        ),
        CheckKind(
            "dns",
            "health check by a DNS query over UDP, in seconds",
            "53,3,10",
            asks_port=True,
            over_udp=True,
        ),
    )
}
"""Every kind of check of a target's own address, by its word. The parser, the help, the completion, the rules, the
diff and the editor draw from this table, so a kind that is added here is known to all of them."""


VIP = "vip"
"""The kind that no configuration asks for: hc runs it for every server, to know that a target accepts its address."""


@dataclass(frozen=True, slots=True)
class ProbeKey:
    """Identity of a check: one probe per (target, kind, parameters), shared by every server that needs it.

    `kind` is a word of `CHECK_KINDS`, or `VIP`. `address` is what is probed: the target's own address, for `VIP` the
    virtual one (sent to the target's MAC). `port` is None for an echo. `asks`: what a VIP check asks a port of UDP, a
    word of engine.packets.questions. A `witness` says whether a target answers an echo at all: no check of its own.
    """

    target: int
    kind: str
    address: Address
    port: int | None
    interval_s: int
    timeout_s: int
    asks: str = ""
    witness: bool = False

    @property
    def attempt_s(self) -> float:
        """How long one attempt may wait for its answer, so that the next never overlaps it."""
        return float(min(self.interval_s, self.timeout_s))


@dataclass(frozen=True, slots=True)
class ProbeStart:
    """Asks the engine to run one attempt of a check of `CHECK_KINDS`, by an ordinary socket, from `source`."""

    key: ProbeKey
    source: Address


@dataclass(frozen=True, slots=True)
class ProbeAnswer:
    """What one attempt found.

    `error` is a clause for an operator ("connection refused on 172.16.1.100:80"), None where ok. `certain`: the target
    itself, or the network before it, said no; a lost packet cannot look like this. `silent`: ok, since nothing was said to
    a question that need not be answered.
    """

    ok: bool
    rtt_ms: float | None = None
    error: str | None = None
    certain: bool = False
    silent: bool = False
