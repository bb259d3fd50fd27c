"""Ethernet, ARP, IPv4, ICMP and TCP as the control plane needs them: bytes to fields and fields to bytes.

Readers are bounds-checked and answer None for what they cannot read; none of them raises on any bytes. Builders take
one frame from scapy the first time (its import costs a third of a second, so it stands inside) and patch what varies:
checksums by RFC 1624, which is exact because every varying field of a template is zero.
All frames are without a VLAN tag; MACs are 6 bytes, addresses 4 bytes, both in wire order.
"""

from __future__ import annotations

import struct
from functools import lru_cache
from typing import Literal, NamedTuple

ETHERTYPE_IPV4 = 0x0800
ETHERTYPE_ARP = 0x0806
ETH_LEN = 14
ARP_LEN = 28
IPV4_LEN = 20
ICMP = 1
TCP = 6
BROADCAST = b"\xff" * 6
NO_MAC = bytes(6)
NO_ADDRESS = bytes(4)

ARP_REQUEST = 1
ARP_REPLY = 2

ECHO_REPLY = 0
UNREACHABLE = 3
ECHO_REQUEST = 8

FIN, SYN, RST, ACK = 0x01, 0x02, 0x04, 0x10

_ARP = struct.Struct("!HHBBH6s4s6s4s")
_IPV4 = struct.Struct("!BBHHHBBH4s4s")
_TCP = struct.Struct("!HHIIBBHHH")
_ECHO = struct.Struct("!BBHHH")


class Arp(NamedTuple):
    """An ARP packet for IPv4 over Ethernet (RFC 826): sender and target, hardware and protocol address."""

    op: int
    sha: bytes
    spa: bytes
    tha: bytes
    tpa: bytes


class Ipv4(NamedTuple):
    """An IPv4 header (RFC 791); `start` and `end` bound its payload within the frame, padding excluded."""

    start: int
    end: int
    fragment: bool  # any piece of a fragmented datagram, the first included
    proto: int
    src: bytes
    dst: bytes


class Tcp(NamedTuple):
    """The fixed part of a TCP header (RFC 9293 section 3.1)."""

    sport: int
    dport: int
    seq: int
    ack: int
    flags: int


class Echo(NamedTuple):
    """The first eight bytes of an ICMP message (RFC 792), whose last four are an echo's identifier and number."""

    type: int
    code: int
    ident: int
    seq: int


# -- reading --------------------------------------------------------------------------------------------------------


def ethertype(data: bytes) -> int:
    """Return the frame's type; 0 where it is too short to have one."""
    return int.from_bytes(data[12:14], "big") if len(data) >= ETH_LEN else 0


def read_arp(data: bytes) -> Arp | None:
    """Return the ARP packet of a frame; None unless it is IPv4 over Ethernet, whole, from one station's MAC."""
    if len(data) < ETH_LEN + ARP_LEN:
        return None
    htype, ptype, hlen, plen, op, sha, spa, tha, tpa = _ARP.unpack_from(data, ETH_LEN)
    if (htype, ptype, hlen, plen) != (1, ETHERTYPE_IPV4, 6, 4):
        return None
    # A group address or zero can be nobody's: answering it would broadcast, learning it would lose frames.
    if sha[0] & 1 or sha == NO_MAC:
        return None
    return Arp(op, sha, spa, tha, tpa)


def read_ipv4(data: bytes, offset: int = ETH_LEN, *, embedded: bool = False) -> Ipv4 | None:
    """Return the IPv4 header at `offset`; None where it is cut short, contradicts the frame or fails its checksum.

    `embedded`: the header stands inside an ICMP error, whose quote may end before the datagram does (RFC 792).
    """
    if len(data) < offset + IPV4_LEN:
        return None
    first, _tos, total, _ident, fragment, _ttl, proto, _sum, src, dst = _IPV4.unpack_from(data, offset)
    header = (first & 0x0F) * 4
    if first >> 4 != 4 or header < IPV4_LEN or total < header or len(data) < offset + header:
        return None
    if not embedded and (len(data) < offset + total or checksum(data[offset : offset + header])):
        return None
    end = min(offset + total, len(data))
    return Ipv4(offset + header, end, bool(fragment & 0x3FFF), proto, src, dst)


def read_tcp(data: bytes, ip: Ipv4) -> Tcp | None:
    """Return the TCP header that `ip` carries; None where it is cut short or no TCP."""
    if ip.proto != TCP or ip.end - ip.start < _TCP.size:
        return None
    sport, dport, seq, ack, _offset, flags, _window, _sum, _urgent = _TCP.unpack_from(data, ip.start)
    return Tcp(sport, dport, seq, ack, flags)


def read_echo(data: bytes, ip: Ipv4) -> Echo | None:
    """Return the first eight bytes of the ICMP message that `ip` carries; None where it is cut short or no ICMP."""
    if ip.proto != ICMP or ip.end - ip.start < _ECHO.size:
        return None
    kind, code, _sum, ident, seq = _ECHO.unpack_from(data, ip.start)
    return Echo(kind, code, ident, seq)


# -- checksums ------------------------------------------------------------------------------------------------------


def ones_sum(data: bytes) -> int:
    """Return the one's complement sum of the 16-bit words of `data` (RFC 1071), zero-padded to an even length."""
    number = int.from_bytes(data, "big")
    if len(data) & 1:
        number <<= 8
    # 2^16 is 1 modulo 0xFFFF, so the remainder is the folded sum; only 0 and 0xFFFF need telling apart.
    return number % 0xFFFF or (0xFFFF if number else 0)


def checksum(data: bytes) -> int:
    """Return the Internet checksum of `data` (RFC 1071); 0 for data that contains its own right checksum."""
    return ones_sum(data) ^ 0xFFFF


def patched(check: int, added: bytes) -> int:
    """Return checksum `check` after words that were zero became `added` (RFC 1624 equation 3, with m = 0)."""
    total = (check ^ 0xFFFF) + ones_sum(added)
    return ((total & 0xFFFF) + (total >> 16)) ^ 0xFFFF


# -- building -------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=1)
def _arp_template() -> bytes:
    from scapy.layers import l2  # noqa: PLC0415 - a third of a second, only where frames are built

    zero = "00:00:00:00:00:00"
    arp_layer = l2.ARP(op=0, hwsrc=zero, psrc="0.0.0.0", hwdst=zero, pdst="0.0.0.0")  # noqa: S104 - a blank to fill
    return bytes(l2.Ether(dst=zero, src=zero) / arp_layer)


@lru_cache(maxsize=4)
def _ip_template(kind: Literal["syn", "rst", "echo"]) -> bytes:
    from scapy.layers import inet, l2  # noqa: PLC0415 - as in _arp_template

    zero = "00:00:00:00:00:00"
    ip = inet.IP(src="0.0.0.0", dst="0.0.0.0", id=0, flags="DF", ttl=64)  # noqa: S104 - blanks to fill
    if kind == "syn":
        # An MSS option, because some packet filters take a SYN without one for a scan.
        payload = inet.TCP(sport=0, dport=0, seq=0, ack=0, flags="S", window=1024, options=[("MSS", 1460)])
    elif kind == "rst":
        payload = inet.TCP(sport=0, dport=0, seq=0, ack=0, flags="R", window=0)
    else:
        payload = inet.ICMP(type=ECHO_REQUEST, id=0, seq=0) / b"bng virtual address check"
    return bytes(l2.Ether(dst=zero, src=zero) / ip / payload)


def warm_up() -> None:
    """Build every template now, so that no frame waits for scapy's import."""
    _arp_template()
    for kind in ("syn", "rst", "echo"):
        _ip_template(kind)


def build_arp(packet: Arp, *, to: bytes) -> bytes:
    """Return the frame of an ARP packet, sent to MAC `to` from the packet's sender."""
    op, sha, spa, tha, tpa = packet
    return b"".join((to, sha, _arp_template()[12:20], op.to_bytes(2, "big"), sha, spa, tha, tpa))


def build_announcement(mac: bytes, address: bytes) -> bytes:
    """Return a gratuitous ARP: a broadcast request from and for `address` (RFC 5227 section 1.1, ARP Announcement)."""
    return build_arp(Arp(ARP_REQUEST, mac, address, NO_MAC, address), to=BROADCAST)


def build_arp_probe(mac: bytes, address: bytes) -> bytes:
    """Return an ARP Probe: who has `address`, asked from 0.0.0.0 so that no cache learns it (RFC 5227 section 1.1)."""
    return build_arp(Arp(ARP_REQUEST, mac, NO_ADDRESS, NO_MAC, address), to=BROADCAST)


def build_tcp(
    kind: Literal["syn", "rst"],
    macs: tuple[bytes, bytes],
    addresses: tuple[bytes, bytes],
    ports: tuple[int, int],
    seq: int,
) -> bytes:
    """Return a TCP segment without data; `macs`, `addresses` and `ports` are (source, destination)."""
    template = _ip_template(kind)
    both = addresses[0] + addresses[1]
    fields = struct.pack("!HHI", *ports, seq)
    ip_sum = patched(int.from_bytes(template[24:26], "big"), both)
    # The pseudo-header holds the addresses too (RFC 9293 section 3.1), so they are patched into both checksums.
    tcp_sum = patched(int.from_bytes(template[50:52], "big"), both + fields)
    return b"".join(
        (
            macs[1],
            macs[0],
            template[12:24],
            ip_sum.to_bytes(2, "big"),
            both,
            fields,
            template[42:50],
            tcp_sum.to_bytes(2, "big"),
            template[52:],
        )
    )


def build_echo_request(
    macs: tuple[bytes, bytes], addresses: tuple[bytes, bytes], ident: int, seq: int
) -> bytes:
    """Return an ICMP echo request; `macs` and `addresses` are (source, destination)."""
    template = _ip_template("echo")
    both = addresses[0] + addresses[1]
    fields = struct.pack("!HH", ident, seq)
    ip_sum = patched(int.from_bytes(template[24:26], "big"), both)
    icmp_sum = patched(int.from_bytes(template[36:38], "big"), fields)
    return b"".join(
        (
            macs[1],
            macs[0],
            template[12:24],
            ip_sum.to_bytes(2, "big"),
            both,
            template[34:36],
            icmp_sum.to_bytes(2, "big"),
            fields,
            template[42:],
        )
    )


def build_echo_reply(data: bytes, ip: Ipv4, mac: bytes) -> bytes:
    """Return the request in frame `data` turned round, sent from `mac`: same message, type 0, no IP options.

    RFC 1122 section 3.2.2.6. Options are left out because each would need its own processing; TTL starts anew.
    """
    message = data[ip.start : ip.end]
    # Summed anew: patching by RFC 1624 gives 0 instead of 0xFFFF for a message of zeros.
    icmp_sum = checksum(b"\x00" + message[1:2] + message[4:])
    header = bytearray(
        _IPV4.pack(0x45, data[15], IPV4_LEN + len(message), 0, 0x4000, 64, ICMP, 0, ip.dst, ip.src)
    )
    header[10:12] = checksum(bytes(header)).to_bytes(2, "big")
    return b"".join(
        (
            data[6:12],
            mac,
            data[12:14],
            header,
            b"\x00",
            message[1:2],
            icmp_sum.to_bytes(2, "big"),
            message[4:],
        )
    )


def mac_text(mac: bytes) -> str:
    """Return a MAC as people write it."""
    return mac.hex(":")
