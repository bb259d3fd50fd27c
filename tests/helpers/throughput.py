"""One TCP connection as fast as it goes, as iperf measures it: a sink in a target's namespace, a sender in the client's."""

from __future__ import annotations

import multiprocessing
import socket
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from engine.lab.namespaces import inside
from tests.helpers.scene import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.lab.topology import Lab

PORT = 5201
FULL = (128 << 10,)
"""Bytes of each write, in turn; this is what iperf3 writes at a time."""

UNEVEN = (400, 5000, 1448, 2900, 100, 8000)
"""Of which the kernel makes segments and small super-frames by turns."""

_FORK = multiprocessing.get_context("fork")


def _sink(netns: str, report) -> None:
    """Tell of each connection how many bytes it brought, and in how many seconds."""
    with inside(netns), socket.create_server(("0.0.0.0", PORT)) as listener:
        buffer = bytearray(1 << 20)
        report.send(None)
        while True:
            connection, _ = listener.accept()
            with connection:
                total, begin = 0, time.monotonic()
                while count := connection.recv_into(buffer):
                    total += count
                report.send((total, time.monotonic() - begin))


@contextmanager
def sink(lab: Lab, node: str) -> Iterator[multiprocessing.connection.Connection]:
    """Receive on PORT of a node, at whatever address; yields what `upload` takes its figures from."""
    ours, theirs = _FORK.Pipe(duplex=False)
    process = _FORK.Process(target=_sink, args=(lab.netns_path(node), theirs), daemon=True)
    process.start()
    ours.recv()
    try:
        yield ours
    finally:
        process.kill()
        process.join()


def _send(netns: str, to: str, seconds: float, writes: tuple[int, ...]) -> None:
    with inside(netns), socket.create_connection((to, PORT), 5) as connection:
        connection.settimeout(20)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, len(writes) > 1)
        pieces, end = [bytes(size) for size in writes], time.monotonic() + seconds
        while time.monotonic() < end:
            for piece in pieces:
                connection.sendall(piece)


def upload(lab: Lab, figures, to: str, seconds: float, writes: tuple[int, ...] = FULL) -> float:
    """Send to an address for some seconds; returns Gbit/s as they arrived at the sink."""
    process = _FORK.Process(target=_send, args=(lab.netns_path("client"), to, seconds, writes))
    process.start()
    until(lambda: figures.poll(0.5), seconds + 30, "the sink has it all")
    total, took = figures.recv()
    process.join()
    return total * 8 / took / 1e9


def out_of_order(lab: Lab, node: str) -> int:
    """Segments that came out of order at a node since it is there: TcpExtTCPOFOQueue, as nstat(8) names it."""
    with inside(lab.netns_path(node)):
        lines = Path("/proc/thread-self/net/netstat").read_text().splitlines()
    names, values = (line.split() for line in lines if line.startswith("TcpExt:"))
    return int(values[names.index("TCPOFOQueue")])
