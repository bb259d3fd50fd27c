"""One type for every IP address, IPv4 or IPv6: 16 bytes, IPv4 in mapped form (RFC 4291 section 2.5.5.2)."""

from __future__ import annotations

from typing import Literal, Self

MAPPED = b"\0" * 10 + b"\xff\xff"
"""What precedes the four bytes of an IPv4 address."""


class Address(bytes):
    """An address as 16 bytes in network order: hashable, ordered, and laid out as tables and flow keys have it.

    Make one with `parse` (text) or `of` (bytes off the wire); `str()` gives canonical text (RFC 5952 for IPv6).
    """

    __slots__ = ()

    def __new__(cls, sixteen: bytes) -> Self:
        """Take 16 bytes as they are. Raises ValueError for another length."""
        if len(sixteen) != 16:
            raise ValueError(f"an address has 16 bytes, not {len(sixteen)}")
        return super().__new__(cls, sixteen)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read an address as people write it. Raises ValueError, which repeats the text."""
        import ipaddress  # noqa: PLC0415 - a worker, which parses nothing, starts faster without it

        return cls.of(ipaddress.ip_address(text).packed)

    @classmethod
    def parse_v4(cls, text: str | None) -> Self | None:
        """Read an IPv4 address; None for anything else, no text included."""
        try:
            address = cls.parse(text) if text else None
        except ValueError:
            return None
        return address if address is not None and address.family == 4 else None

    @classmethod
    def of(cls, packed: bytes) -> Self:
        """Take the 4 or 16 bytes that a header carries. Raises ValueError for another length."""
        return cls(MAPPED + packed if len(packed) == 4 else packed)

    @property
    def family(self) -> Literal[4, 6]:
        """The version of IP that the address belongs to."""
        return 4 if self.startswith(MAPPED) else 6

    @property
    def packed(self) -> bytes:
        """The address as a header carries it: 4 bytes for IPv4, 16 for IPv6, in network order."""
        return self[12:] if self.startswith(MAPPED) else bytes(self)

    @property
    def is_host(self) -> bool:
        """Whether a single host on the wire may have it.

        Not so "this network" and loopback (RFC 1122 section 3.2.1.3), multicast and what lies above it, nor the
        unspecified, the loopback and the multicast addresses of IPv6 (RFC 4291 sections 2.5.2, 2.5.3 and 2.7).
        """
        if self.family == 4:
            return self[12] not in (0, 127) and self[12] < 224
        return self[0] != 0xFF and self.word > 1

    @property
    def word(self) -> int:
        """The 16 bytes as one number: what masks are applied to."""
        return int.from_bytes(self, "big")

    def __str__(self) -> str:
        if self.startswith(MAPPED):
            return ".".join(map(str, self[12:]))
        import ipaddress  # noqa: PLC0415 - as in `parse`

        return str(ipaddress.IPv6Address(bytes(self)))

    def __repr__(self) -> str:
        return f"Address({str(self)!r})"


UNSPECIFIED_V4 = Address.of(bytes(4))
"""0.0.0.0, the sender of an ARP Probe (RFC 5227 section 1.1)."""


_ALL_ONES = (1 << 128) - 1


class Prefix:
    """An IP network: every address whose first `length` bits (of 128) are those of `start`."""

    __slots__ = ("length", "mask", "start")

    def __init__(self, address: Address, netmask: Address) -> None:
        """Take any address in the network and its mask. Raises ValueError for a mask with holes or of another family."""
        if address.family != netmask.family:
            raise ValueError(f"{address} and {netmask} are of different families")
        self.mask = netmask.word | ((1 << 128) - (1 << 32) if address.family == 4 else 0)
        holes = self.mask ^ _ALL_ONES
        if holes & (holes + 1):
            raise ValueError(f"{netmask} is not a network mask")
        self.start = address.word & self.mask
        self.length = self.mask.bit_count()

    @classmethod
    def parse(cls, address: str, netmask: str) -> Self:
        """Read an address of the network and its mask, as people write them. Raises ValueError."""
        return cls(Address.parse(address), Address.parse(netmask))

    @property
    def first(self) -> Address:
        """The lowest address of the network, which is the network's own."""
        return Address(self.start.to_bytes(16, "big"))

    @property
    def last(self) -> Address:
        """The highest address of the network, which is the broadcast address of an IPv4 network."""
        return Address((self.start | ~self.mask & _ALL_ONES).to_bytes(16, "big"))

    @property
    def family_length(self) -> int:
        """The length as people and netlink give it: of 32 bits for IPv4, of 128 for IPv6."""
        return self.length - 96 if self.first.family == 4 else self.length

    def __str__(self) -> str:
        return f"{self.first}/{self.family_length}"

    def __contains__(self, address: Address) -> bool:
        """Tell whether an address is in the network."""
        return address.word & self.mask == self.start
