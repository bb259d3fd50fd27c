"""What the control process and a worker say to each other: arguments at the start, then messages both ways.

Messages are msgpack over the control socket, one a datagram; memory comes with them as descriptors (SCM_RIGHTS).
"""

from __future__ import annotations

from typing import TypeVar

import msgspec

from engine.domain.encoding import UNREADABLE

MESSAGE_BYTES = 1024
"""More than any message takes."""

EXIT_INTERFACE_GONE = 3
"""Exit code of a worker whose interface is gone for good."""


class Arguments(msgspec.Struct, kw_only=True, frozen=True):
    """How a worker is started: JSON in its last argument. Descriptors are inherited."""

    ifname: str
    mtu: int
    index: int  # of `workers`
    workers: int
    buckets: int  # of its flow table
    rx_slots: int
    tx_slots: int
    control_fd: int
    counters_fd: int
    beside_fds: tuple[int, ...]  # counters of the other workers: limits are of all of them together
    flows_fd: int
    table_fd: int


class UseTable(msgspec.Struct, tag="use-table", frozen=True):
    """To a worker, with the table's memory: forward by it. Of several that wait the last counts."""

    generation: int


class TakeFlows(msgspec.Struct, tag="take-flows", frozen=True):
    """To a worker, with memory that holds `count` of `FLOW_RECORD`: take over those that are its own."""

    count: int


class Ready(msgspec.Struct, tag="ready", frozen=True):
    """From a worker: it receives, by the table of that generation."""

    generation: int


class Fault(msgspec.Struct, tag="fault", frozen=True):
    """From a worker: a frame was dropped because the program failed at it; the first time only."""

    text: str


T = TypeVar("T")

ToWorker = UseTable | TakeFlows
FromWorker = Ready | Fault

encode = msgspec.msgpack.Encoder().encode
_to_worker = msgspec.msgpack.Decoder(ToWorker)
_from_worker = msgspec.msgpack.Decoder(FromWorker)


def decode_to_worker(data: bytes) -> ToWorker | None:
    """Read what a worker is told; None for what is none of it: cut short, or of another version."""
    return _decoded(_to_worker, data)


def decode_from_worker(data: bytes) -> FromWorker | None:
    """Read what a worker tells; None for what is none of it."""
    return _decoded(_from_worker, data)


def _decoded(decoder: msgspec.msgpack.Decoder[T], data: bytes) -> T | None:
    try:
        return decoder.decode(data)
    except UNREADABLE:
        return None
