"""Every action of the console, once: keys, footer and help are drawn from this list."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Group = Literal["Change", "Configuration", "Edit", "Review", "History", "Look", "Panels", "Move", "Program"]
Context = Literal[
    "targets", "servers", "arp", "events", "node", "details", "editor", "review", "revisions", "text"
]

ROWS: frozenset[Context] = frozenset({"targets", "servers", "arp", "events", "node"})
TARGETS: frozenset[Context] = frozenset({"targets", "details"})
MEMBERS: frozenset[Context] = frozenset({"targets", "servers", "details"})
ANYWHERE: frozenset[Context] = ROWS | {"details"}
EDITOR: frozenset[Context] = frozenset({"editor"})
REVIEW: frozenset[Context] = frozenset({"review"})
REVISIONS: frozenset[Context] = frozenset({"revisions"})
PAGES: frozenset[Context] = ANYWHERE | REVIEW | REVISIONS | {"text"}
EVERYWHERE: frozenset[Context] = PAGES | EDITOR


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
    Action(
        "review",
        ("f2", "ctrl+s"),
        "review: what would change, then apply it",
        "Edit",
        "review, apply",
        1,
        changes=True,
        where=EDITOR,
    ),
    Action(
        "complete",
        ("tab", "ctrl+@", "ctrl+space"),
        "complete the word, with its meaning",
        "Edit",
        "complete",
        4,
        changes=True,
        where=EDITOR,
    ),
    Action(
        "findings", ("f4",), "go to the findings; Enter jumps to one", "Edit", "findings", 3, where=EDITOR
    ),
    Action("finding(1)", ("ctrl+n",), "jump to the next finding", "Edit", where=EDITOR),
    Action("finding(-1)", ("ctrl+p",), "jump to the finding before", "Edit", where=EDITOR),
    Action("undo", ("ctrl+z",), "undo", "Edit", changes=True, where=EDITOR),
    Action("redo", ("ctrl+y",), "do it again", "Edit", changes=True, where=EDITOR),
    Action("find", ("ctrl+f",), "find a text; again: the next", "Edit", "find", 6, where=EDITOR),
    Action(
        "read_file",
        ("ctrl+r",),
        "read a file into the editor",
        "Edit",
        "read file",
        5,
        changes=True,
        where=EDITOR,
    ),
    Action(
        "write_file",
        ("ctrl+o",),
        "write the text to a file",
        "Edit",
        "write file",
        5,
        changes=True,
        where=EDITOR,
    ),
    Action("start_over", ("f5",), "begin again with what runs now", "Edit", changes=True, where=EDITOR),
    Action("leave", ("escape",), "leave the editor", "Edit", "leave", 1, where=EDITOR),
    Action("help", ("f1",), "this page", "Program", "help", 2, where=EDITOR),
    Action(
        "apply",
        ("a", "enter"),
        "apply, and go back by itself unless confirmed in time",
        "Review",
        "apply on trial",
        1,
        changes=True,
        where=REVIEW,
    ),
    Action(
        "apply_for_good",
        ("A",),
        "apply for good, without a trial",
        "Review",
        "for good",
        2,
        changes=True,
        where=REVIEW,
    ),
    Action("trial(1)", ("plus",), "more time to confirm", "Review", "time", 4, changes=True, where=REVIEW),
    Action("trial(-1)", ("minus",), "less time to confirm", "Review", changes=True, where=REVIEW),
    Action("note", ("n",), "write a note for the history", "Review", "note", 3, changes=True, where=REVIEW),
    Action(
        "merge",
        ("m",),
        "merge: what both have changed, in one text",
        "Review",
        changes=True,
        where=REVIEW,
    ),
    Action(
        "replace",
        ("R",),
        "replace: your text as it is, in the place of what runs now",
        "Review",
        changes=True,
        where=REVIEW,
    ),
    Action("text", ("enter",), "the whole text of the revision", "History", "text", 3, where=REVISIONS),
    Action(
        "compare",
        ("x",),
        "compare with what runs, or with the one before",
        "History",
        "compare",
        3,
        where=REVISIONS,
    ),
    Action(
        "rollback",
        ("b",),
        "run this revision again",
        "History",
        "roll back",
        2,
        changes=True,
        where=REVISIONS,
    ),
    Action(
        "beside",
        ("v",),
        "texts side by side, or one below the other",
        "Look",
        "view",
        4,
        where=REVIEW | REVISIONS,
    ),
    Action("details", ("enter",), "everything about the selected row", "Look", "details", 3, where=ANYWHERE),
    Action("filter", ("slash",), "filter the panel; all words must match", "Look", "filter", 3),
    Action("faults", ("f", "exclamation_mark"), "show only what is not well", "Look", "faults", 4),
    Action("sort(1)", ("s",), "order by the next column", "Look", "sort", 5),
    Action("sort(-1)", ("S",), "order by the previous column", "Look"),
    Action("reverse", ("o",), "turn the order around", "Look"),
    Action("freeze", ("z", "space"), "hold the picture; again: go on", "Look", "freeze", 5),
    Action("copy", ("c",), "copy the selected row to the clipboard", "Look", "copy", 8),
    Action("clear", ("escape",), "drop filter and faults only", "Look", where=PAGES),
    Action(
        "open('editor')",
        ("C",),
        "edit the configuration",
        "Configuration",
        "config",
        3,
        where=ANYWHERE,
    ),
    Action(
        "open('revisions')",
        ("H",),
        "its history: differences, rollback",
        "Configuration",
        "history",
        4,
        where=ANYWHERE,
    ),
    Action(
        "save",
        ("W",),
        "write operational state into its file",
        "Configuration",
        changes=True,
        where=ANYWHERE | REVISIONS,
    ),
    Action(
        "keep",
        ("f8",),
        "confirm the change on trial: it stays",
        "Configuration",
        changes=True,
        where=EVERYWHERE,
    ),
    Action(
        "take_back",
        ("f9",),
        "take the change on trial back at once",
        "Configuration",
        changes=True,
        where=EVERYWHERE,
    ),
    Action("panel(1)", ("tab",), "next panel", "Panels", "panels", 6),
    Action("panel(-1)", ("shift+tab",), "previous panel", "Panels"),
    Action("goto('servers')", ("1",), "servers", "Panels"),
    Action("goto('targets')", ("2",), "targets", "Panels"),
    Action("goto('events')", ("3",), "events", "Panels"),
    Action("goto('arp')", ("4",), "ARP: addresses and conflicts", "Panels"),
    Action("goto('node')", ("5",), "node: datapath, drops, modules", "Panels"),
    Action("maximise", ("m",), "this panel alone; again: all", "Panels", "maximise", 7),
    Action("move(-1)", ("up", "k"), "one row up", "Move", where=PAGES),
    Action("move(1)", ("down", "j"), "one row down", "Move", where=PAGES),
    Action("page(-1)", ("pageup", "ctrl+b"), "one page up", "Move", where=PAGES),
    Action("page(1)", ("pagedown", "ctrl+f"), "one page down", "Move", where=PAGES),
    Action("edge(-1)", ("home", "g"), "first row", "Move", where=PAGES),
    Action("edge(1)", ("end", "G"), "last row", "Move", where=PAGES),
    Action("theme", ("t",), "next theme", "Program", "theme", 7, where=PAGES),
    Action("suspend", ("ctrl+z",), "stop, and give the terminal to the shell", "Program", where=PAGES),
    Action("zone", ("T",), "times in the local zone, or in UTC", "Program", where=PAGES),
    Action("repaint", ("ctrl+l",), "draw the screen anew", "Program", where=EVERYWHERE),
    Action("help", ("question_mark", "f1"), "this page", "Program", "help", 1, where=PAGES),
    Action("palette", ("colon",), "find an action by its name", "Program", where=ANYWHERE),
    Action("quit", ("q", "ctrl+c"), "leave", "Program", "quit", 1, where=PAGES),
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
    "colon": ":",
    "plus": "+",
    "minus": "-",
    "ctrl+@": "Ctrl-Space",
    "ctrl+space": "Ctrl-Space",
    **{f"f{number}": f"F{number}" for number in range(1, 13)},
}


def key_text(key: str) -> str:
    """Return a key as people write it."""
    if key.startswith("ctrl+") and key not in _SHOWN:
        return f"Ctrl-{key.removeprefix('ctrl+').upper()}"
    return _SHOWN.get(key, key)


def first_key(name: str) -> str:
    """Return the key shown for an action, in Textual's spelling. Raises StopIteration where no action has that name."""
    return next(action.keys[0] for action in ACTIONS if action.name == name)


def available(context: Context | None = None, *, read_only: bool) -> tuple[Action, ...]:
    """Return the actions of a place on the screen (None: of all), without those that a read-only console lacks."""
    return tuple(
        action
        for action in ACTIONS
        if not (read_only and action.changes) and (context is None or context in action.where)
    )


def with_hints(actions: Iterable[Action], hints: Mapping[str, str], *, worth: int) -> tuple[Action, ...]:
    """Return the actions, with other words in the footer for those that `hints` names."""
    return tuple(
        replace(action, hint=hints[action.name], worth=worth) if action.name in hints else action
        for action in actions
    )
