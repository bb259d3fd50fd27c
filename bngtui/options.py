"""What the command line said, as values."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

RUN_DIR = Path("/run/bng")
"""Where the engine makes its sockets unless told otherwise."""

OPERATOR_SOCKET = "operator.sock"
MONITOR_SOCKET = "monitor.sock"


@dataclass(frozen=True)
class Options:
    """Options of `bngtui`. `refresh_s`: the screen changes at most this often."""

    run_dir: Path = RUN_DIR
    socket: Path | None = None
    read_only: bool = False
    theme: str | None = None
    refresh_s: float = 1.0
    mouse: bool = False

    def sockets(self) -> tuple[Path, ...]:
        """Return the sockets to try, in order: the second only where the first is not permitted."""
        if self.socket is not None:
            return (self.socket,)
        monitor = self.run_dir / MONITOR_SOCKET
        return (monitor,) if self.read_only else (self.run_dir / OPERATOR_SOCKET, monitor)
