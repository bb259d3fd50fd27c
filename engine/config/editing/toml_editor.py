"""Edits in place of a TOML text, which keep comments, order and line ends.

Values and lines are cut and pasted by their places. tomlkit alone would put a new key below the comments that
introduce the next table, and removes these with the table before; `toml_tables` uses it for tables without a header of
their own (`target.1.weight = 5`, inline tables).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import tomlkit
import tomlkit.exceptions
import tomlkit.items

from engine.config.editing.parts import STATES, alone, edited_list, unwritten
from engine.config.editing.splice import CannotEdit, Splices
from engine.config.language import values
from engine.config.language.keywords import BLOCKS, Kind
from engine.config.language.toml import dump
from engine.config.language.toml_places import Path, Places
from engine.config.model import get_word
from engine.domain.checks import CHECK_KINDS, CheckSettings

if TYPE_CHECKING:
    from engine.config.language.toml_places import Extent
    from engine.config.model import Config, Item

_FIRST = ("modules", "set", "interface", "network", "gateway", "vrrp", "server", "target")


def edit(text: str, old: Config, new: Config) -> str:
    """Return the text with what differs between the models edited. `text` is without errors and reads as `old`.

    Raises CannotEdit for a form that this does not follow.
    """
    editor = _Editor(text)
    if old.modules != new.modules:
        editor.word((), "modules", old.modules, new.modules)
    editor.settings(old.settings, new.settings)
    editor.items("interface", old, new)
    editor.items("network", old, new)
    for name in ("gateway", "vrrp"):
        before, after = getattr(old, name), getattr(new, name)
        if before is None and after is not None:
            editor.add_table((name,), _dumped(alone(name, after), f"[{name}]"))
        elif before is not None and after is None:
            editor.remove_table((name,))
        elif before is not None:
            editor.words((name,), name, before, after)
    editor.items("server", old, new)
    editor.items("target", old, new)
    return editor.splices.result()


class _Editor:
    def __init__(self, text: str) -> None:
        self.splices = Splices(text)
        self.places = Places(text)
        self.added: dict[Path, int] = {}  # tables that are new, and the line they were put after
        # What each header has below it, up to the next one; number 0 is the top of the text.
        self.tables: list[list[Extent]] = [[]]
        for extent in self.places.extents:
            if extent.header:
                self.tables.append([])
            self.tables[-1].append(extent)
        self.headed = {extents[0].first: extents for extents in self.tables[1:]}

    def items(self, kind: Kind, old: Config, new: Config) -> None:
        before = {item.number: item for item in getattr(old, f"{kind}s")}
        after = {item.number: item for item in getattr(new, f"{kind}s")}
        keys = {number: self.key(kind, number) for number in before}
        for number in before.keys() - after.keys():
            self.remove_table(keys[number])
        for number, item in after.items():
            was = before.get(number)
            if was is None:
                lines = _dumped(alone(f"{kind}s", [item]), f"[{kind}.{number}]")
                lower = [n for n in (before.keys() & after.keys()) | self.new_of(kind) if n < number]
                behind = keys.get(max(lower), (kind, str(max(lower)))) if lower else None
                self.add_table((kind, str(number)), lines, behind)
            else:
                self.words(keys[number], kind, was, item)
                self.states(keys[number], was, item)

    def new_of(self, kind: Kind) -> set[int]:
        return {int(path[1]) for path in self.added if path[0] == kind and len(path) > 1}

    def key(self, kind: Kind, number: int) -> Path:
        """Return how the text names this; `[target.01]` is target 1 too."""
        for zeros in range(4):
            path: Path = (kind, f"{number:0{len(str(number)) + zeros}d}")
            if self.places.get(path):
                return path
        raise CannotEdit(f"{kind} {number} has no place")

    def table(self, path: Path) -> list[Extent]:
        """Return the header of a table and what is below it."""
        place = self.places.get(path)
        extents = self.headed.get(place.word.line) if place else None
        if extents is None or self.places.range(path):
            raise CannotEdit(f"{'.'.join(map(str, path))} has no header of its own")
        return extents

    # -- tables

    def add_table(self, path: Path, lines: list[str], behind: Path | None = None) -> None:
        """Put a table behind another one, else where its kind has its place."""
        if behind in self.added:
            after = self.added[behind]
        elif behind is not None:
            after = self.table(behind)[-1].last
        else:
            after = self.home(str(path[0]))
        if self.splices.line(after).strip():
            lines = ["", *lines]
        self.splices.add_lines(after, lines)
        self.added[path] = after

    def home(self, name: str) -> int:
        """Return the line behind the last table of this name or of one that comes before it."""
        last = self.tables[0][-1].last if self.tables[0] else 0
        for extents in self.tables[1:]:
            head = self.splices.line(extents[0].first).strip().lstrip("[").partition(".")[0].rstrip("] \t")
            if head in _FIRST and _FIRST.index(head) <= _FIRST.index(name):
                last = max(last, extents[-1].last)
        return last or (self.tables[-1][-1].last if self.tables[-1] else 0)

    def remove_table(self, path: Path) -> None:
        extents = self.table(path)
        self.remove_extents(extents)
        for word in CHECK_KINDS:
            place = self.places.get((*path, word))
            below = self.headed.get(place.word.line) if place else None
            if below and below is not extents:  # [target.1.tcpopen]
                self.remove_extents(below)

    def remove_extents(self, extents: list[Extent]) -> None:
        start = self.splices.offset(extents[0].first, 1)
        self.splices.delete(start, extents[-1].end, collapse=True)

    # -- words

    def words(self, path: Path, block: str, old: Any, new: Any) -> None:
        for word in BLOCKS[block]:  # type: ignore[index]
            before, after = get_word(old, word), get_word(new, word)
            if before != after:
                self.word(path, word, before, after)

    def states(self, path: Path, old: Item, new: Item) -> None:
        given = {word: self.places.range((*path, word)) is not None for word in STATES}
        said = {word: old.registered if word == "enabled" else True for word in STATES}
        said["enabled"] = new.registered
        for word in STATES:
            value = getattr(new, word)
            if given[word]:
                if value != getattr(old, word):
                    self.word(path, word, not value, value)
            elif value != said[word]:
                self.add_word(path, word, "true" if value else "false")

    def word(self, path: Path, word: str, old: Any, new: Any) -> None:
        at = self.places.range((*path, word))
        if path and unwritten(str(path[0]), new):
            self.take_out(path, word)
        elif at is None:
            if self.places.get((*path, word)):
                raise CannotEdit(f"{word} is a table of its own")
            self.add_word(path, word, written(word, new))
        elif isinstance(new, CheckSettings):
            self.check((*path, word), at, old, new)
        elif isinstance(new, list):
            self.splices.replace(*at, self.array((*path, word), at, old, new))
        else:
            source = self.splices.text[slice(*at)]
            quoted = source.startswith(('"', "'"))
            self.splices.replace(*at, written(word, new, quoted=quoted))

    def add_word(self, path: Path, word: str, value: str) -> None:
        extents = self.table(path) if path else self.tables[0]
        last = extents[-1].last if extents else 0
        indent = self.splices.indent(extents[-1].first) if extents else ""
        self.splices.add_lines(last, [f"{indent}{word} = {value}"], first=True)

    def take_out(self, path: Path, word: str) -> None:
        at, place = self.places.range((*path, word)), self.places.get((*path, word))
        if at is None or place is None:
            raise CannotEdit(f"{word} has no value of its own")
        if not any(extent.first == place.word.line and not extent.header for extent in self.table(path)):
            raise CannotEdit(f"{word} is not a line of its own")
        self.splices.delete(self.splices.offset(place.word.line, place.word.column), at[1])

    def check(self, path: Path, at: tuple[int, int], old: Any, new: Any) -> None:
        """Edit the parts of a check that differ, else all of it, in its own form: table, array or text."""
        kind = CHECK_KINDS[str(path[-1])]
        before, after = kind.values(old), kind.values(new)
        source = self.splices.text[slice(*at)]
        if source.startswith("{"):
            differ = [name for name in after if before[name] != after[name]]
            ranges = [self.places.range((*path, name)) for name in differ]
            if all(ranges):
                for name, part in zip(differ, ranges, strict=True):
                    if part:
                        self.splices.replace(*part, str(after[name]))
                return
            self.splices.replace(*at, written(str(path[-1]), new))
        elif source.startswith("["):
            self.splices.replace(*at, f"[{', '.join(map(str, after.values()))}]")
        else:
            self.splices.replace(*at, f'"{",".join(map(str, after.values()))}"')

    def array(self, path: Path, at: tuple[int, int], old: list[Any], new: list[Any]) -> str:
        """Write a list in its own form; one with comments inside is edited element by element."""
        source = self.splices.text[slice(*at)]
        if not source.startswith("["):
            return self.text_list(source, old, new)
        if "#" in source or "\n" in source:
            array = tomlkit.parse(f"x = {source}")["x"]
            if isinstance(array, tomlkit.items.Array) and len(array) == len(old):
                _adjust(array, old, new)
                return str(array.as_string())
        return written(str(path[-1]), new)

    @staticmethod
    def text_list(source: str, old: list[Any], new: list[Any]) -> str:
        quote, inner = source[:1], source[1:-1]
        if (
            quote in {'"', "'"}
            and all(isinstance(n, int) for n in (*old, *new))
            and len(set(new)) == len(new)
        ):
            text = edited_list(inner, set(old), set(new))
            if values.READERS["server"]["targets"](text) == new:
                return quote + text + quote
        return '"' + ",".join(map(str, new)) + '"'

    # -- settings

    def settings(self, old: dict[str, str], new: dict[str, str]) -> None:
        paths = {str(path[-1]).lower(): path for path in self.places.paths(("set",))}
        names = {name: paths.get(name) for name in old}
        fresh = [name for name in new if name not in old]
        for name, path in names.items():
            if old[name] == new.get(name):
                continue
            if path is None:
                raise CannotEdit(f"set {name} has no place")
            if name not in new:
                self.take_out(path[:-1], str(path[-1]))
            else:
                at = self.places.range(path)
                if at is None:
                    raise CannotEdit(f"set {name} has no value of its own")
                quoted = self.splices.text[at[0]] in "\"'"
                self.splices.replace(*at, _setting(new[name], quoted=quoted))
        if fresh and self.places.get(("set",)):
            for name in fresh:
                self.add_word(("set",), name, _setting(new[name]))
        elif fresh:
            self.add_table(("set",), ["[set]", *[f"{name} = {_setting(new[name])}" for name in fresh]])


def _adjust(array: tomlkit.items.Array, old: list[Any], new: list[Any]) -> None:
    """Remove what goes and append what is new; anything else would lose the comments between."""
    for index in range(len(old) - 1, -1, -1):
        if old[index] not in new:
            del array[index]
    stay = [value for value in old if value in new]
    if new[: len(stay)] != stay:
        raise CannotEdit("a list with comments inside is given another order")
    for value in new[len(stay) :]:
        array.append(value)


def _setting(value: str, *, quoted: bool = False) -> str:
    plain = value.isascii() and value.isdigit() and str(int(value[:18])) == value
    return value if plain and not quoted else _quote(value)


def _quote(value: str) -> str:
    return str(tomlkit.string(value).as_string())


def written(word: str, value: Any, *, quoted: bool = False) -> str:
    """Write the value of a word; `quoted`: as text, where the file has it as text."""
    if isinstance(value, bool):
        return _quote("enable" if value else "disable") if quoted else str(value).lower()
    if isinstance(value, CheckSettings):
        parts = CHECK_KINDS[word].values(value)
        return f"{{ {', '.join(f'{name} = {part}' for name, part in parts.items())} }}"
    if isinstance(value, list):
        return f"[{', '.join(_quote(v) if isinstance(v, str) else str(v) for v in value)}]"
    if word == "port" and value == 0:
        return '"any"'
    return _quote(str(value)) if quoted or isinstance(value, str) else str(value)


def _dumped(config: Config, head: str) -> list[str]:
    """Return the lines of one table."""
    lines = dump(config).split("\n")
    return [line for line in lines[lines.index(head) :] if line.strip()]
