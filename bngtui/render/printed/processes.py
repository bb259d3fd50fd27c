"""`show processes`: what each process of the engine may do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bngtui.render.printed import cells
from bngtui.render.printed.table import NONE, Col, listing
from bngtui.render.text import Span

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bngtui.render.printed.table import Style
    from engine.api.messages import ProcessState


def _barred(value: bool | None) -> Span:
    if value is None:
        return Span(NONE)
    return Span("yes") if value else Span("no", "warning")


def _capabilities(process: ProcessState) -> str:
    if process.capabilities is None:
        return NONE
    return " ".join(name.removeprefix("CAP_").lower() for name in process.capabilities) or "none"


_PROCESSES: tuple[Col[ProcessState], ...] = (
    Col("PROCESS", lambda process: process.name, flex=True),
    Col("PID", lambda process: str(process.pid), right=True),
    Col("USER", lambda process: cells.known(process.user)),
    Col("NO-NEW-PRIVS", lambda process: _barred(process.no_new_privileges)),
    # The control process starts programs and opens what a configuration names: it has no list of system calls.
    Col("SECCOMP", lambda process: cells.known({True: "yes", False: "no", None: None}[process.seccomp])),
    Col("CAPABILITIES", _capabilities, wrap=20),
)


def processes(running: Sequence[ProcessState], style: Style) -> list[str]:
    """Return the table of the engine's processes."""
    return listing(_PROCESSES, running, style, "processes")
