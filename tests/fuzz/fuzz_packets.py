"""Fuzz what comes from the network: the modules' slow path, and that a batch of frames decides as scalar ones do.

python -m tests.fuzz.fuzz_packets --seconds 600
"""

from __future__ import annotations

import random
import struct

from engine.config.load import load
from engine.datapath.afpacket.scalar import Scalar
from engine.datapath.afpacket.tables import Tables
from engine.datapath.afpacket.vector import NOT_PLAIN, Vector
from engine.datapath.contract import DropReason
from engine.datapath.counters import CounterBlock
from engine.datapath.flowtable import FlowTable, table_bytes
from engine.datapath.lookup import Lookup
from engine.datapath.shared_memory import SharedMemory
from engine.domain.frame import Frame, Link
from engine.modules.chain import build_chain
from engine.modules.state.world import World
from tests.fuzz.loop import CORPUS, Broken, Run, options, quick
from tests.helpers.frames import OWN, ROUTER, TARGET_MAC, VIP, VNET, columns, compiled, mac, server
from tests.helpers.paths import SAMPLES

REAL, VIRT, TARGETS = "172.16.1.252", "172.16.1.253", ("172.16.1.100", "172.16.1.101")
ADDRESSES = [
    VIP,
    VIP,
    REAL,
    VIRT,
    *TARGETS,
    "192.0.2.10",
    "0.0.0.0",
    "255.255.255.255",
    "224.0.0.18",
    "127.0.0.1",
]
MACS = [
    OWN,
    OWN,
    ROUTER,
    TARGET_MAC[1],
    "ff:ff:ff:ff:ff:ff",
    "00:00:00:00:00:00",
    "01:00:5e:00:00:12",
    "00:00:5e:00:01:07",
]
LONGEST = 1900  # what a receive slot holds
BUCKETS = 256
WORLD_EVERY = 2_000
"""Inputs after which the modules begin anew: a day of frames in one world is not what is tested."""


def _packed(address: str) -> bytes:
    return bytes(map(int, address.split(".")))


def _checksum(data: bytes) -> int:
    total = sum(struct.unpack(f">{len(data) // 2}H", data[: len(data) & ~1]))
    total = (total & 0xFFFF) + (total >> 16)
    return ~(total + (total >> 16)) & 0xFFFF


def _transport(rng: random.Random) -> tuple[int, bytes]:
    sport, dport = rng.choice((40000, 40001, 80, 0, 65535)), rng.choice((80, 80, 80, 81, 0))
    match rng.randrange(6):
        case 0 | 1:
            flags = rng.choice((2, 16, 17, 4, 18, 0, 255, rng.randrange(256)))
            offset = rng.choice((5, 5, 5, 6, 15, 0, 4)) << 4
            return 6, struct.pack(">HHIIBBHHH", sport, dport, 1, 1, offset, flags, 1000, 0, 0)
        case 2:
            return 17, struct.pack(">HHHH", sport, dport, rng.choice((8, 0, 7, 100)), 0)
        case 3:
            kind = rng.choice((8, 8, 0, 3, 11, 12, 13, 255))
            inner = (
                _ip(rng, source=VIP, nested=True)
                if kind in {3, 11, 12}
                else rng.randbytes(rng.choice((0, 8, 56)))
            )
            code = rng.choice((0, 4, 1))
            bare = struct.pack(">BBHI", kind, code, 0, rng.randrange(1 << 32)) + inner
            return 1, bare[:2] + struct.pack(">H", _checksum(bare + bytes(len(bare) & 1))) + bare[4:]
        case 4:  # VRRP
            return 112, bytes(
                (rng.choice((0x21, 0x31, 0)), rng.choice((7, 0)), rng.choice((0, 100, 255)), 1)
            ) + bytes(12)
        case _:
            return rng.choice((47, 50, 2, 0, 255, 6, 17, 1)), rng.randbytes(rng.choice((0, 3, 8, 20)))


def _ip(rng: random.Random, *, source: str | None = None, nested: bool = False) -> bytes:
    protocol, transport = (6, struct.pack(">HHI", 80, 40000, 1)) if nested else _transport(rng)
    payload = bytes(rng.choice((0, 0, 20, 60, 1400, 1480)) if not nested else 0)
    options_ = b"\x01" * rng.choice((0, 0, 0, 0, 4, 40))
    length = 20 + len(options_) + len(transport) + len(payload)
    fragment = rng.choice((0, 0, 0, 0, 0x4000, 0x2000, 5, 0x2005, 0x1FFF, 0x8000))
    header = struct.pack(
        ">BBHHHBBH4s4s",
        rng.choice((4, 4, 4, 4, 6, 0)) << 4
        | (5 + len(options_) // 4 if rng.random() < 0.9 else rng.randrange(16)),
        0,
        length if rng.random() < 0.9 else rng.choice((0, 19, 20, 28, 0xFFFF, length + 1)),
        rng.choice((7, 8)),
        fragment,
        rng.choice((64, 64, 255, 1, 0)),
        protocol,
        0,
        _packed(source or (rng.choice(ADDRESSES) if rng.random() < 0.3 else f"192.0.2.{rng.randrange(40)}")),
        _packed(VIP if rng.random() < 0.6 else rng.choice(ADDRESSES)),
    )
    return header + options_ + transport + payload


def _arp(rng: random.Random) -> bytes:
    return (
        struct.pack(
            ">HHBBH",
            rng.choice((1, 1, 1, 6)),
            rng.choice((0x0800, 0x0800, 0)),
            6,
            rng.choice((4, 4, 16)),
            rng.choice((1, 2, 1, 2, 0, 9)),
        )
        + mac(rng.choice(MACS))
        + _packed(rng.choice(ADDRESSES))
        + mac(rng.choice(MACS))
        + _packed(rng.choice(ADDRESSES))
    )


def frame(rng: random.Random) -> bytes:
    """Make one frame, mostly one that some part of the engine looks at; sometimes a damaged one."""
    to = OWN if rng.random() < 0.7 else rng.choice(MACS)
    head = mac(to) + mac(ROUTER if rng.random() < 0.6 else rng.choice(MACS))
    if rng.random() < 0.7:
        data = head + b"\x08\0" + _ip(rng)
    elif rng.random() < 0.8:
        data = head + b"\x08\x06" + _arp(rng)
    else:
        data = (
            head + rng.choice((b"\x86\xdd", b"\x81\0\0\x05\x08\0", b"\x88\xcc", b"\0\0")) + rng.randbytes(60)
        )
    data += bytes(max(0, 60 - len(data))) if rng.random() < 0.5 else b""
    if rng.random() < 0.25:
        at = rng.randrange(len(data))
        data = rng.choice((data[:at], data[:at] + rng.randbytes(1) + data[at + 1 :], data + rng.randbytes(9)))
    return data[:LONGEST]


def pack(frames: list[bytes]) -> bytes:
    return b"".join(struct.pack(">H", len(data)) + data for data in frames)


def unpack(data: bytes) -> list[bytes]:
    """Return the frames of an input; any bytes are one."""
    frames, at = [], 0
    while at + 2 <= len(data) and len(frames) < 64:
        size = min(int.from_bytes(data[at : at + 2], "big"), LONGEST)
        frames.append(data[at + 2 : at + 2 + size])
        at += 2 + size
    return frames


class Checker:
    """The modules' world and two states of the datapath; called with an input, it raises where a promise breaks."""

    def __init__(self) -> None:
        self._memories = [SharedMemory.create("fuzz-flows", table_bytes(BUCKETS)) for _ in range(2)]
        self._blocks = [CounterBlock.create() for _ in range(2)]
        servers = (server(method="hash", new=(1, 2, 3), keep=(1, 2, 3)),)
        self._tables = [
            compiled(*servers),
            compiled(
                server(method="hash", by_port=True, new=(1, 2, 3), keep=(1, 2, 3), port=0, protocol="any")
            ),
        ]
        self._inputs = 0
        self._begin()

    def _begin(self) -> None:
        config = load((SAMPLES / "dsr.conf").read_bytes(), "dsr.conf").config
        links = {1: Link(number=1, name="eth0", ifindex=2, mac=mac(OWN), mtu=1500, up=True)}
        self.chain = build_chain(World(config=config, links=links))
        self.now = 1000.0
        self.chain.tick(self.now)

    def close(self) -> None:
        """Give the shared memory back."""
        for memory in (*self._memories, *(block.memory for block in self._blocks)):
            memory.close()

    def __call__(self, data: bytes) -> None:
        frames = unpack(data)
        self._inputs += 1
        if self._inputs % WORLD_EVERY == 0:
            self._begin()
        with quick("the modules"):
            for one in frames:
                self._modules(one)
            self.chain.tick(self.now)
            self.chain.describe()
            self.chain.arp.entries(self.now)
        # What the kernel's filter lets through to the datapath (engine.io.packet_filter.for_addresses).
        taken = [f for f in frames if len(f) >= 34 and f[12:14] == b"\x08\0" and f[30:34] == _packed(VIP)]
        if taken:
            for table in self._tables:
                self._decide(table, taken)

    def _modules(self, data: bytes) -> None:
        self.now += 0.01
        outcome = self.chain.handle(Frame(1, data, None), self.now)
        for sent in outcome.send:
            if len(sent.data) < 14 or sent.interface != 1:
                raise Broken("an answer that is no frame")
        if len(outcome.send) > 64:
            raise Broken("a frame that makes many")
        for notice in outcome.notices:
            if not notice.message.isprintable():
                raise Broken("a notice that cannot be printed")

    def _decide(self, table, frames: list[bytes]) -> None:
        states = []
        for memory, block in zip(self._memories, self._blocks, strict=True):
            memory.view[:] = bytes(len(memory.view))
            states.append(Tables(Lookup(table), FlowTable(memory.view, BUCKETS), block))
        one, many = states
        scalar = Scalar(one)
        with quick("scalar decisions"):
            expected = [scalar.decide(memoryview(bytearray(VNET + f)), len(f), 100) for f in frames]
        with quick("a vector's decision"):
            verdicts, _ = Vector(many, Scalar(many)).decide(columns(frames), 100)
        lowest = -1 - max(DropReason)
        for mine, theirs, data in zip(verdicts.tolist(), expected, frames, strict=True):
            if not lowest <= theirs <= 3:
                raise Broken(f"a verdict of nothing: {theirs}")
            if mine not in (NOT_PLAIN, theirs):
                raise Broken(f"batch and single differ: {mine} and {theirs} for {data.hex()}")


def main(argv: list[str] | None = None) -> int:
    args = options(__doc__.split("\n")[0]).parse_args(argv)
    seed = args.seed if args.seed is not None else random.SystemRandom().randrange(1 << 31)
    print(f"seed {seed}", flush=True)
    rng, checker = random.Random(seed), Checker()
    run = Run("packets", args.seconds, checker, keep=not args.no_keep)
    try:
        for path in sorted((CORPUS / "packets").glob("*.bin")):
            run.one(path.read_bytes())
        while not run.over:
            run.one(pack([frame(rng) for _ in range(rng.choice((1, 1, 4, 16)))]))
        return run.report()
    finally:
        checker.close()


if __name__ == "__main__":
    raise SystemExit(main())
