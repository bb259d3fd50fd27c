"""Values of single words: from text to what it means, with one message for each way to get it wrong.

Both languages read through these, so a value that is right in one is right in the other. Every reader raises
`BadValue` and nothing else.
"""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING, Any, NamedTuple

from engine.config.finding import shown
from engine.config.language.keywords import BLOCKS, nearest
from engine.config.model import (
    MAX_INSTANCES,
    MAX_MAXSESSIONS,
    MAX_STIMEOUT_S,
    MAX_TARGETS,
    MAX_THREADS,
    MAX_VLAN,
    MAX_WEIGHT,
)
from engine.domain.address import Address, Prefix
from engine.domain.checks import CHECK_KINDS, CheckSettings
from engine.domain.drain import MAX_WITHIN_S

if TYPE_CHECKING:
    from collections.abc import Callable

    from engine.domain.checks import CheckKind

MAX_TEXT = 255
"""Characters of a name or a command."""

MAX_INTERVAL_S = 3_600
"""Longest interval between two checks; a longer one would find a failure too late to matter."""

MAX_TIMEOUT_S = 86_400
"""Longest age of a last good answer: a day."""

_LINUX_NAME_LENGTH = 15  # IFNAMSIZ less its terminating zero, linux/if.h


class BadValue(Exception):  # noqa: N818 - it names the value that raised it
    """A value that is refused: a code, a sentence, what to do, and which part of the text is wrong (`length` 0: all)."""

    def __init__(self, code: str, message: str, hint: str = "", *, offset: int = 0, length: int = 0) -> None:
        super().__init__(message)
        self.code, self.message, self.hint, self.offset, self.length = code, message, hint, offset, length


class Element(NamedTuple):
    """One element of a list, a number or a range, with its place in the text."""

    first: int
    last: int
    offset: int
    length: int

    @property
    def numbers(self) -> range:
        """The numbers it stands for."""
        return range(self.first, self.last + 1)


def number(text: str, low: int, high: int) -> int:
    """Read a decimal number from `low` to `high`."""
    if not (text.isascii() and text.isdigit()):
        if re.fullmatch(r"-[0-9]+", text):
            raise BadValue(
                "out-of-range", f"{shown(text)} is out of range", f"use a number from {low} to {high}"
            )
        raise BadValue(
            "bad-number", f"{shown(text) or 'nothing'} is not a number", f"use a number from {low} to {high}"
        )
    # int() is quadratic in the digits, and Python refuses more than 4,300 of them.
    value = int(text) if len(text) <= 12 else high + 1
    if not low <= value <= high:
        raise BadValue("out-of-range", f"{shown(text)} is out of range", f"use a number from {low} to {high}")
    return value


def elements(text: str, high: int) -> list[Element]:
    """Read a list of numbers and ranges, `1,2,5-8`, each from 1 to `high`; blanks around commas are ignored.

    Together they name `high` numbers at most, which is known before any of them is made.
    """
    found: list[Element] = []
    offset = named = 0
    for part in text.split(","):
        bare = part.strip()
        at, length = offset + len(part) - len(part.lstrip()), len(bare)
        offset += len(part) + 1
        try:
            low, top = _element(bare, high)
        except BadValue as bad:
            bad.offset, bad.length = (at, length) if bare else (max(0, at - 1), 1)
            raise
        named += top - low + 1
        if named > high:
            message, hint = "the list names more than there can be", "name each of them once"
            raise BadValue("bad-list", message, hint, offset=at, length=length)
        found.append(Element(low, top, at, length))
    return found


def _element(bare: str, high: int) -> tuple[int, int]:
    if not bare:
        raise BadValue("bad-list", "the list has an empty place", "write it like 1,2 or 1-4")
    if bare.isdigit():  # nearly all are; half a million of them in the largest file
        return (only := number(bare, 1, high)), only
    first, dash, last = bare.partition("-")
    if len(first.split()) > 1 or len(last.split()) > 1:
        raise BadValue("bad-list", f"{shown(bare)} has a blank in it", "put commas between the numbers")
    low = number(first.strip(), 1, high)
    top = number(last.strip(), 1, high) if dash else low
    if top < low:
        raise BadValue("bad-list", f"the range {shown(bare)} runs backwards", f"write {top}-{low}")
    return low, top


def _numbers(text: str) -> list[int]:
    return [n for element in elements(text, MAX_TARGETS) for n in element.numbers]


def text_value(text: str) -> str:
    """Read a name or a command: printable, on one line, at most `MAX_TEXT` characters."""
    if len(text) > MAX_TEXT:
        raise BadValue("bad-text", f"the text is longer than {MAX_TEXT} characters", "shorten it")
    if not text.isprintable():
        at = next(i for i, c in enumerate(text) if not c.isprintable())
        what = f"the character U+{ord(text[at]):04X} cannot be in a text"
        raise BadValue("bad-text", what, "use printable characters and ordinary blanks", offset=at, length=1)
    return text


def interface_name(text: str) -> str:
    """Read the name of a Linux interface (`dev_valid_name` in net/core/dev.c)."""
    text_value(text)
    bad = len(text.encode()) > _LINUX_NAME_LENGTH or text in {"", ".", ".."} or any(c in "/: " for c in text)
    if bad:
        hint = f"use at most {_LINUX_NAME_LENGTH} characters, none of them a blank, / or :"
        raise BadValue("bad-text", f"{shown(text) or 'nothing'} cannot be the name of an interface", hint)
    return text


def address(text: str) -> str:
    """Read an IPv4 address that a host can have."""
    hint = "write four numbers from 0 to 255, like 172.16.1.10"
    if "/" in text:
        raise BadValue("bad-address", f"{shown(text)} is an address with a mask", "give the address alone")
    value = _ipv4(text)
    if value is None:
        if ":" in text and _is_ipv6(text):
            message = f"{shown(text)} is an IPv6 address, which is not built yet"
            raise BadValue("bad-address", message, "use an IPv4 address")
        raise BadValue("bad-address", f"{shown(text) or 'nothing'} is not an IPv4 address", hint)
    if any(value in network for network in _NO_HOSTS):
        raise BadValue("bad-address", f"{text} cannot be the address of a host on a network", hint)
    return str(value)


_NO_HOSTS = (
    Prefix.parse("0.0.0.0", "255.0.0.0"),  # noqa: S104 - "this" network (RFC 1122 section 3.2.1.3)
    Prefix.parse("127.0.0.0", "255.0.0.0"),  # loopback (same section)
    Prefix.parse("224.0.0.0", "240.0.0.0"),  # multicast (RFC 1112 section 4)
    Prefix.parse("255.255.255.255", "255.255.255.255"),  # limited broadcast (RFC 919 section 7)
)


def _ipv4(text: str) -> Address | None:
    """Read an IPv4 address; None for anything else, an IPv4 address written as an IPv6 one included."""
    return None if ":" in text else Address.parse_v4(text)


def _is_ipv6(text: str) -> bool:
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return True


def address6(text: str) -> str:
    """Read an IPv6 address; kept, though nothing uses it yet.

    `Address` would lose the zone of a link-local address (RFC 4007 section 11), so the text comes from the library.
    """
    try:
        return str(ipaddress.IPv6Address(text))
    except ValueError:
        raise BadValue("bad-address", f"{shown(text) or 'nothing'} is not an IPv6 address") from None


def mask(text: str) -> str:
    """Read a mask, as four numbers or as a prefix length, and return it as four numbers."""
    hint = "write it like 255.255.255.0 or 24"
    length = text.removeprefix("/")
    if length.isascii() and length.isdigit() and len(length) <= 2 and int(length) <= 32:
        bits = int(length)
        value: Address | None = Address.of((0xFFFF_FFFF << (32 - bits) & 0xFFFF_FFFF).to_bytes(4, "big"))
    else:
        value = _ipv4(text)
    if value is None:
        raise BadValue("bad-mask", f"{shown(text) or 'nothing'} is not a mask", hint)
    try:
        network = Prefix(value, value)
    except ValueError:
        raise BadValue("bad-mask", f"{shown(text)} has a zero between its ones", hint) from None
    if not network.family_length:
        raise BadValue("bad-mask", "a mask of no bits covers every address there is", hint)
    return str(value)


def port(text: str) -> int:
    """Read a port; `any` is 0."""
    if text.lower() == "any":
        return 0
    try:
        return number(text, 1, 65_535)
    except BadValue as bad:
        bad.hint = "use a number from 1 to 65535, or any"
        raise


def _choice(block: str, word: str) -> Callable[[str], str]:
    values = BLOCKS[block][word].values  # type: ignore[index]

    def read(text: str) -> str:
        value = text.lower()
        if value in values:
            return value
        close = nearest(value, values)
        hint = f"write {close}" if close else f"use one of {', '.join(values)}"
        raise BadValue("bad-value", f"{word} cannot be {shown(text) or 'empty'}", hint)

    return read


def _dsr(text: str) -> bool:
    return _choice("target", "dsr")(text) == "enable"


def _fields(text: str, form: str, least: int, limits: list[int]) -> list[int]:
    parts = text.split(",")
    if not least <= len(parts) <= len(limits):
        raise BadValue("bad-value", f"{shown(text)} has {len(parts)} values", f"write it like {form}")
    found, offset = [], 0
    if any(len(part.split()) > 1 for part in parts):
        raise BadValue(
            "bad-value", f"{shown(text)} has a blank in it", f"put commas between the numbers, like {form}"
        )
    for part, limit in zip(parts, limits, strict=False):
        try:
            found.append(number(part.strip(), 1, limit))
        except BadValue as bad:
            bad.offset, bad.length = offset, max(1, len(part))
            raise
        offset += len(part) + 1
    return found


_LIMITS = {"port": 65_535, "interval": MAX_INTERVAL_S, "timeout": MAX_TIMEOUT_S}
"""The largest number of each part of a check's value."""


def _check(kind: CheckKind) -> Callable[[str], CheckSettings]:
    """Return the reader of a check's value; what is left out at its end has its default."""
    form = f"{kind.example} ({', '.join(kind.parts)})"
    limits = [_LIMITS[part] for part in kind.parts]

    def read(text: str) -> CheckSettings:
        given = _fields(text, form, 1, limits)
        return CheckSettings(**dict(zip(kind.parts, given, strict=False)))

    return read


_CHECKS = {word: _check(kind) for word, kind in CHECK_KINDS.items()}


def _ranged(low: int, high: int) -> Callable[[str], int]:
    return lambda text: number(text, low, high)


READERS: dict[str, dict[str, Callable[[str], Any]]] = {
    "interface": {
        "name": interface_name,
        "access": _choice("interface", "access"),
        "threads": _ranged(1, MAX_THREADS),
    },
    "network": {
        "name": text_value,
        "addr": address,
        "mask": mask,
        "real": address,
        "virt": address,
        "mask6": text_value,
        "real6": address6,
        "virt6": address6,
        "syncpeer": address,
        "nat": _choice("network", "nat"),
        "interface": _ranged(1, MAX_INSTANCES),
        "vlan": _ranged(1, MAX_VLAN),
    },
    "server": {
        "name": text_value,
        "ipaddr": address,
        "port": port,
        "protocol": _choice("server", "protocol"),
        "method": _choice("server", "method"),
        "sessionid": _choice("server", "sessionid"),
        "stimeout": _ranged(1, MAX_STIMEOUT_S),
        "plugin": text_value,
        "targets": _numbers,
        "backup": _numbers,
    },
    "target": {
        "name": text_value,
        "ipaddr": address,
        "port": port,
        "protocol": _choice("target", "protocol"),
        "dsr": _dsr,
        **_CHECKS,
        "agent": text_value,
        "script": text_value,
        "weight": _ranged(1, MAX_WEIGHT),
        "maxsessions": _ranged(0, MAX_MAXSESSIONS),
        "drainwithin": _ranged(0, MAX_WITHIN_S),
        "alert": text_value,
        "upalert": text_value,
    },
    "gateway": {
        "ipaddr": address,
        **{word: read for word, read in _CHECKS.items() if word in BLOCKS["gateway"]},
    },
    "vrrp": {
        "vrid": _ranged(1, 255),
        "priority": _ranged(1, 255),
        "network": _ranged(1, MAX_INSTANCES),
    },
}
"""Block → word → its reader. The words are those of `keywords.BLOCKS`; the results are what `model.set_word` takes."""

LISTS: frozenset[tuple[str, str]] = frozenset({("server", "targets"), ("server", "backup")})
"""Words whose value is a list of numbers, each with a place of its own."""

ALWAYS_WRITTEN: frozenset[str] = frozenset({"port", "protocol", "access"})
"""Words that are written even with their default, so that no reader of the file has to know it."""
