"""A line of BalanceNG's command language into words."""

from __future__ import annotations

import shlex

from bngtui.command.spec import UsageError


def words(text: str) -> list[str]:
    """Split a line at blanks; quotes keep blanks, ``//`` before a word begins a comment. Raises UsageError."""
    lexer = shlex.shlex(_uncommented(text), posix=True, punctuation_chars=False)
    lexer.whitespace_split = True
    lexer.commenters = ""
    lexer.escape = ""
    try:
        return list(lexer)
    except ValueError:
        raise UsageError("a quote is not closed") from None


def _uncommented(text: str) -> str:
    quote = ""
    for at, char in enumerate(text):
        if quote:
            quote = "" if char == quote else quote
        elif char in "\"'":
            quote = char
        # A path like a//b is not a comment, so only at the beginning of a word.
        elif text.startswith("//", at) and (at == 0 or text[at - 1].isspace()):
            return text[:at]
    return text
