"""Files of the console's host that the editor reads and writes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from engine.config.atomic import write_atomic
from engine.config.load import language_of

if TYPE_CHECKING:
    from engine.config.load import Language

MAX_BYTES = 4 * 1024 * 1024
"""The largest frame of the wire: a larger text could not be checked."""


UNUSABLE = (OSError, RuntimeError, ValueError)
"""What the system raises at a name: refused or too long, of an unknown user (~x), with a character that no name has."""


class FileError(Exception):
    """A file that cannot be read or written; the message is for the operator."""


def exists(path: str) -> bool:
    """Whether there is something of that name; not where there cannot be, which is told at writing."""
    try:
        return Path(path).expanduser().exists()
    except UNUSABLE:
        return False


def read(path: str) -> tuple[str, Language]:
    """Return a file's text and its language. Raises FileError."""
    try:
        place = Path(path).expanduser()
        if place.is_dir():
            raise FileError(f"Not read: {path} is a folder.")
        if not place.is_file():
            raise FileError(f"Not read: {path} is not a file.")
        if place.stat().st_size > MAX_BYTES:
            raise FileError(f"Not read: {path} is larger than any configuration.")
        text = place.read_bytes().decode()
    except UnicodeDecodeError as error:
        raise FileError(f"Not read: {path} is not text in UTF-8 (byte {error.start + 1}).") from error
    except UNUSABLE as error:
        raise FileError(f"Not read: {path}: {_why(error)}.") from error
    return text, language_of(place.name, text)


def write(path: str, text: str) -> None:
    """Write a text whole or not at all. Raises FileError."""
    try:
        write_atomic(Path(path).expanduser(), text.encode())
    except UNUSABLE as error:
        raise FileError(f"Not written: {path}: {_why(error)}.") from error


def _why(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
