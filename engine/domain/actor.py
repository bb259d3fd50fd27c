"""Whoever asked for a change: a peer of the operator's socket, or an occasion of the engine's own."""

from __future__ import annotations

import pwd
from collections.abc import Callable  # noqa: TC003 - the dataclass reads the annotation
from dataclasses import dataclass, field
from typing import Self


def _never() -> bool:
    return False


@dataclass(frozen=True, slots=True)
class Actor:
    """Who asked. `pid` is None where no process did: a signal, which does not tell its sender, or a timer.

    `monitor`: it may look, and not change. `left` tells whether it has gone meanwhile; what it asked for and has not
    begun is not done then.
    """

    user: str
    uid: int
    pid: int | None = None
    monitor: bool = field(default=False, compare=False)
    left: Callable[[], bool] = field(default=_never, compare=False, repr=False)

    @classmethod
    def of_process(cls, uid: int, pid: int) -> Self:
        """Name a process by its credentials; "uid" stands for a user that the host has no name for."""
        try:
            user = pwd.getpwuid(uid).pw_name
        except KeyError:
            user = "uid"
        return cls(user, uid, pid)

    @property
    def text(self) -> str:
        """Text for people: "root(0) pid 812", or the bare name where no process asked."""
        return self.user if self.pid is None else f"{self.user}({self.uid}) pid {self.pid}"

    def __str__(self) -> str:
        return self.text


SIGHUP = Actor("SIGHUP", 0)
"""Somebody with the right to signal the engine, which is root or the engine's own user."""

TIMER = Actor("the engine's timer", 0)
"""Takes back what nobody has confirmed."""
