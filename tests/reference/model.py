"""What becomes of a frame: the specification as a program, one frame after the other.

Written from the contract's and the flow table's docstrings, docs/decisions.md and the RFCs named; what was learned from
the scalar path instead stands in rules.py.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING

from tests.reference.flows import (
    CLOSING,
    CLOSING_S,
    FRESH,
    HALF_OPEN,
    OPEN,
    Entry,
    Flows,
    Key,
    flow_hash,
    place,
)
from tests.reference.table import FIRST, HASH, NEXT, NO_INTERFACE, RANDOM, Server, Table, WayOut
from tests.reference.wire import GSO_NONE, Frame, Offload, Sent, checksum, tagged

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

ICMP, TCP, UDP = 1, 6, 17
FIN, SYN, RST = 1, 2, 4
ICMP_ERRORS = {3, 11, 12}  # unreachable, time exceeded, parameter problem: they quote a header (RFC 792)
NEVER_ANSWERED = {3, 4, 5, 11, 12}  # RFC 1122 3.2.2
ECHO_REQUEST = 8
HALF_OPEN_S = 10
FRAGMENT_S = 30  # Linux keeps fragments so long (net.ipv4.ipfrag_time)
ANSWERS_A_SECOND = 100

UNSEEN = "unseen"  # by the kernel's filter: the datapath takes IPv4 to a virtual address on its VLAN but for echo requests, nothing else
PASS = "pass"

Name = str | tuple[str, int] | tuple[str, int, str]
"""Of a counter: arrays with their index, drops of a server with its number and the reason."""


def _vid(frame: Frame) -> int:
    """Return the VLAN of a frame; 0 where it has no tag or a priority alone (IEEE 802.1Q 9.6)."""
    return frame.vlan[0] & 0xFFF if frame.vlan else 0


@dataclass(frozen=True)
class Fate:
    """What became of one frame. `verdict`: `unseen`, `pass`, `forward`, or the label of a drop reason."""

    verdict: str
    target: int = 0
    flow: Key | None = None
    sent: tuple[Sent, ...] = ()


@dataclass(frozen=True)
class _To:
    """A target found, for a flow."""

    target: int
    flow: Key


_Verdict = _To | str


def _is_echo_request(data: bytes) -> bool:
    """Whether a frame is for the control process: an echo request, or the first fragment of one (RFC 792)."""
    kind = data[14 + (data[14] & 15) * 4 :][:1]
    return (
        data[23] == ICMP and not int.from_bytes(data[20:22], "big") & 0x1FFF and kind == bytes([ECHO_REQUEST])
    )


class Model:
    """One worker: table, flows, remembered fragments, turns and counters."""

    def __init__(self, lines: int, draw: Callable[[int], int], *, seed: int = 0) -> None:
        self.flows = Flows(lines, seed)
        self.counts: Counter[Name] = Counter()
        self._draw = draw  # a random number below its argument
        self._turn: Counter[int] = Counter()
        self._fragments: dict[tuple[bytes, bytes, int, int], tuple[_To, int | None, int]] = {}
        self._answered: Counter[int] = Counter()
        self.table: Table | None = None
        self._unswept = 0  # changes of table since void flows were forgotten

    def install(self, table: Table) -> None:
        """Decide by another table; flows whose target came back as another, or after an absence, are void for good."""
        self.table = table
        for entry in self.flows.entries():
            if table.member(entry.key.server, entry.target) not in {None, entry.generation}:
                entry.void = True
        self._unswept += 1
        if self._unswept == 15:
            # A generation has 4 bits: before it comes round, what is void leaves the table.
            self._keep(self._is_member)

    def sweep(self, now_s: int) -> None:
        """Forget void flows."""
        self._keep(lambda entry: self._live(entry, now_s), now_s)

    def _keep(self, may_stay: Callable[[Entry], bool], now_s: int = 0) -> None:
        self._unswept = 0
        for line in self.flows.lines:
            for way, entry in enumerate(line):
                if entry is not None and not may_stay(entry):
                    self._end(entry, now_s)
                    line[way] = None

    def _end(self, entry: Entry | None, now_s: int) -> None:
        """Count a flow that showed only SYNs until its time was over (rule 24)."""
        if entry is None or entry.state != HALF_OPEN or not self._is_member(entry):
            return
        if not self._live(entry, now_s):
            self.counts["target_unanswered", entry.target] += 1

    def sessions(self) -> Counter[tuple[str, int]]:
        """Count sessions by target and server; half-open ones apart (rule 12)."""
        found: Counter[tuple[str, int]] = Counter()
        for entry in self.flows.entries():
            word = "half_open" if entry.state in {FRESH, HALF_OPEN} else "sessions"
            found[f"target_{word}", entry.target] += 1
            found[f"server_{word}", entry.key.server] += 1
        return found

    def decide(
        self, frames: Iterable[Frame], now_s: int, former: Mapping[bytes, int] | None = None
    ) -> list[Fate]:
        """Decide about a batch. `former`: virtual addresses and VLANs of a table before, whose frames still waited."""
        return [self._one(frame, now_s, former or {}) for frame in frames]

    def _one(self, frame: Frame, now_s: int, former: Mapping[bytes, int]) -> Fate:
        data = frame.data
        if not self._is_seen(frame, former):
            return Fate(UNSEEN)
        self.counts["received"] += 1
        if frame.kept is not None:
            verdict: _Verdict = "truncated"
        else:
            verdict = self._judge(frame, now_s)
        mtu = max(way_out.mtu for way_out in self.table.ways_out)
        if isinstance(verdict, _To):
            way_out = self.table.way_out(verdict.target)
            if self._fits(data[14:], frame.offload, way_out.mtu):
                return self._forward(frame, verdict, way_out)
            verdict, mtu = "too-big", way_out.mtu
        if verdict == PASS:
            self.counts["passed"] += 1
            return Fate(PASS)
        self._count_drop(frame, verdict)
        answer = self._too_big_answer(frame, mtu, now_s) if verdict == "too-big" else ()
        return Fate(verdict, sent=answer)

    def _is_seen(self, frame: Frame, former: Mapping[bytes, int]) -> bool:
        """Whether the kernel's filter lets a frame through: IPv4 to a virtual address on its VLAN, but no echo request."""
        data, to = frame.data, frame.data[30:34]
        if data[12:14] != b"\x08\0" or len(data) < 34:
            return False
        is_ours = any(served.get(to) == _vid(frame) for served in (self.table.virtual, former))
        return is_ours and not _is_echo_request(data)

    def _count_drop(self, frame: Frame, reason: str, server: int | None = None) -> None:
        """Count a drop, and for which server: told by the destination alone, where it is not known (rule 24)."""
        if server is None:
            server = self._blamed(frame.data[: frame.kept][14:])
        self.counts["dropped", reason] += 1
        self.counts["server_dropped", server, reason] += 1

    def _blamed(self, packet: bytes) -> int:
        """Name the server that a packet was for; 0 for none."""
        if len(packet) < 20:
            return 0
        to, protocol, ports = packet[16:20], packet[9], packet[(packet[0] & 15) * 4 :][:4]
        is_first = not int.from_bytes(packet[6:8], "big") & 0x1FFF
        if protocol in {TCP, UDP} and is_first and len(ports) == 4:
            server = self.table.find(to, int.from_bytes(ports[2:], "big"), protocol)
        else:
            candidates = self.table.at(to)
            server = candidates[0] if len(candidates) == 1 else None
        return 0 if server is None else server.number

    def _forward(self, frame: Frame, to: _To, way_out: WayOut) -> Fate:
        """Rewrite the MACs, and the VLAN where the target is on another."""
        if way_out.ifindex == NO_INTERFACE:
            self._count_drop(frame, "tx-error", to.flow.server)
            return Fate("tx-error")
        vlan = frame.vlan
        control = vlan[0] if vlan else 0
        same = way_out.ifindex == 0 and control & 0xFFF == way_out.vlan
        if way_out.vlan is not None and not same:
            vlan = (control & 0xF000 | way_out.vlan, 0) if way_out.vlan else None
        size = len(frame.data)
        self.counts["forwarded"] += 1
        for who, number in (("target", to.target), ("server", to.flow.server)):
            self.counts[f"{who}_packets", number] += 1
            self.counts[f"{who}_bytes", number] += size
        data = self.table.mac_of(to.target) + way_out.mac + frame.data[12:]
        return Fate("forward", to.target, to.flow, (tagged(data, frame.offload, vlan, way_out.ifindex),))

    # -- the frame --------------------------------------------------------------------------------------------------

    def _judge(self, frame: Frame, now_s: int) -> _Verdict:
        table, data, offload = self.table, frame.data, frame.offload
        packet = data[14:]
        source, to = packet[12:16], packet[16:20]
        if data[:6] not in table.own or table.virtual.get(to) != _vid(frame):
            return PASS
        if data[6:12] in table.blocked or data[6:12] in table.own:
            return "loop"
        header = (packet[0] & 15) * 4
        length = int.from_bytes(packet[2:4], "big")
        if not length and offload.gso_type != GSO_NONE:
            length = len(packet)  # BIG TCP: more than 16 bits can say (Linux, iph_totlen)
        if packet[0] >> 4 != 4 or header < 20 or length < header or length > len(packet):
            return "malformed"  # RFC 1122 3.2.1.1, RFC 1812 5.2.2
        if martian := self._martian(packet[:header]):
            return martian
        protocol = packet[9]
        if not self._fits(packet, offload, max(way_out.mtu for way_out in table.ways_out)):
            return "too-big"
        more_and_offset = int.from_bytes(packet[6:8], "big") & 0x3FFF
        ident = int.from_bytes(packet[4:6], "big")
        piece = (source, to, ident, protocol)
        payload = packet[header:length]
        if more_and_offset & 0x1FFF:
            return self._later_fragment(piece, now_s)
        if protocol == ICMP:
            verdict = self._icmp(payload, to, now_s)
        elif protocol in {TCP, UDP}:
            verdict = self._with_ports(payload, source, to, protocol, now_s)
        else:
            server = table.find(to, 0, protocol)
            return "protocol" if server is None else self._flow(server, source, 0, protocol, 0, now_s)
        if more_and_offset and isinstance(verdict, _To):
            generation = table.member(verdict.flow.server, verdict.target)
            self._fragments[piece] = (verdict, generation, now_s)
        return verdict

    def _martian(self, header: bytes) -> str | None:
        """RFC 1812 5.2.2 (checksum), 5.3.1 (TTL), 5.3.7 (sources that no host may have)."""
        source = header[12:16]
        if header[2:4] != b"\0\0" and checksum(header):  # of BIG TCP the length stands elsewhere
            return "checksum"
        if header[8] == 0:
            return "ttl"
        if source[0] in {0, 127} or source[0] >= 224 or source in self.table.virtual:
            return "martian"
        return None

    @staticmethod
    def _fits(packet: bytes, offload: Offload, mtu: int) -> bool:
        """Whether a packet, or a super-frame's segments, fit an MTU (virtio: gso_size is the payload of each)."""
        header, protocol = (packet[0] & 15) * 4, packet[9]
        length = int.from_bytes(packet[2:4], "big") or len(packet)
        if length <= mtu:
            return True
        if offload.gso_type == GSO_NONE:
            return False
        has_offset = protocol == TCP and len(packet) > header + 12
        transport = (packet[header + 12] >> 4) * 4 if has_offset else 8
        return header + transport + offload.gso_size <= mtu

    def _with_ports(self, segment: bytes, source: bytes, to: bytes, protocol: int, now_s: int) -> _Verdict:
        if len(segment) < (20 if protocol == TCP else 8):
            return "malformed"
        source_port, port = int.from_bytes(segment[:2], "big"), int.from_bytes(segment[2:4], "big")
        server = self.table.find(to, port, protocol)
        if server is None:
            return "no-server"
        flags = segment[13] if protocol == TCP else 0
        return self._flow(server, source, source_port, protocol, flags, now_s)

    def _later_fragment(self, piece: tuple[bytes, bytes, int, int], now_s: int) -> _Verdict:
        """RFC 791 3.2: pieces belong together by addresses, protocol and identification."""
        source, to, _, protocol = piece
        if piece in self._fragments:
            found, generation, since_s = self._fragments[piece]
            in_force = found.flow.server in self.table.by_number and generation == self.table.member(
                found.flow.server, found.target
            )
            if in_force and now_s - since_s <= FRAGMENT_S:
                return found
        if protocol == ICMP:
            return PASS
        return self._portless(source, to, protocol, now_s)

    def _portless(self, source: bytes, to: bytes, protocol: int, now_s: int) -> _Verdict:
        """Where a packet without ports goes: told by its client, where one server alone may have it (rule 11)."""
        candidates = [server for server in self.table.at(to) if server.may_have(protocol)]
        if len(candidates) != 1 or candidates[0].by_port:
            return "fragment"
        return self._flow(candidates[0], source, 0, protocol, 0, now_s)

    def _icmp(self, message: bytes, to: bytes, now_s: int) -> _Verdict:
        """RFC 792: an error carries the header it is about, here of a packet from the virtual address to the client."""
        if len(message) < 8:
            return "malformed"
        if message[0] not in ICMP_ERRORS:
            return PASS if message[0] == ECHO_REQUEST else "protocol"
        quoted = message[8:]
        header = (quoted[0] & 15) * 4 if quoted else 0
        if len(quoted) < 28 or quoted[0] >> 4 != 4 or header < 20 or len(quoted) < header + 8:
            return "malformed"
        if quoted[12:16] != to:
            return "icmp-no-flow"
        client, protocol = quoted[16:20], quoted[9]
        port = client_port = 0
        is_later = int.from_bytes(quoted[6:8], "big") & 0x1FFF
        if is_later:
            candidates = [server for server in self.table.at(to) if server.may_have(protocol)]
            server = candidates[0] if len(candidates) == 1 and not candidates[0].by_port else None
        else:
            if protocol in {TCP, UDP}:
                port = int.from_bytes(quoted[header : header + 2], "big")
                client_port = int.from_bytes(quoted[header + 2 : header + 4], "big")
            server = self.table.find(to, port, protocol)
        if server is None:
            return "no-server"
        key = Key(server.number, client, client_port if server.by_port else 0)
        way = self.flows.find(key)
        entry = self.flows.line(key)[way] if way >= 0 else None
        if entry is not None and self._live(entry, now_s):
            return _To(entry.target, key)
        went_by_hash = server.pick == HASH or (way < 0 and self._room(self.flows.line(key), now_s) < 0)
        by_hash = self._by_hash(server, key) if went_by_hash else 0
        return _To(by_hash, key) if by_hash else "icmp-no-flow"

    # -- the flow ---------------------------------------------------------------------------------------------------

    def _flow(
        self, server: Server, client: bytes, client_port: int, protocol: int, flags: int, now_s: int
    ) -> _Verdict:
        key = Key(server.number, client, client_port if server.by_port else 0)
        line = self.flows.line(key)
        way = self.flows.find(key)
        entry = line[way] if way >= 0 else None
        if entry is not None and self._live(entry, now_s):
            target = self._pick(server, key) if self._leaves(entry, flags) else 0
            if not target:  # it stays, also where it was to leave and nobody has room (rule 22)
                self._refresh(entry, flags, now_s)
                return _To(entry.target, key)
            return self._write(line, way, key, target, protocol, flags, now_s)
        if flags & RST:
            return self._unrecorded(server, key)
        if way < 0:
            way = self._room(line, now_s)
        if way < 0:
            self.counts["unrecorded"] += 1
            return self._unrecorded(server, key)
        is_late = protocol == TCP and not flags & SYN
        target = self._by_hash(server, key) if is_late else self._pick(server, key)
        if not target:
            return "no-target"
        return self._write(line, way, key, target, protocol, flags, now_s)

    def _write(
        self,
        line: list[Entry | None],
        way: int,
        key: Key,
        target: int,
        protocol: int,
        flags: int,
        now_s: int,
    ) -> _To:
        """Write down a flow that begins (rule 6)."""
        self._end(line[way], now_s)
        generation = self.table.member(key.server, target)
        state = OPEN if protocol != TCP else HALF_OPEN if flags & SYN else FRESH
        line[way] = Entry(key, target, (generation or 0) & 15, state, now_s, self.flows.print_of(key))
        return _To(target, key)

    def _is_member(self, entry: Entry) -> bool:
        return not entry.void and self.table.member(entry.key.server, entry.target) == entry.generation

    def _live(self, entry: Entry, now_s: int) -> bool:
        """Whether an entry binds: its target may keep it, and it was used within the idle time (both included)."""
        if not self._is_member(entry):
            return False
        limit = self.table.idle_s(entry.key.server)
        if entry.state == CLOSING:
            limit = min(limit, CLOSING_S)
        if entry.state in {FRESH, HALF_OPEN}:
            limit = min(limit, HALF_OPEN_S)
        return now_s - entry.seen_s <= limit

    def _leaves(self, entry: Entry, flags: int) -> bool:
        return flags & (SYN | RST) == SYN and (entry.key.server, entry.target) in self.table.leaving

    @staticmethod
    def _refresh(entry: Entry, flags: int, now_s: int) -> None:
        """Note a packet (rules 5 and 21)."""
        entry.seen_s = now_s
        no_session = entry.state in {FRESH, HALF_OPEN}
        if flags & RST and no_session:
            entry.state = FRESH
        elif flags & RST:
            entry.state = CLOSING if entry.key.port else entry.state
        elif flags & FIN and entry.key.port:
            entry.state = CLOSING
        elif flags & SYN and entry.state != OPEN:
            entry.state = HALF_OPEN
        elif no_session:
            entry.state = OPEN

    def _room(self, line: list[Entry | None], now_s: int) -> int:
        """Return the way for a new flow, a free or void one; -1 where all are in use: none makes room."""
        for way, entry in enumerate(line):
            if entry is None or not self._live(entry, now_s):
                return way
        return -1

    def _unrecorded(self, server: Server, key: Key) -> _Verdict:
        """A flow that is not written down goes by its hash, so that its next packet goes to the same target."""
        target = self._by_hash(server, key)
        return _To(target, key) if target else "no-target"

    @staticmethod
    def _by_hash(server: Server, key: Key) -> int:
        length = len(server.buckets)
        if length and server.pick == FIRST:
            length = 1
        return int(server.buckets[place(flow_hash(key), length)]) if length else 0

    def _pick(self, server: Server, key: Key) -> int:
        """Choose by the server's method; 0 where no target takes new flows."""
        length = len(server.buckets)
        if not length:
            return 0
        if server.pick == NEXT:
            first = self._turn[server.number] % length
            self._turn[server.number] += 1
        elif server.pick == RANDOM:
            first = self._draw(length)
        elif server.pick == HASH:
            first = place(flow_hash(key), length)
        elif server.pick == FIRST:
            first = 0
        else:
            return self._least(server)
        sessions = self.sessions()
        for at in count(first):
            target = int(server.buckets[at % length])
            if at == first + length:
                return 0
            if self._has_room(target, sessions):
                return target
        return 0

    def _has_room(self, target: int, sessions: Counter[tuple[str, int]]) -> bool:
        return sessions["target_sessions", target] < self.table.limit.get(target, 1 << 62)

    def _least(self, server: Server) -> int:
        """Name the target with the fewest sessions for its weight, itself counted in (rule 13); the first of equals."""
        sessions = self.sessions()
        targets = [t for t in map(int, server.buckets) if self._has_room(t, sessions)]
        load = {
            t: (sessions["target_sessions", t] + sessions["target_half_open", t] + 1)
            / int(self.table.weight[t])
            for t in targets
        }
        return min(targets, key=load.__getitem__, default=0)

    # -- the answer -------------------------------------------------------------------------------------------------

    def _too_big_answer(self, frame: Frame, mtu: int, now_s: int) -> tuple[Sent, ...]:
        """Say "fragmentation needed" (RFC 1191 4) where fragmenting is forbidden and RFC 1122 3.2.2 allows an answer."""
        data, packet = frame.data, frame.data[14:]
        header = (packet[0] & 15) * 4
        source = packet[12:16]
        if not packet[6] & 0x40 or (data[0] | data[6]) & 1 or source[0] in {0, 127} or source[0] >= 224:
            return ()
        if int.from_bytes(packet[6:8], "big") & 0x1FFF:
            return ()
        if packet[9] == ICMP and packet[header] in NEVER_ANSWERED:
            return ()
        if self._answered[now_s] >= ANSWERS_A_SECOND:
            return ()
        self._answered[now_s] += 1
        quote = packet[: header + 8]
        body = b"\x03\x04\0\0\0\0" + mtu.to_bytes(2, "big") + quote
        body += bytes(len(body) % 2)
        body = body[:2] + checksum(body).to_bytes(2, "big") + body[4:]
        ip = (
            b"\x45\xc0"
            + (20 + len(body)).to_bytes(2, "big")
            + b"\0\0\0\0\x40\x01\0\0"
            + packet[16:20]
            + source
        )
        ip = ip[:10] + checksum(ip).to_bytes(2, "big") + ip[12:]
        answer = data[6:12] + data[:6] + data[12:14] + ip + body
        return (tagged(answer, Offload(), frame.vlan),)
