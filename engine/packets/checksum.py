"""The Internet checksum (RFC 1071), whole and patched."""

from __future__ import annotations


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
