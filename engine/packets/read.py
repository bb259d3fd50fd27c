"""From bytes to fields. Bounds-checked: None for what cannot be read, and nothing raises on any bytes."""

from __future__ import annotations

from engine.domain.address import Address
from engine.packets.checksum import checksum
from engine.packets.headers import (
    ARP_FIELDS,
    ARP_LEN,
    ECHO_FIELDS,
    ETH_LEN,
    ETHERTYPE_IPV4,
    ICMP,
    IPV4_FIELDS,
    IPV4_LEN,
    NO_MAC,
    TCP,
    TCP_FIELDS,
    UDP,
    UDP_FIELDS,
    Arp,
    Echo,
    Ipv4,
    Tcp,
    Udp,
)


def ethertype(data: bytes) -> int:
    """Return the frame's type; 0 where it is too short to have one."""
    return int.from_bytes(data[12:14], "big") if len(data) >= ETH_LEN else 0


def arp(data: bytes) -> Arp | None:
    """Return the ARP packet of a frame; None unless it is IPv4 over Ethernet, whole, from one station's MAC."""
    if len(data) < ETH_LEN + ARP_LEN:
        return None
    htype, ptype, hlen, plen, op, sha, spa, tha, tpa = ARP_FIELDS.unpack_from(data, ETH_LEN)
    if (htype, ptype, hlen, plen) != (1, ETHERTYPE_IPV4, 6, 4):
        return None
    # A group address or zero belongs to no station: answering it would broadcast, learning it would lose frames.
    if sha[0] & 1 or sha == NO_MAC:
        return None
    return Arp(op, sha, Address.of(spa), tha, Address.of(tpa))


def ipv4(data: bytes, offset: int = ETH_LEN, *, embedded: bool = False) -> Ipv4 | None:
    """Return the IPv4 header at `offset`; None where it is cut short, contradicts the frame or fails its checksum.

    `embedded`: the header stands inside an ICMP error, whose quote may end before the datagram does (RFC 792).
    """
    if len(data) < offset + IPV4_LEN:
        return None
    first, _tos, total, _ident, fragment, _ttl, proto, _sum, src, dst = IPV4_FIELDS.unpack_from(data, offset)
    header = (first & 0x0F) * 4
    if first >> 4 != 4 or header < IPV4_LEN or total < header or len(data) < offset + header:
        return None
    if not embedded and (len(data) < offset + total or checksum(data[offset : offset + header])):
        return None
    end = min(offset + total, len(data))
    return Ipv4(offset + header, end, bool(fragment & 0x3FFF), proto, Address.of(src), Address.of(dst))


def tcp(data: bytes, ip: Ipv4) -> Tcp | None:
    """Return the TCP header that `ip` carries; None where it is cut short or not TCP."""
    if ip.proto != TCP or ip.end - ip.start < TCP_FIELDS.size:
        return None
    sport, dport, seq, ack, _offset, flags, _window, _sum, _urgent = TCP_FIELDS.unpack_from(data, ip.start)
    return Tcp(sport, dport, seq, ack, flags)


def udp(data: bytes, ip: Ipv4) -> Udp | None:
    """Return the datagram that `ip` carries; None where it is cut short or not UDP."""
    if ip.proto != UDP or ip.end - ip.start < UDP_FIELDS.size:
        return None
    sport, dport, length, _sum = UDP_FIELDS.unpack_from(data, ip.start)
    if not UDP_FIELDS.size <= length <= ip.end - ip.start:
        return None
    return Udp(sport, dport, ip.start + UDP_FIELDS.size, ip.start + length)


def echo(data: bytes, ip: Ipv4) -> Echo | None:
    """Return the first eight bytes of the ICMP message that `ip` carries; None where it is cut short or not ICMP."""
    if ip.proto != ICMP or ip.end - ip.start < ECHO_FIELDS.size:
        return None
    kind, code, _sum, ident, seq = ECHO_FIELDS.unpack_from(data, ip.start)
    return Echo(kind, code, ident, seq)
