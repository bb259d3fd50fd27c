"""The options of `bng-engine run` as typed values, shared by the command line, the engine and its tests."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Datapath = Literal["auto", "xdp", "xdp-generic", "afpacket"]

DATAPATHS: tuple[Datapath, ...] = ("auto", "xdp", "xdp-generic", "afpacket")
"""What `--datapath` takes."""

RUN_DIR = Path("/run/bng")
"""Where the sockets are, unless `--run-dir` says otherwise."""

STATE_DIR = Path("/var/lib/bng")
"""Where revisions and operational state are kept, unless `--state-dir` says otherwise."""


@dataclass(frozen=True)
class RunOptions:
    """The options of one start. `workers` is per interface; None: the engine chooses.

    A group is the name of the one that may use a socket; None: that of the engine's user.
    """

    config: Path
    datapath: Datapath = "auto"
    workers: int | None = None
    run_dir: Path = RUN_DIR
    state_dir: Path = STATE_DIR
    force_claim: bool = False
    operator_group: str | None = None
    monitor_group: str | None = None
