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


class FileError(Exception):
    """A file that cannot be read or written; the message is for the operator."""


def exists(path: str) -> bool:
    """Whether there is something of that name."""
    return Path(path).expanduser().exists()


def read(path: str) -> tuple[str, Language]:
    """Return a file's text and its language. Raises FileError."""
    place = Path(path).expanduser()
    try:
        if place.is_dir():
            raise FileError(f"Not read: {path} is a folder.")
        if not place.is_file():
            raise FileError(f"Not read: {path} is not a file.")
        if place.stat().st_size > MAX_BYTES:
            raise FileError(f"Not read: {path} is larger than any configuration.")
        text = place.read_bytes().decode()
    except OSError as error:
        raise FileError(f"Not read: {path}: {error.strerror or error}.") from error
    except UnicodeDecodeError as error:
        raise FileError(f"Not read: {path} is not text in UTF-8 (byte {error.start + 1}).") from error
    return text, language_of(place.name, text)


def write(path: str, text: str) -> None:
    """Write a text whole or not at all. Raises FileError."""
    place = Path(path).expanduser()
    try:
        write_atomic(place, text.encode())
    except OSError as error:
        raise FileError(f"Not written: {path}: {error.strerror or error}.") from error
