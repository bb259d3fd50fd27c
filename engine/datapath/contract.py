"""What every datapath takes in, gives out and can be asked for.

In goes one immutable `ForwardingTable`; out come `Counters` and flows. Targets and servers are indexed by their
configured number everywhere (row 0 is never used), so counters keep their meaning across table changes.

Each field of a table and each counter is declared once, here; memory, sums and what is published are drawn from that.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, Self

import numpy as np

from engine.datapath.declare import Array, array, counter, declared

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from engine.datapath.flow_states import FlowState
    from engine.domain.address import Address

SERVER_ROWS = 513
"""Rows of arrays indexed by server number, 1..512."""

TARGET_ROWS = 1025
"""Rows of arrays indexed by target number, 1..1024."""

MEMBER_COLUMNS = 2048
"""Columns of `ForwardingTable.member`: room for every target in a power of two, so that server and target of a flow are
the bits of one index into it, as the flow table's entries have them."""

NOT_MEMBER = 0xFF
"""In `ForwardingTable.member`: the server may not use the target; its known flows there are void."""

NO_INTERFACE = 0xFFFF_FFFF
"""In `ForwardingTable.egress_ifindex`: the interface does not exist now, so what goes there is dropped (`tx-error`)."""

GENERATIONS = 16
"""A target's generation moves on when it loses its flows, so that an entry written before is void; 4 bits."""


Kind = Literal["xdp", "xdp-generic", "afpacket"]
"""The datapaths there are or will be, by the words of `--datapath`."""


@enum.unique
class DropReason(enum.IntEnum):
    """Why a frame for a virtual address was not forwarded: number and help. The one list for code, counters and screens."""

    help: str

    def __new__(cls, number: int, text: str) -> Self:
        """Make a member of its number and its help."""
        member = int.__new__(cls, number)
        member._value_ = number
        member.help = text
        return member

    NO_SERVER = 0, "the virtual address has no server on that port and protocol"
    NO_TARGET = 1, "the server has no target that takes new flows"
    LOOP = 2, "the source MAC is a target's, a peer's or our own"
    MALFORMED = 3, "a header is cut short or contradicts the frame's length"
    FRAGMENT = 4, "a later fragment whose first fragment was not seen"
    ICMP_NO_FLOW = 5, "an ICMP error about a flow that is not in the table"
    PROTOCOL = 6, "a protocol that no server on the virtual address takes"
    TOO_BIG = 7, "larger than the interface's MTU; the sender was told by ICMP where it asked not to fragment"
    TRUNCATED = 8, "larger than a ring slot, and the whole frame could not be kept"
    TX_FULL = 9, "the transmit ring stayed full"
    TX_ERROR = 10, "the kernel refused to send the frame"
    FAULT = 11, "a fault of the program at that frame; the first of a worker is an event that names it"
    CHECKSUM = 12, "the IP header's checksum is wrong"
    TTL = 13, "the time to live is 0"
    MARTIAN = 14, "a source that no host may have: 0/8, 127/8, multicast, broadcast, a virtual address"
    OVERLOAD = (
        15,
        "not plain (options, fragments, ICMP, other protocols), while more waited than there was time for",
    )

    @property
    def label(self) -> str:
        """The name in JSON and on screens: lower case with dashes."""
        return self.name.lower().replace("_", "-")


@enum.unique
class Pick(enum.IntEnum):
    """How a new flow picks from its server's buckets."""

    NEXT = 0  # rr: the next bucket in turn
    RANDOM = 1
    HASH = 2  # bucket = key hash modulo length (Maglev)
    LEAST = 3  # session: the target with the fewest flows for its weight
    FIRST = 4  # first: the first bucket whose target has room


# -- in -----------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class ForwardingTable:
    """Servers, health and weights compiled into arrays. Immutable once made.

    S = servers that answer, B = all buckets, V = virtual addresses, E = ways out, K and N = MACs. Addresses are 16 bytes, IPv4 in
    mapped form (RFC 4291 section 2.5.5.2). `buckets[bucket_start[s] : bucket_start[s] + bucket_len[s]]` are the target
    numbers of row s; length 0 means no target takes new flows.
    """

    generation: int
    mtu: int  # of the interface that frames come by, bytes of IP packet
    virtual_addr: NDArray[np.uint8] = array(
        "every address whose frames are consumed, with or without a server", "u1", "V", 16
    )
    virtual_vlan: NDArray[np.uint16] = array("VLAN of its network, 0: untagged", "u2", "V")
    server_number: NDArray[np.uint16] = array("number in the configuration", "u2", "S")
    server_addr: NDArray[np.uint8] = array("virtual address", "u1", "S", 16)
    server_port: NDArray[np.uint16] = array("port in host order, 0: any", "u2", "S")
    server_protocol: NDArray[np.uint8] = array("IP protocol number, 0: any", "u1", "S")
    server_by_port: NDArray[np.uint8] = array("1: the flow key includes the client's port", "u1", "S")
    server_pick: NDArray[np.uint8] = array("Pick", "u1", "S")
    bucket_start: NDArray[np.uint32] = array("first bucket of the row", "u4", "S")
    bucket_len: NDArray[np.uint32] = array("buckets of the row", "u4", "S")
    buckets: NDArray[np.uint16] = array("target numbers", "u2", "B")
    member: NDArray[np.uint8] = array(
        "generation of a target that may keep its known flows of the server, or NOT_MEMBER",
        "u1",
        SERVER_ROWS,
        MEMBER_COLUMNS,
        fill=NOT_MEMBER,
    )
    idle_s: NDArray[np.uint16] = array(
        "idle timeout in seconds by server number, also of servers that do not answer now", "u2", SERVER_ROWS
    )
    target_mac: NDArray[np.uint8] = array("MAC by target number", "u1", TARGET_ROWS, 6)
    target_weight: NDArray[np.uint16] = array("weight by target number", "u2", TARGET_ROWS, fill=1)
    target_limit: NDArray[np.uint32] = array(
        "sessions at most by target number, 0: any number; one that has so many is chosen by no method",
        "u4",
        TARGET_ROWS,
    )
    leaving: NDArray[np.uint32] = array(
        "server * MEMBER_COLUMNS + target where a SYN of a known flow is chosen anew, never in the server's buckets",
        "u4",
        "L",
    )
    target_egress: NDArray[np.uint8] = array(
        "by target number the row of egress_* by which its frames leave, counted from 1; 0: by the interface they came "
        "by, under the tag they came with",
        "u1",
        TARGET_ROWS,
    )
    egress_ifindex: NDArray[np.uint32] = array(
        "index of the interface, 0: the one that frames came by", "u4", "E"
    )
    egress_mac: NDArray[np.uint8] = array("source of what is sent there", "u1", "E", 6)
    egress_mtu: NDArray[np.uint32] = array("MTU there, bytes of IP packet", "u4", "E")
    egress_vlan: NDArray[np.uint16] = array("VLAN of the network there, 0: untagged", "u2", "E")
    own_mac: NDArray[np.uint8] = array(
        "frames to these are ours; row 0 is the source of what we send by the same interface", "u1", "K", 6
    )
    blocked_mac: NDArray[np.uint8] = array(
        "frames from these are never forwarded (targets, peers)", "u1", "N", 6
    )

    def __post_init__(self) -> None:
        """Refuse arrays that are not as declared: workers read them from memory by the declarations alone."""
        lengths: dict[str, int] = {}
        for name, one in declared(ForwardingTable, Array).items():
            one.check(name, getattr(self, name), lengths)

    @classmethod
    def empty(cls) -> Self:
        """Make the table without servers, generation 0: by it every frame passes."""
        arrays = {name: one.empty() for name, one in declared(ForwardingTable, Array).items()}
        return cls(generation=0, mtu=0, **arrays)


# -- out ----------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Counters:
    """Totals since the start, summed over workers; arrays are int64, indexed by reason, target number or server number."""

    received: int = counter("frames taken from the interfaces")
    forwarded: int = counter("frames sent to a target")
    passed: int = counter("frames left to the host and the control process")
    ring_lost: int = counter("frames the kernel could not place in the ring (PACKET_STATISTICS tp_drops)")
    unrecorded: int = counter("new flows that found no room in the flow table")
    swaps: int = counter("changes of table", combine="max", now=True)
    swap_last_ns: int = counter(
        "how long frames waited for the last change of table", combine="max", now=True
    )
    swap_longest_ns: int = counter("how long frames waited for a change at most", combine="max", now=True)
    dropped: NDArray[np.int64] = counter("frames dropped, by DropReason", len(DropReason))
    target_packets: NDArray[np.int64] = counter("frames sent to a target", TARGET_ROWS)
    target_bytes: NDArray[np.int64] = counter("bytes sent to a target", TARGET_ROWS)
    target_sessions: NDArray[np.int64] = counter("flows of a target", TARGET_ROWS, now=True)
    target_half_open: NDArray[np.int64] = counter(
        "flows of a target that are no sessions yet, as they showed only SYNs", TARGET_ROWS, now=True
    )
    target_unanswered: NDArray[np.int64] = counter(
        "flows of a target that showed only SYNs to their end", TARGET_ROWS
    )
    target_opened: NDArray[np.int64] = counter(
        "flows of a target that became sessions (more than once within a batch: once)", TARGET_ROWS
    )
    server_packets: NDArray[np.int64] = counter("frames forwarded for a server", SERVER_ROWS)
    server_bytes: NDArray[np.int64] = counter("bytes forwarded for a server", SERVER_ROWS)
    server_dropped: NDArray[np.int64] = counter(
        "frames of `dropped` by server and DropReason; row 0: of no server, or of one that the frame does not tell",
        SERVER_ROWS,
        len(DropReason),
    )
    server_sessions: NDArray[np.int64] = counter("flows of a server", SERVER_ROWS, now=True)
    server_half_open: NDArray[np.int64] = counter(
        "flows of a server that are no sessions yet, as they showed only SYNs", SERVER_ROWS, now=True
    )


@dataclass(frozen=True)
class Flow:
    """One entry of a flow table, for people."""

    server: int
    target: int
    client: Address
    port: int | None
    idle_s: int
    state: FlowState


@dataclass(frozen=True)
class Found:
    """Where a flow goes: its entry if it has one, else what a new flow would get (None where that is not foretold)."""

    row: int
    server: int
    target: int | None
    known: bool
    idle_s: int | None


@dataclass(frozen=True)
class Description:
    """What a datapath is and how much it takes; `workers` are those that run, `sessions_max` how many flows fit.

    `pids` are the process ids of its workers, where they are processes.
    """

    kind: Kind
    ifname: str
    workers: int
    sessions_max: int
    pids: tuple[int, ...] = ()


FLOW_RECORD = np.dtype(
    [
        ("client", "V16"),  # address in network order, IPv4 mapped
        ("port", ">u2"),  # 0 where the server tells clients apart by address alone
        ("server", "<u2"),
        ("target", "<u2"),
        ("idle_s", "<u2"),  # since the last packet
        ("state", "u1"),  # FlowState
        ("reserved", "V7"),
    ]
)
"""A flow as datapaths hand it to each other: 32 bytes, nothing in it that depends on where in a table it stands.

Whether it is taken is for the table in force at the taker to say, so the generation of its target is not part of it.
"""


# -- errors and events --------------------------------------------------------------------------------------------------


class DatapathError(Exception):
    """The datapath could not be started; the message says why and what to do."""


@dataclass(frozen=True)
class WorkerEvent:
    """Something that happened to a part of a datapath, for an event."""

    severity: Literal["info", "warning", "error"]
    message: str


# -- the datapath itself ------------------------------------------------------------------------------------------------


class Datapath(Protocol):
    """What forwards on one interface. Flows and counters outlive `stop`, and a part of it that dies.

    A part is what can fail and be started again by itself: a worker of AF_PACKET, numbered from 0.
    """

    kind: Kind
    ifname: str
    mtu: int
    workers: int

    def start(self) -> None:
        """Begin to forward by the table last installed. Raises DatapathError."""
        ...

    def stop(self) -> None:
        """Forward no more. Counters and flows can still be read."""
        ...

    def close(self) -> None:
        """Stop, and give the memory back: counters and flows are gone."""
        ...

    def restart(self, mtu: int) -> None:
        """Start afresh for another MTU; flows and counters stay. Raises DatapathError."""
        ...

    def restart_part(self, part: int) -> None:
        """Start one part afresh; the others forward on. Raises DatapathError."""
        ...

    def watch(self, now: float, *, present: bool = True) -> Sequence[WorkerEvent]:
        """Start parts again that died and tell of stalls; call about once a second, `now` in monotonic seconds.

        `present` False: the interface does not exist now, so there is nothing to start on.
        """
        ...

    def describe(self) -> Description:
        """Say what it is and how much it takes."""
        ...

    def silent_s(self) -> float:
        """Return for how many seconds the part that is silent longest has given no sign of life; 0 where none runs."""
        ...

    def install(self, table: ForwardingTable) -> None:
        """Hand over the table to forward by, taken up between two frames. Returns at once."""
        ...

    def generation_in_force(self) -> int:
        """Return the generation of the oldest table that a part still forwards by."""
        ...

    async def wait_in_force(self, generation: int, timeout_s: float) -> bool:
        """Wait until every part forwards by a table of `generation` or later; False where that takes longer."""
        ...

    def counters(self) -> Counters:
        """Return the totals of all parts."""
        ...

    def flows(
        self,
        limit: int,
        server: int | None = None,
        target: int | None = None,
        client: Address | None = None,
    ) -> list[Flow]:
        """Return live flows for people, at most `limit`; of one server, target or client where given."""
        ...

    def pairs(self) -> dict[tuple[int, int], int]:
        """Count live flows by (server, target)."""
        ...

    def find(
        self, client: Address, client_port: int, address: Address, port: int, protocol: int
    ) -> Found | None:
        """Tell where a flow to `address` goes; None where no server takes it. Ports in host order."""
        ...

    def export_flows(self) -> NDArray[np.void]:
        """Return the live flows as an array of `FLOW_RECORD`."""
        ...

    def import_flows(self, records: NDArray[np.void]) -> None:
        """Take flows over, each where packets of its client are looked up.

        Left out are those that the table installed last does not allow and those that find no room; one that is known
        here stays as it is. Does not wait: a part that runs takes them up between two frames.
        """
        ...
