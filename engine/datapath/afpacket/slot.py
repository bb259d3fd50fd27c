"""The byte map of a receive slot: a frame as it lies in the ring, and the 8-byte words by which vectors read it.

A slot is what the kernel writes under TPACKET_V2 with virtio headers and a reserve of 2 bytes (struct tpacket2_hdr and
struct sockaddr_ll of linux/if_packet.h, struct virtio_net_hdr of linux/virtio_net.h; net/packet/af_packet.c,
tpacket_rcv). The frame begins at byte 78, so that source and destination address share an aligned word::

    word  name          bytes      what they hold, in the order of their addresses
    0     STATUS          0..7     status (u32), length on the wire (u32)
    1     CAPTURED        8..15    captured length (u32), offset of the frame (u16), offset of the packet (u16)
    2                    16..23    time stamp
    3     VLAN           24..31    VLAN tag (u16), VLAN protocol (u16)
    4..7                 32..63    sockaddr_ll
    8     VIRTIO         64..71    4 unused, virtio flags (u8), gso_type (u8), hdr_len (u16)
    9     TO             72..79    gso_size (u16), csum_start (u16), csum_offset (u16), destination MAC bytes 0..1
    10    TO_FROM        80..87    destination MAC bytes 2..5, source MAC bytes 0..3
    11    FROM_IP        88..95    source MAC bytes 4..5, EtherType (u16), version and IHL (u8), TOS (u8), total length (u16)
    12    IP             96..103   identification (u16), flags and fragment offset (u16), TTL (u8), protocol (u8), checksum
    13    ADDRESSES     104..111   source address (u32), destination address (u32)
    14    PORTS         112..119   source port (u16), destination port (u16), TCP sequence number (u32)
    15    TCP           120..127   acknowledgement (u32), data offset (u8), TCP flags (u8), window (u16)

Words are little-endian readings, so what comes first stands in the low bits; from word 11 on a header without options
is assumed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from engine.io import if_packet as c

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from engine.datapath.keys import U64

STATUS, CAPTURED, VLAN, VIRTIO, TO, TO_FROM, FROM_IP = 0, 1, 3, 8, 9, 10, 11
IP, ADDRESSES, PORTS, TCP = 12, 13, 14, 15
WORDS = TCP + 1
"""Words of a slot that a vector reads."""

HEAD_WORDS = IP + 1
"""Words that tell whether the frame in a slot is plain."""

REWRITTEN = slice(VIRTIO, FROM_IP + 1)
"""Words that forwarding changes: virtio header and MACs."""

LENGTH_U32, VLAN_U32 = 1, 6
"""32-bit words of a slot: length on the wire (in a transmit slot: of what is to be sent), VLAN tag and protocol."""


def _head(words: dict[int, int]) -> U64:
    """Make a column of `HEAD_WORDS` words, those not named 0."""
    return np.array([[words.get(n, 0)] for n in range(HEAD_WORDS)], np.uint64)


GSO = np.uint64(0xFF << 40)
"""The bits of `VIRTIO` that a super-frame has (gso_type)."""

PLAIN_MASK = _head(
    {
        STATUS: c.TP_STATUS_COPY,
        CAPTURED: 0xFFFF << 32,  # where the frame begins
        VIRTIO: int(GSO),
        TO: 0xFFFF << 48,
        TO_FROM: 0xFFFF_FFFF,  # the destination's part
        FROM_IP: 0xFF_FFFF << 16,  # EtherType, version and header length
        IP: 0xFF3F << 16,  # all of the fragment field but "reserved" and "don't fragment", bytes swapped
    }
)
"""The bits of a slot's head that are the same in every plain frame to us; `plain_words` are their values."""


def plain_words(own_mac: int) -> U64:
    """Return what a plain frame to a MAC (a little-endian 48-bit word) has under `PLAIN_MASK`."""
    return _head(
        {
            CAPTURED: c.RX_FRAME << 32,
            TO: (own_mac & 0xFFFF) << 48,
            TO_FROM: own_mac >> 16,
            FROM_IP: 0x45_0008 << 16,  # ETH_P_IP, version 4, 20 bytes of header
        }
    )


def ip_lengths(columns: U64) -> NDArray[np.uint64]:
    """Total lengths of the IP headers: the last two bytes of `FROM_IP`, which are in network order."""
    return columns.view(">u2")[FROM_IP, 3::4].astype(np.uint64)


_VALID, _WITH_TYPE = np.uint64(c.TP_STATUS_VLAN_VALID), np.uint64(c.TP_STATUS_VLAN_TPID_VALID)
_CONTROL, _TYPE = np.uint64(0xFFFF), np.uint64(0xFFFF_0000)
_8021Q = np.uint64(c.ETH_P_8021Q << 16)


def tags(columns: U64) -> U64 | None:
    """Return the VLAN tags that the kernel took out, type before control information; 0 where there was none.

    None where no frame of the batch had one.
    """
    tagged = columns[STATUS] & _VALID != 0
    if not np.count_nonzero(tagged):
        return None
    kind = np.where(columns[STATUS] & _WITH_TYPE, columns[VLAN] & _TYPE, _8021Q)
    found: U64 = (kind | columns[VLAN] & _CONTROL) * tagged
    return found
