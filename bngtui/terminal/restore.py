"""The terminal's end of the program: restored when it is told to stop, left alone when it is gone."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import termios
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

LEAVE = "\x1b[?2026l\x1b[?1000l\x1b[?1003l\x1b[?1015l\x1b[?1006l\x1b[?2004l\x1b[?1004l\x1b[<u\x1b[0m\x1b[2J\x1b[?7h\x1b[?1049l\x1b[?25h"
"""Mouse, paste and focus reports off, keyboard protocol popped, colours reset, main screen, cursor shown."""

GRACE_S = 3
"""Time for an orderly end after SIGTERM. A terminal that takes no output blocks Textual's loop for ever."""


def may_suspend() -> bool:
    """Whether a shell with job control started this program, and so can go on with it after a stop.

    Without one (a login shell's place, `tmux new bngtui`, a container) a program that stops stays stopped for ever.
    """
    parent = os.getppid()
    try:
        return os.getsid(parent) == os.getsid(0) and os.getpgid(parent) != os.getpgrp()
    except OSError:
        return False


class Terminal:
    """Remembers how the terminal was, and can put it back without Textual's help."""

    def __init__(self) -> None:
        self._fd = sys.__stdin__.fileno() if sys.__stdin__ else 0
        self._attributes: list[Any] | None = None
        with contextlib.suppress(termios.error):
            self._attributes = termios.tcgetattr(self._fd)

    def gone(self) -> bool:
        """Whether the other end hung up: nobody reads, and reading would spin."""
        poll = select.poll()
        poll.register(self._fd, 0)
        return any(event & (select.POLLHUP | select.POLLERR | select.POLLNVAL) for _, event in poll.poll(0))

    def restore(self) -> None:
        """Put the terminal back, never waiting for it."""
        out = sys.__stderr__.fileno() if sys.__stderr__ else 2
        with contextlib.suppress(OSError):
            os.set_blocking(out, False)
            # A terminal that is stopped has a full queue; what it has not taken yet is of no use to anybody.
            with contextlib.suppress(termios.error):
                termios.tcflush(out, termios.TCOFLUSH)
            os.write(out, LEAVE.encode())
            os.set_blocking(out, True)
        if self._attributes is not None:
            with contextlib.suppress(termios.error):
                termios.tcsetattr(self._fd, termios.TCSANOW, self._attributes)

    def on_stop(self, leave: Callable[[], object]) -> None:
        """Call `leave` on SIGTERM; where that does not end the program in GRACE_S, end it here.

        SIGHUP keeps its default: with it ignored a console whose terminal died would spin for ever.
        """

        def overdue(_signal: int, _frame: FrameType | None) -> None:
            self.restore()
            os._exit(128 + signal.SIGTERM)

        def stop(_signal: int, _frame: FrameType | None) -> None:
            signal.signal(signal.SIGALRM, overdue)
            signal.alarm(GRACE_S)
            leave()

        signal.signal(signal.SIGTERM, stop)
