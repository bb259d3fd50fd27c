"""`explain`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bngtui.render.printed.table import facts

if TYPE_CHECKING:
    from bngtui.render.printed.table import Style
    from bngtui.render.text import Role
    from engine.api.messages import Explanation


def explanation(answer: Explanation, style: Style) -> list[str]:
    """Return where a flow goes, and the steps of the decision."""
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
