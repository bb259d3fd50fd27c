"""The hash of a flow: one function for single frames and for vectors, the same on every node.

A flow is (client address, client port or 0, server number). Addresses are 16 bytes read as two little-endian words;
for an IPv4 client the high word is 0 and the low one is ``address << 32 | 0xFFFF0000`` (RFC 4291 section 2.5.5.2),
which leaves the low 26 bits for port and server: different IPv4 flows have different words, and the mixer keeps them
so.

The choice by `hash` has no secret seed: several balancers with one configuration have to agree without talking. A
flow table has one of its own, so that nobody can choose clients that share a line.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

U64: TypeAlias = NDArray[np.uint64]

MASK64 = 0xFFFF_FFFF_FFFF_FFFF
_C1 = 0xFF51_AFD7_ED55_8CCD  # the 64-bit finaliser of MurmurHash3: a bijection that mixes every bit
_C2 = 0xC4CE_B9FE_1A85_EC53

_MAPPED = 0xFFFF_0000

_V_C1 = np.uint64(_C1)
_V_C2 = np.uint64(_C2)
_V_33 = np.uint64(33)
_V_32 = np.uint64(32)
_V_20 = np.uint64(20)
_V_16 = np.uint64(16)
_V_32_BITS = np.uint64(0xFFFF_FFFF)


def mix(word: int) -> int:
    """Mix one 64-bit word."""
    word ^= word >> 33
    word = word * _C1 & MASK64
    word ^= word >> 33
    word = word * _C2 & MASK64
    return word ^ word >> 33


def mix_vector(words: U64) -> U64:
    """Mix `words` in place and return them."""
    words ^= words >> _V_33
    words *= _V_C1
    words ^= words >> _V_33
    words *= _V_C2
    words ^= words >> _V_33
    return words


def flow_hash(address: bytes, port: int, server: int, seed: int = 0) -> int:
    """Hash a flow given its 16-byte client address."""
    high = int.from_bytes(address[:8], "little")
    low = int.from_bytes(address[8:], "little")
    return mix((mix(high) if high else 0) ^ low ^ port ^ server << 16 ^ seed)


def swap16(word: int) -> int:
    """Swap the two bytes of a port or a length: between host order and how a frame in place is read."""
    return (word & 0xFF) << 8 | word >> 8


def hash_slot(flow_hash: int, length: int) -> int:
    """Slot of a hash in a server's buckets: 32 bits from the middle, neither the bucket's nor all the print's."""
    return (flow_hash >> 20 & 0xFFFF_FFFF) % length


def hash_slot_vector(hashes: U64, length: U64) -> NDArray[np.intp]:
    """`hash_slot` for a vector of each part."""
    return ((hashes >> _V_20 & _V_32_BITS) % length).view(np.intp)


def flow_hash_v4(client_le: int, port: int, server: int, seed: int = 0) -> int:
    """Hash an IPv4 flow; `client_le` is the address as a little-endian word, as a frame read in place gives it."""
    return mix(client_le << 32 ^ _MAPPED ^ port ^ server << 16 ^ seed)


def flow_hash_vector(high: U64, low: U64, port: U64, server: U64, seed: int = 0) -> U64:
    """`flow_hash` for a vector of each part; addresses as their two little-endian words."""
    words = mix_vector(high.copy())  # of 0 it makes 0
    words ^= low
    words ^= port
    words ^= server << _V_16
    words ^= np.uint64(seed)
    return mix_vector(words)


def flow_hash_v4_vector(client_le: U64, port: U64, server: U64, seed: int = 0) -> U64:
    """Hash IPv4 flows, a vector of each part."""
    words = client_le << _V_32
    words ^= np.uint64(_MAPPED ^ seed)
    words ^= port
    words ^= server << _V_16
    return mix_vector(words)
