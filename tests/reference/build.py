"""Frames, well made and badly made, from a source of randomness."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from tests.reference.wire import Frame, Offload, checksum

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

OWN = bytes.fromhex("020000000002")
OWN_TOO = bytes.fromhex("00005e000107")  # a virtual router's
ROUTER = bytes.fromhex("020000000001")
STRANGER = bytes.fromhex("020000000099")
ICMP, TCP, UDP, GRE, ESP = 1, 6, 17, 47, 50
MARTIANS = tuple(map(bytes, ((127, 0, 0, 1), (0, 1, 2, 3), (224, 0, 0, 5), (255, 255, 255, 255))))
FLAGS = {2: "S", 16: "A", 17: "FA", 4: "R", 20: "RA", 24: "PA", 18: "SA", 1: "F", 3: "SF", 6: "SR", 0: "-"}
DONT_FRAGMENT, MORE = 0x4000, 0x2000


def target_mac(number: int) -> bytes:
    return bytes.fromhex(f"0200000001{number:02x}")


@dataclass
class Field:
    """Who meets whom: few of each, so that they meet often."""

    rng: random.Random
    clients: list[bytes]
    ports: list[int]
    virtual: list[bytes]
    services: list[tuple[bytes, int, int]]  # address, port, protocol
    mtu: int = 1500
    flags: tuple[int, ...] = (2, 2, 16, 16, 16, 24, 17, 4, 18, 3, 6, 0)
    vlans: dict[bytes, int] = field(default_factory=dict)  # of virtual addresses that are not untagged
    recent: list[tuple[bytes, int, bytes, int, int]] = field(default_factory=list)  # conversations seen

    def talk(self, protocol: int | None = None) -> tuple[bytes, int, bytes, int, int]:
        """Choose client, its port, virtual address, port and protocol."""
        rng = self.rng
        if self.recent and rng.random() < 0.6:
            found = rng.choice(self.recent)
            if protocol is None or found[4] == protocol:
                return found
        fitting = [s for s in self.services if protocol in {None, s[2]} or s[2] == 0]
        if fitting and rng.random() < 0.95:
            address, port, kind = rng.choice(fitting)
            kind = kind or protocol or rng.choice((TCP, UDP))
        else:
            address, port, kind = (
                rng.choice(self.virtual),
                rng.choice((80, 81, 0)),
                protocol or rng.choice((TCP, UDP)),
            )
        found = (
            rng.choice(self.clients),
            rng.choice(self.ports),
            address,
            port or rng.choice((80, 8080, 53)),
            kind,
        )
        self.recent = [*self.recent[-20:], found]
        return found


def ip(source: bytes, to: bytes, protocol: int, payload: bytes, **more: int | bytes) -> bytes:
    """Make an IPv4 packet (RFC 791 3.1) with a right checksum."""
    options = more.get("options", b"")
    fragment = more.get("fragment", DONT_FRAGMENT)
    length = 20 + len(options) + len(payload)
    first = 0x40 | (5 + len(options) // 4)
    head = struct.pack(
        ">BBHHHBBH4s4s",
        first,
        0,
        length & 0xFFFF,
        more.get("ident", 7),
        fragment,
        more.get("ttl", 64),
        protocol,
        0,
        source,
        to,
    )
    head += options
    return head[:10] + checksum(head).to_bytes(2, "big") + head[12:] + payload


def ether(packet: bytes, *, to: bytes = OWN, by: bytes = ROUTER, kind: bytes = b"\x08\0") -> bytes:
    return to + by + kind + packet


def padded(data: bytes) -> bytes:
    return data + bytes(max(0, 60 - len(data)))


def segment(source_port: int, port: int, flags: int, payload: bytes = b"", offset: int = 5) -> bytes:
    return struct.pack(">HHIIBBHHH", source_port, port, 1, 1, offset << 4, flags, 1000, 0, 0) + payload


def datagram(source_port: int, port: int, payload: bytes = b"") -> bytes:
    return struct.pack(">HHHH", source_port, port, 8 + len(payload), 0) + payload


def text(address: bytes) -> str:
    return ".".join(map(str, address))


def tcp(scene: Field, **more: int | bytes) -> Frame:
    client, port, to, service, _ = scene.talk(TCP)
    flags = scene.rng.choice(scene.flags)
    payload = bytes(scene.rng.choice((0, 0, 10, 100, 1400)))
    note = f"TCP {FLAGS.get(flags, flags)} {text(client)}:{port} > {text(to)}:{service}"
    return Frame(
        padded(ether(ip(client, to, TCP, segment(port, service, flags, payload), **more))), note=note
    )


def udp(scene: Field, **more: int | bytes) -> Frame:
    client, port, to, service, _ = scene.talk(UDP)
    payload = bytes(scene.rng.choice((0, 11, 12, 13, 40, 1000)))
    note = f"UDP {text(client)}:{port} > {text(to)}:{service}"
    return Frame(padded(ether(ip(client, to, UDP, datagram(port, service, payload), **more))), note=note)


def plain(scene: Field) -> Frame:
    """One that a vector decides: TCP, or UDP of 12 bytes and more."""
    if scene.rng.random() < 0.7 or not any(s[2] in {0, UDP} for s in scene.services):
        return tcp(scene)
    frame = udp(scene)
    return frame if len(frame.data) > 60 else tcp(scene)


def echo(scene: Field) -> Frame:
    kind = scene.rng.choice((8, 8, 0, 13, 17, 255))
    body = bytes([kind, 0, 0, 0, 0, 1, 0, 1]) + bytes(scene.rng.choice((0, 40)))
    packet = ip(
        scene.rng.choice(scene.clients),
        scene.rng.choice(scene.virtual),
        ICMP,
        body[: scene.rng.choice((8, 60, 4))],
    )
    return Frame(padded(ether(packet)), note=f"ICMP {kind}")


def error(scene: Field) -> Frame:
    """An ICMP error from a router about what a target sent to a client, with a quote that may be damaged."""
    rng = scene.rng
    client, port, to, service, protocol = scene.talk()
    ports = struct.pack(">HHI", service, port, 1)
    quoted = ip(
        to if rng.random() < 0.9 else rng.choice(scene.virtual),
        client,
        protocol if rng.random() < 0.95 else GRE,
        ports + bytes(rng.choice((0, 4, 60))),
        options=b"\x01" * rng.choice((0, 0, 0, 8)),
    )
    if rng.random() < 0.15:
        quoted = rng.choice(
            (quoted[:27], quoted[:20], b"", b"\x65" + quoted[1:], b"\x44" + quoted[1:], b"\x4f" + quoted[1:])
        )
    message = bytes([rng.choice((3, 3, 11, 12, 5, 4)), 4, 0, 0, 0, 0, 5, 120]) + quoted
    packet = ip(bytes((198, 51, 100, 1)), to, ICMP, message)
    return Frame(padded(ether(packet)), note=f"ICMP error about {text(client)}:{port} < {text(to)}:{service}")


def first_fragment(scene: Field) -> Frame:
    make = scene.rng.choice((tcp, udp))
    ident = scene.rng.randrange(4)
    frame = make(scene, fragment=MORE, ident=ident)
    return replace(frame, note=f"first fragment {ident} of {frame.note}")


def later_fragment(scene: Field) -> Frame:
    rng = scene.rng
    client, _, to, _, protocol = scene.talk()
    ident = rng.randrange(4)
    protocol = rng.choice((protocol, protocol, protocol, ICMP, GRE))
    packet = ip(client, to, protocol, bytes(48), fragment=rng.choice((5, MORE | 7)), ident=ident)
    return Frame(
        padded(ether(packet)), note=f"later fragment {ident} proto {protocol} {text(client)} > {text(to)}"
    )


def options(scene: Field) -> Frame:
    frame = scene.rng.choice((tcp, udp))(scene, options=b"\x01" * scene.rng.choice((4, 8, 40)))
    return replace(frame, note=f"options {frame.note}")


def vlan(scene: Field) -> Frame:
    frame = scene.rng.choice((tcp, udp, options, too_big))(scene)
    vlan = scene.vlans.get(frame.data[30:34], 0) if scene.rng.random() < 0.9 else 0x64
    tag = (scene.rng.choice((vlan, vlan, 0x2000 | vlan)), scene.rng.choice((0, 0x8100, 0x88A8)))
    if scene.rng.random() < 0.3:
        return replace(frame, vlan=tag, offload=Offload(flags=1, csum_start=34, csum_offset=16))
    return replace(frame, vlan=tag)


def partial_checksum(scene: Field) -> Frame:
    return replace(tcp(scene), offload=Offload(flags=1, csum_start=34, csum_offset=16))


def loop(scene: Field) -> Frame:
    rng = scene.rng
    by = rng.choice((target_mac(1), target_mac(3), OWN, b"\x06\0\0\0" + target_mac(1)[4:], STRANGER))
    frame = plain(scene)
    return replace(frame, data=frame.data[:6] + by + frame.data[12:], note=f"by {by.hex()} {frame.note}")


def from_other_own(scene: Field) -> Frame:
    frame = plain(scene)
    return replace(
        frame, data=frame.data[:6] + OWN_TOO + frame.data[12:], note=f"by {OWN_TOO.hex()} {frame.note}"
    )


def to_other_mac(scene: Field) -> Frame:
    frame = scene.rng.choice((tcp, udp, echo))(scene)
    to = scene.rng.choice((STRANGER, b"\xff" * 6, bytes.fromhex("01005e000012"), OWN_TOO))
    return replace(frame, data=to + frame.data[6:], note=f"to {to.hex()} {frame.note}")


def protocol(scene: Field) -> Frame:
    kind = scene.rng.choice((GRE, ESP, 2, 112, 0, 255))
    client, _, to, _, _ = scene.talk()
    packet = ip(client, to, kind, bytes(scene.rng.choice((0, 8, 40))))
    return Frame(padded(ether(packet)), note=f"protocol {kind} {text(client)} > {text(to)}")


def too_big(scene: Field) -> Frame:
    client, port, to, service, _ = scene.talk(TCP)
    rng = scene.rng
    packet = ip(
        rng.choice((client, client, *MARTIANS)),
        to,
        TCP,
        segment(port, service, 16, bytes(scene.mtu - 40 + rng.choice((0, 1, 40)))),
        fragment=rng.choice((DONT_FRAGMENT, DONT_FRAGMENT, 0, MORE, 5 | DONT_FRAGMENT)),
        options=b"\x01" * rng.choice((0, 0, 8)),
    )
    return Frame(ether(packet), note=f"around the MTU {text(client)}:{port} > {text(to)}:{service}")


def super_frame(scene: Field) -> Frame:
    client, port, to, service, _ = scene.talk(TCP)
    rng = scene.rng
    size = rng.choice((1448, 1448, 1460, 1470))
    offset = rng.choice((5, 8))
    packet = ip(client, to, TCP, segment(port, service, 16, bytes(rng.choice((3000, 20000))), offset))
    if rng.random() < 0.1:
        packet = packet[:2] + b"\0\0" + packet[4:]
    offload = Offload(flags=1, gso_type=1, gso_size=size, csum_start=34, csum_offset=16)
    tag = (scene.vlans.get(to, 0), 0) if rng.random() < 0.2 else None
    kept = 1400 if rng.random() < 0.1 else None
    return Frame(
        ether(packet), tag, offload, kept, f"super-frame {text(client)}:{port} > {text(to)}:{service}"
    )


def cut_short(scene: Field) -> Frame:
    frame = tcp(scene)
    return replace(frame, kept=scene.rng.choice((34, 50, len(frame.data) - 1)), note=f"cut {frame.note}")


def malformed(scene: Field) -> Frame:
    """Damage in the IPv4 header or behind it; what stays is long enough to reach the datapath."""
    rng = scene.rng
    frame = rng.choice((tcp, udp, echo, error, options))(scene)
    data = bytearray(frame.data)
    match rng.randrange(7):
        case 0:
            data[14] = rng.choice((0x44, 0x40, 0x4F, 0x55, 0x65, 0x25))
        case 1:
            data[16:18] = rng.choice((0, 19, 20, 28, 33, 39, 40, 0xFFFF, len(data) - 13)).to_bytes(2, "big")
        case 2:
            data = data[: rng.randrange(34, len(data))]
        case 3:
            data[23] = rng.choice((1, 6, 17, 47, 0))
        case 4:
            data[20:22] = rng.choice((0x8000, 0x2000, 0x1FFF, 0xC000)).to_bytes(2, "big")
        case 5:
            at = rng.randrange(14, len(data))
            data[at] = rng.randrange(256)
        case _:
            data += bytes(rng.choice((1, 7, 40)))
    return replace(frame, data=bytes(data), note=f"damaged {frame.note}")


def martian(scene: Field) -> Frame:
    rng = scene.rng
    _, port, to, service, _ = scene.talk(TCP)
    packet = bytearray(
        ip(rng.choice((*MARTIANS, to)), to, TCP, segment(port, service, 2), ttl=rng.choice((64, 64, 0, 1)))
    )
    if rng.random() < 0.3:
        packet[10] ^= 0xFF
    return Frame(
        padded(ether(bytes(packet))), note=f"martian {text(bytes(packet[12:16]))} > {text(to)}:{service}"
    )


def elsewhere(scene: Field) -> Frame:
    """What the kernel's filter keeps away: ARP, IPv6, other addresses, two tags, runts."""
    rng = scene.rng
    packet = ip(scene.clients[0], bytes((172, 16, 1, 77)), TCP, segment(1, 80, 2))
    data = rng.choice(
        (
            ether(b"\0\1\x08\0\6\4\0\1" + bytes(20), kind=b"\x08\x06"),
            ether(b"\x60" + bytes(59), kind=b"\x86\xdd"),
            ether(packet),
            ether(b"\0\xc8\x08\0" + packet, kind=b"\x81\0"),
            ether(packet)[:33],
        )
    )
    return Frame(data, note="elsewhere")


MIX: dict[Callable[[Field], Frame], int] = {
    tcp: 30,
    udp: 12,
    echo: 3,
    error: 8,
    first_fragment: 5,
    later_fragment: 6,
    options: 5,
    vlan: 5,
    partial_checksum: 2,
    loop: 4,
    to_other_mac: 2,
    protocol: 3,
    too_big: 3,
    super_frame: 2,
    cut_short: 1,
    malformed: 7,
    martian: 2,
    elsewhere: 2,
}
"""Every kind of frame and how often it comes in a mixed batch."""
