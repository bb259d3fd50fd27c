"""The model's flow table: lines of eight entries, as engine.datapath.flowtable's docstring lays them out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

WAYS = 8
FRESH, OPEN, CLOSING, HALF_OPEN = range(4)
CLOSING_S = 60

_MASK = (1 << 64) - 1


class Key(NamedTuple):
    """What a flow is known by; `port` is 0 where the server keys by address."""

    server: int
    client: bytes
    port: int


class Shown(NamedTuple):
    """An entry as every datapath's table has it."""

    server: int
    target: int
    generation: int
    state: int
    seen_s: int  # modulo 65,536
    print_: int
    client: str
    port: int


def _mix(word: int) -> int:
    """MurmurHash3's 64-bit finaliser (Appleby, fmix64)."""
    for factor in (0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53):
        word = (word ^ word >> 33) * factor & _MASK
    return word ^ word >> 33


def flow_hash(key: Key, seed: int = 0) -> int:
    """Hash a flow: the low word of the mapped address (RFC 4291 2.5.5.2), port and server, little-endian readings."""
    low = int.from_bytes(b"\0\0\xff\xff" + key.client, "little")
    port = int.from_bytes(key.port.to_bytes(2, "big"), "little")
    return _mix(low ^ port ^ key.server << 16 ^ seed)


def place(flow: int, length: int) -> int:
    """Return the position of a hash in a server's buckets."""
    return (flow >> 20 & 0xFFFFFFFF) % length


@dataclass
class Entry:
    key: Key
    target: int
    generation: int
    state: int
    seen_s: int
    print_: int
    void: bool = False  # lost its target at a change of table, for good

    def shown(self) -> Shown:
        """Give the entry's fields and the side table's row beside it."""
        return Shown(
            server=self.key.server,
            target=self.target,
            generation=self.generation,
            state=self.state,
            seen_s=self.seen_s & 0xFFFF,
            print_=self.print_,
            client=".".join(map(str, self.key.client)),
            port=self.key.port,
        )


class Flows:
    """Lines of entries, found by the low bits of the hash with the table's seed and told apart by its top 21."""

    def __init__(self, lines: int, seed: int) -> None:
        self.seed = seed
        self.lines: list[list[Entry | None]] = [[None] * WAYS for _ in range(lines)]

    def line(self, key: Key) -> list[Entry | None]:
        return self.lines[flow_hash(key, self.seed) % len(self.lines)]

    def print_of(self, key: Key) -> int:
        return flow_hash(key, self.seed) >> 43

    def find(self, key: Key) -> int:
        """Return the way of the flow's entry, void or not; -1 where there is none."""
        print_ = self.print_of(key)
        for way, entry in enumerate(self.line(key)):
            if entry is not None and entry.print_ == print_ and entry.key.server == key.server:
                return way
        return -1

    def entries(self) -> list[Entry]:
        return [entry for line in self.lines for entry in line if entry is not None]

    def shown(self) -> dict[int, list[Shown]]:
        """Give what stands in each line that is used; the order in a line means nothing."""
        lines = {number: [e.shown() for e in line if e is not None] for number, line in enumerate(self.lines)}
        return {number: line for number, line in lines.items() if line}
