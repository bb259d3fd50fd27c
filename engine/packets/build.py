"""From fields to bytes.

Builders take one frame from scapy the first time (its import costs a third of a second, so it stands inside) and patch
what varies: checksums by RFC 1624, which is exact because every varying field of a template is zero.
"""

from __future__ import annotations

import struct
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

from engine.domain.address import UNSPECIFIED_V4
from engine.packets.checksum import checksum, patched
from engine.packets.headers import (
    ARP_REQUEST,
    BROADCAST,
    ECHO_REQUEST,
    ETHERTYPE_IPV4,
    ICMP,
    IPV4_FIELDS,
    IPV4_LEN,
    NO_MAC,
    UDP,
    UDP_FIELDS,
    Arp,
    Ipv4,
)

if TYPE_CHECKING:
    from engine.domain.address import Address


@lru_cache(maxsize=1)
def _arp_template() -> bytes:
    from scapy.layers import l2  # noqa: PLC0415 - a third of a second, only where frames are built

    zero = "00:00:00:00:00:00"
    arp_layer = l2.ARP(op=0, hwsrc=zero, psrc="0.0.0.0", hwdst=zero, pdst="0.0.0.0")  # noqa: S104 - a blank to fill
    return bytes(l2.Ether(dst=zero, src=zero) / arp_layer)


@lru_cache(maxsize=4)
def _ip_template(kind: Literal["syn", "rst", "echo"]) -> bytes:
    from scapy.layers import inet, l2  # noqa: PLC0415 - as in `_arp_template`

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


def arp(packet: Arp, *, to: bytes) -> bytes:
    """Return the frame of an ARP packet, sent to MAC `to` from the packet's sender."""
    op, sha, spa, tha, tpa = packet
    kinds = _arp_template()[12:20]
    return b"".join((to, sha, kinds, op.to_bytes(2, "big"), sha, spa.packed, tha, tpa.packed))


def announcement(mac: bytes, address: Address) -> bytes:
    """Return a gratuitous ARP: a broadcast request from and for `address` (RFC 5227 section 1.1, ARP Announcement)."""
    return arp(Arp(ARP_REQUEST, mac, address, NO_MAC, address), to=BROADCAST)


def arp_probe(mac: bytes, address: Address) -> bytes:
    """Return an ARP Probe: who has `address`, asked from 0.0.0.0 so that no cache learns it (RFC 5227 section 1.1)."""
    return arp(Arp(ARP_REQUEST, mac, UNSPECIFIED_V4, NO_MAC, address), to=BROADCAST)


def tcp(
    kind: Literal["syn", "rst"],
    macs: tuple[bytes, bytes],
    addresses: tuple[Address, Address],
    ports: tuple[int, int],
    seq: int,
) -> bytes:
    """Return a TCP segment without data; `macs`, `addresses` and `ports` are (source, destination)."""
    template = _ip_template(kind)
    both = addresses[0].packed + addresses[1].packed
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


def udp(
    macs: tuple[bytes, bytes], addresses: tuple[Address, Address], ports: tuple[int, int], payload: bytes
) -> bytes:
    """Return a UDP datagram (RFC 768); `macs`, `addresses` and `ports` are (source, destination)."""
    length = UDP_FIELDS.size + len(payload)
    both = addresses[0].packed + addresses[1].packed
    pseudo = both + struct.pack("!BBH", 0, UDP, length)
    total = checksum(pseudo + UDP_FIELDS.pack(*ports, length, 0) + payload) or 0xFFFF  # 0 would say: none
    header = bytearray(
        IPV4_FIELDS.pack(0x45, 0, IPV4_LEN + length, 0, 0x4000, 64, UDP, 0, both[:4], both[4:])
    )
    header[10:12] = checksum(bytes(header)).to_bytes(2, "big")
    kind = ETHERTYPE_IPV4.to_bytes(2, "big")
    return b"".join((macs[1], macs[0], kind, header, UDP_FIELDS.pack(*ports, length, total), payload))


def echo_request(
    macs: tuple[bytes, bytes], addresses: tuple[Address, Address], ident: int, seq: int
) -> bytes:
    """Return an ICMP echo request; `macs` and `addresses` are (source, destination)."""
    template = _ip_template("echo")
    both = addresses[0].packed + addresses[1].packed
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


def echo_reply(data: bytes, ip: Ipv4, mac: bytes) -> bytes:
    """Return the request in frame `data` turned round and sent from `mac`: same message, type 0, no IP options.

    RFC 1122 section 3.2.2.6. Options are left out because each would need its own processing; the TTL starts afresh.
    """
    message = data[ip.start : ip.end]
    # Summed from scratch: patching by RFC 1624 gives 0 instead of 0xFFFF for a message of zeros.
    icmp_sum = checksum(b"\x00" + message[1:2] + message[4:])
    header = bytearray(
        IPV4_FIELDS.pack(
            0x45, data[15], IPV4_LEN + len(message), 0, 0x4000, 64, ICMP, 0, ip.dst.packed, ip.src.packed
        )
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
