"""Frames as they come and go, with what the kernel says about them beside their bytes."""

from __future__ import annotations

from dataclasses import dataclass, replace

GSO_NONE = 0
NEEDS_CSUM = 1
TPID_8021Q, TPID_8021AD = 0x8100, 0x88A8


@dataclass(frozen=True, order=True)
class Offload:
    """What a virtio header says (OASIS virtio 1.2, 5.1.6.2), but for `hdr_len`, which is a hint."""

    flags: int = 0
    gso_type: int = GSO_NONE
    gso_size: int = 0
    csum_start: int = 0
    csum_offset: int = 0


@dataclass(frozen=True)
class Frame:
    """A frame on the wire, any VLAN tag taken out as the kernel does it.

    `vlan` is (tag control information, tag protocol; 0 where the kernel does not say). Of a frame with `kept` only so
    many bytes are at hand, whose rest is lost.
    """

    data: bytes
    vlan: tuple[int, int] | None = None
    offload: Offload = Offload()
    kept: int | None = None
    note: str = ""

    def __str__(self) -> str:
        more = [f"vlan {self.vlan[0]}"] if self.vlan else []
        more += [f"gso {self.offload.gso_size}"] if self.offload.gso_type else []
        more += [f"kept {self.kept}"] if self.kept is not None else []
        return " ".join([self.note or "frame", *more, self.data[:64].hex()])


@dataclass(frozen=True, order=True)
class Sent:
    """A frame handed to an interface, tag in its place. `by` is the interface's index, 0: the one that frames come by."""

    data: bytes
    offload: Offload = Offload()
    by: int = 0


def tagged(data: bytes, offload: Offload, vlan: tuple[int, int] | None, by: int = 0) -> Sent:
    """Put a VLAN tag back behind the MACs (IEEE 802.1Q 9.3); where the checksum begins moves with the bytes."""
    if vlan is None:
        return Sent(data, offload, by)
    tci, tpid = vlan
    tag = (tpid or TPID_8021Q).to_bytes(2, "big") + tci.to_bytes(2, "big")
    if offload.flags & NEEDS_CSUM:
        offload = replace(offload, csum_start=offload.csum_start + 4)
    return Sent(data[:12] + tag + data[12:], offload, by)


def checksum(data: bytes) -> int:
    """Internet checksum (RFC 1071)."""
    data += bytes(len(data) % 2)
    total = sum(int.from_bytes(data[at : at + 2], "big") for at in range(0, len(data), 2))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
