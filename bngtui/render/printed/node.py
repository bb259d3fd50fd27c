"""`show alarms`, `show modules`, `show vrrp`, `show datapath`, `show version`: this node itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bngtui.render.counters import others
from bngtui.render.printed import cells
from bngtui.render.printed.table import NONE, Col, facts, listing
from bngtui.render.states import SEVERITY
from bngtui.render.text import Span
from bngtui.render.trial import file_differs
from bngtui.render.units import count, short, uptime

if TYPE_CHECKING:
    from bngtui.render.printed.table import Style
    from bngtui.render.text import Role
    from engine.api.messages import ModuleState, State, Version, VrrpState
    from engine.domain.notices import Alarm

_MODULE_ROLES: dict[str, Role] = {"active": "up", "idle": "muted", "standby": "warning"}

_ALARMS: tuple[Col[Alarm], ...] = (
    Col("SEVERITY", lambda alarm: Span(alarm.severity, SEVERITY[alarm.severity].role)),
    Col("SUBJECT", lambda alarm: alarm.subject, flex=True),
    Col("MESSAGE", lambda alarm: alarm.message, wrap=36),
)

_MODULES: tuple[Col[ModuleState], ...] = (
    Col("MODULE", lambda module: module.name),
    Col("STATE", lambda module: Span(module.state, _MODULE_ROLES[module.state])),
    Col("FRAMES", lambda module: count(module.frames), right=True),
    Col("NOTE", lambda module: module.note, wrap=20),
)

_ELECTIONS: tuple[Col[VrrpState], ...] = (
    Col("VRID", lambda entry: cells.known(entry.vrid), right=True),
    Col("STATE", lambda entry: Span(entry.state, "up" if entry.state == "master" else "warning")),
    Col("PRIORITY", lambda entry: cells.known(entry.priority), right=True),
    Col("NETWORK", lambda entry: cells.known(entry.network), right=True),
    Col("NOTE", lambda entry: entry.note, wrap=20),
)


def alarms(state: State, style: Style) -> list[str]:
    """Return the table of what is wrong now, the worst first."""
    worst_first = sorted(state.alarms, key=lambda alarm: SEVERITY[alarm.severity].rank)
    return listing(_ALARMS, worst_first, style, "alarms")


def modules(state: State, style: Style) -> list[str]:
    """Return the table of modules in the order they see a frame."""
    return listing(_MODULES, state.modules, style, "modules")


def vrrp(state: State, style: Style) -> list[str]:
    """Return the table of elections."""
    return listing(_ELECTIONS, state.vrrp, style, "elections")


def datapath(state: State, style: Style) -> list[str]:
    """Return what forwards, and how it fares."""
    path = state.datapath
    dropped = ", ".join(f"{reason} {count(number)}" for reason, number in path.dropped.items())
    pairs: list[tuple[str, str | Span]] = [
        ("kind", path.kind),
        ("workers", str(path.workers)),
        ("interfaces", " ".join(path.interfaces) or NONE),
        ("received", f"{count(path.received)} ({short(path.received_pps)} pps)"),
        ("forwarded", f"{count(path.forwarded)} ({short(path.forwarded_pps)} pps)"),
        ("passed", count(path.passed)),
        ("dropped", Span(dropped or "none", "warning" if dropped else "text")),
        ("lost in the ring", Span(count(path.ring_lost), "warning" if path.ring_lost else "text")),
        *((name, count(number)) for name, number in others(path)),
        ("sessions", f"{count(path.sessions)} of at most {count(path.sessions_max)}"),
        ("half open", count(path.half_open)),
        ("table", f"generation {path.table_generation}, {count(path.swaps)} swaps"),
        ("wait in a swap", f"last {path.swap_last_ms:.1f} ms, longest {path.swap_longest_ms:.1f} ms"),
    ]
    pairs += [("why" if at == 0 else "", why) for at, why in enumerate(path.why)]
    return facts(pairs, style)


def _configuration(answer: Version) -> list[tuple[str, str | Span]]:
    if not answer.config_file:
        return []  # an engine that does not tell
    facts: list[tuple[str, str | Span]] = [
        ("configuration", f"{answer.config_file}, revision {answer.revision}")
    ]
    if answer.file_differs is not None:
        facts.append(("", Span(file_differs(answer.file_differs), "warning")))
    return facts


def version(answer: Version, style: Style) -> list[str]:
    """Return what the engine is, and its host."""
    return facts(
        [
            ("engine", f"{answer.engine_version}, protocol {answer.protocol}"),
            ("host", answer.hostname),
            ("uptime", f"{uptime(answer.uptime_s)}, pid {answer.pid}"),
            *_configuration(answer),
            ("python", answer.python),
            ("kernel", answer.kernel),
            ("boot", answer.boot_id),
        ],
        style,
    )
