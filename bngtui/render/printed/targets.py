"""`show targets`, and with a list of numbers every check of theirs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bngtui.render.drain import drain_text
from bngtui.render.printed import cells
from bngtui.render.printed.table import NONE, Col, listing
from bngtui.render.states import check_role, target_mark
from bngtui.render.text import Span
from bngtui.render.units import age, endpoint, rtt, short

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bngtui.render.printed.table import Style
    from engine.api.messages import CheckState, State, TargetState


def targets(state: State, style: Style, numbers: Sequence[int] | None = None) -> list[str]:
    """Return the table of targets; `numbers` picks some, which are then shown with every check of theirs."""
    cols: list[Col[TargetState]] = [
        Col("#", lambda t: str(t.number), right=True),
        Col("NAME", lambda t: cells.known(t.name), flex=True, drop=1),
        Col("ADDRESS", lambda t: endpoint(t.ipaddr, t.port)),
        Col("PROTO", lambda t: t.protocol, drop=6),
        Col("MAC", lambda t: cells.known(t.mac), drop=5),
        Col("STATE", lambda t: cells.state(target_mark(t), style)),
        Col("SERVERS", lambda t: cells.ranges(t.servers), flex=True, drop=2),
        Col("SESS", lambda t: short(t.sessions), right=True),
        Col("HALF", lambda t: short(t.half_open), right=True, drop=9),
        Col("PPS", lambda t: short(t.pps), right=True),
        Col("BPS", lambda t: short(t.bps), right=True),
        Col("PACKETS", lambda t: short(t.packets), right=True, drop=7),
        Col("BYTES", lambda t: short(t.bytes), right=True, drop=8),
        Col("SINCE", lambda t: age(t.last_change_s), right=True, drop=3),
    ]
    rows = [target for target in state.targets if numbers is None or target.number in numbers]
    lines = listing(cols, rows, style, "targets", _below)
    if numbers is not None and rows:
        lines += ["", *_checks(rows, style)]
    return lines


def _below(target: TargetState) -> list[Span]:
    """Return what stands below a target's row."""
    spans = cells.reason(target, target_mark(target))
    return spans if target.drain is None else [*spans, Span(drain_text(target.drain), "muted")]


_CHECKS: tuple[Col[tuple[TargetState, CheckState]], ...] = (
    Col("TARGET", lambda row: str(row[0].number), right=True),
    Col("CHECK", lambda row: row[1].kind),
    Col("OF", lambda row: _asked(*row)),
    Col("STATE", lambda row: Span(row[1].state, check_role(row[1]))),
    Col("LAST OK", lambda row: NONE if row[1].last_ok_s is None else age(row[1].last_ok_s), right=True),
    Col("RTT", lambda row: NONE if row[1].rtt_ms is None else rtt(row[1].rtt_ms), right=True, drop=1),
    Col("ERROR", lambda row: row[1].error or "", wrap=20),
)


def _checks(picked: Sequence[TargetState], style: Style) -> list[str]:
    return listing(
        _CHECKS, [(target, check) for target in picked for check in target.checks], style, "checks"
    )


def _asked(target: TargetState, check: CheckState) -> str:
    return endpoint(check.address or target.ipaddr, check.port or 0).removesuffix(":any")
