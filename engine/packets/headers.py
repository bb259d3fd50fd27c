"""The protocols' numbers, and their headers as fields."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from engine.domain.address import Address

ETHERTYPE_IPV4 = 0x0800
ETHERTYPE_ARP = 0x0806
ETH_LEN = 14
ARP_LEN = 28
IPV4_LEN = 20
ICMP = 1
TCP = 6
UDP = 17
BROADCAST = b"\xff" * 6
NO_MAC = bytes(6)

ARP_REQUEST = 1
ARP_REPLY = 2

ECHO_REPLY = 0
UNREACHABLE = 3
PORT_UNREACHABLE = 3  # a code of UNREACHABLE
ECHO_REQUEST = 8

SYN, RST, ACK = 0x02, 0x04, 0x10

ARP_FIELDS = struct.Struct("!HHBBH6s4s6s4s")
IPV4_FIELDS = struct.Struct("!BBHHHBBH4s4s")
TCP_FIELDS = struct.Struct("!HHIIBBHHH")
UDP_FIELDS = struct.Struct("!HHHH")
ECHO_FIELDS = struct.Struct("!BBHHH")


class Arp(NamedTuple):
    """An ARP packet for IPv4 over Ethernet (RFC 826): sender and target, hardware and protocol address."""

    op: int
    sha: bytes
    spa: Address
    tha: bytes
    tpa: Address


class Ipv4(NamedTuple):
    """An IPv4 header (RFC 791); `start` and `end` bound its payload within the frame, padding excluded."""

    start: int
    end: int
    fragment: bool  # any piece of a fragmented datagram, the first included
    proto: int
    src: Address
    dst: Address


class Tcp(NamedTuple):
    """The fixed part of a TCP header (RFC 9293 section 3.1)."""

    sport: int
    dport: int
    seq: int
    ack: int
    flags: int


class Udp(NamedTuple):
    """A UDP datagram (RFC 768): `start` and `end` bound its payload within the frame."""

    sport: int
    dport: int
    start: int
    end: int


class Echo(NamedTuple):
    """The first eight bytes of an ICMP message (RFC 792), whose last four are an echo's identifier and number."""

    type: int
    code: int
    ident: int
    seq: int
