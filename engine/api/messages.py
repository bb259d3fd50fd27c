"""The wire between the engine and its consoles, typed. With ops.py the reference of the protocol.

A frame is a big-endian u32 length (at most `MAX_FRAME_BYTES`) and that many bytes of msgpack. The engine speaks
first (`Hello`). Then a client sends `Request` and gets `Response` with the same id; after op `subscribe` it also
gets `StateFrame` and `EventFrame`. Every frame from the engine is a map with a `type`: ``hello``, ``response``,
``state`` or ``event``.

Units are in the names: `_s` seconds, `_ms` milliseconds, `pps` packets a second, `bps` bits a second.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from engine.config.difference.change import Change  # noqa: TC001 - msgspec reads the annotations at run time
from engine.config.finding import Finding  # noqa: TC001 - as above
from engine.domain.errors import ErrorCode  # noqa: TC001 - as above
from engine.domain.notices import Alarm, EventKind, EventSeverity  # noqa: TC001 - as above
from engine.domain.states import Admin, Health  # noqa: TC001 - as above

PROTOCOL = 1
MAX_FRAME_BYTES = 4 * 1024 * 1024
"""Larger than any state of 512 servers and 1,024 targets, small enough to refuse before allocating."""

Role = Literal["operator", "monitor"]

SOCKETS: dict[Role, str] = {"operator": "operator.sock", "monitor": "monitor.sock"}
"""The socket of each role, in the run directory."""


class CheckState(msgspec.Struct, kw_only=True):
    """One health check of one target."""

    kind: str  # "ping", "tcpopen", "vip"
    port: int | None
    state: Health
    last_ok_s: float | None  # age of the last good answer
    rtt_ms: float | None
    error: str | None
    address: str | None = None  # the address probed; for "vip" the virtual address


class DrainState(msgspec.Struct, kw_only=True):
    """A drain that an operator began. `left_s`: to its end, 0 from then on; null where it has none.

    `flows` are still at the target, those that are half open included.
    """

    since: str  # RFC 3339
    by: str
    within_s: int | None
    left_s: float | None
    flows: int
    quiet_s: float | None = None  # since a packet went there last; null: not watched yet


class TargetState(msgspec.Struct, kw_only=True):
    """One target, as the contract names its fields."""

    number: int
    name: str
    ipaddr: str
    port: int  # 0: any
    protocol: str
    mac: str | None
    dsr: bool
    admin: Admin
    health: Health
    operational: bool
    reason: str | None
    servers: list[int]
    checks: list[CheckState]
    sessions: int
    packets: int
    bytes: int
    pps: float
    bps: float
    last_change_s: float
    weight: int = 1
    backup_of: list[int] = msgspec.field(default_factory=list)
    half_open: int = 0  # flows that showed only SYNs, beside the sessions; they end after 10 s
    unanswered: int = 0  # flows that showed only SYNs to their end, since the engine's start
    maxsessions: int = 0  # 0: no limit
    drainwithin: int = 0  # seconds that a drain lasts where the operator gives no time, 0: no end
    drain: DrainState | None = None  # of one that drains
    out_of: list[int] = msgspec.field(
        default_factory=list
    )  # servers that it is down for, though up elsewhere


class MemberState(msgspec.Struct, kw_only=True, frozen=True):
    """One target as one server sees it: with the check of that server's virtual address on it."""

    target: int
    backup: bool = False
    health: Health
    able: bool  # gets new flows where the server has to choose it; a backup may be able and stand by
    reason: str | None = None  # why it is not able


class ServerState(msgspec.Struct, kw_only=True):
    """One virtual server."""

    number: int
    name: str
    ipaddr: str
    port: int  # 0: any
    protocol: str
    method: str
    admin: Literal["enabled", "disabled"]
    operational: bool
    targets: list[int]
    backup: list[int]
    sessions: int
    packets: int
    bytes: int
    pps: float
    bps: float
    reason: str | None = None
    members: list[MemberState] = msgspec.field(default_factory=list)  # primaries first
    half_open: int = 0  # flows that showed only SYNs, beside the sessions


class DatapathState(msgspec.Struct, kw_only=True):
    """What forwards, and how it fares. Counters are totals since the engine's start."""

    kind: Literal["xdp", "xdp-generic", "afpacket"]
    workers: int
    interfaces: list[str]
    received: int
    forwarded: int
    passed: int
    dropped: dict[
        str, int
    ]  # by engine.datapath.contract.DropReason name, lower case with dashes; only non-zero ones
    why: list[str]  # what was tried before, and why not
    received_pps: float = 0.0
    forwarded_pps: float = 0.0
    dropped_pps: float = 0.0
    sessions: int = 0
    half_open: int = 0  # beside the sessions
    sessions_max: int = 0  # flows that fit, sessions and half-open ones
    table_generation: int = 0
    ring_lost: int = 0  # frames the kernel could not place in the ring (PACKET_STATISTICS tp_drops)
    swaps: int = 0  # changes of table since the workers started
    swap_last_ms: float = 0.0  # how long frames waited for the last one
    swap_longest_ms: float = 0.0
    counters: dict[
        str, int
    ] = {}  # every counter of engine.datapath.contract.Counters that is one number, by name


class QueueState(msgspec.Struct, kw_only=True):
    """Frames of one class for the control process: read, and dropped by the kernel because too many waited."""

    name: str  # checks, datagrams, neighbours, strangers, echo
    read: int
    unread: int


class InterfaceState(msgspec.Struct, kw_only=True):
    """One interface of the configuration."""

    number: int
    name: str
    mac: str | None
    mtu: int | None
    link: Literal["up", "down", "missing"]
    addresses: list[str]
    queues: list[QueueState] = []


class NetworkState(msgspec.Struct, kw_only=True):
    """One network of the configuration."""

    number: int
    name: str
    addr: str
    mask: str
    real: str | None
    virt: str | None
    interface: int | None


class ArpState(msgspec.Struct, kw_only=True):
    """One address the engine answers for, resolves, or found in conflict."""

    address: str
    mac: str | None
    kind: Literal["virtual", "target", "gateway", "conflict"]
    owner: str  # "server 1", "target 2", "network 1 virt", "the gateway"
    age_s: float | None
    state: Literal["answering", "withheld", "resolved", "unresolved", "stale", "conflict"]


class ModuleState(msgspec.Struct, kw_only=True):
    """One module of the `modules` line."""

    name: str
    state: Literal["active", "idle", "standby"]  # standby: behind `master` on a backup
    frames: int  # frames it consumed
    note: str


class VrrpState(msgspec.Struct, kw_only=True):
    """The election, one entry per VRID; without a `vrrp` section one entry with vrid null."""

    vrid: int | None
    state: Literal["master", "backup", "init", "fault"]
    priority: int | None
    network: int | None
    note: str


class SocketState(msgspec.Struct, kw_only=True):
    """One of the local sockets, and what came over it since the engine's start."""

    role: Role
    consoles: int  # connected now
    requests: int
    refused: dict[str, int]  # requests and consoles, by engine.domain.errors.ErrorCode
    disconnected: int  # consoles that took nothing, when too much waited for all of them


class DutyState(msgspec.Struct, kw_only=True):
    """One thing that the control process does again and again. Ages are in seconds; null: never, or not now."""

    name: str
    what: str
    last_ok_s: float | None  # since it was last done
    under_way_s: float | None  # since it was begun, where it is being done
    failures: int  # since the engine's start
    fault: str | None  # why it failed, where the last attempt did
    longest_ms: float  # the longest it took


class Event(msgspec.Struct, kw_only=True):
    """One thing that happened."""

    id: int
    time: str  # RFC 3339, UTC
    kind: EventKind
    severity: EventSeverity
    subject: str  # "target 1", "server 2", "172.16.1.10"
    message: str
    actor: str | None = None  # who did it: "root(0) pid 812", or null


class ProcessState(msgspec.Struct, kw_only=True):
    """One process of the engine, and what it may do; null where the host does not show it."""

    name: str
    pid: int
    user: str | None
    capabilities: list[str] | None
    no_new_privileges: bool | None
    seccomp: bool | None  # whether it is barred from system calls that it does not need


class State(msgspec.Struct, kw_only=True):
    """A snapshot of everything a console shows."""

    time: str  # RFC 3339, UTC
    hostname: str
    engine_version: str
    boot_id: str  # changes at every start of the engine
    uptime_s: float
    role: Literal["master", "backup", "init", "fault"]
    config_file: str
    first_round_done: bool  # every check has an answer or a timeout
    servers: list[ServerState]
    targets: list[TargetState]
    datapath: DatapathState
    interfaces: list[InterfaceState]
    networks: list[NetworkState]
    arp: list[ArpState]
    modules: list[ModuleState]
    vrrp: list[VrrpState]
    alarms: list[Alarm]
    last_event_id: int
    config: ConfigStatus | None = None
    duties: list[DutyState] = []
    sockets: list[SocketState] = []


class Session(msgspec.Struct, kw_only=True):
    """One entry of the flow table. Half open is what showed only SYNs, and is no session yet."""

    server: int
    target: int
    client: str
    port: int | None  # null where the session is keyed by address alone
    idle_s: int
    state: Literal["open", "closing", "half-open"]


class Sessions(msgspec.Struct, kw_only=True):
    """Answer of op `sessions`."""

    total: int
    sessions: list[Session]  # at most `limit`


class Trend(msgspec.Struct, kw_only=True):
    """Answer of op `trend`: how one target, one server or the datapath went. Times and values are of the same length."""

    step_s: int  # seconds that each value is of
    times: list[int]  # when they begin, Unix seconds, oldest first; what nobody measured is not among them
    values: dict[
        str, list[float | None]
    ]  # pps, bps, sessions, half_open, dropped, rtt_ms ...; null: not measured
    states: list[
        list[str]
    ]  # up, down, unknown, draining, disabled, idle, partly: all that it was in that time


class Trends(msgspec.Struct, kw_only=True):
    """Answer of op `trends`: one measure of every target or server."""

    step_s: int
    times: list[int]
    values: dict[int, list[float | None]]  # by number


class Explanation(msgspec.Struct, kw_only=True):
    """Answer of op `explain`: where a flow goes, and the steps of the decision."""

    client: str
    server: int | None
    target: int | None
    decided_by: Literal["session", "method", "none"]
    steps: list[str]


class ConfigDiff(msgspec.Struct, kw_only=True):
    """Answer of ops `diff` and `revision-diff`: what a change would do, and the texts side by side as a diff."""

    base: int  # the revision compared with
    changes: list[Change]
    unified: str  # unified diff of the texts, empty where they are equal
    findings: list[Finding] = msgspec.field(default_factory=list)


RevisionEnd = Literal[
    "confirmed",  # somebody confirmed it
    "kept-with",  # somebody kept it with a later change
    "superseded",  # its owner applied another text in its place
    "taken-back",  # somebody ended the trial
    "timed-out",  # nobody confirmed it in time
    "not-applied",  # the engine could not go over to it: it never was on trial
    "engine-ended",  # the engine's end cut the trial short
]
"""How a revision stopped being on trial."""


class Revision(msgspec.Struct, kw_only=True):
    """One accepted configuration."""

    number: int
    time: str  # RFC 3339, UTC
    uid: int
    user: str
    note: str
    language: Literal["balanceng", "toml"]
    running: bool = False
    confirmed: bool = True
    reverted: bool = False  # nobody confirmed it, and the engine went back
    end: RevisionEnd | None = None  # null: it never was on trial, or is still
    ended_by: str | None = None  # who did that, where somebody did
    lines: int = 0
    text: str | None = None  # byte for byte; only in the answer of op `revision`


class Pending(msgspec.Struct, kw_only=True):
    """A change that waits to be confirmed, and reverts by itself."""

    revision: int
    reverts_to: int
    seconds_left: float
    actor: str


class FileDiffers(msgspec.Struct, kw_only=True):
    """The configuration file is not what the engine read from it or wrote to it last."""

    since: str  # RFC 3339, UTC
    readable: bool
    trouble: str = ""  # why it could not run: its first error, or why it cannot be read


class ConfigStatus(msgspec.Struct, kw_only=True):
    """Which configuration runs."""

    revision: int
    language: Literal["balanceng", "toml"]
    pending: Pending | None = None
    differs: list[str] = msgspec.field(default_factory=list)  # "target 2 disabled (file: enabled)"
    file: FileDiffers | None = None  # the file on the disk, where it is another one


class RunningConfig(msgspec.Struct, kw_only=True):
    """Answer of op `running`: the text as it was accepted, comments and all."""

    file: str
    revision: int
    language: Literal["balanceng", "toml"]
    text: str
    pending: Pending | None = None


class Applied(msgspec.Struct, kw_only=True):
    """Answer of ops `apply`, `confirm`, `rollback`, `command` and `save`."""

    revision: int
    changes: list[Change] = msgspec.field(default_factory=list)
    warnings: list[Finding] = msgspec.field(default_factory=list)
    pending: Pending | None = None
    in_force: bool = (
        True  # false: accepted, and a worker does not forward by it yet; an event tells when all do
    )


class Version(msgspec.Struct, kw_only=True):
    """Answer of op `version`."""

    engine_version: str
    protocol: int
    python: str
    kernel: str
    hostname: str
    boot_id: str
    pid: int
    uptime_s: float
    config_file: str = ""
    revision: int = 0  # that runs
    file_differs: FileDiffers | None = None


class AdminResult(msgspec.Struct, kw_only=True):
    """Answer of op `admin`: the numbers whose state changed and those that had it already."""

    changed: list[int]
    unchanged: list[int]
    in_force: bool = True  # as of `Applied`


# -- frames ---------------------------------------------------------------------------------------------------------


class Hello(msgspec.Struct, kw_only=True, tag="hello", tag_field="type"):
    """The engine's first frame."""

    protocol: int
    engine_version: str
    boot_id: str
    role: Role
    hostname: str


class ErrorInfo(msgspec.Struct, kw_only=True, omit_defaults=True):
    """Why a request was not done."""

    code: ErrorCode
    message: str
    findings: list[Finding] = msgspec.field(default_factory=list)  # with code "invalid"


class Request(msgspec.Struct, kw_only=True):
    """A client's frame. `args` is checked against the op's argument type."""

    id: int
    op: str
    args: dict[str, Any] = msgspec.field(default_factory=dict)


class Response(msgspec.Struct, kw_only=True, tag="response", tag_field="type", omit_defaults=True):
    """The engine's answer: `result` where ok, `error` where not. id 0 where the request had none readable."""

    id: int
    ok: bool
    result: Any = None
    error: ErrorInfo | None = None


class StateFrame(msgspec.Struct, kw_only=True, tag="state", tag_field="type"):
    """A snapshot; the latest wins, older ones that a slow client has not taken yet are replaced."""

    state: State


class EventFrame(msgspec.Struct, kw_only=True, tag="event", tag_field="type"):
    """One event. `gap` counts the events before it that a slow client missed."""

    event: Event
    gap: int = 0
