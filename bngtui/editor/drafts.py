"""Where a text that was not applied is kept, so that nothing can lose it."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
import tempfile
import threading
from pathlib import Path

import msgspec

from engine.config.load import Language  # noqa: TC001 - msgspec reads the types of fields
from engine.domain.encoding import UNREADABLE

SLOTS = 8
"""Consoles that may edit the same configuration under one user at a time and each keep a draft."""

FILE_MODE = 0o600
"""A configuration may hold commands and names that are nobody else's business."""

FOLDER_MODE = 0o700
MAX_DRAFT_MIB = 16
"""Two texts as large as a frame of the wire, each character of them escaped: what could never be applied need not be kept."""


class Draft(msgspec.Struct, kw_only=True):
    """A text that was not applied, as it is kept on disk."""

    host: str
    file: str
    language: Language
    base: int
    base_text: str
    text: str
    saved: str  # RFC 3339, UTC
    note: str = ""
    row: int = 0  # where the cursor was, from 0
    column: int = 0


def state_home() -> Path:
    """Return this program's folder for what outlives it (XDG Base Directory Specification: XDG_STATE_HOME)."""
    given = os.environ.get("XDG_STATE_HOME", "")
    # A relative path must be ignored, says the specification.
    home = Path(given) if given.startswith("/") else Path.home() / ".local" / "state"
    return home / "bngtui" / "drafts"


class Drafts:
    """Drafts of one engine's configuration file; each console that edits holds a slot of its own.

    A slot is held by a lock of the kernel's, so it is free again when its console is gone, however it went. Nothing
    here raises: where a text is not kept, `trouble` says why and the operator is told.
    """

    def __init__(self, host: str, file: str, folder: Path | None = None) -> None:
        self.host = host
        self.file = file
        self.trouble = ""
        self._folder = folder or state_home()
        plain = re.sub(r"[^A-Za-z0-9.-]+", "_", f"{host}-{Path(file).name}")[:60]
        which = hashlib.sha256(f"{host}\0{file}".encode()).hexdigest()[:12]
        self._stem = f"{plain}-{which}"
        self._guard = threading.Lock()  # drafts are written beside the screen, and may be late
        self._path: Path | None = None
        self._lock: int | None = None

    def open(self) -> Draft | None:
        """Hold a slot; one with a draft that nobody works on comes first. Returns that draft."""
        try:
            self._folder.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
            free: Path | None = None
            for number in range(1, SLOTS + 1):
                path = self._folder / f"{self._stem}-{number}.draft"
                if path.exists():
                    if not self._hold(path):
                        continue
                    return self._read(path)
                free = free or (path if self._is_free(path) else None)
            if free is None or not self._hold(free):
                self.trouble = f"The draft is not kept: {SLOTS} consoles of yours edit this text already"
        except OSError as error:
            self.trouble = _why(self._folder, error)
        return None

    def save(self, draft: Draft) -> None:
        """Keep a draft, whole or not at all. Safe in a thread of its own."""
        with self._guard:
            self._save(draft)

    def _save(self, draft: Draft) -> None:
        if self._path is None:
            return
        try:
            data = msgspec.json.encode(draft)
        except UnicodeError:
            self.trouble = "The draft is not kept: there is half a character in it"
            return
        if len(data) > MAX_DRAFT_MIB << 20:
            self.trouble = f"The draft is not kept: it takes more than {MAX_DRAFT_MIB} MiB"
            return
        try:
            handle, name = tempfile.mkstemp(dir=self._folder, prefix=".draft-")
            try:
                with os.fdopen(handle, "wb") as out:  # mkstemp makes it readable by its owner alone
                    out.write(data)
                Path(name).replace(self._path)
            except OSError:
                Path(name).unlink(missing_ok=True)
                raise
        except OSError as error:
            self.trouble = _why(self._folder, error)
        else:
            self.trouble = ""

    def drop(self) -> None:
        """Forget the draft of this slot."""
        with self._guard:
            if self._path is not None:
                with contextlib.suppress(OSError):
                    self._path.unlink(missing_ok=True)

    def close(self) -> None:
        """Give the slot back; a draft in it stays."""
        with self._guard:
            if self._lock is not None:
                os.close(self._lock)
            self._lock = self._path = None

    def _hold(self, path: Path) -> bool:
        handle = os.open(_lock_of(path), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(handle)
            return False
        self._lock, self._path = handle, path
        return True

    def _is_free(self, path: Path) -> bool:
        if not self._hold(path):
            return False
        handle, self._lock, self._path = self._lock, None, None
        if handle is not None:
            os.close(handle)
        return True

    def _read(self, path: Path) -> Draft | None:
        try:
            if path.stat().st_size > MAX_DRAFT_MIB << 20:
                return None
            return msgspec.json.decode(path.read_bytes(), type=Draft)
        except (OSError, *UNREADABLE):
            return None


def _lock_of(path: Path) -> Path:
    return path.with_suffix(".lock")


def _why(folder: Path, error: OSError) -> str:
    return f"The draft is not kept: {folder}: {error.strerror or error}"
