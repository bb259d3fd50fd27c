"""Whoever asked for a change: a peer of the operator's socket, or an occasion of the engine's own."""

from __future__ import annotations

import pwd
from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True, slots=True)
class Actor:
    """Who asked. `pid` is None where no process did: a signal, which does not tell its sender, or a timer."""

    user: str
    uid: int
    pid: int | None = None

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
