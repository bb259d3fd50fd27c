"""The node panel: the datapath, what it drops and why, modules, interfaces and the election."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bngtui.render.columns import Column
from bngtui.render.counters import others
from bngtui.render.states import SEVERITY, Mark
from bngtui.render.text import Role, Span, clean, told_of
from bngtui.render.trial import file_differs
from bngtui.render.units import count, short
from bngtui.render.view import Spec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.api.messages import State
    from engine.domain.notices import Alarm

_QUIET = SEVERITY["info"]


@dataclass(frozen=True)
class NodeRow:
    """One fact about the node."""

    id: str
    what: str
    value: str
    role: Role = "text"
    mark: Mark = _QUIET


def rows(state: State, alarms: Sequence[Alarm] | None = None) -> list[NodeRow]:
    """Return the node's facts, alarms first; `alarms` are those of now where `state` is a picture that is held."""
    facts = [
        NodeRow(
            f"alarm {alarm.subject} {alarm.message}",
            f"{SEVERITY[alarm.severity].glyph} {alarm.severity}",
            told_of(alarm.subject, alarm.message),
            SEVERITY[alarm.severity].role,
            SEVERITY[alarm.severity],
        )
        for alarm in sorted(
            state.alarms if alarms is None else alarms, key=lambda alarm: SEVERITY[alarm.severity].rank
        )
    ]
    path = state.datapath
    where = ", ".join(path.interfaces) or "no interface"
    facts.append(NodeRow("datapath", "datapath", f"{path.kind} on {where}, {path.workers} at work"))
    facts += [NodeRow(f"why {why}", "not taken", clean(why), "muted") for why in path.why]
    facts.append(
        NodeRow("in", "received", f"{short(path.received_pps)} pkt/s, {short(path.received)} in all")
    )
    facts.append(
        NodeRow("out", "forwarded", f"{short(path.forwarded_pps)} pkt/s, {short(path.forwarded)} in all")
    )
    facts.append(NodeRow("passed", "passed on", f"{short(path.passed)} in all"))
    if path.ring_lost:
        facts.append(
            NodeRow("lost", "ring lost", f"{count(path.ring_lost)} in all", "warning", SEVERITY["warning"])
        )
    facts += [
        NodeRow(f"drop {reason}", f"drop {reason}", f"{count(number)} in all", "warning", SEVERITY["warning"])
        for reason, number in sorted(path.dropped.items(), key=lambda item: -item[1])
    ]
    facts += [
        NodeRow(f"counter {name}", name, f"{count(number)} in all") for name, number in others(path) if number
    ]
    if path.swaps:
        swaps = f"{count(path.swaps)} swaps, held up at most {path.swap_longest_ms:.1f} ms"
        facts.append(NodeRow("table", "table", f"generation {path.table_generation}, {swaps}"))
    limit = f" of {short(path.sessions_max)}" if path.sessions_max else ""
    half_open = f" and {count(path.half_open)} half open" if path.half_open else ""
    facts.append(NodeRow("sessions", "sessions", f"{count(path.sessions)}{half_open}{limit}"))
    for election in state.vrrp:
        vrid = "no VRID" if election.vrid is None else f"VRID {election.vrid}"
        priority = "" if election.priority is None else f", priority {election.priority}"
        note = f": {clean(election.note)}" if election.note else ""
        facts.append(
            NodeRow(f"vrrp {election.vrid}", "election", f"{election.state}, {vrid}{priority}{note}")
        )
    for link in state.interfaces:
        mark = _QUIET if link.link == "up" else SEVERITY["error"]
        text = f"{clean(link.name)} {link.link}, {link.mac or 'no MAC'}, MTU {link.mtu or '?'}"
        facts.append(
            NodeRow(
                f"if {link.number}",
                f"interface {link.number}",
                text,
                "text" if mark is _QUIET else "down",
                mark,
            )
        )
    for net in state.networks:
        text = f"{net.addr}/{net.mask}, real {net.real or '-'}, virt {net.virt or '-'}"
        facts.append(NodeRow(f"net {net.number}", f"network {net.number}", text))
    for module in state.modules:
        note = f", {clean(module.note)}" if module.note else ""
        facts.append(
            NodeRow(
                f"module {module.name}",
                f"module {clean(module.name)}",
                f"{module.state}, {short(module.frames)} frames{note}",
                "text" if module.state == "active" else "muted",
            )
        )
    config = state.config
    runs = "" if config is None else f", revision {config.revision}"
    facts.append(NodeRow("config", "configuration", clean(state.config_file) + runs))
    if config is not None and config.file is not None:
        facts.append(
            NodeRow("file", "the file", clean(file_differs(config.file)), "warning", SEVERITY["warning"])
        )
    facts += [
        NodeRow(f"differs {said}", "not in file", clean(said), "warning", SEVERITY["warning"])
        for said in (config.differs if config is not None else ())
    ]
    facts.append(NodeRow("version", "engine", clean(state.engine_version)))
    return facts


SPEC: Spec[NodeRow] = Spec(
    id="node",
    title="Node",
    columns=(
        Column("what", "What", lambda row, _w, _s: Span(row.what, "muted"), width=10, widest=18, hug=True),
        Column("value", "Value", lambda row, _w, _s: Span(row.value, row.role), width=10, grow=1),
    ),
    identity=lambda row: row.id,
    mark=lambda row: row.mark,
    search=lambda row: f"{row.what} {row.value}",
    empty="Nothing is known of the node yet.",
    heading=False,
)
