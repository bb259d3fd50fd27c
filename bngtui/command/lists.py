"""What is in a command's arguments: LIST, and ADDRESS[:PORT]."""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING

from bngtui.command.spec import CommandError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.api.messages import ServerState, TargetState

LARGEST = 65_535
"""Of a number in a LIST; the engine knows what exists, this only keeps `1-999999999` from being counted out."""

_RANGE = re.compile(r"([0-9]+)-([0-9]+)")


def numbers(text: str, things: Sequence[TargetState | ServerState], what: str) -> list[int]:
    """Read a LIST like ``1,2``, ``1-4`` or ``web1,7``; `things` are asked for names only.

    Numbers come in the order given, each once. Raises UsageError for what is not a list, CommandError for a name that
    nothing has, or that more than one has.
    """
    found: dict[int, None] = {}
    for item in (part.strip() for part in text.split(",")):
        if not item:
            raise UsageError(f"{text!r}: a number is missing; write a list like 1,2 or 1-4")
        if match := _RANGE.fullmatch(item):
            first, last = _number(match[1], what), _number(match[2], what)
            if first > last:
                raise UsageError(f"{item!r} runs backwards; write {last}-{first}")
            found.update(dict.fromkeys(range(first, last + 1)))
        elif item.isascii() and item.isdigit():
            found[_number(item, what)] = None
        else:
            found[_named(item, things, what)] = None
    return list(found)


def picked(text: str, things: Sequence[TargetState | ServerState], what: str) -> list[int]:
    """Read a LIST of what must exist. Raises as `numbers` does, and CommandError for a number that nothing has."""
    found = numbers(text, things, what)
    for number in found:
        if all(thing.number != number for thing in things):
            raise CommandError(f"there is no {what} {number}")
    return found


def has_names(text: str) -> bool:
    """Whether a LIST has something besides numbers and ranges, so that the state is needed to read it."""
    return re.fullmatch(r"[0-9,\-\s]*", text) is None


def endpoint(text: str, what: str) -> tuple[str, int | None]:
    """Split ``HOST[:PORT]``; an IPv6 address with a port is in brackets. Raises UsageError."""
    host, port = text, ""
    if text.startswith("["):
        host, closed, rest = text[1:].partition("]")
        if not closed or (rest and not rest.startswith(":")):
            raise UsageError(f"{what} {text!r}: write [ADDRESS]:PORT")
        port = rest[1:]
        if rest == ":":
            raise UsageError(f"{what} {text!r}: the port is missing")
    elif text.count(":") == 1:
        host, _, port = text.partition(":")
        if not port:
            raise UsageError(f"{what} {text!r}: the port is missing")
    if not host:
        raise UsageError(f"{what} {text!r}: the address is missing")
    if not port:
        return host, None
    if not (port.isascii() and port.isdigit() and len(port) <= 5 and 0 < int(port) <= 65_535):
        raise UsageError(f"{what} {text!r}: {port!r} is not a port from 1 to 65535")
    return host, int(port)


def address(text: str, what: str) -> str:
    """Return an address in canonical form. Raises UsageError."""
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        raise UsageError(f"{what} {text!r} is not an IP address") from None


def _number(text: str, what: str) -> int:
    number = int(text) if len(text) <= 9 else LARGEST + 1
    if not 1 <= number <= LARGEST:
        raise UsageError(f"{text} is not a {what} number")
    return number


def _named(name: str, things: Sequence[TargetState | ServerState], what: str) -> int:
    found = [thing.number for thing in things if thing.name == name]
    if not found:
        raise CommandError(f"there is no {what} named {name!r}")
    if len(found) > 1:
        raise CommandError(f"{what}s {', '.join(map(str, found))} are all named {name!r}; give the number")
    return found[0]
