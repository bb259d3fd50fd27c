"""Lines of a prompt or a pipe into steps: a block may span lines, and in a pipe so may a change."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bngtui.command.registry import match
from bngtui.command.spec import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from engine.config.language.lexer import Token


@dataclass(frozen=True)
class Step:
    """One thing to run, from line `first` to `last`. `raw`: it is the configuration language, to be left as it is."""

    text: str
    first: int
    last: int
    raw: bool = False


@dataclass
class Lines:
    """What waits for more lines.

    `joined`: lines of the language that follow one another are one step, as in a pipe. `collecting` says whether
    `begin` was said, so that `enable target` is the configuration's.
    """

    collecting: Callable[[], bool]
    joined: bool = False
    depth: int = 0
    _kept: list[str] = field(default_factory=list)
    _first: int = 0

    @property
    def open(self) -> bool:
        """Whether a block waits for its end."""
        return self.depth > 0

    @property
    def text(self) -> str:
        """What waits."""
        return "\n".join(self._kept)

    def take(self, line: str, number: int = 1) -> list[Step]:
        """Take a line and return the steps that are complete with it, in order."""
        from engine.config.language import lexer  # noqa: PLC0415 - one command needs no lines

        line = line.rstrip("\r\n")
        tokens = [token for part in lexer.lines(line) for token in part]
        steps: list[Step] = []
        if not self.open and not tokens:
            # An empty line or a comment ends nothing, and keeps its place so that findings name the right line.
            if self._kept:
                self._kept.append(line)
            return []
        if self.open and tokens and tokens[-1].value == "?":
            return [Step(self._question(line), number, number)]
        if not self.open:
            written = self._of_language(line, tokens)
            if written is None:
                return [*self.end(), Step(line, number, number)]
            line = written
        if not self._kept:
            self._first = number
        self._kept.append(line)
        for token in tokens:
            self.depth = max(0, self.depth + {"{": 1, "}": -1}.get(token.kind, 0))
        if not self.open and (not self.joined or self.collecting()):
            steps += self.end()
        return steps

    def end(self) -> list[Step]:
        """Return what waits, whole or not: the engine says what is missing."""
        if not self._kept:
            return []
        step = Step(self.text.rstrip(), self._first, self._first + self.text.rstrip().count("\n"), raw=True)
        self.drop()
        return [step]

    def drop(self) -> None:
        """Forget what waits."""
        self._kept.clear()
        self.depth = 0

    def _question(self, line: str) -> str:
        """Return what is asked where a `?` ends a line inside a block: `server port ?`."""
        from bngtui.command.complete_language import place  # noqa: PLC0415 - as above

        owner, said = place(f"{self.text}\n{line}")
        return " ".join([*(owner or [])[:1], *said])

    def _of_language(self, line: str, tokens: list[Token]) -> str | None:
        """Return the line with its first word written out, None where it is not a command of the language."""
        values = [token.value for token in tokens]
        if tokens[0].kind in "{}":
            return line if self._kept else None
        if values[-1] == "?" or any(value.startswith("--") for value in values):
            return None  # a question, or options, which the language does not have
        try:
            command = match(values[:1] if len(values) == 1 else values[:2])[0]
        except UsageError:
            return None
        operational = command.words[0] in {"enable", "disable"} and not command.language
        if not command.language and not (operational and (self._kept or self.collecting())):
            return None
        first, word = tokens[0], command.words[0]
        if first.value.lower() in {word, word + "s"}:
            return line
        return line[: first.column - 1] + word + line[first.end - 1 :]
