"""Collecting findings, a bounded number of them, and the places that they and an editor point at."""

from __future__ import annotations

from engine.config.finding import Finding, Severity, Span

MAX_FINDINGS = 200
"""More than anybody reads; a binary file would otherwise give one a byte."""

Key = tuple[str | int, ...]
"""A place by its meaning: ("server", 1), ("server", 1, "port"), ("server", 1, "targets", 3), ("enable", "server", 1)."""

START = Span(1, 1)


def shown(text: str, limit: int = 40) -> str:
    """Make text from a file fit for a message: short, on one line, and without what would steer a terminal."""
    cut = text[:limit]
    if not cut.isprintable():
        cut = "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in cut)
    return cut + "..." if len(text) > limit else cut


class Findings:
    """What is wrong with one file. Keeps at most `MAX_FINDINGS`, errors before warnings, and counts the rest."""

    shown = staticmethod(shown)

    def __init__(self, file: str) -> None:
        self.file = file
        self._kept: dict[Severity, list[Finding]] = {"error": [], "warning": []}
        self._seen: dict[Severity, int] = {"error": 0, "warning": 0}

    def error(self, code: str, span: Span, message: str, hint: str = "") -> None:
        """Add something that makes the file unusable."""
        self._add("error", code, span, message, hint)

    def warning(self, code: str, span: Span, message: str, hint: str = "") -> None:
        """Add something that is likely a slip, or that will not do what it says."""
        self._add("warning", code, span, message, hint)

    @property
    def errors(self) -> int:
        """How many errors there were, kept or not."""
        return self._seen["error"]

    @property
    def full(self) -> bool:
        """Whether more errors would only be counted: time to stop reading."""
        return self._seen["error"] >= MAX_FINDINGS

    @property
    def terse(self) -> bool:
        """Whether what comes now is hardly shown, so that looking for a good hint is a waste."""
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
        """Return them in the order of the file; the last one says how many are not shown, if some are not."""
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
                    hint="mend these first",
                )
            )
        return kept


class Positions:
    """Where things stand in a text, by meaning (`Key`)."""

    def __init__(self) -> None:
        self._items: dict[Key, dict[Key, Span]] = {}  # by numbered item, so that one is dropped in one step

    @staticmethod
    def _item(key: Key) -> Key:
        return key[:2] if len(key) > 1 and isinstance(key[1], int) else key[:1]

    def put(self, key: Key, span: Span) -> None:
        """Remember a place; the first one of a key stays."""
        self._items.setdefault(self._item(key), {}).setdefault(key, span)

    def forget(self, key: Key) -> None:
        """Drop the place of a numbered item, a block or a single thing, with everything inside it."""
        item = self._item(key)
        if key == item:
            self._items.pop(item, None)
        else:
            self._items.get(item, {}).pop(key, None)

    def get(self, key: Key) -> Span | None:
        """Return the place of exactly this, or None."""
        return self._items.get(self._item(key), {}).get(key)

    def nearest(self, key: Key) -> Span:
        """Return the place of this, else of what it is in, else the start of the text."""
        for end in range(len(key), 0, -1):
            span = self.get(key[:end])
            if span is not None:
                return span
        return START

    def __contains__(self, key: Key) -> bool:
        return self.get(key) is not None

    def known(self) -> list[Key]:
        """Return every key that has a place."""
        return [key for item in self._items.values() for key in item]
