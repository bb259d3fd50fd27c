"""BalanceNG text to the model and back.

A file is a replay of commands: definitions, then `register`, then `enable`, in any order and with forward references,
as in the examples on BalanceNG's pages.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from engine.config.finding import Span
from engine.config.language import syntax, values
from engine.config.language.draft import Draft, Given, ranges
from engine.config.language.keywords import BLOCKS, KINDS, PLURALS, Kind
from engine.config.language.lexer import quote
from engine.config.model import default_of, get_word
from engine.domain.checks import CHECK_KINDS

if TYPE_CHECKING:
    from engine.config.findings import Findings, Key
    from engine.config.language.lexer import Token
    from engine.config.language.syntax import Block, Document, Statement
    from engine.config.model import Config


def parse(text: str, findings: Findings) -> tuple[Draft, Document]:
    """Read BalanceNG text into a draft; never raises. The document keeps every token's place, for editing."""
    document = syntax.parse(text, findings)
    reader = _Reader(text, findings, Draft(findings))
    for statement in document.statements:
        if findings.full:
            break
        reader.top(statement)
    return reader.draft, document


def _given(token: Token) -> Given:
    return Given(token.value, token.span, 1 if token.kind == "text" else 0)


class _Reader:
    """Carries commands out, one after the other, on a draft: an empty one for a file, the running one for commands."""

    def __init__(self, text: str, findings: Findings, draft: Draft) -> None:
        self.lines = text.split("\n")
        self.findings = findings
        self.draft = draft

    # -- the top of a file

    def top(self, statement: Statement) -> None:
        word = statement.word.value.lower()
        if statement.word.kind == "text":
            self.draft.unknown(_given(statement.word), "")
        elif word in KINDS:
            self.definition(word, statement)
        elif word in {"gateway", "vrrp"}:
            self.section(word, statement)
        elif word == "set":
            self.setting(statement)
        elif word == "modules":
            if self.value_wanted(statement.word, statement.args, "modules vrrp,arp,..."):
                self.draft.set_modules(self.joined(statement.args))
            self.no_block(statement)
        elif word in {"register", "enable", "disable"}:
            self.flag(word, statement.word, statement.args)
            self.no_block(statement)
        elif word == "no":
            self.undo(statement)
            self.no_block(statement)
        elif word in PLURALS:
            hint = f"write {PLURALS[word]} 1 {{, one block for each"
            self.findings.error(
                "unknown-word", statement.word.span, f"{word} cannot be defined together", hint
            )
        else:
            self.draft.unknown(_given(statement.word), "")

    def definition(self, kind: Kind, statement: Statement) -> None:
        word, args = statement.word, statement.args
        if not args:
            self.findings.error("missing-number", word.span, f"{kind} has no number", f"write {kind} 1 {{")
            return
        try:
            number = values.number(args[0].value, 1, KINDS[kind])
        except values.BadValue as bad:
            self.findings.error(bad.code, args[0].span, f"{kind}: {bad.message}", bad.hint)
            return
        span = self.across(word, args[0])
        if statement.block is None and len(args) == 1:
            message = f"{kind} {number} has no block"
            self.findings.error(
                "missing-block", span, message, f"write {kind} {number} {{ and what it has, then }}"
            )
            return
        if statement.block is None:  # a command of one line, that may also change what is there
            item = self.draft.items[kind].get(number) or self.draft.define(kind, number, span)
            self.words(item, (kind, number), args[1:], replace=True)
            return
        if len(args) > 1:
            self.findings.error(
                "too-many-values",
                args[1].span,
                f"{kind} has one number before its block",
                "move the rest inside",
            )
        item = self.draft.define(kind, number, span)
        if item is not None:
            self.inside(item, (kind, number), statement.block)
            if statement.block.close is None:
                self.draft.broken.add((kind, number))

    def section(self, name: str, statement: Statement) -> None:
        span = statement.word.span
        if statement.block is None and not statement.args:
            self.findings.error(
                "missing-block", span, f"{name} has no block", f"write {name} {{ and what it has, then }}"
            )
            return
        holder: Any
        if statement.block is None:
            there = self.draft.gateway if name == "gateway" else self.draft.vrrp
            holder = there or (self.draft.define_gateway if name == "gateway" else self.draft.define_vrrp)(
                span
            )
            self.words(holder, (name,), statement.args, replace=True)
            return
        if statement.args:
            self.findings.error(
                "too-many-values", statement.args[0].span, f"{name} has no number", "remove it"
            )
        holder = self.draft.define_gateway(span) if name == "gateway" else self.draft.define_vrrp(span)
        if holder is not None:
            self.inside(holder, (name,), statement.block)

    def setting(self, statement: Statement) -> None:
        commands = [statement.args] if statement.args else []
        if statement.block is not None:
            commands += [inner.tokens for inner in statement.block.statements]
        elif not commands:
            self.findings.error(
                "missing-value", statement.word.span, "set has no name", "write set NAME VALUE"
            )
        for name, *rest in commands:
            value = self.spaced(rest) if rest else Given("", name.span)
            self.draft.set_setting(_given(name), value)

    # -- words inside a block

    def inside(self, holder: Any, key: Key, block: Block) -> None:
        for statement in block.statements:
            if self.findings.full:
                break
            self.words(holder, key, statement.tokens)

    def words(self, holder: Any, key: Key, tokens: list[Token], *, replace: bool = False) -> None:
        """Carry out `word value`, or several of them on one line: `{ name eth0 access raw }`."""
        known = BLOCKS[str(key[0])]  # type: ignore[index]
        starts = [0]
        if len(tokens) > 2 and tokens[0].value.lower() in known:
            inner = [i for i in range(2, len(tokens)) if self.begins(tokens, i, known)]
            starts += inner
        for start, end in zip(starts, [*starts[1:], len(tokens)], strict=True):
            self.one(holder, key, tokens[start:end], replace=replace)

    @staticmethod
    def begins(tokens: list[Token], i: int, known: dict[str, Any]) -> bool:
        """Whether the token starts the next pair of a line: a known word, and no element of a list with blanks."""
        token, before = tokens[i], tokens[i - 1].value
        listed = before.endswith(",") or token.value.startswith(",")
        return (
            token.kind == "word"
            and token.value.lower() in known
            and before.lower() not in known
            and not listed
        )

    def one(self, holder: Any, key: Key, tokens: list[Token], *, replace: bool) -> None:
        word, args = tokens[0], tokens[1:]
        name = word.value.lower()
        known = BLOCKS[str(key[0])]  # type: ignore[index]
        if word.kind == "text" or name not in known:
            self.draft.unknown(_given(word), str(key[0]), key)
            return
        if not self.value_wanted(word, args, f"{name} {known[name].form}"):
            self.draft.broken.add(key)
            return
        value = (
            self.joined(args) if "," in known[name].form or known[name].form == "LIST" else _given(args[0])
        )
        if len(args) > 1 and value.span == args[0].span:
            whole = " ".join(arg.value for arg in args)
            hint = (
                f'write {name} "{whole}"'
                if known[name].form == "TEXT"
                else f"write {name} {known[name].form}"
            )
            message = f"{name} takes one value"
            self.findings.error(
                "too-many-values",
                args[1].span,
                message,
                hint if len(hint) < 80 and hint.isprintable() else "use quotes",
            )
            self.draft.broken.add(key)
            return
        self.draft.field(holder, key, _given(word), value, replace=replace)

    # -- states

    def flag(self, action: str, word: Token, args: list[Token]) -> None:
        found = self.kind_and_list(action, word, args)
        if found is None:
            return
        kind, given = found
        for element in self.elements(kind, given):
            self.draft.flag(action, kind, element.numbers, given.place(element.offset, element.length))

    def undo(self, statement: Statement) -> None:
        """`no register target 3`, `no enable target 3`, `no target 3`, `no gateway`, `no set NAME`."""
        args = statement.args
        if not args:
            message = "no has nothing to undo"
            self.findings.error(
                "missing-value", statement.word.span, message, "write what to undo, like no target 3"
            )
            return
        what = args[0].value.lower()
        if what == "register":
            self.flag("unregister", args[0], args[1:])
        elif what == "enable":
            self.flag("disable", args[0], args[1:])
        elif what in KINDS or what in PLURALS:
            found = self.kind_and_list("no", statement.word, args)
            if found is not None:
                for element in self.elements(*found):
                    place = found[1].place(element.offset, element.length)
                    self.draft.remove(found[0], element.numbers, place)
        elif what == "gateway":
            self.draft.gateway = None
            self.draft.positions.forget(("gateway",))
        elif what == "vrrp":
            self.draft.vrrp = None
            self.draft.positions.forget(("vrrp",))
        elif what == "set" and len(args) == 2:
            self.draft.settings.pop(args[1].value.lower(), None)
        else:
            self.draft.unknown(_given(args[0]), "")

    def kind_and_list(self, action: str, word: Token, args: list[Token]) -> tuple[Kind, Given] | None:
        form = f"{action} target 1,2"
        if not self.value_wanted(word, args, form):
            return None
        name = args[0].value.lower()
        kind: Kind | None = PLURALS.get(name) or (name if name in KINDS else None)
        if kind is None:
            self.draft.unknown(_given(args[0]), "")
            return None
        if len(args) == 1:
            message = f"{action} {name} has no number"
            self.findings.error("missing-number", args[0].span, message, f"write {action} {name} 1")
            return None
        return kind, self.joined(args[1:])

    def elements(self, kind: Kind, given: Given) -> list[values.Element]:
        try:
            return values.elements(given.text, KINDS[kind])
        except values.BadValue as bad:
            span = given.place(bad.offset, bad.length)
            self.findings.error(bad.code, span, f"{kind}: {bad.message}", bad.hint)
            return []

    # -- pieces

    def value_wanted(self, word: Token, args: list[Token], form: str) -> bool:
        if not args:
            message = f"{word.value.lower()} has no value"
            self.findings.error("missing-value", word.span, message, f"write {form}")
        return bool(args)

    def no_block(self, statement: Statement) -> None:
        if statement.block is not None:
            message = f"{statement.word.value.lower()} has no block"
            self.findings.error("stray-brace", statement.block.open.span, message, "remove the braces")

    def joined(self, args: list[Token]) -> Given:
        """Take the source from the first argument to the last, so that `1, 2` is one list."""
        if len(args) == 1:
            return _given(args[0])
        span = self.across(args[0], args[-1])
        return Given(self.lines[span.line - 1][span.column - 1 : span.column - 1 + span.length], span)

    def spaced(self, args: list[Token]) -> Given:
        if len(args) == 1:
            return _given(args[0])
        return Given(" ".join(arg.value for arg in args), self.across(args[0], args[-1]))

    @staticmethod
    def across(first: Token, last: Token) -> Span:
        return Span(first.line, first.column, last.end - first.column)


def dump(config: Config) -> str:
    """Write the model as BalanceNG text; `parse` of it gives an equal model. What has its default is left out.

    Raises ValueError for a text that no file can hold, which no file can have given.
    """
    out = [f"modules   {','.join(config.modules) or quote('')}"]
    out += [f"set       {name} {_text(value)}" for name, value in config.settings.items()]
    for kind in ("interface", "network"):
        _items(out, kind, getattr(config, f"{kind}s"))
    for name, holder in (("gateway", config.gateway), ("vrrp", config.vrrp)):
        if holder is not None:
            _block(out, name, name, holder)
    for kind in ("server", "target"):
        _items(out, kind, getattr(config, f"{kind}s"))
    return "\n".join(out) + "\n"


def _items(out: list[str], kind: str, items: list[Any]) -> None:
    for item in items:
        _block(out, kind, f"{kind:<9} {item.number}", item)
        if kind != "target":
            _flags(out, kind, [item])
    if kind == "target":  # as BalanceNG does: targets come last, and are registered together
        _flags(out, kind, items)


def _flags(out: list[str], kind: str, items: list[Any]) -> None:
    for action, numbers in (
        ("register", [item.number for item in items if item.registered]),
        ("enable", [item.number for item in items if item.enabled]),
    ):
        if numbers:
            out.append(f"{action:<9} {kind if len(numbers) == 1 else kind + 's'} {ranges(numbers)}")


def _block(out: list[str], block: str, head: str, holder: Any) -> None:
    out.append(f"{head} {{")
    for word in BLOCKS[block]:  # type: ignore[index]
        value = get_word(holder, word)
        if value != default_of(holder, word) or (word in values.ALWAYS_WRITTEN and value is not None):
            out.append(f"          {word} {written(word, value)}")
    out.append("}")


def written(word: str, value: Any) -> str:
    """Write one value as BalanceNG does; `word` decides how, since 0 is `any` for a port only."""
    if word == "port":
        return str(value or "any")
    if word == "dsr":
        return "enable" if value else "disable"
    if word in CHECK_KINDS:
        return ",".join(map(str, CHECK_KINDS[word].values(value).values()))
    if isinstance(value, list):
        return ",".join(map(str, value))
    return _text(str(value))


def _text(value: str) -> str:
    if not value.isprintable():
        raise ValueError(f"cannot be written in a configuration: {value!r}")
    return quote(value)
