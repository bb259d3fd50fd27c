"""Builds the model out of what either language reads; what can be wrong with a word is found here, once for both."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from engine.config.finding import Findings, Span, shown
from engine.config.language import values
from engine.config.language.keywords import BLOCKS, KINDS, METHODS_PENDING, Kind, home_of, nearest
from engine.config.model import (
    MAX_TARGETS,
    MODULES,
    Config,
    Gateway,
    Interface,
    Item,
    Network,
    Server,
    Target,
    Vrrp,
    set_word,
)
from engine.config.positions import Key, Positions
from engine.domain.checks import CHECK_KINDS

if TYPE_CHECKING:
    from collections.abc import Iterable

_ITEM: dict[Kind, type[Item]] = {
    "interface": Interface,
    "network": Network,
    "server": Server,
    "target": Target,
}
_COMMENT_MARKS = ("#", ";", "!", "/*", "--")


class SourceValue(NamedTuple):
    """A value as it is written in a file.

    `text` begins `shift` characters after `span` does (1 for a quoted text). `parts` are the places of the elements
    between its commas, where these cannot be counted from the start of the text (an array of TOML).
    """

    text: str
    span: Span
    shift: int = 0
    parts: tuple[Span, ...] = ()

    def place(self, offset: int, length: int) -> Span:
        """Return where a part of the text stands; length 0 is all of it."""
        if not length:
            return self.span
        if self.parts:
            return self.parts[min(self.text.count(",", 0, offset), len(self.parts) - 1)]
        return Span(self.span.line, self.span.column + self.shift + offset, length)


class ConfigBuilder:
    """Collects definitions, states and settings; `finish` makes the model out of them."""

    def __init__(self, findings: Findings) -> None:
        self.findings = findings
        self.positions = Positions()
        self.items: dict[Kind, dict[int, Item]] = {kind: {} for kind in KINDS}
        self.gateway: Gateway | None = None
        self.vrrp: Vrrp | None = None
        self.modules: list[str] | None = None
        self.settings: dict[str, str] = {}
        self.registered: dict[Kind, set[int]] = {kind: set() for kind in KINDS}
        self.enabled: dict[Kind, set[int]] = {kind: set() for kind in KINDS}
        self.flagged: dict[tuple[str, Kind], dict[int, Span]] = {}
        self.lists: dict[Key, SourceValue] = {}  # values whose elements get a place of their own, at the end
        self.broken: set[Key] = (
            set()
        )  # items with an error inside, so that what they lack is not reported as well

    # -- definitions

    def define(self, kind: Kind, number: int, span: Span) -> Item | None:
        """Begin the definition of `kind number`; None, and a finding, where it exists already."""
        if number in self.items[kind]:
            self._again((kind, number), f"{kind} {number}", span)
            return None
        item = self.items[kind][number] = _ITEM[kind](number=number)
        self.positions.put((kind, number), span)
        return item

    def define_gateway(self, span: Span) -> Gateway | None:
        """Begin the gateway; None, and a finding, for a second one."""
        if self.gateway is not None:
            self._again(("gateway",), "the gateway", span)
            return None
        self.positions.put(("gateway",), span)
        self.gateway = Gateway()
        return self.gateway

    def define_vrrp(self, span: Span) -> Vrrp | None:
        """Begin the vrrp section; None, and a finding, for a second one. The election is not built yet."""
        if self.vrrp is not None:
            self._again(("vrrp",), "vrrp", span)
            return None
        self.positions.put(("vrrp",), span)
        message = "the election of vrrp is not built yet: this node is master at once"
        self.findings.warning("not-built", span, message, "run one node only, or leave the section for later")
        self.vrrp = Vrrp()
        return self.vrrp

    def _again(self, key: Key, title: str, span: Span) -> None:
        first = self.positions.nearest(key)
        message = f"{title} is defined twice, first in line {first.line}"
        self.findings.error("duplicate-definition", span, message, "keep one of them")

    def remove(self, kind: Kind, numbers: range, span: Span) -> None:  # noqa: ARG002 - commands at a running engine need it
        """Forget definitions and their states; `span` is the place of the numbers."""
        for number in [n for n in self.items[kind] if n in numbers]:
            del self.items[kind][number]
            self.positions.forget((kind, number))
            self.broken.discard((kind, number))
        self.registered[kind].difference_update(numbers)
        self.enabled[kind].difference_update(numbers)

    # -- words

    def field(
        self, holder: Any, key: Key, word: SourceValue, value: SourceValue, *, replace: bool = False
    ) -> None:
        """Set a word of a block; `key` names the block, `replace` lets a command change what was set before."""
        block, name = str(key[0]), word.text.lower()
        reader = values.READERS[block].get(name)
        if reader is None:
            self.unknown(word, block, key)
            return
        place = (*key, name)
        if replace:
            self.positions.forget(place)
        elif place in self.positions:
            first = self.positions.nearest(place)
            message = f"{name} is given twice, first in line {first.line}"
            self.findings.error("duplicate-word", word.span, message, "keep one of them")
            return
        self.positions.put(place, value.span)
        self._pending(block, name, word, value)
        try:
            set_word(holder, name, reader(value.text))
        except values.BadValue as bad:
            self.bad(bad, value, key)
            return
        self._parts(block, name, place, value)

    def _pending(self, block: str, name: str, word: SourceValue, value: SourceValue) -> None:
        pending = BLOCKS[block][name].pending  # type: ignore[index]
        if pending:
            message = f"{name} is not built yet: {pending}"
            self.findings.warning("not-built", word.span, message, "remove it if you cannot do without")
        elif name == "method" and value.text.lower() in METHODS_PENDING:
            message = f"the method {value.text.lower()} is not built yet: the server is balanced with rr"
            self.findings.warning("not-built", value.span, message, "use rr, random, hash, first or session")

    def _parts(self, block: str, name: str, place: Key, value: SourceValue) -> None:
        if (block, name) in values.LISTS:
            self.lists[place] = value
        elif name in CHECK_KINDS:
            offset = 0
            for part, text in zip(CHECK_KINDS[name].parts, value.text.split(","), strict=False):
                self.positions.put((*place, part), value.place(offset, len(text)))
                offset += len(text) + 1

    def bad(self, bad: values.BadValue, value: SourceValue, key: Key) -> None:
        """Report a value that its reader refused."""
        self.broken.add(key)
        self.findings.error(bad.code, value.place(bad.offset, bad.length), bad.message, bad.hint)

    def unknown(self, word: SourceValue, block: str, key: Key = ()) -> None:
        """Report a word that the block does not have, with the nearest one that it has."""
        self.broken.add(key)
        known = BLOCKS[block]  # type: ignore[index]
        close = None if self.findings.terse else nearest(word.text, known)
        home = home_of(word.text)
        if word.text.startswith("["):
            hint = "if this is TOML, let the name of the file end in .toml"
        elif close:
            hint = f"did you mean {close}"
        elif word.text.startswith(_COMMENT_MARKS):
            hint = "begin a comment with //"
        elif home is not None:
            hint = f"it belongs in {home} {{ ... }}" if home else "close the block before it with }"
        else:
            hint = f"known here: {', '.join(known)}"
        where = f" in {' '.join(map(str, key))}" if key else ""
        self.findings.error("unknown-word", word.span, f'unknown word "{shown(word.text)}"{where}', hint)

    # -- states, modules, settings

    def flag(self, action: str, kind: Kind, numbers: Iterable[int], span: Span) -> None:
        """Record that numbers are registered, enabled, disabled or unregistered; their definitions may come later."""
        if action == "register":
            self.registered[kind].update(numbers)
        elif action == "enable":
            self.enabled[kind].update(numbers)
        else:
            self.enabled[kind].difference_update(numbers)
            if action == "unregister":
                self.registered[kind].difference_update(numbers)
        self.flagged.setdefault((action, kind), {}).update(dict.fromkeys(numbers, span))

    def set_modules(self, value: SourceValue) -> None:
        """Read the `modules` line."""
        if self.modules is not None:
            self._again(("modules",), "the list of modules", value.span)
            return
        self.positions.put(("modules",), value.span)
        self.modules = []
        if not value.text.strip():
            return
        offset = 0
        for part in value.text.split(","):
            name = part.strip().lower()
            span = value.place(offset + len(part) - len(part.lstrip()), max(1, len(part.strip())))
            offset += len(part) + 1
            if name not in MODULES or name in self.modules:
                self.broken.add(("modules",))
            if not name:
                self.findings.error(
                    "bad-list", span, "the list has an empty place", "write it like vrrp,arp,ping"
                )
            elif name in self.modules:
                self.findings.error("bad-list", span, f"the module {name} is named twice", "name it once")
            elif name in MODULES:
                self.modules.append(name)
                self.positions.put(("modules", name), span)
            else:
                close = None if self.findings.terse else nearest(name, MODULES)
                hint = f"did you mean {close}" if close else f"the modules are {', '.join(MODULES)}"
                self.findings.error("unknown-word", span, f'unknown module "{shown(name)}"', hint)

    def set_setting(self, name: SourceValue, value: SourceValue) -> None:
        """Read one `set NAME VALUE`; a later one of the same name wins, as with commands."""
        key = name.text.lower()
        if not key.isascii() or not key.replace("_", "a").replace("-", "a").isalnum() or len(key) > 40:
            message = f"{shown(name.text) or 'nothing'} cannot be the name of a setting"
            self.findings.error("bad-value", name.span, message, "use letters, digits, - and _")
            return
        known = BLOCKS["set"]
        if key in known:
            self.findings.warning(
                "no-effect", name.span, f"set {key} has no effect here", "remove it, or leave it"
            )
        else:
            close = None if self.findings.terse else nearest(key, known)
            hint = f"did you mean {close}" if close else f"known are {', '.join(known)}"
            self.findings.warning(
                "no-effect", name.span, f"the setting {key} is not known and has no effect", hint
            )
        self.positions.forget(("set", key))
        self.positions.put(("set", key), value.span)
        try:
            self.settings[key] = values.text_value(value.text)
        except values.BadValue as bad:
            self.bad(bad, value, ("set", key))

    def finish(self, *, references: bool = True) -> Config:
        """Return the model. States of what is not defined are reported, except without `references` (a text cut short)."""
        for place, value in self.lists.items():
            for element in values.elements(value.text, MAX_TARGETS) if place in self.positions else ():
                span = value.place(element.offset, element.length)
                for number in element.numbers:
                    self.positions.put((*place, number), span)
        for (action, kind), spans in self.flagged.items():
            self._undefined(action, kind, spans, report=references)
        for kind in KINDS:
            for number, item in self.items[kind].items():
                item.registered = number in self.registered[kind]
                item.enabled = number in self.enabled[kind]
        made: dict[str, Any] = {
            f"{kind}s": [i for _, i in sorted(self.items[kind].items())] for kind in KINDS
        }
        config = Config(settings=self.settings, gateway=self.gateway, vrrp=self.vrrp, **made)
        if self.modules is not None:
            config.modules = self.modules
        return config

    def _undefined(self, action: str, kind: Kind, spans: dict[int, Span], *, report: bool) -> None:
        missing: dict[Span, list[int]] = {}
        for number, span in spans.items():
            if number in self.items[kind]:
                self.positions.put((action, kind, number), span)
            elif report and action in {"register", "enable"}:
                missing.setdefault(span, []).append(number)
        for span, numbers in missing.items():
            title = f"{kind} {numbers[0]}" if len(numbers) == 1 else f"{kind}s {ranges(numbers)}"
            verb = "is" if len(numbers) == 1 else "are"
            message = f"{title} {verb} not defined"
            self.findings.error(
                "undefined-reference", span, message, f"define {kind} {numbers[0]}, or take it out"
            )


def ranges(numbers: Iterable[int]) -> str:
    """Return numbers as a list with ranges: 1,2,5-8."""
    runs: list[list[int]] = []
    for number in sorted(set(numbers)):
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ",".join(
        str(low) if low == high else f"{low}{',' if high == low + 1 else '-'}{high}" for low, high in runs
    )
