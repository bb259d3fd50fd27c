"""What `bngctl show ...` prints for people: a state in, lines of text out. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bngtui.render import units
from bngtui.render.grid import Cell, Col, Row, Style, clean, facts, table
from bngtui.render.states import SEVERITY, arp_mark, check_role, server_mark, target_mark

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from bngtui.render.states import Mark
    from bngtui.render.text import Role
    from engine.api.messages import (
        CheckState,
        Event,
        Explanation,
        ServerState,
        Sessions,
        State,
        TargetState,
        Version,
    )

NONE = "-"


def servers(state: State, style: Style, numbers: Sequence[int] | None = None) -> list[str]:
    """Virtual servers; `numbers` picks some."""
    cols = (
        Col("#", right=True),
        Col("NAME", flex=True, drop=2),
        Col("ADDRESS"),
        Col("PROTO", drop=3),
        Col("METHOD", drop=4),
        Col("STATE"),
        Col("TARGETS", flex=True),
        Col("BACKUP", flex=True, drop=1),
        Col("SESS", right=True),
        Col("PPS", right=True),
        Col("BPS", right=True),
        Col("PACKETS", right=True, drop=5),
        Col("BYTES", right=True, drop=6),
    )
    targets = {target.number: target for target in state.targets}
    rows = [
        Row(
            (
                Cell(str(server.number)),
                Cell(server.name or NONE),
                Cell(units.endpoint(server.ipaddr, server.port)),
                Cell(server.protocol),
                Cell(server.method),
                _state(server_mark(server, targets), style),
                Cell(ranges(server.targets)),
                Cell(ranges(server.backup)),
                Cell(units.short(server.sessions)),
                Cell(units.short(server.pps)),
                Cell(units.short(server.bps)),
                Cell(units.short(server.packets)),
                Cell(units.short(server.bytes)),
            ),
            _reason(server, server_mark(server, targets)),
        )
        for server in state.servers
        if numbers is None or server.number in numbers
    ]
    # A column that says nothing anywhere gives its room to the others.
    backups = any(server.backup for server in state.servers)
    return _some(cols, rows, style, "servers", leave=() if backups else ("BACKUP",))


def targets(state: State, style: Style, numbers: Sequence[int] | None = None) -> list[str]:
    """Targets; `numbers` picks some, which then stand with every check of theirs."""
    cols = (
        Col("#", right=True),
        Col("NAME", flex=True, drop=1),
        Col("ADDRESS"),
        Col("PROTO", drop=6),
        Col("MAC", drop=5),
        Col("STATE"),
        Col("SERVERS", flex=True, drop=2),
        Col("SESS", right=True),
        Col("PPS", right=True),
        Col("BPS", right=True),
        Col("PACKETS", right=True, drop=7),
        Col("BYTES", right=True, drop=8),
        Col("SINCE", right=True, drop=3),
    )
    picked = [target for target in state.targets if numbers is None or target.number in numbers]
    rows = [
        Row(
            (
                Cell(str(target.number)),
                Cell(target.name or NONE),
                Cell(units.endpoint(target.ipaddr, target.port)),
                Cell(target.protocol),
                Cell(target.mac or NONE),
                _state(target_mark(target), style),
                Cell(ranges(target.servers)),
                Cell(units.short(target.sessions)),
                Cell(units.short(target.pps)),
                Cell(units.short(target.bps)),
                Cell(units.short(target.packets)),
                Cell(units.short(target.bytes)),
                Cell(units.age(target.last_change_s)),
            ),
            _reason(target, target_mark(target)),
        )
        for target in picked
    ]
    lines = _some(cols, rows, style, "targets")
    if numbers is not None and picked:
        lines += ["", *_checks(picked, style)]
    return lines


def _checks(picked: Iterable[TargetState], style: Style) -> list[str]:
    cols = (
        Col("TARGET", right=True),
        Col("CHECK"),
        Col("OF"),
        Col("STATE"),
        Col("LAST OK", right=True),
        Col("RTT", right=True, drop=1),
        Col("ERROR", wrap=20),
    )

    def of(target: TargetState, check: CheckState) -> str:
        return units.endpoint(check.address or target.ipaddr, check.port or 0).removesuffix(":any")

    rows = [
        Row(
            (
                Cell(str(target.number)),
                Cell(check.kind),
                Cell(of(target, check)),
                Cell(check.state, check_role(check)),
                Cell(NONE if check.last_ok_s is None else units.age(check.last_ok_s)),
                Cell(NONE if check.rtt_ms is None else units.rtt(check.rtt_ms)),
                Cell(check.error or ""),
            )
        )
        for target in picked
        for check in target.checks
    ]
    return _some(cols, rows, style, "checks")


def sessions(answer: Sessions, style: Style) -> list[str]:
    """Entries of the flow table, and how many more there are."""
    cols = (
        Col("CLIENT"),
        Col("PORT", right=True),
        Col("SERVER", right=True),
        Col("TARGET", right=True),
        Col("STATE"),
        Col("IDLE", right=True),
    )
    rows = [
        Row(
            (
                Cell(entry.client),
                Cell("any" if entry.port is None else str(entry.port)),
                Cell(str(entry.server)),
                Cell(str(entry.target)),
                Cell(entry.state, "text" if entry.state == "open" else "muted"),
                Cell(units.age(entry.idle_s)),
            )
        )
        for entry in answer.sessions
    ]
    lines = _some(cols, rows, style, "sessions")
    if answer.total > len(rows):
        lines.append(f"{len(rows)} of {answer.total} sessions; --limit N shows more")
    return lines


def interfaces(state: State, style: Style) -> list[str]:
    """Interfaces of the configuration as the kernel has them."""
    cols = (
        Col("#", right=True),
        Col("NAME", flex=True),
        Col("LINK"),
        Col("MAC", drop=2),
        Col("MTU", right=True, drop=1),
        Col("ADDRESSES", wrap=20),
    )
    rows = [
        Row(
            (
                Cell(str(interface.number)),
                Cell(interface.name),
                Cell(interface.link, "up" if interface.link == "up" else "down"),
                Cell(interface.mac or NONE),
                Cell(NONE if interface.mtu is None else str(interface.mtu)),
                Cell(" ".join(interface.addresses) or NONE),
            )
        )
        for interface in state.interfaces
    ]
    return _some(cols, rows, style, "interfaces")


def networks(state: State, style: Style) -> list[str]:
    """Networks of the configuration."""
    cols = (
        Col("#", right=True),
        Col("NAME", flex=True, drop=1),
        Col("NETWORK"),
        Col("MASK"),
        Col("REAL"),
        Col("VIRT"),
        Col("IF", right=True, drop=2),
    )
    rows = [
        Row(
            (
                Cell(str(network.number)),
                Cell(network.name or NONE),
                Cell(network.addr),
                Cell(network.mask),
                Cell(network.real or NONE),
                Cell(network.virt or NONE),
                Cell(NONE if network.interface is None else str(network.interface)),
            )
        )
        for network in state.networks
    ]
    return _some(cols, rows, style, "networks")


def arp(state: State, style: Style) -> list[str]:
    """Addresses that are answered for, resolved, or in conflict; conflicts first."""
    cols = (
        Col("ADDRESS"),
        Col("MAC"),
        Col("STATE"),
        Col("OWNER", flex=True),
        Col("AGE", right=True, drop=1),
    )
    rows = [
        Row(
            (
                Cell(entry.address),
                Cell(entry.mac or NONE),
                _state(arp_mark(entry), style),
                Cell(entry.owner),
                Cell(NONE if entry.age_s is None else units.age(entry.age_s)),
            )
        )
        for entry in sorted(state.arp, key=lambda entry: entry.kind != "conflict")
    ]
    return _some(cols, rows, style, "addresses")


def events(kept: Sequence[Event], style: Style) -> list[str]:
    """Events, the newest last."""
    cols = (
        Col("ID", right=True, drop=2),
        Col("TIME"),
        Col("KIND", drop=1),
        Col("SEVERITY"),
        Col("SUBJECT", flex=True),
        Col("MESSAGE", wrap=36),
    )
    rows = [
        Row(
            (
                Cell(str(event.id)),
                Cell(event.time.replace("T", " ")[:19]),
                Cell(event.kind),
                Cell(event.severity, SEVERITY[event.severity].role),
                Cell(event.subject),
                Cell(f"{event.message} ({event.actor})" if event.actor else event.message),
            )
        )
        for event in kept
    ]
    return _some(cols, rows, style, "events")


def event_line(event: Event, style: Style) -> str:
    """One event of `bngctl watch`, on one line however long."""
    by = f" ({event.actor})" if event.actor else ""
    severity = style.paint(f"{event.severity:<7}", SEVERITY[event.severity].role)
    return f"{event.time} {severity} {event.kind:<8} " + clean(f"{event.subject}: {event.message}{by}")


def modules(state: State, style: Style) -> list[str]:
    """Modules in the order they see a frame."""
    cols = (Col("MODULE"), Col("STATE"), Col("FRAMES", right=True), Col("NOTE", wrap=20))
    roles: dict[str, Role] = {"active": "up", "idle": "muted", "standby": "warning"}
    rows = [
        Row(
            (
                Cell(module.name),
                Cell(module.state, roles[module.state]),
                Cell(units.count(module.frames)),
                Cell(module.note),
            )
        )
        for module in state.modules
    ]
    return _some(cols, rows, style, "modules")


def vrrp(state: State, style: Style) -> list[str]:
    """Elections."""
    cols = (
        Col("VRID", right=True),
        Col("STATE"),
        Col("PRIORITY", right=True),
        Col("NETWORK", right=True),
        Col("NOTE", wrap=20),
    )
    rows = [
        Row(
            (
                Cell(NONE if entry.vrid is None else str(entry.vrid)),
                Cell(entry.state, "up" if entry.state == "master" else "warning"),
                Cell(NONE if entry.priority is None else str(entry.priority)),
                Cell(NONE if entry.network is None else str(entry.network)),
                Cell(entry.note),
            )
        )
        for entry in state.vrrp
    ]
    return _some(cols, rows, style, "elections")


def datapath(state: State, style: Style) -> list[str]:
    """Say what forwards, and how it fares."""
    path = state.datapath
    dropped = ", ".join(f"{reason} {units.count(number)}" for reason, number in path.dropped.items())
    pairs: list[tuple[str, str | Cell]] = [
        ("kind", path.kind),
        ("workers", str(path.workers)),
        ("interfaces", " ".join(path.interfaces) or NONE),
        ("received", f"{units.count(path.received)} ({units.short(path.received_pps)} pps)"),
        ("forwarded", f"{units.count(path.forwarded)} ({units.short(path.forwarded_pps)} pps)"),
        ("passed", units.count(path.passed)),
        ("dropped", Cell(dropped or "none", "warning" if dropped else "text")),
        ("lost in the ring", Cell(units.count(path.ring_lost), "warning" if path.ring_lost else "text")),
        ("sessions", f"{units.count(path.sessions)} of at most {units.count(path.sessions_max)}"),
        ("table", f"generation {path.table_generation}, {units.count(path.swaps)} swaps"),
        ("wait in a swap", f"last {path.swap_last_ms:.1f} ms, longest {path.swap_longest_ms:.1f} ms"),
    ]
    pairs += [("why" if at == 0 else "", why) for at, why in enumerate(path.why)]
    return facts(pairs, style)


def version(answer: Version, style: Style) -> list[str]:
    """Say what the engine is, and its host."""
    return facts(
        [
            ("engine", f"{answer.engine_version}, protocol {answer.protocol}"),
            ("host", answer.hostname),
            ("uptime", f"{units.uptime(answer.uptime_s)}, pid {answer.pid}"),
            ("python", answer.python),
            ("kernel", answer.kernel),
            ("boot", answer.boot_id),
        ],
        style,
    )


def explanation(answer: Explanation, style: Style) -> list[str]:
    """Where a flow goes, and the steps of the decision."""
    server = "no server" if answer.server is None else f"server {answer.server}"
    target = "no target" if answer.target is None else f"target {answer.target}"
    match answer.decided_by:
        case "session":
            by = "it has a session"
        case "method" if answer.target is None:
            target, by = "any of its targets", "the server's method picks one when the flow comes"
        case "method":
            by = "the server's method picks it"
        case "none":
            by = "nothing takes it"
    role: Role = "down" if answer.decided_by == "none" else "strong"
    head = style.paint(f"{answer.client}, {server}: {target} ({by})", role)
    return [head, *facts([(f"{at:>3}.", step) for at, step in enumerate(answer.steps, 1)], style)]


def ranges(numbers: Sequence[int]) -> str:
    """Return numbers as BalanceNG writes them, runs of three and more as a range: ``1,2,5-9``."""
    parts: list[str] = []
    run: list[int] = []

    def end() -> None:
        parts.extend([f"{run[0]}-{run[-1]}"] if len(run) > 2 else map(str, run))
        run.clear()

    for number in numbers:
        if run and number != run[-1] + 1:
            end()
        run.append(number)
    end()
    return ",".join(parts) or NONE


def _reason(thing: ServerState | TargetState, mark: Mark) -> tuple[Cell, ...]:
    # "draining" below "draining" says nothing.
    return (Cell(thing.reason, "muted"),) if thing.reason and thing.reason != mark.word else ()


def _state(mark: Mark, style: Style) -> Cell:
    return Cell(f"{mark.glyph} {mark.word}" if style.glyphs else mark.word, mark.role)


def _some(
    cols: Sequence[Col], rows: Sequence[Row], style: Style, what: str, *, leave: Sequence[str] = ()
) -> list[str]:
    if not rows:
        return [f"no {what}"]
    kept = [at for at, col in enumerate(cols) if col.title not in leave]
    return table(
        [cols[at] for at in kept],
        [Row(tuple(row.cells[at] for at in kept), row.notes) for row in rows],
        style,
    )
