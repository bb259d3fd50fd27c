"""`bngtui --once`: one reading, for scripts, dumb terminals and pipes. Imports no Textual."""

from __future__ import annotations

import asyncio
import shutil
import sys
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from bngtui.render import arp, node, servers, targets
from bngtui.render import events as event_log
from bngtui.render.columns import fit_columns
from bngtui.render.fitting import SEPARATOR
from bngtui.render.header import Freshness, paint_header
from bngtui.render.text import fit
from bngtui.store import Store
from engine.api.client import EngineUnreachable, RequestError
from engine.api.messages import EventFrame

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bngtui.options import Options
    from bngtui.render.view import Spec
    from engine.api.messages import Event, State

Row = TypeVar("Row")
UNREACHABLE = 3
EVENTS = 8
WIDTH = 80
"""Cells where the output is not a terminal."""


def print_once(options: Options, *, as_json: bool) -> int:
    """Print one reading on standard output. Returns 0, or 3 where the engine is not reachable."""
    try:
        state, events = asyncio.run(_read(options))
    except EngineUnreachable as error:
        print(f"bngtui: engine not reachable: {error}", file=sys.stderr)  # noqa: T201 - this is a command's answer
        return UNREACHABLE
    except RequestError as error:
        print(f"bngtui: {error.message}", file=sys.stderr)  # noqa: T201 - as above
        return 1
    if as_json:
        text = msgspec.json.format(msgspec.json.encode(state), indent=2).decode()
    else:
        width = shutil.get_terminal_size((WIDTH, 24)).columns if sys.stdout.isatty() else WIDTH
        text = reading(state, events, width)
    print(text)  # noqa: T201 - as above
    return 0


def reading(state: State, events: Sequence[Event], width: int) -> str:
    """Return a reading as plain text of at most `width` columns; `events` oldest first."""
    store = Store()
    store.take_state(state, 0.0)
    store.connection = "up"
    for event in events:
        store.take_event(EventFrame(event=event))
    head = paint_header(state, Freshness(connection="up", age_s=0.0), width)
    parts = [line.text.strip() for line in head]
    parts += _table(servers.SPEC, store.server_rows(), width, drop={"history"})
    parts += _table(targets.SPEC, store.target_rows(), width, drop={"history"})
    parts += _table(arp.SPEC, [row for row in store.arp_rows() if not hasattr(row, "id")], width)
    parts += _table(node.SPEC, store.node_rows(), width)
    parts += _table(event_log.SPEC, store.events[:EVENTS], width)
    return "\n".join(line.rstrip() for line in parts)


def _table(spec: Spec[Any], rows: Sequence[Any], width: int, drop: set[str] | None = None) -> list[str]:
    columns = [column for column in spec.columns if column.id not in (drop or set())]
    fitted = fit_columns(columns, rows, width)
    shown = frozenset(item.column.id for item in fitted)
    out = ["", spec.title.upper()]
    if not rows:
        return [*out, spec.empty]
    if spec.heading:
        out.append(SEPARATOR.join(fit(i.column.heading, i.width, right=i.column.right) for i in fitted))
    return out + [
        SEPARATOR.join(
            fit(item.column.cell(row, item.width, shown).text, item.width, right=item.column.right)
            for item in fitted
        )
        for row in rows
    ]


async def _read(options: Options) -> tuple[State, list[Event]]:
    async with await options.engine_socket.open(options.access) as client:
        state: State = await client.request("state")
        events: list[Event] = await client.request("events", since=0, limit=EVENTS)
        return state, events
