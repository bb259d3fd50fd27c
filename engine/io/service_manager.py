"""The service manager, where there is one: it hears when the engine is ready and alive, and keeps its log.

Sources: sd_notify(3), sd_watchdog_enabled(3), systemd.exec(5) for JOURNAL_STREAM, sd-daemon(3) for priorities.
"""

from __future__ import annotations

import contextlib
import logging
import os
import socket
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_FED_IN_A_PERIOD = 3
"""How often a watchdog is fed in the time that it waits."""

_PRIORITY = {
    logging.DEBUG: 7,
    logging.INFO: 6,
    logging.WARNING: 4,
    logging.ERROR: 3,
    logging.CRITICAL: 2,
}
"""Levels as syslog(3) numbers them."""


def notify(message: str, environ: Mapping[str, str] = os.environ) -> None:
    """Tell the service manager something like READY=1; nothing happens where there is none. Never waits."""
    path = environ.get("NOTIFY_SOCKET")
    if not path:
        return
    address = "\0" + path[1:] if path.startswith("@") else path
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock, contextlib.suppress(OSError):
        sock.setblocking(False)
        sock.sendto(message.encode(), address)


class Watchdog:
    """Tells the service manager that the engine is alive, as often as it wants to hear it.

    Whoever calls `feed` is alive by that. `silent_s` returns for how long the worker that is silent longest has given
    no sign of life: while one hangs, nothing is said.
    """

    def __init__(
        self,
        silent_s: Callable[[], float],
        environ: Mapping[str, str] = os.environ,
        tell: Callable[[str], None] = notify,
    ) -> None:
        self._silent_s = silent_s
        self._tell = tell
        self.period_s = _period_s(environ)
        self._next = 0.0

    def feed(self, now: float) -> None:
        """Say so, where it is time to and nobody hangs; `now` in monotonic seconds."""
        if self.period_s is None or now < self._next:
            return
        step_s = self.period_s / _FED_IN_A_PERIOD
        if self._silent_s() < step_s:
            self._next = now + step_s
            self._tell("WATCHDOG=1")


def _period_s(environ: Mapping[str, str]) -> float | None:
    """Return after how many seconds of silence the service manager acts; None where it does not watch this process."""
    text, me = environ.get("WATCHDOG_USEC", ""), str(os.getpid())
    if not text.isdecimal() or int(text) == 0 or environ.get("WATCHDOG_PID", me) != me:
        return None
    return int(text) / 1e6


def log_format(stream: TextIO, environ: Mapping[str, str] = os.environ) -> logging.Formatter:
    """Return how a line of the log on `stream` looks: the journal has times of its own, and takes priorities."""
    if _is_journal(stream, environ):
        return _JournalFormatter("%(message)s")
    return logging.Formatter("%(asctime)s %(levelname)-7s %(message)s")


def _is_journal(stream: TextIO, environ: Mapping[str, str]) -> bool:
    with contextlib.suppress(OSError, ValueError):
        found = os.fstat(stream.fileno())
        return environ.get("JOURNAL_STREAM") == f"{found.st_dev}:{found.st_ino}"
    return False


class _JournalFormatter(logging.Formatter):
    """Puts the priority before every line, of a stack trace, too: the journal takes each line by itself."""

    def format(self, record: logging.LogRecord) -> str:
        prefix = f"<{_PRIORITY.get(record.levelno, 6)}>"
        return "\n".join(prefix + line for line in super().format(record).split("\n"))
