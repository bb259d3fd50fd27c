"""The configuration as typed values: every keyword of BalanceNG's language that this engine knows, and every default.

The model is what both languages (BalanceNG text and TOML) are read into and written from; equal models mean equal
behaviour. Names are BalanceNG's own. Addresses are kept as canonical text (`str` of an
`engine.domain.address.Address`), so that equal addresses are equal texts.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from engine.domain.checks import CHECK_KINDS, CheckSettings

Method = Literal["rr", "random", "hash", "first", "session", "bw", "agent", "rndagent"]
Protocol = Literal["tcp", "udp", "any"]
SessionId = Literal["src", "src+port"]

DEFAULT_MODULES: tuple[str, ...] = ("vrrp", "arp", "ping", "hc", "master", "slb", "tnat", "nat", "rt")
"""The default of the `modules` line: every module of BalanceNG, in the order of its examples."""

MODULES: tuple[str, ...] = DEFAULT_MODULES
"""Every name that the `modules` line may have. One that BalanceNG does not have is added here and not to the default, so
that a file without the line goes on to mean what it means to BalanceNG."""

MAX_SERVERS = 512
"""Server numbers run from 1 to this (BalanceNG's own limit)."""

MAX_TARGETS = 1024
"""Target numbers run from 1 to this (BalanceNG's own limit)."""

MAX_INSTANCES = 128
"""Interface and network numbers run from 1 to this (BalanceNG's limit of instances)."""

DEFAULT_STIMEOUT_S = 600
"""Idle time after which a session ends; BalanceNG's default."""

MAX_STIMEOUT_S = 32_000
"""A flow entry keeps its last use in 16 bits of seconds; half of that range is left for the sweep."""

MAX_WEIGHT = 255
"""Weights are shares: a finer division than 1 in 255 is noise, and it bounds the buckets of a server."""

MAX_MAXSESSIONS = 10_000_000
"""The most sessions that BalanceNG keeps over all targets."""

MAX_THREADS = 64
"""Workers of one interface; each takes a share of the clients (hardware that needs more is a case for XDP)."""


MAX_VLAN = 4094
"""IEEE 802.1Q-2018 section 9.6: 0 is no VLAN, and 4095 is reserved."""


class Interface(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """`interface N { ... }`: one Linux interface that frames are taken from and sent to."""

    number: int
    name: str = ""
    access: Literal["raw"] = "raw"
    threads: int | None = None  # None: the engine's --workers decides
    registered: bool = False
    enabled: bool = False


class Network(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """`network N { ... }`: an IP network on an interface, with this node's own and its shared address."""

    number: int
    name: str = ""
    addr: str | None = None
    mask: str | None = None
    real: str | None = None  # this node's own address, the kernel's; source of ARP and health checks
    virt: str | None = None  # shared by a redundant pair, answered by the master only
    mask6: str | None = None
    real6: str | None = None
    virt6: str | None = None
    syncpeer: str | None = None
    nat: Literal["inside", "outside"] | None = None
    interface: int | None = None
    vlan: int | None = None  # the VLAN of the interface that the network is on; None: untagged
    registered: bool = False
    enabled: bool = False


class Server(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """`server N { ... }`: a virtual server, the address and port that clients use."""

    number: int
    name: str = ""
    ipaddr: str | None = None
    port: int = 0  # 0: `port any`, every port
    protocol: Protocol = "any"
    method: Method = "rr"
    sessionid: SessionId = "src"  # BalanceNG persists by client address
    stimeout: int = DEFAULT_STIMEOUT_S
    plugin: str | None = None
    targets: list[int] = msgspec.field(default_factory=list)
    backup: list[int] = msgspec.field(default_factory=list)  # serve only when all of `targets` are down
    registered: bool = False
    enabled: bool = False


class Target(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """`target N { ... }`: a real server behind virtual ones."""

    number: int
    name: str = ""
    ipaddr: str | None = None
    port: int = 0  # 0: `port any`
    protocol: Protocol = "any"
    dsr: bool = False
    checks: dict[str, CheckSettings] = msgspec.field(default_factory=dict)  # by word of CHECK_KINDS
    agent: str | None = None
    script: str | None = None
    weight: int = 1
    maxsessions: int = 0  # 0: no limit
    drainwithin: int = 0  # seconds that a drain lasts where the operator gives no time, 0: no end
    alert: str | None = None
    upalert: str | None = None
    registered: bool = False
    enabled: bool = False


class Gateway(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """`gateway { ... }`: the next hop of this node."""

    ipaddr: str | None = None
    checks: dict[str, CheckSettings] = msgspec.field(default_factory=dict)  # by word of CHECK_KINDS


class Vrrp(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """`vrrp { ... }`: election of the master among redundant nodes."""

    vrid: int | None = None
    priority: int = 100  # RFC 3768 section 5.3.4: the default of a router that does not own the address
    network: int | None = None


class Config(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A whole configuration. Lists are ordered by `number`; numbers are unique within a list."""

    modules: list[str] = msgspec.field(default_factory=lambda: list(DEFAULT_MODULES))
    settings: dict[str, str] = msgspec.field(default_factory=dict)
    interfaces: list[Interface] = msgspec.field(default_factory=list)
    networks: list[Network] = msgspec.field(default_factory=list)
    gateway: Gateway | None = None
    vrrp: Vrrp | None = None
    servers: list[Server] = msgspec.field(default_factory=list)
    targets: list[Target] = msgspec.field(default_factory=list)

    def server(self, number: int) -> Server | None:
        """Return the server of that number, or None."""
        return next((s for s in self.servers if s.number == number), None)

    def target(self, number: int) -> Target | None:
        """Return the target of that number, or None."""
        return next((t for t in self.targets if t.number == number), None)

    def interface(self, number: int) -> Interface | None:
        """Return the interface of that number, or None."""
        return next((i for i in self.interfaces if i.number == number), None)

    def network(self, number: int) -> Network | None:
        """Return the network of that number, or None."""
        return next((n for n in self.networks if n.number == number), None)


Item = Interface | Network | Server | Target
"""What a number belongs to."""

Holder = Item | Gateway | Vrrp
"""The model of one block of a configuration file: what a word has a value in."""


def get_word(holder: Holder, word: str) -> Any:
    """Return the value of a word in a block. For a kind of check: its `CheckSettings`, None where it is not asked for."""
    if word in CHECK_KINDS and isinstance(holder, Target | Gateway):
        return holder.checks.get(word)
    return getattr(holder, word)


def set_word(holder: Holder, word: str, value: Any) -> None:
    """Set the value of a word in a block; None removes a check."""
    if word in CHECK_KINDS and isinstance(holder, Target | Gateway):
        others = {kind: check for kind, check in holder.checks.items() if kind != word}
        holder.checks = others if value is None else others | {word: value}
    else:
        setattr(holder, word, value)


def default_of(holder: Holder, word: str) -> Any:
    """Return the value of a word that a block does not give."""
    if word in CHECK_KINDS:
        return None
    field = next(field for field in msgspec.structs.fields(holder) if field.name == word)
    return [] if field.default_factory is not msgspec.NODEFAULT else field.default
