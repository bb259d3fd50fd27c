"""Edits in place of a BalanceNG text, which keep comments, order, quoting and blanks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from engine.config.editing import state_commands
from engine.config.editing.parts import alone, edited_list, unwritten
from engine.config.editing.splice import CannotEdit, Splices
from engine.config.editing.state_commands import KILLERS, StateCommand
from engine.config.language.balanceng import dump, written
from engine.config.language.keywords import BLOCKS, KINDS, Kind
from engine.config.language.lexer import quote
from engine.config.language.values import READERS
from engine.config.model import get_word

if TYPE_CHECKING:
    from engine.config.finding import Span
    from engine.config.language.lexer import Token
    from engine.config.language.syntax import Document, Statement
    from engine.config.model import Config, Item
    from engine.config.positions import Key, Positions

INDENT = " " * 10
"""Of the words in a block, as BalanceNG writes them, where the text shows no other habit."""

_RANK = {
    name: rank
    for rank, name in enumerate(
        ("modules", "set", "interface", "network", "gateway", "vrrp", "server", "target")
    )
}
"""The order of a file's parts, for what is new in it."""


def edit(text: str, document: Document, positions: Positions, old: Config, new: Config) -> str:
    """Return the text with what differs between the models edited. `text` is without errors and reads as `old`.

    Raises CannotEdit where the text is written in a way this does not follow. What is returned may still not read as
    `new`, where a text undoes and sets again: parse it, and edit again.
    """
    editor = _Editor(text, document, positions, old, new)
    editor.modules()
    editor.settings()
    editor.items("interface")
    editor.items("network")
    for name in ("gateway", "vrrp"):
        editor.section(name)
    editor.items("server")
    editor.items("target")
    for flag in editor.flags:
        flag.write(editor.splices)
    return editor.splices.result()


class _Editor:
    def __init__(self, text: str, document: Document, positions: Positions, old: Config, new: Config) -> None:
        self.splices = Splices(text)
        self.statements = document.statements
        self.positions = positions
        self.old, self.new = old, new
        self.flags = state_commands.read(document.statements)
        self.flag_at = {flag.index: flag for flag in self.flags}
        self.defined: dict[Key, list[int]] = {}  # indexes of the statements that define
        for index, statement in enumerate(self.statements):
            key = _defines(statement)
            if key:
                self.defined.setdefault(key, []).append(index)
        self.deleted: set[int] = set()  # indexes of statements
        self.placed: dict[Key, int] = {}  # what is new, and the line it was put after

    # -- what is there once

    def modules(self) -> None:
        if self.old.modules == self.new.modules:
            return
        value = ",".join(self.new.modules) or quote("")
        span = self.positions.get(("modules",))
        if span:
            self.splices.replace(*self.splices.range(span), value)
        else:
            self.splices.add_lines(self.home("modules"), [f"{self.word('modules')}{value}"])

    def settings(self) -> None:
        for name in self.old.settings.keys() | self.new.settings.keys():
            before, after = self.old.settings.get(name), self.new.settings.get(name)
            if before == after:
                continue
            if after is None:
                self.unset(name)
            elif before is None:
                line = f"{self.word('set')}{name} {quote(after)}"
                self.splices.add_lines(self.home("set"), [line])
            else:
                self.set(name, after)

    def set(self, name: str, value: str) -> None:
        span = self.positions.get(("set", name))
        if span is None:
            raise CannotEdit(f"set {name} has no place")
        start, end = self.splices.range(span)
        bare = any(
            len(tokens) == 1 and tokens[0].span == span for _, tokens in self.given_settings(name)
        )  # a name without a value
        if bare:
            self.splices.insert(end, f" {quote(value)}")
        else:
            self.splices.replace(start, end, quote(value))

    def unset(self, name: str) -> None:
        for statement, tokens in self.given_settings(name):
            first = statement.word if statement else tokens[0]
            self.cut(first, tokens[-1])

    def given_settings(self, name: str) -> list[tuple[Statement | None, list[Token]]]:
        """Return the tokens of each setting of that name; with its statement where it is `set NAME VALUE`."""
        found: list[tuple[Statement | None, list[Token]]] = []
        for statement in self.statements:
            if statement.word.value.lower() == "set":
                if statement.args and statement.args[0].value.lower() == name:
                    found.append((None if statement.block else statement, statement.args))
                inner = statement.block.statements if statement.block else []
                found += [(None, s.tokens) for s in inner if s.word.value.lower() == name]
        return found

    def section(self, name: str) -> None:
        before, after = getattr(self.old, name), getattr(self.new, name)
        if before is None and after is not None:
            lines = self.block(dump(alone(name, after)), name, None)
            self.splices.add_lines(self.home(name), lines)
        elif after is None and before is not None:
            self.undefine((name,))
        elif before is not None:
            self.words((name,), before, after)

    # -- what has a number

    def items(self, kind: Kind) -> None:
        old = {item.number: item for item in getattr(self.old, f"{kind}s")}
        new = {item.number: item for item in getattr(self.new, f"{kind}s")}
        for number in old.keys() - new.keys():
            self.undefine((kind, number))
            for flag in self.flags:
                if flag.kind == kind and flag.action != "remove":
                    flag.drop.add(number)
        for number, item in new.items():
            before = old.get(number)
            if before is None:
                self.define(kind, item)
            else:
                self.words((kind, number), before, item)
            for word, action in (("registered", "register"), ("enabled", "enable")):
                was = before is not None and getattr(before, word)
                if was != getattr(item, word):
                    self.state(kind, number, action, wanted=not was)

    def undefine(self, key: Key) -> None:
        for index in self.defined.get(key, ()):
            statement = self.statements[index]
            self.cut(statement.word, _last_token(statement), collapse=True)
            self.deleted.add(index)

    def define(self, kind: Kind, item: Item) -> None:
        """Put a new definition behind the one of the next lower number, else behind the last one."""
        key = (kind, item.number)
        there = [k for k in self.defined if k[0] == kind and not self.deleted.issuperset(self.defined[k])]
        lower = [k for k in (*there, *self.placed) if k[0] == kind and int(k[1]) < item.number]
        sibling = (
            max(lower, key=lambda k: int(k[1]))
            if lower
            else max(there, key=lambda k: self.defined[k][-1], default=None)
        )
        if sibling is None:
            after = self.home(kind)
        elif sibling in self.placed:
            after = self.placed[sibling]
        else:
            after = self.line_behind(sibling)
        model = self.defined[there[-1]][-1] if there else None
        lines = self.block(dump(alone(f"{kind}s", [item])), kind, model)
        self.splices.add_lines(after, lines)
        self.placed[key] = after

    def line_behind(self, key: Key) -> int:
        """Return the last line of a definition, and of the lines behind it that register or enable just this."""
        index = self.defined[key][-1]
        line = _last_token(self.statements[index]).line
        for i in range(index + 1, len(self.statements)):
            flag = self.flag_at.get(i)
            if flag is None or (flag.kind, flag.numbers) != (key[0], {key[1]}):
                break
            line = _last_token(flag.statement).line
        return line

    def home(self, name: str) -> int:
        """Return the line after which something new of this name has its place."""
        rank, last = _RANK[name], 0
        for index, statement in enumerate(self.statements):
            flag = self.flag_at.get(index)
            word = flag.kind if flag else statement.word.value.lower()
            if _RANK.get(word, len(_RANK)) <= rank:
                last = _last_token(statement).line
        return last if last or name in {"modules", "set"} else self.end()

    def end(self) -> int:
        return _last_token(self.statements[-1]).line if self.statements else 0

    def block(self, dumped: str, head: str, model: int | None) -> list[str]:
        """Return the lines of a new block, in the manner of the statement `model`."""
        lines = dumped.split("\n")
        first = next(i for i, line in enumerate(lines) if line.startswith(head))
        body = lines[first : lines.index("}") + 1]
        statement = self.statements[model] if model is not None else None
        indent = self.inner_indent(statement)
        if statement is not None and len(statement.tokens) > 1:
            word, number = statement.tokens[:2]
            start, end = self.splices.range(word.span)[1], self.splices.range(number.span)[0]
            body[0] = f"{head}{self.splices.text[start:end]}{body[0].split()[1]} {{"
        outer = self.splices.indent(statement.word.line) if statement is not None else ""
        return [
            outer + body[0],
            *[indent + line.strip() for line in body[1:-1]],
            outer + body[-1],
        ]

    def inner_indent(self, statement: Statement | None) -> str:
        """Return how words in blocks are indented: in this one, else in the first of the text, else as BalanceNG does."""
        for other in (statement, *self.statements):
            block = other.block if other else None
            for inner in block.statements if block else ():
                if block and inner.word.line > block.open.line:
                    return self.splices.indent(inner.word.line)
        return INDENT

    # -- words of a block

    def words(self, key: Key, old: Any, new: Any) -> None:
        for word in BLOCKS[str(key[0])]:  # type: ignore[index]
            before, after = get_word(old, word), get_word(new, word)
            if before == after:
                continue
            span = self.positions.get((*key, word))
            if unwritten(str(key[0]), after):
                self.take_out(key, word)
            elif span is None:
                self.put_in(key, f"{word} {written(word, after)}")
            else:
                start, end = self.splices.range(span)
                value = written(word, after)
                if isinstance(after, list):
                    value = _list(self.splices.text[start:end], before, after)
                self.splices.replace(start, end, value)

    def take_out(self, key: Key, word: str) -> None:
        span = self.positions.get((*key, word))
        for index in self.defined.get(key, ()) if span else ():
            statement = self.statements[index]
            inside = [s.tokens for s in statement.block.statements] if statement.block else [statement.tokens]
            for tokens in inside:
                at = next((i for i, t in enumerate(tokens) if span and _begins(t, span)), 0)
                if not at or span is None:
                    continue
                if not statement.block and len(tokens) == len(key) + 2:  # a command for just this
                    self.cut(tokens[0], tokens[-1])
                    self.deleted.add(index)
                else:
                    self.splices.delete(
                        self.splices.range(tokens[at - 1].span)[0], self.splices.range(span)[1]
                    )
                return
        raise CannotEdit(f"{word} of {' '.join(map(str, key))} has no place")

    def put_in(self, key: Key, pair: str) -> None:
        """Add a word at the end of the block, or as a command of its own where there is no block."""
        index = self.defined[key][-1]
        statement = self.statements[index]
        block = statement.block
        if block is None or block.close is None:
            head = " ".join(token.value for token in statement.tokens[: len(key)])
            self.splices.add_lines(_last_token(statement).line, [f"{head} {pair}"])
            return
        last = block.statements[-1].tokens[-1] if block.statements else block.open
        if last.line < block.close.line:
            self.splices.add_lines(last.line, [self.inner_indent(statement) + pair], first=True)
        else:
            self.splices.insert(self.splices.offset(last.line, last.end), f" {pair}")

    # -- states

    def state(self, kind: Kind, number: int, action: str, *, wanted: bool) -> None:
        mine = [f for f in self.flags if f.kind == kind]
        if not wanted:
            for flag in mine:
                if flag.action == action:
                    flag.drop.add(number)
            return
        undone = {"register": "unregister", "enable": "disable"}[action]
        dropped = [f for f in mine if f.action == undone and number in f.result]
        for flag in dropped:
            flag.drop.add(number)
        if dropped and any(f.action == action and number in f.result for f in mine):
            return
        killed = max(
            (f.index for f in mine if f.action in KILLERS[action] and number in f.result), default=-1
        )
        lines = [f for f in mine if f.action == action and f.index > killed]
        join = self.joined(lines, mine, number) if action == "enable" else self.many(lines)
        if join is not None:
            join.drop.discard(number)
            if number not in join.numbers:
                join.add.add(number)
            return
        self.splices.add_lines(
            self.flag_line(kind, number, mine, action), [f"{self.word(action)}{kind} {number}"]
        )

    @staticmethod
    def many(lines: list[StateCommand]) -> StateCommand | None:
        """Return the last statement that is there for several."""
        return next((f for f in reversed(lines) if len(f.numbers) > 1), None)

    def joined(self, lines: list[StateCommand], mine: list[StateCommand], number: int) -> StateCommand | None:
        """Return the statement that enables those who are registered together with this one."""
        register = next((f for f in reversed(mine) if f.action == "register" and number in f.result), None)
        if register is None:
            return None
        following = self.flag_at.get(register.index + 1)
        if following in lines:
            return following
        return next((f for f in reversed(lines) if f.result & register.result), None)

    def flag_line(self, kind: Kind, number: int, mine: list[StateCommand], action: str) -> int:
        """Return the line after which a state of this has its place."""
        key = (kind, number)
        if key in self.placed:
            return self.placed[key]
        places = [_last_token(self.statements[self.defined[key][-1]]).line] if key in self.defined else []
        places += [
            f.given[-1].line
            for f in mine
            if number in f.numbers | f.add and (f.action == "register" or f.action in KILLERS[action])
        ]
        return max(places, default=self.end())

    # -- pieces

    def word(self, name: str) -> str:
        """Return a word with the blanks that follow it in this text."""
        for statement in self.statements:
            if len(statement.tokens) > 1 and statement.word.value.lower() in {
                "register",
                "enable",
                "modules",
            }:
                start = self.splices.range(statement.word.span)[1]
                gap = self.splices.text[start : self.splices.range(statement.tokens[1].span)[0]]
                width = len(statement.word.value) + len(gap)
                return f"{name}{gap}" if len(gap) == 1 else f"{name:<{width - 1}} "
        return f"{name:<9} "

    def cut(self, first: Token, last: Token, *, collapse: bool = False) -> None:
        start, end = self.splices.offset(first.line, first.column), self.splices.offset(last.line, last.end)
        self.splices.delete(start, end, collapse=collapse)


def _defines(statement: Statement) -> Key | None:
    word = statement.word.value.lower()
    if word in {"gateway", "vrrp"}:
        return (word,)
    return (word, int(statement.args[0].value)) if word in KINDS else None


def _begins(token: Token, span: Span) -> bool:
    return (token.line, token.column) == (span.line, span.column)


def _last_token(statement: Statement) -> Token:
    if statement.block is None:
        return statement.tokens[-1]
    return statement.block.close or statement.block.open


def _list(source: str, old: list[int], new: list[int]) -> str:
    """Write a list in the manner of the old one, where the order allows."""
    canonical = written("targets", new)
    if source.startswith('"') or len(set(old)) != len(old) or len(set(new)) != len(new):
        return canonical
    text = edited_list(source, set(old), set(new))
    return text if READERS["server"]["targets"](text) == new else canonical
