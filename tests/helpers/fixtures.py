"""The cases of tests/fixtures: a table, flows, and a frame in; its fate, frames out, counters and flows after.

Every datapath runs them (tests/engine/datapath/test_conformance.py) and the bench takes its frames from here. A frame
is hex with comments; `78*1460` repeats a byte. What a file has too much or too little is an error that names it.
"""

from __future__ import annotations

import tomllib
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from engine.datapath.contract import NO_INTERFACE, DropReason
from engine.datapath.flow_states import FlowState
from engine.datapath.table import Compiler, EgressInput, ServerInput, TargetInput
from engine.domain.address import Address
from tests.helpers.paths import ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from engine.datapath.contract import ForwardingTable

FOLDER = ROOT / "tests" / "fixtures"
TABLES = "tables.toml"

Kind = Literal["single", "batch"]
"""Two ways of handling frames: what a case is about may happen on one of them only."""


def mac(text: str) -> bytes:
    return bytes.fromhex(text.replace(":", ""))


class Octets(bytes):
    """Bytes that a file gives as hex with comments."""

    __slots__ = ()

    @classmethod
    def read(cls, text: str) -> Octets:
        made = b""
        for number, line in enumerate(text.splitlines(), 1):
            for word in line.split("#")[0].split():
                digits, _, count = word.partition("*")
                try:
                    made += bytes.fromhex(digits) * int(count or 1)
                except ValueError:
                    raise ValueError(f"{word!r} in line {number} is not hex, nor HEX*COUNT") from None
        return cls(made)


class Flow(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True, frozen=True):
    """A flow in the table, before or after. `port` only where the server tells clients apart by it."""

    server: int
    target: int
    client: str
    idle_s: int
    state: str
    port: int | None = None

    def __post_init__(self) -> None:
        if self.state.upper() not in FlowState.__members__:
            raise ValueError(f"there is no state {self.state!r}")


class Case(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """One case, as it stands in its file. It has one fate: a target, a reason of drop, or to pass."""

    name: str
    table: str
    frame: Octets
    now_s: int = 1000
    before: tuple[Flow, ...] = ()  # flows in the table
    earlier: tuple[Octets, ...] = ()  # frames that went the same way before
    captured: int | None = None  # bytes of it that the ring slot holds; None: all
    copied: bool = False  # larger than a slot, the whole frame waits in the socket's queue
    vlan: int | None = None  # tag control information that the kernel took out
    tpid: int | None = None  # its type, where the kernel tells it
    crowded: bool = False  # more frames wait than there is time for, some that are not plain before this one
    virtio: Octets = Octets(10)
    transmit: Literal["free", "full", "down"] = "free"
    only: Kind | None = None
    target: int | None = None
    drop: str | None = None
    passes: bool = msgspec.field(default=False, name="pass")
    out: tuple[Octets, ...] = ()
    by: int = 0  # index of the interface that they leave by; 0: the one that frames come by
    counters: dict[str, int] = {}  # those that moved, arrays as NAME.INDEX
    after: tuple[Flow, ...] = ()

    def __post_init__(self) -> None:
        if [self.target is not None, self.drop is not None, self.passes].count(True) != 1:
            raise ValueError("a case has one fate: target = NUMBER, drop = REASON or pass = true")
        if self.table not in _tables()["table"]:
            raise ValueError(f"{TABLES} has no table {self.table!r}")
        if self.target is not None and str(self.target) not in _tables()["target"]:
            raise ValueError(f"{TABLES} has no target {self.target}")
        if self.drop is not None and self.drop not in {reason.label for reason in DropReason}:
            raise ValueError(f"there is no reason {self.drop!r} to drop a frame")

    @property
    def fate(self) -> int | str:
        """A target's number, "pass" or the label of a drop reason."""
        return "pass" if self.passes else self.drop or self.target

    def __str__(self) -> str:
        return self.name


def _hook(kind: type, value: Any) -> Any:
    assert kind is Octets, kind
    if not isinstance(value, str):
        raise ValueError(f"a text of hex is wanted, not {value!r}")  # noqa: TRY004 -- msgspec adds where it stands
    return Octets.read(value)


def read(path: Path) -> list[Case]:
    """Return the cases of a file; ValueError with the file's name, and the case's, where something is wrong in it."""
    try:
        content = tomllib.loads(path.read_text())
    except ValueError as error:
        raise ValueError(f"{path.name}: {error}") from error
    given = content.pop("case", [])
    if content or not given or not isinstance(given, list):
        raise ValueError(f"{path.name}: a file of cases has [[case]], and nothing else: {', '.join(content)}")
    found = []
    for number, values in enumerate(given, 1):
        try:
            found.append(msgspec.convert(values, Case, dec_hook=_hook))
        except ValueError as error:
            raise ValueError(f"{path.name}: case {number}, {values.get('name')!r}: {error}") from error
    return found


@cache
def cases() -> tuple[Case, ...]:
    found = [case for path in sorted(FOLDER.glob("*.toml")) if path.name != TABLES for case in read(path)]
    assert found, f"{FOLDER} has no cases"
    return tuple(found)


@cache
def case(name: str) -> Case:
    (found,) = [one for one in cases() if one.name == name]
    return found


@cache
def _tables() -> dict[str, Any]:
    return tomllib.loads((FOLDER / TABLES).read_text())


def own_mac() -> bytes:
    return mac(_tables()["own_mac"])


def target_mac(number: int) -> bytes:
    return mac(_tables()["target"][str(number)]["mac"])


class _Server(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A server of a table. `keep`: targets that keep their known flows; None: those of `new`."""

    number: int
    address: str
    port: int
    protocol: str
    method: str = "rr"
    by_port: bool = False
    idle_s: int = 600
    new: tuple[int, ...]
    keep: tuple[int, ...] | None = None
    leaving: tuple[int, ...] = ()


def server_input(values: dict[str, Any]) -> ServerInput:
    given = msgspec.convert(values, _Server)
    inputs = msgspec.structs.asdict(given)
    inputs |= {
        "address": Address.parse(given.address),
        "keep": given.new if given.keep is None else given.keep,
    }
    return ServerInput(**inputs)


def egress(name: str | None) -> EgressInput | None:
    if name is None:
        return None
    values = _tables()["egress"][name]
    return EgressInput(values["ifindex"], mac(values["mac"]), values["mtu"], values.get("vlan", 0))


def interfaces() -> set[int]:
    """Return the indexes of the interfaces that there are besides the one that frames come by."""
    return {one["ifindex"] for one in _tables()["egress"].values()} - {0, NO_INTERFACE}


def vlan(name: str) -> int:
    """Return the VLAN of a table's virtual addresses, 0: untagged."""
    return _tables()["table"][name].get("vlan", 0)


def table(name: str, compiler: Compiler | None = None) -> ForwardingTable:
    common = _tables()
    servers = [server_input(values) for values in common["table"][name]["servers"]]
    limits = common["table"][name].get("limits", {})
    ways_out = common["table"][name].get("egress", {})
    targets = [
        TargetInput(
            int(number),
            one["identity"],
            mac(one["mac"]),
            limit=limits.get(number, 0),
            egress=egress(ways_out.get(number)),
        )
        for number, one in common["target"].items()
    ]
    return (compiler or Compiler()).compile(
        servers,
        targets,
        virtual=sorted({s.address for s in servers}),
        vlans=dict.fromkeys((s.address for s in servers), vlan(name)),
        own_mac=[own_mac()],
        blocked_mac=[*(t.mac for t in targets), mac(common["peer_mac"])],
        mtu=common["mtu"],
    )
