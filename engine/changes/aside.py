"""Reading what an engine kept for itself, whatever is there by now: what is not readable is put aside, never in the way."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

ASIDE = ".unreadable"
"""What is added to the name of a file that was put aside; a number follows where that name is taken."""

_NAMES = 100


def read_plain(path: Path, most_bytes: int) -> bytes:
    """Return a file's bytes. Raises ValueError where it is not a plain file or has more than `most_bytes`, and OSError.

    A pipe is not opened: that would wait for whoever writes into it.
    """
    now = path.stat()
    if not stat.S_ISREG(now.st_mode):
        raise ValueError("is not a plain file")
    if now.st_size > most_bytes:
        raise ValueError(f"is too large ({now.st_size} bytes)")
    return path.read_bytes()


def put_aside(path: Path) -> Path | None:
    """Rename what cannot be read, so that a good one may take its place; None where the disk refuses."""
    for count in range(1, _NAMES):
        name = path.with_name(f"{path.name}{ASIDE}{'' if count == 1 else f'-{count}'}")
        try:
            name.lstat()
        except FileNotFoundError:
            break
        except OSError:
            return None
    else:
        return None
    try:
        path.rename(name)
    except OSError:
        return None
    return name
