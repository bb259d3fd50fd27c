"""Every action of the console, once: keys, footer and help are drawn from this list."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Group = Literal["Change", "Look", "Panels", "Move", "Program"]
Context = Literal["targets", "servers", "arp", "events", "node", "details"]

ROWS: frozenset[Context] = frozenset({"targets", "servers", "arp", "events", "node"})
TARGETS: frozenset[Context] = frozenset({"targets", "details"})
MEMBERS: frozenset[Context] = frozenset({"targets", "servers", "details"})
ANYWHERE: frozenset[Context] = ROWS | {"details"}


@dataclass(frozen=True)
class Action:
    """One thing an operator can do.

    `name` is the method `action_<name>` of the screen (with an argument in parentheses, as Textual takes it);
    the first of `keys` is the one shown. `hint` is for the footer, "" keeps it out; `worth` orders the footer, the
    smallest stays longest on a narrow terminal. `changes`: it changes the engine, so a read-only console hides it.
    """

    name: str
    keys: tuple[str, ...]
    help: str
    group: Group
    hint: str = ""
    worth: int = 5
    changes: bool = False
    where: frozenset[Context] = ROWS


ACTIONS: tuple[Action, ...] = (
    Action(
        "change('enable')",
        ("e",),
        "enable the selected target or server",
        "Change",
        "enable",
        2,
        changes=True,
        where=MEMBERS,
    ),
    Action(
        "change('disable')",
        ("d",),
        "disable it: sessions end at once",
        "Change",
        "disable",
        2,
        changes=True,
        where=MEMBERS,
    ),
    Action(
        "change('drain')",
        ("r",),
        "drain it: sessions finish, no new flows",
        "Change",
        "drain",
        2,
        changes=True,
        where=TARGETS,
    ),
    Action("details", ("enter",), "everything about the selected row", "Look", "details", 3, where=ANYWHERE),
    Action("filter", ("slash",), "filter the panel; all words must match", "Look", "filter", 3),
    Action("faults", ("f", "exclamation_mark"), "show only what is not well", "Look", "faults", 4),
    Action("sort(1)", ("s",), "order by the next column", "Look", "sort", 5),
    Action("sort(-1)", ("S",), "order by the previous column", "Look"),
    Action("reverse", ("o",), "turn the order around", "Look"),
    Action("freeze", ("z", "space"), "hold the picture; again: go on", "Look", "freeze", 5),
    Action("copy", ("c",), "copy the selected row to the clipboard", "Look", "copy", 8),
    Action("clear", ("escape",), "drop filter and faults only", "Look", where=ANYWHERE),
    Action("panel(1)", ("tab",), "next panel", "Panels", "panels", 6),
    Action("panel(-1)", ("shift+tab",), "previous panel", "Panels"),
    Action("goto('servers')", ("1",), "servers", "Panels"),
    Action("goto('targets')", ("2",), "targets", "Panels"),
    Action("goto('events')", ("3",), "events", "Panels"),
    Action("goto('arp')", ("4",), "ARP: addresses and conflicts", "Panels"),
    Action("goto('node')", ("5",), "node: datapath, drops, modules", "Panels"),
    Action("maximise", ("m",), "this panel alone; again: all", "Panels", "maximise", 7),
    Action("move(-1)", ("up", "k"), "one row up", "Move", where=ANYWHERE),
    Action("move(1)", ("down", "j"), "one row down", "Move", where=ANYWHERE),
    Action("page(-1)", ("pageup", "ctrl+b"), "one page up", "Move", where=ANYWHERE),
    Action("page(1)", ("pagedown", "ctrl+f"), "one page down", "Move", where=ANYWHERE),
    Action("edge(-1)", ("home", "g"), "first row", "Move", where=ANYWHERE),
    Action("edge(1)", ("end", "G"), "last row", "Move", where=ANYWHERE),
    Action("theme", ("t",), "next theme", "Program", "theme", 7, where=ANYWHERE),
    Action("repaint", ("ctrl+l",), "draw the screen anew", "Program", where=ANYWHERE),
    Action("help", ("question_mark", "f1"), "this page", "Program", "help", 1, where=ANYWHERE),
    Action("quit", ("q", "ctrl+c"), "leave", "Program", "quit", 1, where=ANYWHERE),
)

_SHOWN = {
    "slash": "/",
    "exclamation_mark": "!",
    "question_mark": "?",
    "escape": "Esc",
    "enter": "Enter",
    "space": "Space",
    "tab": "Tab",
    "shift+tab": "Shift-Tab",
    "up": "↑",
    "down": "↓",
    "pageup": "PgUp",
    "pagedown": "PgDn",
    "home": "Home",
    "end": "End",
    "f1": "F1",
}


def key_text(key: str) -> str:
    """Return a key as people write it."""
    if key.startswith("ctrl+"):
        return f"Ctrl-{key.removeprefix('ctrl+').upper()}"
    return _SHOWN.get(key, key)


def available(context: Context | None = None, *, read_only: bool) -> tuple[Action, ...]:
    """Return the actions of a place on the screen (None: of all), without those that a read-only console lacks."""
    return tuple(
        action
        for action in ACTIONS
        if not (read_only and action.changes) and (context is None or context in action.where)
    )
