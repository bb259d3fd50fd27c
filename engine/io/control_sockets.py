"""The control sockets of all interfaces in use, opened, told what to listen for and closed as links come and go."""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.io.control_socket import ControlSocket

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from engine.domain.frame import Frame, FrameClass, Listening
    from engine.io.control_queue import ControlQueue

log = logging.getLogger("engine.control_socket")

PAUSE_S = 0.05
"""How long a queue that has spent its budget is left alone: frames are read by the dozen then, not one by one."""


@dataclass(frozen=True, slots=True)
class QueueCount:
    """What came of the frames of a class on an interface: read, and dropped by the kernel because too many waited."""

    interface: int
    frame_class: FrameClass
    read: int
    unread: int


class ControlSockets:
    """One `ControlSocket` for each interface listened on; `arrived` is called when frames wait on one."""

    def __init__(self, arrived: Callable[[int], None]) -> None:
        self._arrived = arrived
        self._open: dict[int, ControlSocket] = {}
        self._listening: dict[int, Listening] = {}
        self._pauses: dict[ControlQueue, asyncio.TimerHandle] = {}

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
                self._listen(number, listening)

    def frames(self, number: int) -> Iterator[Frame]:
        """Yield frames that wait on an interface, the most urgent first, as many as their budgets allow in a turn."""
        control_socket, now = self._open[number], time.monotonic()
        yield from control_socket.frames(now)
        for queue in control_socket.queues:
            if queue not in self._pauses and queue.spent(now):
                self._stop_reading(queue)
                again = asyncio.get_running_loop().call_later(PAUSE_S, self._read_again, number, queue)
                self._pauses[queue] = again

    def send(self, frame: Frame) -> None:
        """Send a frame on its interface, if that is there."""
        control_socket = self._open.get(frame.interface)
        if control_socket is not None:
            control_socket.send(frame)

    def counts(self) -> list[QueueCount]:
        """Count the frames of every queue that is open, since it was opened."""
        return [
            QueueCount(number, queue.frame_class, queue.read, queue.unread)
            for number, control_socket in self._open.items()
            for queue in control_socket.queues
        ]

    def close(self) -> None:
        """Close them all."""
        for number in list(self._open):
            self._close(number)

    def _try_to_open(self, number: int, listening: Listening) -> bool:
        try:
            control_socket = ControlSocket(number, listening.link.name)
        except OSError as error:
            log.warning("%s: no packet socket: %s", listening.link.name, error)
            return False
        self._open[number] = control_socket
        try:
            self._listen(number, listening)
        except OSError:
            self._close(number)
            raise
        return True

    def _listen(self, number: int, listening: Listening) -> None:
        """Have a socket hear what is wanted; its descriptors may be others afterwards."""
        control_socket = self._open[number]
        for queue in control_socket.queues:
            self._stop_reading(queue)
        try:
            control_socket.listen_for(listening)
        finally:
            for queue in control_socket.queues:
                if queue not in self._pauses:
                    self._read(number, queue)
        self._listening[number] = listening

    def _read(self, number: int, queue: ControlQueue) -> None:
        asyncio.get_running_loop().add_reader(queue.fileno(), self._arrived, number)

    def _read_again(self, number: int, queue: ControlQueue) -> None:
        del self._pauses[queue]
        control_socket = self._open.get(number)
        if control_socket is not None and queue in control_socket.queues:
            self._read(number, queue)

    def _stop_reading(self, queue: ControlQueue) -> None:
        asyncio.get_running_loop().remove_reader(queue.fileno())

    def _close(self, number: int) -> None:
        control_socket = self._open.pop(number)
        self._listening.pop(number, None)
        for queue in control_socket.queues:
            self._stop_reading(queue)
            pause = self._pauses.pop(queue, None)
            if pause is not None:
                pause.cancel()
        control_socket.close()
