"""Commands of BalanceNG's language, carried out one after the other on a configuration in the making."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from engine.config.finding import Span
from engine.config.language import values
from engine.config.language.builder import SourceValue
from engine.config.language.keywords import BLOCKS, KINDS, PLURALS, Kind

if TYPE_CHECKING:
    from engine.config.finding import Findings
    from engine.config.language.builder import ConfigBuilder
    from engine.config.language.lexer import Token
    from engine.config.language.syntax import Block, Statement
    from engine.config.positions import Key


MAX_NAMED = 200_000
"""Numbers in all lists of one text, ranges counted: sixty times what registers and enables all there can be."""


def source_value(token: Token) -> SourceValue:
    """Return a token as a value with its place."""
    return SourceValue(token.value, token.span, 1 if token.kind == "text" else 0)


class CommandReader:
    """Carries out commands, one after the other, on a builder: an empty one for a file, the running one for commands."""

    def __init__(self, text: str, findings: Findings, builder: ConfigBuilder) -> None:
        self.lines = text.split("\n")
        self.findings = findings
        self.builder = builder
        self.named = 0  # numbers that lists of `register`, `enable` and `no` have named so far

    # -- the top of a file

    def top(self, statement: Statement) -> None:
        """Carry out one statement that stands outside every block."""
        word = statement.word.value.lower()
        if statement.word.kind == "text":
            self.builder.unknown(source_value(statement.word), "")
        elif word in KINDS:
            self.definition(word, statement)
        elif word in {"gateway", "vrrp"}:
            self.section(word, statement)
        elif word == "set":
            self.setting(statement)
        elif word == "modules":
            if self.value_wanted(statement.word, statement.args, "modules vrrp,arp,..."):
                self.builder.set_modules(self.joined(statement.args))
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
            self.builder.unknown(source_value(statement.word), "")

    def definition(self, kind: Kind, statement: Statement) -> None:
        """Carry out `server 1 { ... }`, or `server 1 WORD VALUE` on one line."""
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
            item = self.builder.items[kind].get(number) or self.builder.define(kind, number, span)
            self.words(item, (kind, number), args[1:], replace=True)
            return
        if len(args) > 1:
            self.findings.error(
                "too-many-values",
                args[1].span,
                f"{kind} has one number before its block",
                "move the rest inside",
            )
        item = self.builder.define(kind, number, span)
        if item is not None:
            self.inside(item, (kind, number), statement.block)
            if statement.block.close is None:
                self.builder.broken.add((kind, number))

    def section(self, name: str, statement: Statement) -> None:
        """Carry out `gateway { ... }` or `vrrp { ... }`, or one of their words on one line."""
        span = statement.word.span
        if statement.block is None and not statement.args:
            self.findings.error(
                "missing-block", span, f"{name} has no block", f"write {name} {{ and what it has, then }}"
            )
            return
        holder: Any
        if statement.block is None:
            there = self.builder.gateway if name == "gateway" else self.builder.vrrp
            holder = there or (
                self.builder.define_gateway if name == "gateway" else self.builder.define_vrrp
            )(span)
            self.words(holder, (name,), statement.args, replace=True)
            return
        if statement.args:
            self.findings.error(
                "too-many-values", statement.args[0].span, f"{name} has no number", "remove it"
            )
        holder = self.builder.define_gateway(span) if name == "gateway" else self.builder.define_vrrp(span)
        if holder is not None:
            self.inside(holder, (name,), statement.block)

    def setting(self, statement: Statement) -> None:
        """Carry out `set NAME VALUE` or `set { NAME VALUE ... }`."""
        commands = [statement.args] if statement.args else []
        if statement.block is not None:
            commands += [inner.tokens for inner in statement.block.statements]
        elif not commands:
            self.findings.error(
                "missing-value", statement.word.span, "set has no name", "write set NAME VALUE"
            )
        for name, *rest in commands:
            value = self.spaced(rest) if rest else SourceValue("", name.span)
            self.builder.set_setting(source_value(name), value)

    # -- words inside a block

    def inside(self, holder: Any, key: Key, block: Block) -> None:
        """Carry out the words of a block."""
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
        """Return whether the token starts the next pair of a line: a known word, and not an element of a list with blanks."""
        token, before = tokens[i], tokens[i - 1].value
        listed = before.endswith(",") or token.value.startswith(",")
        return (
            token.kind == "word"
            and token.value.lower() in known
            and before.lower() not in known
            and not listed
        )

    def one(self, holder: Any, key: Key, tokens: list[Token], *, replace: bool) -> None:
        """Carry out one `word value`."""
        word, args = tokens[0], tokens[1:]
        name = word.value.lower()
        known = BLOCKS[str(key[0])]  # type: ignore[index]
        if word.kind == "text" or name not in known:
            self.builder.unknown(source_value(word), str(key[0]), key)
            return
        if not self.value_wanted(word, args, f"{name} {known[name].form}"):
            self.builder.broken.add(key)
            return
        value = (
            self.joined(args)
            if "," in known[name].form or known[name].form == "LIST"
            else source_value(args[0])
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
            self.builder.broken.add(key)
            return
        self.builder.field(holder, key, source_value(word), value, replace=replace)

    # -- states

    def flag(self, action: str, word: Token, args: list[Token]) -> None:
        """Carry out `register`, `enable` or `disable` of a list of numbers."""
        found = self.kind_and_list(action, word, args)
        if found is None:
            return
        kind, given = found
        for element in self.elements(kind, given):
            self.builder.flag(action, kind, element.numbers, given.place(element.offset, element.length))

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
                    self.builder.remove(found[0], element.numbers, place)
        elif what == "gateway":
            self.builder.gateway = None
            self.builder.positions.forget(("gateway",))
        elif what == "vrrp":
            self.builder.vrrp = None
            self.builder.positions.forget(("vrrp",))
        elif what == "set" and len(args) == 2:
            self.builder.settings.pop(args[1].value.lower(), None)
        else:
            self.builder.unknown(source_value(args[0]), "")

    def kind_and_list(self, action: str, word: Token, args: list[Token]) -> tuple[Kind, SourceValue] | None:
        """Read `target 1,2`; None, and a finding, where it is not that."""
        form = f"{action} target 1,2"
        if not self.value_wanted(word, args, form):
            return None
        name = args[0].value.lower()
        kind: Kind | None = PLURALS.get(name) or (name if name in KINDS else None)
        if kind is None:
            self.builder.unknown(source_value(args[0]), "")
            return None
        if len(args) == 1:
            message = f"{action} {name} has no number"
            self.findings.error("missing-number", args[0].span, message, f"write {action} {name} 1")
            return None
        return kind, self.joined(args[1:])

    def elements(self, kind: Kind, given: SourceValue) -> list[values.Element]:
        """Read a list of numbers of a kind; empty, and a finding, where it is none, or the text names too many."""
        try:
            found = values.elements(given.text, KINDS[kind])
            self.named += sum(len(element.numbers) for element in found)
            if self.named > MAX_NAMED:
                message = f"the lists of this text name more than {MAX_NAMED} numbers"
                raise values.BadValue("too-large", message, "say once what is registered and enabled")  # noqa: TRY301
        except values.BadValue as bad:
            span = given.place(bad.offset, bad.length)
            self.findings.error(bad.code, span, f"{kind}: {bad.message}", bad.hint)
            return []
        return found

    # -- pieces

    def value_wanted(self, word: Token, args: list[Token], form: str) -> bool:
        """Return whether a word has a value, and report one that has none."""
        if not args:
            message = f"{word.value.lower()} has no value"
            self.findings.error("missing-value", word.span, message, f"write {form}")
        return bool(args)

    def no_block(self, statement: Statement) -> None:
        """Report a block behind a statement that takes none."""
        if statement.block is not None:
            message = f"{statement.word.value.lower()} has no block"
            self.findings.error("stray-brace", statement.block.open.span, message, "remove the braces")

    def joined(self, args: list[Token]) -> SourceValue:
        """Return the source from the first argument to the last, so that `1, 2` is one list."""
        if len(args) == 1:
            return source_value(args[0])
        span = self.across(args[0], args[-1])
        return SourceValue(self.lines[span.line - 1][span.column - 1 : span.column - 1 + span.length], span)

    def spaced(self, args: list[Token]) -> SourceValue:
        """Join the arguments with single blanks."""
        if len(args) == 1:
            return source_value(args[0])
        return SourceValue(" ".join(arg.value for arg in args), self.across(args[0], args[-1]))

    @staticmethod
    def across(first: Token, last: Token) -> Span:
        """Return the span from one token to another of the same line."""
        return Span(first.line, first.column, last.end - first.column)
