"""The VIP check on the wire: it asks whether a target accepts packets for the virtual address.

A target that answers on its own address but lacks the loopback alias is a black hole. So a SYN (or an echo
request, where there is no TCP port) goes to the *virtual* address at the target's MAC; a SYN-ACK proves the alias and
the service, and is answered with an RST, so that the target keeps no half-open connection (RFC 9293 section 3.5.3).
A service of UDP is asked by a datagram: what comes back, an answer or "port unreachable", comes from the virtual address.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from engine.domain.frame import AddressSet, FrameClass, FrameMatch
from engine.packets import build, read
from engine.packets.headers import (
    ACK,
    ECHO_REPLY,
    ETHERTYPE_IPV4,
    ICMP,
    PORT_UNREACHABLE,
    RST,
    SYN,
    TCP,
    UDP,
    UNREACHABLE,
    Ipv4,
)
from engine.packets.questions import QUESTIONS

if TYPE_CHECKING:
    from engine.domain.address import Address

PORTS = range(61_001, 65_536)
"""Source ports of SYNs and datagrams. The kernel's own connections use 32768 to 60999 (net.ipv4.ip_local_port_range), so no
answer to us is taken for one to them, nor the other way round."""


def wanted(cookie: int, *, datagrams: bool) -> tuple[FrameMatch, ...]:
    """Return where answers come from: a target that accepts the virtual address answers from it.

    `cookie`: the upper half of our SYNs' sequence numbers and the identifier of our echoes, which an answer repeats, and
    which a stranger who floods us with forged answers does not know. `datagrams`: what answers them has nothing of the
    kind, so it waits apart.
    """
    wishes = [
        _from_virtual(protocol, cookie=cookie, frame_class=FrameClass.CHECKS) for protocol in (TCP, ICMP)
    ]
    if datagrams:
        wishes += [
            _from_virtual(UDP, frame_class=FrameClass.DATAGRAMS),
            _from_virtual(ICMP, quoted=UDP, frame_class=FrameClass.DATAGRAMS),
        ]
    return tuple(wishes)


def _from_virtual(protocol: int, **more: Any) -> FrameMatch:
    return FrameMatch(
        ETHERTYPE_IPV4, protocol, source=AddressSet.VIRTUAL, destination=AddressSet.REAL, **more
    )


@dataclass(frozen=True, slots=True)
class VipId:
    """What ties an answer to its attempt. `port` is None for an echo.

    `local` is our source port, or the echo's identifier; `seq` what our SYN carried, or the echo's number. `asks` is what
    a port of UDP is asked, a word of QUESTIONS; it does not tell attempts apart.
    """

    source: Address
    virtual: Address
    port: int | None
    local: int
    seq: int
    udp: bool = False
    asks: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class VipAnswer:
    """A frame that answers a VIP check. `code` is the ICMP code where it was unreachable, `data` what a datagram holds."""

    id: VipId
    kind: Literal["accepted", "refused", "unreachable"]
    mac: bytes  # who sent it
    code: int = 0
    half_open: bool = False  # the sender waits for the rest of a handshake
    data: bytes = b""


def question(attempt: VipId, our_mac: bytes, target_mac: bytes) -> bytes:
    """Return the frame that asks."""
    macs, addresses = (our_mac, target_mac), (attempt.source, attempt.virtual)
    if attempt.port is None:
        return build.echo_request(macs, addresses, attempt.local, attempt.seq)
    if attempt.udp:
        payload = QUESTIONS[attempt.asks].build(attempt.local)
        return build.udp(macs, addresses, (attempt.local, attempt.port), payload)
    return build.tcp("syn", macs, addresses, (attempt.local, attempt.port), attempt.seq)


def reset(answer: VipAnswer, our_mac: bytes) -> bytes:
    """Return the RST that ends the handshake of a half-open answer, to whoever sent it."""
    attempt = answer.id
    return build.tcp(
        "rst",
        (our_mac, answer.mac),
        (attempt.source, attempt.virtual),
        (attempt.local, attempt.port or 0),
        (attempt.seq + 1) & 0xFFFFFFFF,
    )


def read_answer(data: bytes) -> VipAnswer | None:
    """Return what a frame says as an answer to a VIP check, whoever asked; None for every other frame."""
    if read.ethertype(data) != ETHERTYPE_IPV4:
        return None
    ip = read.ipv4(data)
    if ip is None or ip.fragment:
        return None
    if ip.proto == TCP:
        return _read_tcp(data, ip)
    if ip.proto == UDP:
        return _read_udp(data, ip)
    return _read_icmp(data, ip)


def _read_tcp(data: bytes, ip: Ipv4) -> VipAnswer | None:
    tcp = read.tcp(data, ip)
    if tcp is None or tcp.dport not in PORTS or not tcp.flags & ACK:
        return None
    attempt = VipId(ip.dst, ip.src, tcp.sport, tcp.dport, (tcp.ack - 1) & 0xFFFFFFFF)
    if tcp.flags & RST:
        return VipAnswer(attempt, "refused", data[6:12])
    if tcp.flags & SYN:
        return VipAnswer(attempt, "accepted", data[6:12], half_open=True)
    return None


def _read_udp(data: bytes, ip: Ipv4) -> VipAnswer | None:
    udp = read.udp(data, ip)
    if udp is None or udp.dport not in PORTS:
        return None
    attempt = VipId(ip.dst, ip.src, udp.sport, udp.dport, 0, udp=True)
    return VipAnswer(attempt, "accepted", data[6:12], data=data[udp.start : udp.end])


def _read_icmp(data: bytes, ip: Ipv4) -> VipAnswer | None:
    echo = read.echo(data, ip)
    if echo is None:
        return None
    if echo.type == ECHO_REPLY:
        return VipAnswer(VipId(ip.dst, ip.src, None, echo.ident, echo.seq), "accepted", data[6:12])
    if echo.type != UNREACHABLE:
        return None
    # RFC 792: the error quotes our IP header and at least the first eight bytes behind it.
    quoted = read.ipv4(data[: ip.end], ip.start + 8, embedded=True)
    if quoted is None or quoted.end - quoted.start < 8:
        return None
    head = data[quoted.start : quoted.start + 8]
    udp = quoted.proto == UDP
    if quoted.proto in {TCP, UDP}:
        port: int | None = int.from_bytes(head[2:4], "big")
        local, seq = int.from_bytes(head[0:2], "big"), 0 if udp else int.from_bytes(head[4:8], "big")
    else:
        port, local, seq = None, int.from_bytes(head[4:6], "big"), int.from_bytes(head[6:8], "big")
    return VipAnswer(
        VipId(quoted.src, quoted.dst, port, local, seq, udp=udp),
        "refused" if udp and echo.code == PORT_UNREACHABLE else "unreachable",
        data[6:12],
        code=echo.code,
    )
