"""What is wrong in a configuration, where, and what to do about it; one of these, and a bounded collection."""

from __future__ import annotations

from typing import Literal

import msgspec

Severity = Literal["error", "warning"]

MAX_FINDINGS = 200
"""More than anybody reads; a binary file would otherwise give one for each byte."""


class Span(msgspec.Struct, frozen=True):
    """A place in a text: line and column count from 1, `length` in characters."""

    line: int
    column: int
    length: int = 1


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One finding, in the field names of `bng-engine check --json`."""

    file: str
    line: int
    column: int
    severity: Severity
    code: str  # short, stable, kebab-case: "unknown-word", "port-mismatch"
    message: str  # a plain sentence without a full stop
    hint: str = ""  # what to do, an imperative without a full stop; may be empty
    length: int = 1

    def __str__(self) -> str:
        """Render as ``FILE:LINE:COL: error: what is wrong; what to do``."""
        tail = f"; {self.hint}" if self.hint else ""
        return f"{self.file}:{self.line}:{self.column}: {self.severity}: {self.message}{tail}"


def shown(text: str, limit: int = 40) -> str:
    """Return text from a file in a form fit for a message: short, on one line, without control characters."""
    cut = text[:limit]
    if not cut.isprintable():
        cut = "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in cut)
    return cut + "..." if len(text) > limit else cut


class Findings:
    """Collects what is wrong with one file. Keeps at most `MAX_FINDINGS`, errors before warnings, and counts the rest."""

    def __init__(self, file: str) -> None:
        self.file = file
        self._kept: dict[Severity, list[Finding]] = {"error": [], "warning": []}
        self._seen: dict[Severity, int] = {"error": 0, "warning": 0}

    def error(self, code: str, span: Span, message: str, hint: str = "") -> None:
        """Record something that makes the file unusable."""
        self._add("error", code, span, message, hint)

    def warning(self, code: str, span: Span, message: str, hint: str = "") -> None:
        """Record something that is likely a slip, or that will not do what it says."""
        self._add("warning", code, span, message, hint)

    @property
    def errors(self) -> int:
        """The number of errors, kept or not."""
        return self._seen["error"]

    @property
    def full(self) -> bool:
        """Whether more errors would only be counted: time to stop reading."""
        return self._seen["error"] >= MAX_FINDINGS

    @property
    def terse(self) -> bool:
        """Whether further findings will hardly be shown, so that looking for a good hint is a waste."""
        return max(self._seen.values()) >= MAX_FINDINGS

    def _add(self, severity: Severity, code: str, span: Span, message: str, hint: str) -> None:
        self._seen[severity] += 1
        kept = self._kept[severity]
        if len(kept) < MAX_FINDINGS:
            kept.append(
                Finding(
                    file=self.file,
                    line=span.line,
                    column=span.column,
                    length=span.length,
                    severity=severity,
                    code=code,
                    message=message,
                    hint=hint,
                )
            )

    def sorted(self) -> list[Finding]:
        """Return the findings in the order of the file; the last one says that some are not shown, if so."""
        kept = (self._kept["error"] + self._kept["warning"])[:MAX_FINDINGS]
        kept.sort(key=lambda f: (f.line, f.column, f.severity, f.code, f.message))
        hidden = sum(self._seen.values()) - len(kept)
        if hidden or self.full:
            last = max(kept, key=lambda f: (f.line, f.column))
            severity: Severity = "error" if self.errors else "warning"
            kept.append(
                Finding(
                    file=self.file,
                    line=last.line,
                    column=last.column,
                    severity=severity,
                    code="too-many-findings",
                    message=f"only {len(kept)} findings are shown; there are more, or may be",
                    hint="fix these first",
                )
            )
        return kept
