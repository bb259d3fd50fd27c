"""Reading a configuration file, whatever is in it: bytes in, model and findings out. Nothing here raises for bad input."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from engine.config.finding import Finding, Findings, Span
from engine.config.language import balanceng, toml
from engine.config.positions import START, Positions
from engine.config.rules.apply import apply_rules

if TYPE_CHECKING:
    from collections.abc import Collection

    from engine.config.language.syntax import Document
    from engine.config.model import Config

Language = Literal["balanceng", "toml"]

MAX_CHARS = 2 * 1024 * 1024
"""Eight times the largest configuration (512 servers, 1,024 targets) with a comment on every line."""

MAX_LINES = 50_000
"""Lines of a file; the largest configuration has 20,000."""

MAX_LINE = 16_384
"""Characters of a line; a list of 1,024 targets has 5,000."""

_TOML_LINE = re.compile(r"\s*+(?:\[|#|[\w.\"'-]++[ \t]*+=)")


@dataclass(frozen=True)
class Loaded:
    """A file that was read.

    `config` is the best that could be made of it: to be used only where `ok`; None where the file could not be read
    as text at all. `positions` says where things are in `text`; `document` has the tokens of a BalanceNG text.
    """

    config: Config | None
    findings: list[Finding]
    positions: Positions
    language: Language
    text: str
    document: Document | None = None

    @property
    def ok(self) -> bool:
        """Whether there is no error, warnings aside."""
        return self.config is not None and not any(f.severity == "error" for f in self.findings)


def language_of(file: str, text: str) -> Language:
    """Return the language of a file: by its ending, otherwise by its first line that is not blank."""
    name = file.lower()
    if name.endswith(".toml"):
        return "toml"
    if name.endswith((".conf", ".bng")):
        return "balanceng"
    first = next((line for line in text[: 4 * MAX_LINE].split("\n") if line.strip()), "")
    return "toml" if _TOML_LINE.match(first) else "balanceng"


def load(
    data: bytes | str,
    file: str,
    *,
    language: Language | None = None,
    host_interfaces: Collection[str] | None = None,
) -> Loaded:
    """Read a configuration and apply the rules to it; never raises for what is in it.

    `file` is named in the findings and decides the language; nothing is opened. `host_interfaces` are the names of this
    host's interfaces, None where the file is for another host. Time is linear in the size.
    """
    findings = Findings(file)
    text = _decode(data, findings) if isinstance(data, bytes | bytearray | memoryview) else data
    text = text.removeprefix("\ufeff")
    language = language or language_of(file, text)
    if not _fit(text, findings):
        return Loaded(None, findings.sorted(), Positions(), language, text)
    document: Document | None = None
    if language == "toml":
        builder, whole = toml.parse(text, findings)
    else:
        builder, document = balanceng.parse(text, findings)
        whole = document.whole
    config = builder.finish(references=whole)
    if whole:
        apply_rules(
            config, findings, builder.positions, broken=builder.broken, host_interfaces=host_interfaces
        )
    return Loaded(config, findings.sorted(), builder.positions, language, text, document)


def _decode(data: bytes | bytearray | memoryview, findings: Findings) -> str:
    raw = bytes(data[: 64 * MAX_CHARS])
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        if 0 not in raw:
            line = raw.count(b"\n", 0, error.start) + 1
            begin = raw.rfind(b"\n", 0, error.start) + 1
            column = len(raw[begin : error.start].decode(errors="replace")) + 1
            message = f"the byte 0x{raw[error.start]:02x} is not UTF-8"
            findings.error("not-utf8", Span(line, column), message, "save the file as UTF-8")
        return raw.decode(errors="replace")


def _fit(text: str, findings: Findings) -> bool:
    """Return whether the text can be a configuration, before time is spent on parsing it; report why not."""
    nul = text.find("\0")
    if nul >= 0:
        span = Span(text.count("\n", 0, nul) + 1, nul - text.rfind("\n", 0, nul))
        findings.error("binary-file", span, "this is a binary file, not a configuration", "give a text file")
        return False
    fit, line, start = True, 1, 0
    while start <= len(text) and start < MAX_CHARS and not findings.full:
        end = text.find("\n", start)
        end = len(text) if end < 0 else end
        if end - start > MAX_LINE:
            message = f"the line has {end - start} characters, more than {MAX_LINE}"
            findings.error(
                "line-too-long",
                Span(line, MAX_LINE + 1),
                message,
                "break it, or see what is wrong with the file",
            )
            fit = False
        start, line = end + 1, line + 1
    lines = text.count("\n")
    if len(text) > MAX_CHARS or lines > MAX_LINES:
        if fit:
            what = f"{lines} lines" if lines > MAX_LINES else f"{len(text)} characters"
            limit = MAX_LINES if lines > MAX_LINES else MAX_CHARS
            message = f"the file has {what}, more than {limit}"
            span = Span(min(line, MAX_LINES + 1), 1)
            findings.error("file-too-large", span, message, "see what is wrong with the file")
        return False
    if fit and not text.strip():
        findings.error(
            "empty-file", START, "the file is empty", "write a configuration, like sample_configs/dsr.conf"
        )
        return False
    return fit
