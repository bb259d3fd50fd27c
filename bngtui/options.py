"""What the command line said, as values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bngtui.engine_socket import Access, EngineSocket
from engine.options import RUN_DIR

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Options:
    """Options of `bngtui`. `refresh_s`: the screen changes at most this often."""

    run_dir: Path = RUN_DIR
    socket: Path | None = None
    read_only: bool = False
    theme: str | None = None
    refresh_s: float = 1.0
    mouse: bool = False
    plain_signs: bool = False  # only ASCII is drawn
    colours: bool = True

    @property
    def engine_socket(self) -> EngineSocket:
        """Where the engine is."""
        return EngineSocket(self.run_dir, self.socket)

    @property
    def access(self) -> Access:
        """What this console is for."""
        return Access.MONITOR if self.read_only else Access.OPERATE
