"""One engine an interface: a second one would forward every packet twice, and take the first one's addresses along.

A claim is a listening abstract Unix socket. Its name belongs to the network namespace, as the interface does, and goes
with the process, however that ends (unix(7)). Whoever finds it taken connects, and the kernel says who listens
(SO_PEERCRED). Anybody on the host may take such a name, so only root and this engine's own user are believed.
"""

from __future__ import annotations

import logging
import os
import socket
import struct
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_PREFIX = "\0bng-engine-interface/"
_UCRED = struct.Struct("iII")  # struct ucred: pid, uid, gid

_TRIES, _STEP_S = 3, 0.01
"""Between its bind and its listen a socket refuses; an engine that starts at the same moment is asked again."""

log = logging.getLogger("engine.host")


@dataclass(frozen=True, slots=True)
class Holder:
    """Another engine that has an interface. `pid` is 0 where it is in a namespace of processes that cannot be seen."""

    name: str  # of the interface
    pid: int

    def __str__(self) -> str:
        who = f"pid {self.pid}" if self.pid else "a process that is not visible here"
        return f"another engine ({who}) forwards on {self.name}; stop it, or give this one another interface"


class Claims:
    """The interfaces that this engine has, by index."""

    def __init__(self) -> None:
        self._held: dict[int, socket.socket] = {}
        self._told: set[int] = set()

    def follow(self, wanted: Mapping[int, str]) -> dict[int, Holder]:
        """Claim the wanted interfaces (index to name), and let go of others; returns those that another engine has."""
        for index in set(self._held) - set(wanted):
            self._held.pop(index).close()
        return {
            index: holder
            for index, name in wanted.items()
            if index not in self._held and (holder := self._claim(index, name)) is not None
        }

    def close(self) -> None:
        """Let go of all of them."""
        while self._held:
            self._held.popitem()[1].close()

    def _claim(self, index: int, name: str) -> Holder | None:
        address = f"{_PREFIX}{index}"
        claim = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        try:
            claim.bind(address)
            claim.listen(1)
        except OSError:
            claim.close()
            return self._holder(index, name, address)
        self._held[index] = claim
        return None

    def _holder(self, index: int, name: str, address: str) -> Holder | None:
        for _ in range(_TRIES):
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) as asking:
                try:
                    asking.connect(address)
                except (
                    BlockingIOError
                ):  # its queue is full, so somebody listens, and cannot be told from an engine
                    return Holder(name, 0)
                except OSError:
                    time.sleep(_STEP_S)
                    continue
                pid, uid, _ = _UCRED.unpack(
                    asking.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
                )
            if uid in {0, os.geteuid()}:
                return Holder(name, pid)
            break
        if index not in self._told:
            self._told.add(index)
            log.warning(
                "%s: something that is no engine has taken its claim; a second engine is not noticed", name
            )
        return None
