"""From tokens to statements and blocks, with recovery: one fault is one finding, and the rest is still read."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from engine.config.finding import shown
from engine.config.language import lexer
from engine.config.language.keywords import TOP

if TYPE_CHECKING:
    from engine.config.finding import Findings
    from engine.config.language.lexer import Token

_WITH_BLOCK = frozenset({"interface", "network", "server", "target", "gateway", "vrrp", "set"})
# A line inside a block that begins with one of these shows that the block's own } is missing.
_NEVER_INSIDE = frozenset({"register", "enable", "disable", "no", "modules", "set"}) & TOP.keys()


@dataclass(slots=True)
class Block:
    """`{ ... }`; `close` is None where the brace is missing."""

    open: Token
    statements: list[Statement] = field(default_factory=list)
    close: Token | None = None


@dataclass(slots=True)
class Statement:
    """A word with its arguments, and the block that follows them if there is one."""

    tokens: list[Token]
    block: Block | None = None

    @property
    def word(self) -> Token:
        """The first token."""
        return self.tokens[0]

    @property
    def args(self) -> list[Token]:
        """What follows the word."""
        return self.tokens[1:]

    @property
    def title(self) -> str:
        """The head of a block as people call it: `server 1`."""
        return " ".join(token.value for token in self.tokens[:2])


@dataclass(slots=True)
class Document:
    """A parsed file. Not `whole` where a brace was missing or in excess, so that a definition may be absent by accident."""

    statements: list[Statement] = field(default_factory=list)
    whole: bool = True


class _Parser:
    def __init__(self, findings: Findings) -> None:
        self.findings = findings
        self.document = Document()
        self.owner: Statement | None = None  # of the open block
        self.block: Block | None = None
        self.statement: Statement | None = None  # of the line being read
        self.nested = 0  # braces opened inside the block in error

    def line(self, tokens: list[Token]) -> None:
        self.statement = None
        for token in tokens:
            if token.kind == "{":
                self.open(token)
            elif token.kind == "}":
                self.close(token)
            else:
                self.add(token)

    def add(self, token: Token) -> None:
        if not token.closed:
            self.document.whole = False
            self.findings.error(
                "unclosed-quote", token.span, "the quote is never closed", 'end the text with "'
            )
        if self.statement is not None:
            self.statement.tokens.append(token)
            return
        if self.block is not None and token.kind == "word" and token.value.lower() in _NEVER_INSIDE:
            self.unclosed(f"put }} before line {token.line}")
        self.statement = Statement([token])
        (self.block.statements if self.block else self.document.statements).append(self.statement)

    def open(self, brace: Token) -> None:
        if self.block is not None:
            statement = self.statement
            if statement is None or statement.word.value.lower() not in _WITH_BLOCK:
                self.nested += 1
                self.document.whole = False
                message = "a block cannot stand inside another block"
                self.findings.error("nested-block", brace.span, message, "remove the { and its }")
                return
            self.block.statements.pop()
            self.unclosed(f"put }} before line {statement.word.line}")
            self.document.statements.append(statement)
            self.statement = statement
        owner = self.statement
        if owner is None and self.document.statements and self.document.statements[-1].block is None:
            owner = self.document.statements[-1]  # the brace stands on the line after its head
        if owner is None:
            self.document.whole = False
            self.findings.error(
                "stray-brace",
                brace.span,
                "this { belongs to nothing",
                "write what it opens before it, like server 1 {",
            )
        self.block, self.owner, self.statement = Block(brace), owner, None
        if owner is not None:
            owner.block = self.block

    def close(self, brace: Token) -> None:
        self.statement = None
        if self.nested:
            self.nested -= 1
        elif self.block is not None:
            self.block.close = brace
            self.block = self.owner = None
        else:
            self.document.whole = False
            self.findings.error("stray-brace", brace.span, "this } closes nothing", "remove it")

    def unclosed(self, hint: str) -> None:
        """Report the open block and go on as if it were closed."""
        if self.block is None:
            return
        self.document.whole = False
        title = f"the block of {shown(self.owner.title)}" if self.owner else "the block"
        self.findings.error("unclosed-brace", self.block.open.span, f"{title} is never closed", hint)
        self.block = self.owner = self.statement = None
        self.nested = 0


def parse(text: str, findings: Findings) -> Document:
    """Read BalanceNG text. Never raises; faults of braces and quotes go to `findings`."""
    parser = _Parser(findings)
    for tokens in lexer.lines(text):
        parser.line(tokens)
    parser.unclosed("put } at its end; the file may be cut short")
    return parser.document
