"""Why a target gets no new flows and why a server serves nobody: causes as values, and the one place of their sentences."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, unique
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from engine.domain.address import Address

MAX_NAMED = 3
"""Causes that one sentence lists; the others are a number."""


@unique
class Reason(Enum):
    """Every reason there is; the value is a word for programs."""

    # of a target
    NOT_REGISTERED = "not-registered"
    TARGET_NOT_IPV4 = "target-not-ipv4"
    DISABLED = "disabled"
    DRAINING = "draining"
    DRAINED = "drained"
    NO_TRANSLATION = "no-translation"
    NO_NETWORK = "no-network"
    NO_REAL = "no-real"
    LINK_OFF = "link-off"
    MAC_UNRESOLVED = "mac-unresolved"
    CHECK_PENDING = "check-pending"
    CHECK_FAILED = "check-failed"
    NOT_CHECKED = "not-checked"
    FULL = "full"
    UNUSED = "unused"
    SERVER_DISABLED = "server-disabled"
    STANDS_BY = "stands-by"
    EVERY_VIRTUAL_ADDRESS_FAILED = "every-virtual-address-failed"
    OUT_OF_SERVERS = "out-of-servers"
    SERVERS_DISABLED = "servers-disabled"
    NOT_DECIDED = "not-decided"

    # of a server
    SERVER_NOT_IPV4 = "server-not-ipv4"
    NO_TARGETS = "no-targets"
    ALL_FULL = "all-full"
    NO_TARGET_FIT = "no-target-fit"

    # a part of one of these: the cause of one member
    IN_SERVER = "in-server"
    OUT_OF_SERVER = "out-of-server"
    OF_TARGET = "of-target"
    SERVER = "server"


_SENTENCE = {
    Reason.NOT_REGISTERED: "not registered",
    Reason.TARGET_NOT_IPV4: "{given}: only IPv4 targets are built yet",
    Reason.DISABLED: "disabled",
    Reason.DRAINING: "draining",
    Reason.DRAINED: "drained: its time is over, so its flows have ended",
    Reason.NO_TRANSLATION: "address translation is not built yet: dsr enable is missing",
    Reason.NO_NETWORK: "no enabled network has {address}",
    Reason.NO_REAL: "network {network} has no real address to ask {address} from",
    Reason.LINK_OFF: "its interface {interface} is {link}",
    Reason.MAC_UNRESOLVED: "no MAC: {address} does not answer ARP",
    Reason.CHECK_PENDING: "waiting for the first answer of {check} {endpoint}",
    Reason.CHECK_FAILED: "{error}",
    Reason.NOT_CHECKED: "not checked: the modules line has no hc",
    Reason.FULL: "maxsessions reached",
    Reason.UNUSED: "no server uses it",
    Reason.SERVER_DISABLED: "server {server} is disabled",
    Reason.STANDS_BY: "stands by as backup of {parts}",
    Reason.EVERY_VIRTUAL_ADDRESS_FAILED: "{parts}",
    Reason.OUT_OF_SERVERS: "{parts}",
    Reason.SERVERS_DISABLED: "{parts}",
    Reason.NOT_DECIDED: "not looked at yet",
    Reason.SERVER_NOT_IPV4: "{given}: only IPv4 is built yet",
    Reason.NO_TARGETS: "has no targets",
    Reason.ALL_FULL: "every target that is up has reached its maxsessions",
    Reason.NO_TARGET_FIT: "{parts}",
    Reason.IN_SERVER: "{parts} (server {server})",
    Reason.OUT_OF_SERVER: "out of server {server}: {parts}",
    Reason.OF_TARGET: "target {target}: {parts}",
    Reason.SERVER: "server {server}",
}
"""With the fields of `Cause` to be filled in."""

_SEPARATOR = {Reason.NO_TARGET_FIT: "; "}


@dataclass(frozen=True, slots=True)
class Cause:
    """A reason with what belongs to it; `str()` is the clause an operator reads.

    `parts` are the causes of the members that a reason is about. `given` is an address as the file has it.
    """

    reason: Reason
    target: int | None = None
    server: int | None = None
    network: int | None = None
    address: Address | None = None
    port: int | None = None
    given: str | None = None
    interface: str | None = None
    link: str | None = None
    check: str | None = None
    error: str | None = None
    parts: tuple[Cause, ...] = ()

    def __str__(self) -> str:
        return _SENTENCE[self.reason].format(
            target=self.target,
            server=self.server,
            network=self.network,
            address=self.address,
            endpoint=self.address if self.port is None else f"{self.address}:{self.port}",
            given=self.given or "no address",
            interface=self.interface,
            link=self.link,
            check=self.check,
            error=self.error or "no answer",
            parts=listed(map(str, self.parts), _SEPARATOR.get(self.reason, ", ")),
        )


def listed(words: Iterable[str], separator: str) -> str:
    """Join the first few words; the others are a number."""
    every = list(words)
    more = len(every) - MAX_NAMED
    return separator.join(every[:MAX_NAMED]) + (f"{separator}and {more} more" if more > 0 else "")
