"""From TOML to the model and back: the words of BalanceNG's language, one table for each definition.

`[server.1]` is `server 1 { ... }`. What is defined is registered and enabled, unless it says `registered = false` or
`enabled = false`. A list is an array or BalanceNG's text (`"1-4"`), a check is a table, an array or BalanceNG's text.
"""

from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING, Any

import toml
from toml.decoder import InlineTableDict

from engine.config.finding import Findings, Span, shown
from engine.config.language import values
from engine.config.language.builder import ConfigBuilder, SourceValue
from engine.config.language.keywords import BLOCKS, KINDS, Kind, nearest
from engine.config.language.toml_places import Extent, Path, Place, Places, TooDeep
from engine.config.model import default_of, get_word
from engine.config.positions import START, Key
from engine.domain.checks import CHECK_KINDS, CheckSettings

if TYPE_CHECKING:
    from engine.config.model import Config

MAX_SYNTAX_FINDINGS = 10
"""tomllib stops at its first error; this many times the faulty line is left out and the rest is tried again."""

MAX_RETRIED = 256 * 1024
"""Characters of a text that is tried again after an error."""

_WHERE = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")
_LONG_NUMBER = re.compile(r"[0-9][0-9_]{1000,}+")
_STATES = ("registered", "enabled")
_TOP = ("modules", "set", *KINDS, "gateway", "vrrp")


def parse(text: str, findings: Findings) -> tuple[ConfigBuilder, bool]:
    """Read TOML into a builder; never raises. The flag is False where not all of the text is TOML."""
    reader = _Reader(findings)
    try:
        reader.places = Places(text)
    except TooDeep as deep:
        findings.error(
            "too-deep", deep.span, "this nests too deep for a configuration", "write [server.1] and its words"
        )
        return reader.builder, False
    data, whole = _decode(text, findings, reader.places.extents)
    for name, value in data.items():
        reader.top(name, value)
    return reader.builder, whole


def _decode(text: str, findings: Findings, extents: list[Extent]) -> tuple[dict[str, Any], bool]:
    """Decode, leaving out faulty lines, each with its finding."""
    lines = text.split("\n")
    plain = {extent.first for extent in extents if extent.first == extent.last and not extent.header}
    for attempt in range(MAX_SYNTAX_FINDINGS if len(text) < MAX_RETRIED else 1):
        try:
            return tomllib.loads("\n".join(lines), parse_float=str), attempt == 0
        except tomllib.TOMLDecodeError as error:
            span = _report(error, lines, findings, extents)
        except (ValueError, RecursionError) as error:  # a number of thousands of digits
            findings.error("toml-syntax", _long_number(lines), f"this is not TOML: {shown(str(error), 80)}")
            break
        if span.line not in plain:
            break  # leaving out half of something would only make new errors
        plain.discard(span.line)
        lines[span.line - 1] = ""
    return {}, False


def _long_number(lines: list[str]) -> Span:
    """Return where the number is that Python refuses to convert; its error does not say."""
    for i, line in enumerate(lines, start=1):
        digits = _LONG_NUMBER.search(line)
        if digits:
            return Span(i, digits.start() + 1, len(digits[0]))
    return START


def _report(
    error: tomllib.TOMLDecodeError, lines: list[str], findings: Findings, extents: list[Extent]
) -> Span:
    message = str(error)
    where = _WHERE.search(message)
    if where and where[1]:
        line = min(int(where[1]), len(lines))
        span = Span(line, max(1, min(int(where[2]), len(lines[line - 1]) + 1)))
    else:
        span = Span(len(lines), len(lines[-1]) + 1)
    bare = _WHERE.sub("", message)
    twice = bare.startswith(("Cannot overwrite", "Cannot declare", "Duplicate"))
    code = "duplicate-definition" if twice else "toml-syntax"
    hint = "keep one of them" if twice else "write WORD = VALUE, with texts in quotes"
    begun = next((e.first for e in extents if e.first < span.line <= e.last), None)
    since = f", begun in line {begun}" if begun else ""
    what = shown(bare[:1].lower() + bare[1:], 120)
    findings.error(code, span, f"this is not TOML: {what}{since}", hint)
    return span


class _Reader:
    """Hands what the decoded tables say to the builder."""

    def __init__(self, findings: Findings) -> None:
        self.findings = findings
        self.builder = ConfigBuilder(findings)
        self.places: Places

    def top(self, name: str, value: Any) -> None:
        path: Path = (name,)
        if name in KINDS:
            kind: Kind = name
            if self.is_table(value, path, f"[{kind}.1]"):
                for number, table in value.items():
                    self.item(kind, number, table)
        elif name in {"gateway", "vrrp"}:
            if self.is_table(value, path, f"[{name}]"):
                span = self.places.nearest(path).word
                holder: Any = (
                    self.builder.define_gateway(span) if name == "gateway" else self.builder.define_vrrp(span)
                )
                for word, inner in value.items():
                    self.word(holder, (name,), path, word, inner)
        elif name == "set":
            if self.is_table(value, path, "[set]"):
                for setting, inner in value.items():
                    self.setting((*path, setting), inner)
        elif name == "modules":
            given = self.given(path, value)
            if given is not None:
                self.builder.set_modules(given)
        else:
            self.unknown(path, list(_TOP), "")

    def item(self, kind: Kind, text: str, table: Any) -> None:
        path: Path = (kind, text)
        span = self.places.nearest(path).word
        try:
            number = values.number(text, 1, KINDS[kind])
        except values.BadValue as bad:
            self.findings.error(bad.code, span, f"{kind}: {bad.message}", f"{bad.hint}, like [{kind}.1]")
            return
        if not self.is_table(table, path, f"[{kind}.{number}]"):
            return
        holder = self.builder.define(kind, number, span)
        if holder is None:
            return
        for word, value in table.items():
            if word not in _STATES:
                self.word(holder, (kind, number), path, word, value)
        registered = self.state(kind, number, table, path, "registered", default=True)
        self.state(kind, number, table, path, "enabled", default=registered)

    def state(
        self, kind: Kind, number: int, table: dict[str, Any], path: Path, word: str, *, default: bool
    ) -> bool:
        value = table.get(word, default)
        place = self.places.nearest((*path, word))
        if not isinstance(value, bool):
            self.wrong(place, "bad-value", f"{word} is true or false", f"write {word} = true")
            self.builder.broken.add((kind, number))
            value = default
        if value:
            action = "register" if word == "registered" else "enable"
            self.builder.flag(action, kind, [number], place.value or place.word)
        return value

    def word(self, holder: Any, key: Key, path: Path, word: str, value: Any) -> None:
        here = (*path, word)
        block = str(key[0])
        if word not in values.READERS[block]:
            known = [*BLOCKS[block], *(_STATES if len(key) > 1 else ())]  # type: ignore[index]
            self.builder.broken.add(key)
            self.unknown(here, known, f" in {' '.join(map(str, key))}")
            return
        if word == "dsr" and isinstance(value, bool):
            value = "enable" if value else "disable"
        if isinstance(value, list) and word not in CHECK_KINDS and (block, word) not in values.LISTS:
            self.wrong(
                self.places.nearest(here), "bad-value", f"{word} takes one value", f"write {word} without [ ]"
            )
            self.builder.broken.add(key)
            return
        given = (
            self.check(here, word, value)
            if word in CHECK_KINDS and isinstance(value, dict)
            else self.given(here, value)
        )
        if given is None:
            self.builder.broken.add(key)
        else:
            self.builder.field(holder, key, SourceValue(word, self.places.nearest(here).word), given)

    def setting(self, path: Path, value: Any) -> None:
        if isinstance(value, bool):
            value = int(value)
        given = self.given(path, value)
        if given is not None:
            self.builder.set_setting(SourceValue(str(path[-1]), self.places.nearest(path).word), given)

    def check(self, path: Path, word: str, table: dict[str, Any]) -> SourceValue | None:
        """Turn a check as a table, `{ port = 80, interval = 3, timeout = 10 }`, into BalanceNG's text."""
        names = CHECK_KINDS[word].parts
        for name in table:
            if name not in names:
                self.unknown((*path, name), list(names), f" in {word}")
                return None
        plain = CheckSettings()
        given = [
            self.given((*path, name), table.get(name, "" if name == "port" else getattr(plain, name)))
            for name in names
        ]
        if any(part is None for part in given):
            return None
        place = self.places.nearest(path)
        if "port" in names and "port" not in table:
            self.wrong(place, "missing-field", f"{word} has no port", f"write {word} = {{ port = 80 }}")
            return None
        parts = [part for part in given if part is not None]
        return SourceValue(
            ",".join(p.text for p in parts), place.value or place.word, parts=tuple(p.span for p in parts)
        )

    # -- pieces

    def given(self, path: Path, value: Any) -> SourceValue | None:
        """Turn a value into text, an array into its elements between commas."""
        place = self.places.nearest(path)
        span = place.value or place.word
        if isinstance(value, dict):
            self.wrong(place, "bad-value", f"{shown(str(path[-1]))} cannot be a table", "give it a value")
            return None
        if not isinstance(value, list):
            return SourceValue(self.scalar(value), span, 1 if isinstance(value, str) else 0)
        if any(isinstance(element, dict | list) for element in value):
            self.wrong(
                place,
                "bad-value",
                f"{shown(str(path[-1]))} is an array of plain values",
                "write it like [1, 2]",
            )
            return None
        parts = [self.places.nearest((*path, i)) for i in range(len(value))]
        text = ",".join(self.scalar(element).replace(",", " ") for element in value)
        return SourceValue(text, span, parts=tuple(part.value or part.word for part in parts))

    @staticmethod
    def scalar(value: Any) -> str:
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, int) and abs(value) > 10**18:  # str() refuses thousands of digits
            return "9" * 19
        return str(value)

    def is_table(self, value: Any, path: Path, form: str) -> bool:
        if isinstance(value, dict):
            return True
        place = self.places.nearest(path)
        self.wrong(
            place,
            "bad-value",
            f"{shown('.'.join(map(str, path)))} is a table",
            f"write {form} above its words",
        )
        return False

    def unknown(self, path: Path, known: list[str], where: str) -> None:
        word = str(path[-1])
        close = None if self.findings.terse else nearest(word, known)
        hint = f"did you mean {close}" if close else f"known here: {', '.join(known)}"
        self.wrong(
            self.places.nearest(path), "unknown-word", f'unknown word "{shown(word)}"{where}', hint, word=True
        )

    def wrong(self, place: Place, code: str, message: str, hint: str, *, word: bool = False) -> None:
        span = place.word if word or place.value is None else place.value
        self.findings.error(code, span, message, hint)


# -- writing


class _Inline(dict[str, Any], InlineTableDict):  # type: ignore[misc]
    """A table that the encoder writes on one line."""


class _Encoder(toml.TomlEncoder):  # type: ignore[misc]
    """The package's encoder, with strings written by the rules of TOML: its own corrupts a backslash before an x."""

    def __init__(self) -> None:
        super().__init__(dict, preserve=True)
        self.dump_funcs[str] = _string
        self.dump_funcs[list] = lambda value: "[" + ", ".join(str(self.dump_value(v)) for v in value) + "]"


def _string(value: str) -> str:
    if not value.isprintable():
        raise ValueError(f"cannot be written in a configuration: {value!r}")
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def dump(config: Config) -> str:
    """Write the model as TOML; `parse` of it gives an equal model. What has its default is left out.

    Raises ValueError for a text that no file can hold, which no file can have given.
    """
    data: dict[str, Any] = {"modules": config.modules}
    if config.settings:
        data["set"] = dict(config.settings)
    for kind in ("interface", "network"):
        _tables(data, kind, getattr(config, f"{kind}s"))
    for name, holder in (("gateway", config.gateway), ("vrrp", config.vrrp)):
        if holder is not None:
            data[name] = _table(name, holder)
    for kind in ("server", "target"):
        _tables(data, kind, getattr(config, f"{kind}s"))
    return str(toml.dumps(data, encoder=_Encoder()))


def _tables(data: dict[str, Any], kind: str, items: list[Any]) -> None:
    if items:
        data[kind] = {str(item.number): _table(kind, item) | _state(item) for item in items}


def _state(item: Any) -> dict[str, bool]:
    state = {} if item.registered else {"registered": False}
    if item.enabled != item.registered:
        state["enabled"] = item.enabled
    return state


def _table(block: str, holder: Any) -> dict[str, Any]:
    table: dict[str, Any] = {}
    for word in BLOCKS[block]:  # type: ignore[index]
        value = get_word(holder, word)
        if value is None or (value == default_of(holder, word) and word not in values.ALWAYS_WRITTEN):
            continue
        if word == "port":
            table[word] = value or "any"
        elif word in CHECK_KINDS:
            table[word] = _Inline(CHECK_KINDS[word].values(value))
        else:
            table[word] = value
    return table
