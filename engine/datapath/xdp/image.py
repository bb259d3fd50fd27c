"""A forwarding table as the program reads it: pages of one map. What is laid out here stands in table.h, too."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import numpy as np

from engine.datapath.contract import NO_INTERFACE, TARGET_ROWS, ForwardingTable, Pick
from engine.datapath.flowtable import rules_of
from engine.datapath.keys import swap16

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping

    from numpy.typing import NDArray

    from engine.datapath.xdp.rings import Ring

PAGE = 4096

_U4, _U2, _U1 = "<u4", "<u2", "u1"
_HEAD_NUMBERS = (
    "generation", "mtu", "mtu_most", "flow_mask", "virtual_first", "virtual_mask", "server_first", "server_mask",
    "mac_first", "mac_mask", "target_first", "member_first", "limit_first", "answers_first", "own_count",
)  # fmt: skip
HEAD = np.dtype(
    [
        *((name, _U4) for name in _HEAD_NUMBERS),
        *((name, _U1) for name in ("any_port", "any_protocol")),
        ("unused", "V2"),
        ("seed", "<u8"),
        ("own", "<u8", 2),
        ("mac_filter", "<u8", 8),
        ("source_filter", "<u8", 8),
    ]
)
VIRTUAL = np.dtype(
    [
        ("address", "V16"),
        ("number", _U2),
        ("only_server", _U2),
        ("alone", _U2, 3),
        ("vlan", _U2),
        ("unused", "V4"),
    ]
)
_SERVER_NUMBERS = ("ring_first", "ring_len", "hash_len", "before_first", "choice_first", "choice_len")
SERVER = np.dtype(
    [
        *((name, "<u8") for name in ("key", "reciprocal")),
        *((name, _U4) for name in _SERVER_NUMBERS),
        *((name, _U2) for name in ("number", "row")),
        *((name, _U1) for name in ("pick", "by_port", "how", "limited")),
        ("unused", "V16"),
    ]
)
TARGET = np.dtype(
    [
        *((name, "V6") for name in ("mac", "source")),
        *((name, _U4) for name in ("ifindex", "limit")),
        *((name, _U2) for name in ("weight", "mtu", "vlan")),
        *((name, _U1) for name in ("retag", "gone")),
        ("unused", "V4"),
    ]
)

_MASK64 = 0xFFFF_FFFF_FFFF_FFFF
_MULTIPLIER = 0x9E37_79B9_7F4A_7C15
_MOST_PROBES = 8
_SERVER_USED = 1 << 63
_OWN_MAC = 1 << 48
_LEAVING = 0x40
_BY_RING = 1
_MOST = 0xFFFF  # bytes of a packet
_WAYS = 8
_LINE = 64
_TCP, _UDP = 6, 17
_NUMBERS = 1024  # servers, as the flow table's entries count them

_Key = TypeVar("_Key", bound="Hashable")


class Image:
    """The pages of a table, and where its parts are. `flow_buckets` and `seed` are the flow table's.

    `rings` are those of the servers whose ring decides. `ring_first` and `before_first` say by server number where their
    buckets and the targets before are, in bytes. `cut_later`: see Program.
    """

    def __init__(
        self,
        table: ForwardingTable,
        flow_buckets: int,
        seed: int,
        rings: Mapping[int, Ring] | None = None,
        *,
        cut_later: bool = False,
    ) -> None:
        self.table = table
        self._rings = rings or {}
        self.ring_first: dict[int, int] = {}
        self.before_first: dict[int, int] = {}
        self._parts: list[NDArray[np.uint8]] = []
        self._end = PAGE
        self.head = np.zeros(1, HEAD)[0]
        head = self.head
        head["generation"] = table.generation & 0xFFFF_FFFF
        mtus = np.append(table.mtu, table.egress_mtu)
        if cut_later:
            # Nothing larger than the interface's MTU comes in one piece, so it is not what is too big for another one.
            mtus[mtus >= table.mtu] = _MOST
        mtus = np.minimum(mtus, _MOST)
        head["mtu"], head["mtu_most"] = table.mtu, mtus.max()
        head["flow_mask"], head["seed"] = flow_buckets - 1, seed
        self._add_macs()
        numbers = {bytes(row): n for n, row in enumerate(table.virtual_addr.tolist(), start=1)}
        self._add_virtual(numbers, self._add_servers(numbers))
        head["target_first"] = self._add(_targets(table, mtus))
        member = table.member.copy()
        member.reshape(-1)[table.leaving] |= _LEAVING
        head["member_first"] = self._add(member)
        head["limit_first"] = self._add(rules_of(table).limit_s)
        answers = np.zeros(_NUMBERS, np.uint8)
        answers[table.server_number] = 1
        head["answers_first"] = self._add(answers)

    @property
    def pages(self) -> int:
        """How many pages it takes."""
        return -(-self._end // PAGE)

    def write(self, memory: memoryview) -> None:
        """Write it to memory of `pages` pages."""
        head = self.head.tobytes()
        memory[: len(head)] = head
        at = PAGE
        for part in self._parts:
            memory[at : at + len(part)] = part.data
            at += len(part)

    def _add(self, rows: NDArray[np.generic]) -> int:
        """Add rows, padded to whole cache lines; returns their offset. Rows of a power of two never cross a page."""
        data = np.frombuffer(rows.tobytes(), np.uint8)
        part = np.zeros(-(-max(len(data), 1) // _LINE) * _LINE, np.uint8)
        part[: len(data)] = data
        at = self._end
        self._parts.append(part)
        self._end += len(part)
        return at

    def _add_macs(self) -> None:
        head = self.head
        own, blocked = _mac_words(self.table.own_mac), _mac_words(self.table.blocked_mac)
        head["own_count"] = len(own)
        head["own"][: len(own[:2])] = own[:2]
        words = {mac: mac for mac in blocked} | {mac: mac | _OWN_MAC for mac in own}
        hashes = {mac: _spread(mac) for mac in words}
        _set_bits(head["mac_filter"], hashes)
        lines = 1
        while (rows := _lines(words, hashes, lines)) is None:
            lines *= 2
        head["mac_first"], head["mac_mask"] = self._add(rows), lines - 1

    def _add_servers(self, virtual: Mapping[bytes, int]) -> dict[int, list[np.void]]:
        """Lay out the servers; returns those at each virtual address, by its number."""
        table, head = self.table, self.head
        keys: dict[int, int] = {}  # key -> row of the forwarding table
        for at, address in enumerate(table.server_addr.tolist()):
            number = virtual.get(bytes(address))
            if number is not None:
                port, protocol = swap16(int(table.server_port[at])), int(table.server_protocol[at])
                keys.setdefault(_SERVER_USED | number << 32 | port << 16 | protocol, at)
        places, size = _placed({key: _spread(key) >> 32 for key in keys})
        rows = np.zeros(size, SERVER)
        at_address: dict[int, list[np.void]] = {}
        for key, place in places.items():
            row = rows[place]
            row["key"], row["row"] = key, place
            self._fill_server(row, keys[key])
            at_address.setdefault(key >> 32 & 0xFFFF, []).append(row)
        head["server_first"], head["server_mask"] = self._add(rows), size - 1
        head["any_port"] = bool((table.server_port == 0).any())
        head["any_protocol"] = bool((table.server_protocol == 0).any())
        return at_address

    def _fill_server(self, row: np.void, at: int) -> None:
        table = self.table
        first, length = int(table.bucket_start[at]), int(table.bucket_len[at])
        buckets = table.buckets[first : first + length]
        pick = int(table.server_pick[at])
        # In the order of the buckets where that decides: of targets with the same load the first is chosen.
        choice = buckets if pick == Pick.LEAST else np.unique(buckets)
        number = int(table.server_number[at])
        row["number"], row["pick"] = number, pick
        row["by_port"] = table.server_by_port[at]
        if (ring := self._rings.get(number)) is not None:
            buckets, length = ring.buckets(), len(ring.target)
            row["how"] = _BY_RING
            self.before_first[number] = row["before_first"] = self._add(ring.before)
        row["ring_first"], row["ring_len"] = self._add(buckets), length
        self.ring_first[number] = int(row["ring_first"])
        row["hash_len"] = min(length, 1) if pick == Pick.FIRST else length
        row["reciprocal"] = (_MASK64 // length + 1) & _MASK64 if length else 0
        row["choice_first"], row["choice_len"] = self._add(choice), len(choice)
        row["limited"] = bool(table.target_limit[choice].any())

    def _add_virtual(self, numbers: Mapping[bytes, int], servers: Mapping[int, list[np.void]]) -> None:
        head = self.head
        hashes = {address: _address_hash(address) for address in numbers}
        _set_bits(head["source_filter"], hashes)
        places, size = _placed({address: number >> 32 for address, number in hashes.items()})
        rows = np.zeros(size, VIRTUAL)
        vlans = dict(zip(numbers, self.table.virtual_vlan.tolist(), strict=True))
        for address, place in places.items():
            row, here = rows[place], servers.get(numbers[address], [])
            row["address"], row["number"], row["vlan"] = address, numbers[address], vlans[address]
            row["only_server"] = here[0]["number"] if len(here) == 1 else 0
            for column, protocol in enumerate((_TCP, _UDP, None)):
                may = [s for s in here if int(s["key"]) & 0xFF in {0, protocol}]
                if len(may) == 1 and not may[0]["by_port"]:
                    row["alone"][column] = may[0]["row"] + 1
        head["virtual_first"], head["virtual_mask"] = self._add(rows), size - 1


def _targets(table: ForwardingTable, mtus: NDArray[np.int64]) -> NDArray[np.void]:
    """Lay out the targets, each with its way out; `mtus` are those of the ways out."""
    rows = np.zeros(TARGET_ROWS, TARGET)
    rows["mac"] = np.ascontiguousarray(table.target_mac).view("V6").ravel()
    rows["limit"], rows["weight"] = table.target_limit, table.target_weight
    own = table.own_mac[:1] if len(table.own_mac) else np.zeros((1, 6), np.uint8)
    way = table.target_egress
    ifindex = np.append(0, table.egress_ifindex)
    rows["source"] = np.concatenate((own, table.egress_mac))[way].view("V6").ravel()
    rows["gone"], rows["ifindex"] = ifindex[way] == NO_INTERFACE, ifindex[way]
    rows["mtu"] = mtus[way]
    rows["vlan"] = np.append(0, table.egress_vlan)[way]
    rows["retag"] = way > 0
    return rows


def _mac_words(rows: NDArray[np.uint8]) -> list[int]:
    """Read MACs as little-endian numbers."""
    return [int.from_bytes(bytes(row), "little") for row in rows.tolist()]


def _spread(word: int) -> int:
    """Hash a word of 64 bits (spread() of table.h)."""
    return (word ^ word >> 32) * _MULTIPLIER & _MASK64


def _address_hash(address: bytes) -> int:
    high, low = (int.from_bytes(address[at : at + 8], "little") for at in (0, 8))
    return _spread(high * _MULTIPLIER & _MASK64 ^ low)


def _set_bits(words: NDArray[np.uint64], hashes: Mapping[_Key, int]) -> None:
    """Set the bit of each hash's top nine bits."""
    for number in hashes.values():
        words[number >> 61] |= np.uint64(1 << (number >> 55 & 63))


def _lines(words: Mapping[int, int], hashes: Mapping[int, int], lines: int) -> NDArray[np.uint64] | None:
    """Spread words over lines by their hashes; None where one would need more than a line has."""
    rows = np.zeros((lines, _WAYS), np.uint64)
    used = [0] * lines
    for key, word in words.items():
        line = hashes[key] >> 32 & lines - 1
        if used[line] == _WAYS:
            return None
        rows[line, used[line]] = word
        used[line] += 1
    return rows


def _placed(hashes: Mapping[_Key, int]) -> tuple[dict[_Key, int], int]:
    """Find places by linear probing, each found within `_MOST_PROBES`; returns them and the size of the whole."""
    size = 2
    while size < 2 * len(hashes):
        size *= 2
    while True:
        places: dict[_Key, int] = {}
        taken: set[int] = set()
        for key, number in hashes.items():
            probes = (number + step & size - 1 for step in range(_MOST_PROBES))
            free = next((at for at in probes if at not in taken), None)
            if free is None:
                break
            taken.add(free)
            places[key] = free
        else:
            return places, size
        size *= 2
