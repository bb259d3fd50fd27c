"""`show servers`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bngtui.render.printed import cells
from bngtui.render.printed.table import Col, listing
from bngtui.render.states import server_mark
from bngtui.render.units import endpoint, short

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bngtui.render.printed.table import Style
    from bngtui.render.states import Mark
    from engine.api.messages import ServerState, State


def servers(state: State, style: Style, numbers: Sequence[int] | None = None) -> list[str]:
    """Return the table of virtual servers; `numbers` picks some."""
    targets = {target.number: target for target in state.targets}

    def mark(server: ServerState) -> Mark:
        return server_mark(server, targets)

    cols: list[Col[ServerState]] = [
        Col("#", lambda s: str(s.number), right=True),
        Col("NAME", lambda s: cells.known(s.name), flex=True, drop=2),
        Col("ADDRESS", lambda s: endpoint(s.ipaddr, s.port)),
        Col("PROTO", lambda s: s.protocol, drop=3),
        Col("METHOD", lambda s: s.method, drop=4),
        Col("STATE", lambda s: cells.state(mark(s), style)),
        Col("TARGETS", lambda s: cells.ranges(s.targets), flex=True),
        Col("BACKUP", lambda s: cells.ranges(s.backup), flex=True, drop=1),
        Col("SESS", lambda s: short(s.sessions), right=True),
        Col("HALF", lambda s: short(s.half_open), right=True, drop=7),
        Col("PPS", lambda s: short(s.pps), right=True),
        Col("BPS", lambda s: short(s.bps), right=True),
        Col("PACKETS", lambda s: short(s.packets), right=True, drop=5),
        Col("BYTES", lambda s: short(s.bytes), right=True, drop=6),
    ]
    if not any(server.backup for server in state.servers):
        # A column that says nothing anywhere gives its room to the others.
        cols = [col for col in cols if col.title != "BACKUP"]
    rows = [server for server in state.servers if numbers is None or server.number in numbers]
    return listing(cols, rows, style, "servers", lambda server: cells.reason(server, mark(server)))
