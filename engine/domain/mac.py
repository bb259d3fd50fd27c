"""Ethernet addresses: 6 bytes in network order everywhere, text only for people."""

from __future__ import annotations


def mac_text(mac: bytes) -> str:
    """Return a MAC as people write it: 02:00:5e:10:00:00."""
    return mac.hex(":")
