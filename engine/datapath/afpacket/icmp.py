"""The one packet the datapath makes itself: "fragmentation needed" for a packet larger than the interface's MTU."""

from __future__ import annotations

import struct

from engine.io.if_packet import VNET_BYTES

_DONT_FRAGMENT = 0x40
_QUOTE = 8  # bytes of the payload that are sent back (RFC 792)
_ICMP = 1
_ERRORS = frozenset({3, 4, 5, 11, 12})


def checksum(data: bytes) -> int:
    """Internet checksum (RFC 1071) of an even number of bytes."""
    total: int = sum(struct.unpack(f">{len(data) // 2}H", data))
    total = (total & 0xFFFF) + (total >> 16)
    total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def _may_be_answered(frame: bytes, packet: bytes) -> bool:
    """RFC 1122 section 3.2.2: no error about an error, a later fragment, or what came from or went to many hosts."""
    if (frame[0] | frame[6]) & 1 or packet[12] in {0, 127} or packet[12] >= 224:
        return False
    if (packet[6] & 0x1F) << 8 | packet[7]:
        return False
    return packet[9] != _ICMP or packet[(packet[0] & 15) * 4] not in _ERRORS


def fragmentation_needed(data: memoryview, mtu: int) -> bytes | None:
    """Answer a packet that is too big (RFC 1191 section 4); None where it is just dropped.

    That is where it may be fragmented, and where RFC 1122 section 3.2.2 forbids to answer it.

    `data` is virtio header and frame with a checked IPv4 header. The answer goes back to the frame's source MAC, from
    the virtual address, virtio header in front.
    """
    frame = bytes(data[VNET_BYTES : VNET_BYTES + 14 + 60 + _QUOTE])
    packet = frame[14:]
    if not packet[6] & _DONT_FRAGMENT or not _may_be_answered(frame, packet):
        return None
    header = (packet[0] & 15) * 4
    quoted = packet[: header + _QUOTE]
    body = struct.pack(">BBHHH", 3, 4, 0, 0, mtu) + quoted
    body += bytes(len(body) % 2)
    body = body[:2] + checksum(body).to_bytes(2, "big") + body[4:]
    ip = struct.pack(">BBHHHBBH", 0x45, 0xC0, 20 + len(body), 0, 0, 64, 1, 0) + packet[16:20] + packet[12:16]
    ip = ip[:10] + checksum(ip).to_bytes(2, "big") + ip[12:]
    return bytes(VNET_BYTES) + frame[6:12] + frame[:6] + frame[12:14] + ip + body
