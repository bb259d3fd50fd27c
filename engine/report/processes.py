"""The engine's processes, and what each may do: read from the host, not from what they were meant to become."""

from __future__ import annotations

import os
import pwd
from contextlib import suppress
from typing import TYPE_CHECKING

from engine.api.messages import ProcessState
from engine.io.privileges import standing

if TYPE_CHECKING:
    from collections.abc import Iterable

    from engine.datapath.contract import Description


def processes(datapaths: Iterable[Description]) -> list[ProcessState]:
    """Return the control process and every worker."""
    named = [("control", os.getpid())]
    for one in datapaths:
        named += [(f"worker {index} on {one.ifname}", pid) for index, pid in enumerate(one.pids)]
    return [_state(name, pid) for name, pid in named]


def _state(name: str, pid: int) -> ProcessState:
    found = standing(pid)
    return ProcessState(
        name=name,
        pid=pid,
        user=None if found is None else user_name(found.uid),
        capabilities=None if found is None else list(found.capabilities),
        no_new_privileges=None if found is None else found.no_new_privileges,
        seccomp=None if found is None else found.seccomp,
    )


def user_name(uid: int) -> str:
    """Return the name of a user, and the number of one that has none here."""
    with suppress(KeyError):
        return pwd.getpwuid(uid).pw_name
    return str(uid)
