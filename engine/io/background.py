"""Writing in a thread of its own: whoever measures never waits for a disk, not even for one that hangs."""

from __future__ import annotations

import queue
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

WAITING_MOST = 120
"""Pieces of work that may wait: two minutes of a disk that hangs. What comes after that is left out."""

CLOSE_S = 2.0
"""How long an engine that stops waits for what is still to be written."""


class BackgroundWriter:
    """Does one piece of work after another; `trouble` is why the last one failed, or empty."""

    def __init__(self, name: str) -> None:
        self.trouble = ""
        self.left_out = 0
        self._work: queue.Queue[Callable[[], None] | None] = queue.Queue(WAITING_MOST)
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def do(self, work: Callable[[], None]) -> None:
        """Have a piece of work done soon; where too much waits it is left out and counted."""
        try:
            self._work.put_nowait(work)
        except queue.Full:
            self.left_out += 1
            self.trouble = "the disk does not answer"

    def close(self) -> None:
        """Have done what waits, within `CLOSE_S`, and end."""
        try:
            self._work.put(None, timeout=CLOSE_S)
        except queue.Full:
            return  # the thread is a daemon: it does not keep the process
        self._thread.join(CLOSE_S)

    def _run(self) -> None:
        while (work := self._work.get()) is not None:
            try:
                work()
            except OSError as error:
                self.trouble = error.strerror or str(error)
            except Exception as error:  # noqa: BLE001 - told as an alarm; the next piece is done all the same
                self.trouble = f"{type(error).__name__}: {error}"
            else:
                self.trouble = ""
