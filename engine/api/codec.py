"""Frames: a big-endian u32 length and that many bytes of msgpack, read and written one at a time.

The only place that knows the framing; server and client speak through it.
"""

from __future__ import annotations

import asyncio
import struct
from typing import TYPE_CHECKING, Any

import msgspec

from engine.api.messages import MAX_FRAME_BYTES
from engine.domain.encoding import writable

if TYPE_CHECKING:
    from engine.api.limits import Budget

HEADER = struct.Struct(">I")

_encoder = msgspec.msgpack.Encoder()


class FrameTooLargeError(Exception):
    """A frame of `size` bytes, more than MAX_FRAME_BYTES, was announced or was to be sent."""

    def __init__(self, size: int) -> None:
        super().__init__(f"a frame of {size} bytes; at most {MAX_FRAME_BYTES} are allowed")
        self.size = size


def encode_frame(message: Any) -> bytes:
    """Return the message as one whole frame, length first. Raises FrameTooLargeError."""
    frame = bytearray(HEADER.size)
    try:
        _encoder.encode_into(message, frame, HEADER.size)
    except UnicodeEncodeError:
        _encoder.encode_into(writable(message), frame, HEADER.size)
    size = len(frame) - HEADER.size
    if size > MAX_FRAME_BYTES:
        raise FrameTooLargeError(size)
    HEADER.pack_into(frame, 0, size)
    return bytes(frame)


async def read_frame(
    reader: asyncio.StreamReader, *, timeout_s: float | None = None, budget: Budget | None = None
) -> bytes | None:
    """Read one frame's msgpack bytes; None where the peer ended between two frames.

    `timeout_s` runs from the frame's first byte to its last; waiting for a first byte is not limited. The length is
    checked before a byte of the body is kept, and the body is kept as it arrives, when `budget` has room for it; whoever
    takes the frame gives its length back. Raises FrameTooLargeError,
    TimeoutError, asyncio.IncompleteReadError (the peer ended inside a frame), OSError.
    """
    first = await reader.read(1)
    if not first:
        return None
    async with asyncio.timeout(timeout_s):
        (size,) = HEADER.unpack(first + await reader.readexactly(HEADER.size - 1))
        if size > MAX_FRAME_BYTES:
            raise FrameTooLargeError(size)
        if budget is None:
            return await reader.readexactly(size)
        await budget.take(size)
        try:
            return await reader.readexactly(size)
        except BaseException:
            budget.give_back(size)
            raise
