"""Frames made by scapy, and the memory they stand in when the datapath sees them."""

from __future__ import annotations

import struct
from dataclasses import replace

import numpy as np
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.l2 import Dot1Q, Ether

from engine.datapath.table import Compiler, ServerInput, TargetInput
from engine.domain.address import Address
from engine.io.if_packet import RX_FRAME, TP_STATUS_USER, TP_STATUS_VLAN_VALID

OWN = "02:00:00:00:00:02"
ROUTER = "02:00:00:00:00:01"
TARGET_MAC = {n: f"02:00:00:00:01:{n:02x}" for n in range(1, 9)}
VIP = "172.16.1.10"
VNET = bytes(10)


def mac(text: str) -> bytes:
    return bytes.fromhex(text.replace(":", ""))


def server(number: int = 1, **changes: object) -> ServerInput:
    values: dict[str, object] = {
        "number": number,
        "address": Address.parse(VIP),
        "port": 80,
        "protocol": "tcp",
        "method": "rr",
        "by_port": False,
        "idle_s": 600,
        "new": (1, 2),
        "keep": (1, 2),
    }
    values.update(changes)
    return ServerInput(**values)


def targets(*numbers: int, weights: dict[int, int] | None = None) -> list[TargetInput]:
    weights = weights or {}
    return [TargetInput(n, f"172.16.1.{99 + n}:80", mac(TARGET_MAC[n]), weights.get(n, 1)) for n in numbers]


def compiled(*servers: ServerInput, compiler: Compiler | None = None, mtu: int = 1500, **more: object):
    limits = more.get("limits") or {}
    used = [
        replace(t, limit=limits.get(t.number, 0)) for t in targets(*range(1, 9), weights=more.get("weights"))
    ]
    return (compiler or Compiler()).compile(
        servers,
        used,
        virtual=sorted({s.address for s in servers}) or [Address.parse(VIP)],
        own_mac=[mac(OWN)],
        blocked_mac=[t.mac for t in used],
        mtu=mtu,
    )


def frame(transport=None, *, src="192.0.2.10", dst=VIP, to=OWN, by=ROUTER, payload=b"", **ip) -> bytes:
    transport = TCP(sport=40000, dport=80, flags="S") if transport is None else transport
    return bytes(Ether(dst=to, src=by) / IP(src=src, dst=dst, **ip) / transport / payload)


def padded(data: bytes) -> bytes:
    return data + bytes(max(0, 60 - len(data)))


def columns(frames: list[bytes], vlan: int | None = None) -> np.ndarray:
    """The first 128 bytes of the receive slots these frames would stand in; `vlan` is the tag that they came with."""
    status = TP_STATUS_USER | (TP_STATUS_VLAN_VALID if vlan is not None else 0)
    slots = np.zeros((len(frames), 2048), np.uint8)
    for slot, data in zip(slots, frames, strict=True):
        head = struct.pack("<IIIHH", status, len(data), len(data), RX_FRAME, RX_FRAME + 14)
        head += struct.pack("<8xHH", vlan or 0, 0)
        slot[: len(head)] = np.frombuffer(head, np.uint8)
        slot[RX_FRAME : RX_FRAME + len(data)] = np.frombuffer(data, np.uint8)
    return np.ascontiguousarray(slots.view(np.uint64)[:, :16].T)


def drop(reason: int) -> int:
    return -1 - reason


__all__ = ["ICMP", "IP", "TCP", "UDP", "Dot1Q", "Ether"]
