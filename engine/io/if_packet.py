"""Numbers of linux/if_packet.h, linux/virtio_net.h and linux/filter.h that the standard library does not name."""

from __future__ import annotations

import socket

SOL_PACKET = 263
PACKET_RX_RING = 5
PACKET_STATISTICS = 6
PACKET_COPY_THRESH = 7
PACKET_AUXDATA = 8
PACKET_VERSION = 10
PACKET_RESERVE = 12
PACKET_TX_RING = 13
PACKET_LOSS = 14
PACKET_VNET_HDR = 15
PACKET_QDISC_BYPASS = 20
PACKET_IGNORE_OUTGOING = 23

TPACKET_V2 = 1

TP_STATUS_KERNEL = 0
TP_STATUS_USER = 1
TP_STATUS_COPY = 2
TP_STATUS_VLAN_VALID = 0x10
TP_STATUS_VLAN_TPID_VALID = 0x40

TP_STATUS_AVAILABLE = 0
TP_STATUS_SEND_REQUEST = 1

SO_ATTACH_FILTER = 26
SO_SNDBUFFORCE = 32
SO_RCVBUFFORCE = 33

ETH_P_ALL = 3
ETH_P_IP = 0x0800
ETH_P_8021Q = 0x8100

VNET_BYTES = 10  # struct virtio_net_hdr: flags, gso_type, hdr_len, gso_size, csum_start, csum_offset
VNET_NEEDS_CSUM = 1
VNET_GSO_NONE = 0

RX_FRAME = 78
"""Offset of the Ethernet header in a receive slot.

TPACKET_ALIGN(32 + 20 + 16) = 80 for the headers, + 10 for the virtio header, + `RX_RESERVE`, - 14 for the Ethernet
header (net/packet/af_packet.c, tpacket_rcv). With a reserve of 2 source and destination address share an aligned
8-byte word.
"""

RX_RESERVE = 2
RX_VNET = RX_FRAME - VNET_BYTES

TX_VNET = 32
"""Offset of the data in a transmit slot: TPACKET2_HDRLEN - sizeof(struct sockaddr_ll) (net/packet/af_packet.c)."""

TX_FRAME = TX_VNET + VNET_BYTES


def want_buffer(sock: socket.socket, force: int, size: int) -> None:
    """Ask for a socket buffer beyond the host's limit; within it where that is not ours to do (a user namespace)."""
    try:
        sock.setsockopt(socket.SOL_SOCKET, force, size)
    except PermissionError:
        within = socket.SO_RCVBUF if force == SO_RCVBUFFORCE else socket.SO_SNDBUF
        sock.setsockopt(socket.SOL_SOCKET, within, size)
