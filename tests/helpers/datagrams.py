"""Somebody who listens where UDP is served, and answers nobody: targets whose host refuses datagrams are down."""

from __future__ import annotations

import contextlib
import socket
from typing import TYPE_CHECKING

from engine.lab import addressing
from engine.lab.namespaces import inside
from tests.helpers.scene import until

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tests.helpers.scene import Scene


@contextlib.contextmanager
def listening(scene: Scene, ports: Iterable[int]) -> Iterator[None]:
    """Listen on these ports of every target, and wait until the engine has found that out."""
    wanted = tuple(ports)
    with contextlib.ExitStack() as opened:
        for node in addressing.TARGETS:
            with inside(scene.lab.netns_path(node)):
                for number in wanted:
                    sock = opened.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
                    sock.setsockopt(
                        socket.SOL_SOCKET, socket.SO_REUSEADDR, 1
                    )  # a later one may answer in its place
                    sock.bind(("", number))
        until(lambda: all(t.health == "up" for t in scene.state().targets), 15, "the services are found")
        yield
