"""Commands of BalanceNG's language that are typed at a running engine, carried out on the running configuration.

The same words as in a file, with two differences: a definition of what exists changes the words it gives and keeps the
others, and undoing what does not exist is an error. `no target 3 ping` gives a single word its default again.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from engine.config.language import syntax
from engine.config.language.builder import ConfigBuilder, SourceValue
from engine.config.language.command_reader import CommandReader
from engine.config.language.keywords import BLOCKS, KINDS, Kind
from engine.config.model import default_of, set_word
from engine.config.positions import START, Key, Positions
from engine.config.rules.apply import RULES
from engine.config.rules.rule import IndexedConfig

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.config.finding import Findings, Span
    from engine.config.language.lexer import Token
    from engine.config.language.syntax import Statement
    from engine.config.model import Config, Gateway, Item, Vrrp
    from engine.config.rules.rule import Problem

MAX_CHARS = 256 * 1024
"""Characters of commands given at once: more belongs in a file, which can be reloaded."""


def replay(config: Config, commands: str, findings: Findings) -> Config:
    """Return `config` changed by the commands; `config` itself stays as it is.

    What is wrong with the commands, or newly wrong with the configuration they lead to, goes to `findings` with its
    place in the commands. The result is of use only where there is no error. Never raises.
    """
    if len(commands) > MAX_CHARS:
        message = f"the commands have {len(commands)} characters, more than {MAX_CHARS}"
        findings.error("file-too-large", START, message, "write them into the file, and reload it")
        return config
    document = syntax.parse(commands, findings)
    builder = _RunningBuilder(config, findings)
    reader = _RunningReader(commands, findings, builder)
    if not document.statements:
        findings.error("empty-file", START, "there is no command", "type one, like enable target 1")
    for statement in document.statements:
        reader.top(statement)
    new = builder.finish(references=document.whole)
    if not findings.errors:
        _check(config, new, builder, findings)
    return new


class _RunningBuilder(ConfigBuilder):
    """A builder that begins with the running configuration."""

    def __init__(self, config: Config, findings: Findings) -> None:
        super().__init__(findings)
        running = copy.deepcopy(config)
        self.modules = running.modules
        self.settings = running.settings
        self.gateway, self.vrrp = running.gateway, running.vrrp
        for kind in KINDS:
            items: list[Item] = getattr(running, f"{kind}s")
            self.items[kind] = {item.number: item for item in items}
            self.registered[kind] = {item.number for item in items if item.registered}
            self.enabled[kind] = {item.number for item in items if item.enabled}
        self.removed: Positions = Positions()

    def define(self, kind: Kind, number: int, span: Span) -> Item | None:
        """Continue the definition that exists; its words may be given again."""
        there = self.items[kind].get(number)
        if there is None:
            return super().define(kind, number, span)
        self.positions.forget((kind, number))
        self.positions.put((kind, number), span)
        return there

    def define_gateway(self, span: Span) -> Gateway | None:
        """Continue the gateway that exists."""
        if self.gateway is None:
            return super().define_gateway(span)
        self.positions.forget(("gateway",))
        self.positions.put(("gateway",), span)
        return self.gateway

    def define_vrrp(self, span: Span) -> Vrrp | None:
        """Continue the vrrp section that exists."""
        if self.vrrp is None:
            return super().define_vrrp(span)
        self.positions.forget(("vrrp",))
        self.positions.put(("vrrp",), span)
        return self.vrrp

    def set_modules(self, value: SourceValue) -> None:
        """Replace the list of modules."""
        self.modules = None
        self.positions.forget(("modules",))
        super().set_modules(value)

    def remove(self, kind: Kind, numbers: range, span: Span) -> None:
        """Remove definitions; at least one has to exist."""
        if not any(number in self.items[kind] for number in numbers):
            self.missing(f"{kind} {numbers[0]}", span)
        for number in numbers:
            self.removed.put((kind, number), span)
        super().remove(kind, numbers, span)

    def missing(self, title: str, span: Span) -> None:
        """Report that what should be undone does not exist."""
        self.findings.error("undefined-reference", span, f"{title} is not defined", "see show conf")

    def finish(self, *, references: bool = True) -> Config:
        """Return the model; what is disabled or unregistered has to exist, too."""
        config = super().finish(references=references)
        for (action, kind), spans in self.flagged.items():
            if action in {"disable", "unregister"} and references:
                for number, span in spans.items():
                    if number not in self.items[kind] and (kind, number) not in self.removed:
                        self.missing(f"{kind} {number}", span)
        return config


class _RunningReader(CommandReader):
    """Also undoes single words, and requires that what is undone exists."""

    builder: _RunningBuilder

    def words(self, holder: Any, key: Key, tokens: list[Token], *, replace: bool = False) -> None:
        if key not in self.builder.positions:  # a command of one line, on what exists
            self.builder.positions.put(key, tokens[0].span)
        super().words(holder, key, tokens, replace=replace)

    def undo(self, statement: Statement) -> None:
        args = statement.args
        what = args[0].value.lower() if args else ""
        if what in KINDS and len(args) == 3 and args[2].value.lower() in BLOCKS[what]:
            kind: Kind = what
            for element in self.elements(kind, SourceValue(args[1].value, args[1].span)):
                for number in element.numbers:
                    self.take_back(self.builder.items[kind].get(number), (kind, number), args[2])
        elif what in {"gateway", "vrrp"} and len(args) == 2 and args[1].value.lower() in BLOCKS[what]:  # type: ignore[index]
            holder = self.builder.gateway if what == "gateway" else self.builder.vrrp
            self.take_back(holder, (what,), args[1])
        elif (what == "gateway" and self.builder.gateway is None) or (
            what == "vrrp" and self.builder.vrrp is None
        ):
            self.builder.missing(what, args[0].span)
        elif what == "set" and len(args) == 2 and args[1].value.lower() not in self.builder.settings:
            self.builder.missing(f"set {args[1].value.lower()}", args[1].span)
        else:
            super().undo(statement)

    def take_back(self, holder: Any, key: Key, word: Token) -> None:
        """Give a word its default again."""
        name = word.value.lower()
        if holder is None:
            self.builder.missing(" ".join(map(str, key)), word.span)
            return
        set_word(holder, name, default_of(holder, name))
        self.builder.positions.forget((*key, name))
        self.builder.positions.put((*key, name), word.span)
        self.builder.lists.pop((*key, name), None)


def _check(old: Config, new: Config, builder: _RunningBuilder, findings: Findings) -> None:
    """Report what is wrong with the new configuration and was not with the old one."""
    known = {problem[:3] for problem in _problems(old, Positions())}
    for problem in _problems(new, builder.positions):
        if findings.full:
            return
        if problem[:3] not in known:
            report = findings.error if problem.severity == "error" else findings.warning
            report(problem.code, _place(problem, builder), problem.message, problem.hint)


def _problems(config: Config, positions: Positions) -> Iterator[Problem]:
    indexed = IndexedConfig.of(config, positions, (), None)
    return (problem for rule in RULES for problem in rule(indexed))


def _place(problem: Problem, builder: _RunningBuilder) -> Span:
    """Return where the commands caused this: at what it is about, else at another item it is about, else their start."""
    span = builder.positions.nearest(problem.key)
    if span is not START:
        return span
    places = (builder.positions.get(key) or builder.removed.get(key) for key in problem.others)
    return next((place for place in places if place), START)
