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


@dataclass(frozen=True, slots=True)
class FrameMatch:
    """Frames that a module wants to see. None means any; IP fields are asked of IPv4 frames only.

    `ethertype` as in engine.packets.headers; `protocol` is IP's number (1 ICMP, 6 TCP).
    """

    ethertype: int
    protocol: int | None = None
    source: AddressSet | Address | None = None
    destination: AddressSet | Address | None = None


@dataclass(frozen=True, slots=True)
class Listening:
    """What is to be heard on one interface: any of `matches`, with the addresses that their sets stand for."""

    link: Link
    matches: tuple[FrameMatch, ...]
    virtual: tuple[Address, ...]
    real: tuple[Address, ...]
