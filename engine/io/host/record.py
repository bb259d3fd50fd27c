"""The file that says what was added to the kernel, so that it can be taken back even after a kill.

The mark on addresses and routes says it too, and survives the file. But the file tells which of two engines in one
network namespace has added something, and it is all there is on a kernel that ignores the mark.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import msgspec

from engine.domain.encoding import UNREADABLE
from engine.io.host.state import Owned, Placed

if TYPE_CHECKING:
    from pathlib import Path

log = logging.getLogger("engine.host")


class _Content(msgspec.Struct):
    addresses: list[tuple[int, str, int, bool]]  # interface's index, address, prefix length, whether marked
    routes: list[str]


class Record:
    """The record at `path`, in the run directory: it ends with the boot, as do the interfaces' indices."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._written: Owned | None = None
        self._refusal = ""

    def read(self) -> Owned:
        """Return what is recorded; nothing where the file is missing or cannot be read, which is said."""
        try:
            content = msgspec.json.decode(self._path.read_bytes(), type=_Content)
        except FileNotFoundError:
            return Owned()
        except (OSError, *UNREADABLE) as error:
            log.warning(
                "%s: cannot be read (%s); what was added before is known by its mark", self._path, error
            )
            return Owned()
        addresses = {Placed(index, text, length): marked for index, text, length, marked in content.addresses}
        return Owned(addresses, frozenset(content.routes))

    def write(self, owned: Owned) -> None:
        """Write what is owned, where that has changed or somebody removed the file.

        What prevents it is said once, and it is tried again: the marks are still there.
        """
        if owned == self._written and self._path.exists():
            return
        content = _Content(
            [(at.ifindex, at.address, at.length, marked) for at, marked in sorted(owned.addresses.items())],
            sorted(owned.routes),
        )
        aside = self._path.with_suffix(".new")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            aside.write_bytes(msgspec.json.encode(content))
            aside.replace(self._path)
        except OSError as error:
            if self._refusal != str(error):
                log.warning("%s: cannot be written: %s", self._path, error)
            self._refusal = str(error)
        else:
            self._written, self._refusal = owned, ""

    def remove(self) -> None:
        """Remove the file: there is nothing left to take back."""
        self._path.unlink(missing_ok=True)
        self._written = None
