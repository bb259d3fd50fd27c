"""What is wrong in a configuration, where, and what to do about it."""

from __future__ import annotations

from typing import Literal

import msgspec

Severity = Literal["error", "warning"]


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
