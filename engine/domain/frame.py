"""Frames and the links they travel on, as the control process sees them, and which of them somebody wants."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine.domain.address import Address

TPID_8021Q = 0x8100
"""The type of an ordinary VLAN tag; 802.1ad's is 0x88A8."""


@dataclass(frozen=True, slots=True)
class Frame:
    """An Ethernet frame without its VLAN tag; what the tag said is beside it.

    `vlan` is the tag control information (IEEE 802.1Q-2018 section 9.6), None where there is no tag; `tpid` the tag's
    own type: 802.1Q or 802.1ad.
    """

    interface: int  # number in the configuration
    data: bytes
    vlan: int | None = None
    tpid: int = TPID_8021Q

    @property
    def vid(self) -> int | None:
        """The VLAN it is on; None for untagged frames, and those whose tag holds a priority only (VLAN 0)."""
        return (self.vlan & 0x0FFF or None) if self.vlan is not None else None

    def answer(self, data: bytes) -> Frame:
        """Return a frame that goes back where this one came from, under the same tag."""
        return Frame(self.interface, data, self.vlan, self.tpid)


@dataclass(slots=True)
class Link:
    """A configured interface as the kernel has it."""

    number: int
    name: str
    ifindex: int
    mac: bytes
    mtu: int
    up: bool


class AddressSet(Enum):
    """Addresses that a configuration gives us."""

    VIRTUAL = "virtual"  # of servers and networks, on whatever link
    REAL = "real"  # this node's own on the link in question
    NEIGHBOURS = "neighbours"  # targets and the gateway


class FrameClass(Enum):
    """Frames that wait apart, so that a flood of one class takes nothing from another; the most urgent first."""

    CHECKS = "checks"  # answers to our own questions, which repeat what only we know
    DATAGRAMS = "datagrams"  # answers to our own questions of UDP, which anybody could have made up
    NEIGHBOURS = "neighbours"  # ARP of hosts that are known by address and MAC
    STRANGERS = "strangers"  # ARP of everybody else
    ECHO = "echo"


@dataclass(frozen=True, slots=True)
class FrameMatch:
    """Frames that a module wants to see. None means any, and so does no set at all.

    `ethertype` as in engine.packets.headers; `protocol` is IP's number (1 ICMP, 6 TCP). Source and destination are
    those of an IPv4 header, or sender and target of an ARP packet; one of them has to be in one of the sets `either`.
    `cookie`: of TCP only segments that acknowledge a sequence number with these upper 16 bits, of ICMP only echo replies
    of this identifier and errors about either. `quoted`: of ICMP only errors about packets of this protocol. What is of
    class NEIGHBOURS comes as STRANGERS where its sender is not one of `Listening.known`.
    """

    ethertype: int
    protocol: int | None = None
    source: AddressSet | Address | None = None
    destination: AddressSet | Address | None = None
    either: tuple[AddressSet, ...] = ()
    cookie: int | None = None
    quoted: int | None = None
    frame_class: FrameClass = FrameClass.STRANGERS


@dataclass(frozen=True, slots=True)
class Listening:
    """What is to be heard on one interface: any of `matches`, with the addresses that their sets stand for.

    `known` are address and MAC of hosts whose ARP is not to wait behind that of strangers.
    """

    link: Link
    matches: tuple[FrameMatch, ...]
    virtual: tuple[Address, ...]
    real: tuple[Address, ...]
    neighbours: tuple[Address, ...] = ()
    known: frozenset[tuple[Address, bytes]] = frozenset()
