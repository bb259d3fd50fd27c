"""What the modules share, and what they say: plain data, no sockets, no clock. `now` is monotonic seconds, passed in."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from engine.domain.states import NodeRole

if TYPE_CHECKING:
    from engine.config.model import Config, Target
    from engine.domain.address import Address
    from engine.domain.checks import ProbeKey, ProbeStart
    from engine.domain.drain import Drain
    from engine.domain.frame import Frame, Link
    from engine.domain.notices import Alarm, Notice
    from engine.domain.reason import Cause
    from engine.domain.states import Admin, Health


@dataclass(slots=True)
class Outcome:
    """What a module wants done. `facts_changed`: a MAC or a check that others decide by is not what it was.

    `doubted` are targets' addresses at whose MAC a VIP check was not answered, `proved` those at whose rival one was:
    by hc, for arp.
    """

    consumed: bool = False
    send: list[Frame] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)
    probes: list[ProbeStart] = field(default_factory=list)
    facts_changed: bool = False
    recompile: bool = False
    doubted: set[Address] = field(default_factory=set)
    proved: dict[Address, bytes] = field(default_factory=dict)

    def merge(self, other: Outcome) -> None:
        """Add what `other` wants to this one."""
        self.consumed = self.consumed or other.consumed
        self.send += other.send
        self.notices += other.notices
        self.probes += other.probes
        self.facts_changed = self.facts_changed or other.facts_changed
        self.recompile = self.recompile or other.recompile
        self.doubted |= other.doubted
        self.proved |= other.proved


@dataclass(slots=True)
class Neighbour:
    """What is known of an address's MAC. `rival`: another MAC that claims the address, proved by nothing yet."""

    mac: bytes | None = None
    rival: bytes | None = None
    learned_at: float = 0.0  # last time the address proved that MAC
    asked: int = 0  # requests since the last answer


@dataclass(slots=True)
class CheckResult:
    """Where one probe stands."""

    state: Health = "unknown"
    last_ok: float | None = None  # monotonic
    rtt_ms: float | None = None
    error: str | None = None
    tried: bool = False  # at least one attempt has ended
    mac: bytes | None = None  # of a VIP check: where it was accepted last


@dataclass(frozen=True, slots=True)
class ServerDecision:
    """Who serves a virtual server: slb's verdict, compiled into the forwarding table.

    `new` are the targets that get new flows (primaries; backups only when every primary is down), `keep` those whose
    known flows may stay: healthy ones, draining ones included. `full` are those that would be in `new`, had they not
    reached their maxsessions. `reason` says why `new` is empty, else None.
    """

    server: int
    new: tuple[int, ...]
    keep: tuple[int, ...]
    reason: Cause | None = None
    full: tuple[int, ...] = ()

    @property
    def among(self) -> tuple[int, ...]:
        """The targets that the datapath chooses from: it counts sessions itself, frame by frame."""
        return tuple(n for n in self.keep if n in self.new or n in self.full)


@dataclass(frozen=True, slots=True)
class Membership:
    """How one server sees one of its targets.

    `health` is that of the target's own checks and of this server's virtual address on it. `able`: it gets new flows
    where the server has to choose it; a backup may be able and stand by. `cause` says why it is not able, else None.
    """

    target: int
    backup: bool
    health: Health
    able: bool
    cause: Cause | None


@dataclass(frozen=True, slots=True)
class TargetStatus:
    """A target as `show targets` tells it. `operational`: gets new flows of at least one server."""

    number: int
    health: Health
    operational: bool
    reason: Cause | None
    last_change: float  # monotonic, of `health` or `operational`
    out_of: tuple[int, ...] = ()  # servers that it is down for, though it is up elsewhere


@dataclass(slots=True)
class World:
    """Shared by the modules of one engine; only the named one writes a field, everybody reads."""

    config: Config
    links: dict[int, Link] = field(default_factory=dict)  # by interface number; engine
    role: NodeRole = NodeRole.INIT  # vrrp
    force_claim: bool = False  # virtual addresses are taken without asking whether they are free; engine
    neighbours: dict[Address, Neighbour] = field(default_factory=dict)  # of targets and the gateway; arp
    withheld: set[Address] = field(default_factory=set)  # virtual ones that are not served; arp
    checks: dict[ProbeKey, CheckResult] = field(default_factory=dict)  # hc
    untried: set[ProbeKey] = field(default_factory=set)  # checks whose first attempt has not ended; hc
    target_admin: dict[int, Admin] = field(default_factory=dict)  # engine; absent: as configured
    drains: dict[int, Drain] = field(default_factory=dict)  # of targets that an operator drains; engine
    drain_ends: dict[int, float] = field(
        default_factory=dict
    )  # when those that have an end do, monotonic; engine
    server_admin: dict[int, Literal["enabled", "disabled"]] = field(default_factory=dict)  # engine
    target_sessions: dict[int, int] = field(default_factory=dict)  # engine, from the datapath
    alarms: dict[tuple[str, str], Alarm] = field(default_factory=dict)  # any, by (module, subject)

    @property
    def is_master(self) -> bool:
        """Whether this node serves the virtual addresses."""
        return self.role is NodeRole.MASTER

    def admin_of(self, target: Target) -> Admin:
        """Return a target's admin state: the operator's last word, else the file's."""
        return self.target_admin.get(target.number, "enabled" if target.enabled else "disabled")
