"""The control sockets of all interfaces in use, opened, told what to listen for and closed as links come and go."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from engine.io.control_socket import Wire

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from engine.domain.frame import Frame
    from engine.modules.state.view import View
    from engine.modules.state.world import World

log = logging.getLogger("engine.wire")


class Wires:
    """One `Wire` for each interface that carries a network; `arrived` is called when frames wait on one."""

    def __init__(self, world: World, view: View, arrived: Callable[[int], None]) -> None:
        self._world = world
        self._view = view
        self._arrived = arrived
        self._open: dict[int, Wire] = {}
        self._index: dict[int, int] = {}
        self._listening: dict[int, tuple[list[str], list[str]]] = {}

    def follow(self) -> None:
        """Have a socket on every interface that is there, listening for what concerns our addresses."""
        sites = self._view.sites
        wanted = {site.interface for site in sites}
        for number in self._open.keys() - wanted:
            self._close(number)
        for number in wanted:
            link = self._world.links.get(number)
            if number in self._open and (link is None or self._index[number] != link.ifindex):
                self._close(number)
            if link is None:
                continue
            if number not in self._open:
                try:
                    self._open[number] = Wire(number, link.name)
                except OSError as error:
                    log.warning("%s: no packet socket: %s", link.name, error)
                    continue
                self._index[number] = link.ifindex
                fileno = self._open[number].fileno()
                asyncio.get_running_loop().add_reader(fileno, self._arrived, number)
            real = [s.real for s in sites if s.interface == number and s.real]
            addresses = (sorted(v.address for v in self._view.virtuals.values()), real)
            if self._listening.get(number) != addresses:
                self._open[number].listen_for(*addresses)
                self._listening[number] = addresses

    def frames(self, number: int) -> Iterator[Frame]:
        """Yield frames that wait on an interface, some dozens at most."""
        return self._open[number].frames()

    def send(self, frame: Frame) -> None:
        """Send a frame on its interface, if that is there."""
        wire = self._open.get(frame.interface)
        if wire is not None:
            wire.send(frame)

    def close(self) -> None:
        """Close them all."""
        for number in list(self._open):
            self._close(number)

    def _close(self, number: int) -> None:
        wire = self._open.pop(number)
        self._listening.pop(number, None)
        asyncio.get_running_loop().remove_reader(wire.fileno())
        wire.close()
