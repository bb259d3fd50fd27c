"""Textual's terminal driver, leaving a clean screen behind."""

from __future__ import annotations

from textual.drivers.linux_driver import LinuxDriver

WIPE = "\x1b[0m\x1b[2J"
"""Reset the colours and erase the screen."""


class CleanDriver(LinuxDriver):
    """Wipes the alternate screen before it leaves it: tmux 3.3 else keeps rows of it where a window was resized."""

    def stop_application_mode(self) -> None:
        """Wipe, then restore the terminal."""
        self.write(WIPE)
        super().stop_application_mode()
