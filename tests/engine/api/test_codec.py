import asyncio
import os
import struct

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.api.codec import FrameTooLargeError, encode_frame, read_frame
from engine.api.messages import MAX_FRAME_BYTES, EventFrame
from tests.helpers import states


def reader_of(*pieces, eof=True):
    reader = asyncio.StreamReader()
    for piece in pieces:
        reader.feed_data(piece)
    if eof:
        reader.feed_eof()
    return reader


def test_a_frame_is_its_length_in_big_endian_and_msgpack():
    assert encode_frame({"id": 1}) == b"\x00\x00\x00\x05\x81\xa2id\x01"


def test_a_name_that_is_not_unicode_is_sent_all_the_same():
    event = EventFrame(event=states.event(7, subject=os.fsdecode(b"x\xff")))
    frame = msgspec.msgpack.decode(encode_frame(event)[4:], type=EventFrame)
    assert frame.event.subject == "x?"
    assert frame.event.id == 7


@given(
    messages=st.lists(st.dictionaries(st.text(max_size=5), st.binary(max_size=300)), max_size=5),
    cut=st.data(),
)
def test_what_is_written_is_read_again_however_the_bytes_are_cut(messages, cut):
    stream = b"".join(map(encode_frame, messages))
    at = cut.draw(st.integers(0, len(stream)))

    async def read_all():
        reader = reader_of(stream[:at], stream[at:])
        found = []
        while (data := await read_frame(reader)) is not None:
            found.append(msgspec.msgpack.decode(data))
        return found

    assert asyncio.run(read_all()) == messages


async def test_the_length_is_refused_before_the_body_is_awaited():
    with pytest.raises(FrameTooLargeError, match=f"{MAX_FRAME_BYTES + 1} bytes"):
        await read_frame(reader_of(struct.pack(">I", MAX_FRAME_BYTES + 1), eof=False))


async def test_the_largest_frame_passes_and_one_byte_more_does_not():
    head = 5  # bin 32: a byte and four of length
    frame = encode_frame(b"x" * (MAX_FRAME_BYTES - head))
    assert len(frame) == 4 + MAX_FRAME_BYTES
    assert len(await read_frame(reader_of(frame))) == MAX_FRAME_BYTES
    with pytest.raises(FrameTooLargeError):
        encode_frame(b"x" * (MAX_FRAME_BYTES - head + 1))


async def test_an_end_between_frames_is_none_and_inside_one_an_error():
    assert await read_frame(reader_of()) is None
    with pytest.raises(EOFError):
        await read_frame(reader_of(b"\x00\x00"))
    with pytest.raises(EOFError):
        await read_frame(reader_of(b"\x00\x00\x00\x05\x81"))


async def test_the_time_of_a_frame_starts_with_its_first_byte():
    with pytest.raises(TimeoutError):
        await read_frame(reader_of(b"\x00\x00\x00\x05\x81", eof=False), timeout_s=0.02)
    idle = asyncio.ensure_future(read_frame(reader_of(eof=False), timeout_s=0.02))
    await asyncio.sleep(0.06)
    assert not idle.done()
    idle.cancel()
