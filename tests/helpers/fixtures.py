"""The cases of tests/fixtures: a table, flows, and a frame in; its fate, frames out, counters and flows after.

Every datapath runs them (tests/engine/datapath/test_conformance.py) and the bench takes its frames from here. A frame
is hex with comments; `78*1460` repeats a byte.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

from engine.datapath.table import Compiler, ServerInput, TargetInput
from engine.domain.address import Address
from tests.helpers.paths import ROOT

if TYPE_CHECKING:
    from engine.datapath.contract import ForwardingTable

FOLDER = ROOT / "tests" / "fixtures"
FIELDS = {
    "name", "table", "now_s", "before", "earlier", "frame", "captured", "copied", "vlan", "virtio", "transmit", "only",
    "target", "drop", "pass", "out", "counters", "after",
}  # fmt: skip


def mac(text: str) -> bytes:
    return bytes.fromhex(text.replace(":", ""))


def octets(text: str) -> bytes:
    """Read hex with comments."""
    made = b""
    for line in text.splitlines():
        for word in line.split("#")[0].split():
            digits, _, count = word.partition("*")
            made += bytes.fromhex(digits) * int(count or 1)
    return made


@dataclass(frozen=True)
class Case:
    """One case. Its fate is a target's number, "pass" or the label of a drop reason."""

    file: str  # in tests/fixtures
    name: str
    table: str
    frame: bytes
    fate: int | str
    now_s: int = 1000
    before: tuple[dict[str, Any], ...] = ()  # flows in the table
    earlier: tuple[bytes, ...] = ()  # frames that went the same way before
    captured: int | None = None  # bytes of it that the ring slot holds; None: all
    copied: bool = False  # larger than a slot, the whole frame waits in the socket's queue
    vlan: int | None = None  # tag control information that the kernel took out
    virtio: bytes = bytes(10)
    transmit: str = "free"  # or "full", "down"
    only: str = ""  # "single" or "batch": what the case is about happens on one of the two ways only
    out: tuple[bytes, ...] = ()
    counters: dict[str, int] = field(default_factory=dict)  # those that moved, arrays as NAME.INDEX
    after: tuple[dict[str, Any], ...] = ()

    def __str__(self) -> str:
        return self.name


def _case(file: str, values: dict[str, Any]) -> Case:
    place = f"{file}, {values.get('name')!r}"
    unknown = values.keys() - FIELDS
    if unknown:
        raise ValueError(f"{place}: unknown fields {sorted(unknown)}; there are {sorted(FIELDS)}")
    fates = [values.pop(key) for key in ("target", "drop", "pass") if key in values]
    if len(fates) != 1:
        raise ValueError(f"{place}: give the fate by one of: target = NUMBER, drop = LABEL, pass = true")
    values["fate"] = "pass" if fates[0] is True else fates[0]
    for key in ("earlier", "out"):
        values[key] = tuple(octets(text) for text in values.get(key, ()))
    for key in ("before", "after"):
        values[key] = tuple(values.get(key, ()))
    values["frame"] = octets(values["frame"])
    if "virtio" in values:
        values["virtio"] = octets(values["virtio"])
    return Case(file=file, **values)


@cache
def cases() -> tuple[Case, ...]:
    found: list[Case] = []
    for path in sorted(FOLDER.glob("*.toml")):
        found += [_case(path.name, values) for values in tomllib.loads(path.read_text()).get("case", ())]
    return tuple(found)


@cache
def case(name: str) -> Case:
    (found,) = [one for one in cases() if one.name == name]
    return found


@cache
def _tables() -> dict[str, Any]:
    return tomllib.loads((FOLDER / "tables.toml").read_text())


def own_mac() -> bytes:
    return mac(_tables()["own_mac"])


def target_mac(number: int) -> bytes:
    return mac(_tables()["target"][str(number)]["mac"])


def server_input(values: dict[str, Any]) -> ServerInput:
    new = tuple(values["new"])
    return ServerInput(
        number=values["number"],
        address=Address.parse(values["address"]),
        port=values["port"],
        protocol=values["protocol"],
        method=values.get("method", "rr"),
        by_port=values.get("by_port", False),
        idle_s=values.get("idle_s", 600),
        new=new,
        keep=tuple(values.get("keep", new)),
    )


def table(name: str, compiler: Compiler | None = None) -> ForwardingTable:
    common = _tables()
    servers = [server_input(values) for values in common["table"][name]["servers"]]
    targets = [
        TargetInput(int(number), one["identity"], mac(one["mac"])) for number, one in common["target"].items()
    ]
    return (compiler or Compiler()).compile(
        servers,
        targets,
        virtual=sorted({s.address for s in servers}),
        own_mac=[own_mac()],
        blocked_mac=[*(t.mac for t in targets), mac(common["peer_mac"])],
        mtu=common["mtu"],
    )
