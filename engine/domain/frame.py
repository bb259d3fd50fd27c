"""Frames and the links they travel on, as the control process sees them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Frame:
    """An Ethernet frame without its VLAN tag; the tag control information stands beside it."""

    interface: int  # number in the configuration
    data: bytes
    vlan: int | None = None


@dataclass(slots=True)
class Link:
    """A configured interface as the kernel has it."""

    number: int
    name: str
    ifindex: int
    mac: bytes
    mtu: int
    up: bool
