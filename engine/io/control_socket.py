"""The control process on one interface: a queue for each class of frames in, and one socket out."""

from __future__ import annotations

import logging
import socket
import struct
from dataclasses import replace
from typing import TYPE_CHECKING

from engine.domain.frame import FrameClass
from engine.io.control_filter import control_filter
from engine.io.control_queue import ControlQueue

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.domain.frame import Frame, Listening

log = logging.getLogger("engine.control_socket")


class ControlSocket:
    """Delivers only what the modules handle, the most urgent first, VLAN tags beside the frames."""

    def __init__(self, interface: int, ifname: str) -> None:
        """Open it on interface `interface` of the configuration. Raises OSError."""
        self.queues: list[ControlQueue] = []
        self._ifname = ifname
        self._interface = interface
        self._known: frozenset[object] = frozenset()
        self._out = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_NONBLOCK, 0)
        try:
            self._out.bind((ifname, 0))  # of no protocol: it hears nothing
        except OSError:
            self._out.close()
            raise

    @property
    def bound(self) -> bool:
        """Whether its interface still exists: a socket hears nothing of one that is made anew under the same index.

        The kernel takes the socket off an interface that goes, in whatever way (net/packet/af_packet.c, packet_notifier).
        """
        return bool(self._out.getsockname()[0])

    def listen_for(self, listening: Listening) -> None:
        """Have the kernel deliver what is to be heard, and nothing else. Raises OSError.

        Who is known belongs to two filters, which are not replaced at once. First strangers are all that are not known
        before and after: a frame in between may come twice, and none is missed.
        """
        self._open_for(listening)
        lasting = replace(listening, known=frozenset(listening.known & self._known))
        strangers = [q for q in self.queues if q.frame_class is FrameClass.STRANGERS]
        others = [q for q in self.queues if q.frame_class is not FrameClass.STRANGERS]
        for heard, queues in ((lasting, strangers), (listening, others), (listening, strangers)):
            for queue in queues:
                queue.listen_for(control_filter(heard, queue.frame_class))
        self._known = listening.known

    def _open_for(self, listening: Listening) -> None:
        """Have a queue for each class that is wanted: every frame of the interface passes every queue's filter."""
        wanted = {match.frame_class for match in listening.matches}
        if FrameClass.NEIGHBOURS in wanted:
            wanted.add(FrameClass.STRANGERS)
        for queue in [q for q in self.queues if q.frame_class not in wanted]:
            self.queues.remove(queue)
            queue.close()
        there = {queue.frame_class: queue for queue in self.queues}
        try:
            for frame_class in wanted - there.keys():
                there[frame_class] = ControlQueue(self._interface, self._ifname, frame_class)
        finally:
            self.queues = [there[c] for c in FrameClass if c in there]

    def frames(self, now: float) -> Iterator[Frame]:
        """Yield the frames that wait, as many as their budgets allow in one turn."""
        for queue in self.queues:
            yield from queue.frames(now)

    def send(self, frame: Frame) -> bool:
        """Send a frame, its VLAN tag put back; False where the kernel would not (link down, queue full)."""
        data = frame.data
        if frame.vlan is not None:
            data = data[:12] + struct.pack(">HH", frame.tpid, frame.vlan) + data[12:]
        try:
            self._out.send(data)
        except OSError as error:
            log.debug("interface %d: not sent: %s", self._interface, error)
            return False
        return True

    def close(self) -> None:
        """Close every socket."""
        for queue in self.queues:
            queue.close()
        self._out.close()
