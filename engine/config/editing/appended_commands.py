"""What to do where an edit in place does not help: commands at the end of a BalanceNG text, which win by being last."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from engine.config.editing.parts import alone
from engine.config.editing.splice import Splices
from engine.config.language.balanceng import dump
from engine.config.language.keywords import KINDS, Kind
from engine.config.language.lexer import quote

if TYPE_CHECKING:
    from engine.config.model import Config, Item


def append(text: str, old: Config, new: Config) -> str:
    """Return the text with commands at its end that make it mean `new`, except for the list of modules."""
    out = [f"no set {name}" for name in old.settings.keys() - new.settings.keys()]
    out += [f"set {n} {quote(v)}" for n, v in new.settings.items() if old.settings.get(n) != v]
    for kind in KINDS:
        before = {item.number: item for item in getattr(old, f"{kind}s")}
        after = {item.number: item for item in getattr(new, f"{kind}s")}
        for number in sorted(before.keys() | after.keys()):
            out += _commands(kind, before.get(number), after.get(number))
    for name in ("gateway", "vrrp"):
        had, has = getattr(old, name), getattr(new, name)
        if had != has:
            out += [f"no {name}"] if had else []
            out += dump(alone(name, has)).split("\n")[1:-1] if has else []
    splices = Splices(text)
    lines = text.count("\n") + 1
    splices.add_lines(lines if splices.line(lines) else lines - 1, out)
    return splices.result()


def _commands(kind: Kind, old: Item | None, new: Item | None) -> list[str]:
    if old == new:
        return []
    if new is None:
        return [f"no {kind} {old.number}"] if old else []
    if (
        old is not None
        and msgspec.structs.replace(old, registered=new.registered, enabled=new.enabled) == new
    ):
        out = []
        if old.registered != new.registered:
            out.append(f"{'register' if new.registered else 'no register'} {kind} {new.number}")
        out.append(f"{'enable' if new.enabled else 'disable'} {kind} {new.number}")
        return out
    dumped = dump(alone(f"{kind}s", [new])).split("\n")[1:-1]
    return [f"no {kind} {new.number}", *dumped] if old else dumped
