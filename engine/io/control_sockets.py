"""The control sockets of all interfaces in use, opened, told what to listen for and closed as links come and go."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from engine.io.control_socket import ControlSocket

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from engine.domain.frame import Frame, Listening

log = logging.getLogger("engine.control_socket")


class ControlSockets:
    """One `ControlSocket` for each interface listened on; `arrived` is called when frames wait on one."""

    def __init__(self, arrived: Callable[[int], None]) -> None:
        self._arrived = arrived
        self._open: dict[int, ControlSocket] = {}
        self._listening: dict[int, Listening] = {}

    def follow(self, wanted: Mapping[int, Listening]) -> None:
        """Have a socket on every interface that is wanted, by its number, hearing what is wanted there."""
        for number in list(self._open):
            link = wanted[number].link if number in wanted else None
            moved = link is None or link.ifindex != self._listening[number].link.ifindex
            if moved or not self._open[number].bound:
                self._close(number)
        for number, listening in wanted.items():
            if number not in self._open and not self._try_to_open(number, listening):
                continue
            if self._listening.get(number) != listening:
                self._open[number].listen_for(listening)
                self._listening[number] = listening

    def frames(self, number: int) -> Iterator[Frame]:
        """Yield frames that wait on an interface, some dozens at most."""
        return self._open[number].frames()

    def send(self, frame: Frame) -> None:
        """Send a frame on its interface, if that is there."""
        control_socket = self._open.get(frame.interface)
        if control_socket is not None:
            control_socket.send(frame)

    def close(self) -> None:
        """Close them all."""
        for number in list(self._open):
            self._close(number)

    def _try_to_open(self, number: int, listening: Listening) -> bool:
        name = listening.link.name
        try:
            control_socket = ControlSocket(number, name)
        except OSError as error:
            log.warning("%s: no packet socket: %s", name, error)
            return False
        try:
            control_socket.listen_for(listening)
        except OSError:
            control_socket.close()
            raise
        self._open[number], self._listening[number] = control_socket, listening
        asyncio.get_running_loop().add_reader(control_socket.fileno(), self._arrived, number)
        return True

    def _close(self, number: int) -> None:
        control_socket = self._open.pop(number)
        self._listening.pop(number, None)
        asyncio.get_running_loop().remove_reader(control_socket.fileno())
        control_socket.close()
