"""Everything about one row, for the details screen: label and value, one fact a line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bngtui.render.drain import drain_text
from bngtui.render.spark import ceiling, sparkline
from bngtui.render.states import SEVERITY, arp_mark, check_role, member_mark, server_mark, target_mark
from bngtui.render.text import Line, Role, Span, beside, clean, line, wrap
from bngtui.render.units import age, clock, count, endpoint, rtt, short
from bngtui.render.zone import in_zone, labelled
from engine.api.messages import Event

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from bngtui.render.arp import ArpRow
    from bngtui.render.node import NodeRow
    from engine.api.messages import CheckState, ServerState, TargetState

LABEL = 16
RECENT = 12
"""Events of the object that are listed."""


def fact(label: str, value: str, width: int, role: Role = "text") -> list[Line]:
    """Return one fact; a long value goes on below itself."""
    pieces = wrap(value, max(8, width - LABEL - 3))
    return [
        line(Span(f"  {label if not number else '':<{LABEL}} ", "muted"), Span(piece, role))
        for number, piece in enumerate(pieces)
    ]


def heading(text: str) -> list[Line]:
    """Return a heading with a blank line before it."""
    return [line(""), line(Span(f"  {text}", "strong"))]


def target_lines(
    target: TargetState,
    servers: Sequence[ServerState],
    events: Iterable[Event],
    history: Sequence[float | None],
    width: int,
) -> list[Line]:
    """Return everything about a target; `events` newest first."""
    mark = target_mark(target)
    lines = fact("state", f"{mark.glyph} {mark.word}: {mark.help}", width, mark.role)
    if target.reason:
        lines += fact("why", target.reason, width, mark.role)
    lines += fact("since", f"{age(target.last_change_s)} ago", width)
    lines += fact("admin", target.admin, width)
    if target.drain is not None:
        lines += fact("drained", drain_text(target.drain), width, mark.role)
    lines += fact("health", target.health, width, check_role_of(target.health))
    lines += fact("gets new flows", "yes" if target.operational else "no", width)
    lines += fact("address", f"{endpoint(target.ipaddr, target.port)} {target.protocol}", width)
    lines += fact("MAC", target.mac or "not resolved yet", width, "text" if target.mac else "unknown")
    lines += fact("mode", "direct server return" if target.dsr else "not DSR: left out", width)
    lines += fact("weight", str(target.weight), width)
    lines += heading("Traffic, client to target")
    lines += _traffic(target, width)
    if target.drainwithin:
        lines += fact("drainwithin", f"{target.drainwithin} s", width)
    if target.maxsessions:
        lines += fact("maxsessions", count(target.maxsessions), width)
    if target.unanswered:
        lines += fact(
            "never opened", f"{count(target.unanswered)} flows showed only SYNs to their end", width
        )
    lines += _graph(history, width)
    lines += heading("Checks")
    for check in target.checks:
        lines += _check(check, width)
    if not target.checks:
        lines += fact("none", "the configuration asks for no check", width, "muted")
    lines += heading("Servers")
    for server in servers:
        if target.number in server.targets or target.number in server.backup:
            part = "primary" if target.number in server.targets else "backup"
            state, reason, role = _for_server(server, target)
            why = f": {reason}" if reason and reason != target.reason else ""
            lines += fact(
                f"{server.number} {clean(server.name)}",
                f"{state}, {endpoint(server.ipaddr, server.port)} {server.protocol}, {server.method}; "
                f"this target is a {part}{why}",
                width,
                role,
            )
    return lines + _recent(events, {f"target {target.number}", target.ipaddr}, width)


def server_lines(
    server: ServerState,
    targets: Sequence[TargetState],
    events: Iterable[Event],
    history: Sequence[float | None],
    width: int,
) -> list[Line]:
    """Return everything about a server; `events` newest first."""
    by_number = {target.number: target for target in targets}
    mark = server_mark(server, by_number)
    lines = fact("state", f"{mark.glyph} {mark.word}: {mark.help}", width, mark.role)
    if server.reason:
        lines += fact("why", server.reason, width, mark.role)
    lines += fact("admin", server.admin, width)
    lines += fact("address", f"{endpoint(server.ipaddr, server.port)} {server.protocol}", width)
    lines += fact("method", server.method, width)
    lines += heading("Traffic, clients to targets")
    lines += _traffic(server, width)
    lines += _graph(history, width)
    for title, numbers in (("Targets", server.targets), ("Backups", server.backup)):
        if not numbers:
            continue
        lines += heading(title)
        for number in numbers:
            target = by_number.get(number)
            if target is None:
                lines += fact(str(number), "not in the running configuration", width, "warning")
                continue
            state, reason, role = _for_server(server, target)
            why = f": {reason}" if reason else ""
            traffic = f"{short(target.pps)} pkt/s, {count(target.sessions)} sessions"
            lines += fact(
                f"{number} {clean(target.name)}",
                f"{state}, {endpoint(target.ipaddr, target.port)}, {traffic}{why}",
                width,
                role,
            )
    return lines + _recent(events, {f"server {server.number}", server.ipaddr}, width)


def _for_server(server: ServerState, target: TargetState) -> tuple[str, str, Role]:
    """Return how a target stands for one server: the state, the cause ("" where there is none) and the role of both."""
    member = next((one for one in server.members if one.target == target.number), None)
    mark = target_mark(target) if member is None else member_mark(member, target)
    reason = target.reason if member is None else member.reason
    return f"{mark.glyph} {mark.word}", clean(reason or ""), mark.role


def event_lines(event: Event, width: int) -> list[Line]:
    """Return an event with its whole text."""
    mark = SEVERITY[event.severity]
    lines = fact("severity", f"{mark.glyph} {mark.word}: {mark.help}", width, mark.role)
    lines += fact("time", in_zone(event.time), width)
    lines += fact("kind", event.kind, width)
    lines += fact("subject", event.subject, width, "strong")
    lines += fact("by", event.actor or "the engine", width)
    lines += fact("number", str(event.id), width)
    return [*lines, line(""), *fact("message", event.message, width, mark.role if mark.fault else "text")]


def arp_lines(row: ArpRow, events: Iterable[Event], width: int) -> list[Line]:
    """Return an ARP entry (or the event that stands among them) and what was said of its address."""
    if isinstance(row, Event):
        return event_lines(row, width)
    mark = arp_mark(row)
    lines = fact("state", f"{mark.glyph} {mark.word}: {mark.help}", width, mark.role)
    lines += fact("address", row.address, width)
    lines += fact("MAC", row.mac or "unknown", width)
    lines += fact("whose", row.owner, width)
    lines += fact("seen", "never" if row.age_s is None else f"{age(row.age_s)} ago", width)
    if row.state == "conflict":
        lines += fact(
            "what to do",
            "on the host with that MAC set net.ipv4.conf.all.arp_ignore=1 and net.ipv4.conf.all.arp_announce=2, "
            "or take the address off it",
            width,
            "warning",
        )
    return lines + _recent(events, {row.address, row.owner}, width)


def node_lines(row: NodeRow, width: int) -> list[Line]:
    """Return one fact of the node with its whole text."""
    return fact(row.what, row.value, width, row.role)


def check_role_of(health: str) -> Role:
    """Return the role of a health."""
    return "up" if health == "up" else "down" if health == "down" else "unknown"


def _traffic(member: ServerState | TargetState, width: int) -> list[Line]:
    half_open = f", and {count(member.half_open)} half open" if member.half_open else ""
    return [
        *fact("now", f"{short(member.pps)} pkt/s, {short(member.bps)} bit/s", width),
        *fact("sessions", f"{count(member.sessions)}{half_open}", width),
        *fact("in all", f"{count(member.packets)} packets, {short(member.bytes)} bytes", width),
    ]


def _graph(history: Sequence[float | None], width: int) -> list[Line]:
    room = min(120, width - LABEL - 16)
    if room < 10 or not history:
        return []
    shown = list(history)[-room:]
    graph = sparkline(shown, min(room, len(shown)))
    return [
        line(
            Span(f"  {'last readings':<{LABEL}} ", "muted"),
            Span(graph, "graph"),
            Span(f"  top {short(ceiling(shown))}", "muted"),
        )
    ]


def _check(check: CheckState, width: int) -> list[Line]:
    what = check.kind if check.port is None else f"{check.kind} {check.port}"
    parts: list[str] = [check.state]
    if check.address:
        parts.append(f"asked {check.address}")
    if check.rtt_ms is not None:
        parts.append(f"round trip {rtt(check.rtt_ms)}")
    parts.append(
        "never answered" if check.last_ok_s is None else f"last good answer {age(check.last_ok_s)} ago"
    )
    if check.error:
        parts.append(clean(check.error))
    return fact(what, ", ".join(parts), width, check_role(check) if check.state != "up" else "text")


def _recent(events: Iterable[Event], subjects: set[str], width: int) -> list[Line]:
    found = [event for event in events if event.subject in subjects][:RECENT]
    lines = heading(labelled("Recent events (UTC)"))
    if not found:
        return lines + fact("none", "nothing since this console knows it", width, "muted")
    for event in found:
        mark = SEVERITY[event.severity]
        actor = f" ({event.actor})" if event.actor else ""
        lines += fact(
            f"{mark.glyph} {clock(event.time)}",
            f"{beside(event.subject, event.message)}{actor}",
            width,
            mark.role if mark.fault else "text",
        )
    return lines
