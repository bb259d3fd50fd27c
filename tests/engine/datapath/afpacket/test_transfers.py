"""Super-frames of a transfer that goes on are decided the short way, and every other as each by itself."""

import struct

import pytest

from engine.datapath.afpacket.scalar import Scalar
from engine.datapath.afpacket.tables import Tables
from engine.datapath.afpacket.transfers import _MOST, Transfers
from engine.datapath.counters import CounterBlock
from engine.datapath.flow_states import FlowState
from engine.datapath.flowtable import STATE_SHIFT, FlowTable, table_bytes
from engine.datapath.lookup import Lookup
from engine.datapath.shared_memory import SharedMemory
from tests.bench.traffic import packet, with_checksum
from tests.helpers.frames import compiled, server

CLIENT = 0xC000_0205
PAYLOAD = 20_000


def super_frame(client=CLIENT, port=40000, payload=PAYLOAD, flags=16, segment=1448, ident=1):
    vnet = struct.pack("<BBHHHH", 1, 1, 54, segment, 34, 16)
    frame = bytearray(packet(client, port)[:54] + bytes(payload))
    frame[16:20] = struct.pack(">HH", 40 + payload, ident)
    frame[47] = flags
    return memoryview(bytearray(vnet + with_checksum(bytes(frame))))


class Watched(Scalar):
    """A scalar that counts what it is asked."""

    asked = 0

    def decide(self, data, size, now_s, vid=0):
        self.asked += 1
        return super().decide(data, size, now_s, vid)


@pytest.fixture
def made():
    memory, block = SharedMemory.create("test-flows", table_bytes(1024)), CounterBlock.create()
    tables = Tables(Lookup(compiled(server(by_port=True))), FlowTable(memory.view, 1024), block)
    scalar = Watched(tables)
    yield Transfers(scalar), scalar, tables
    memory.close()
    block.memory.close()


def decide(transfers, data, now_s=100, vid=0):
    return transfers.decide(data, len(data) - 10, now_s, vid)


def going_on(transfers, scalar):
    """A transfer that is known; returns its target."""
    targets = {decide(transfers, super_frame(ident=n)) for n in range(3)}
    assert len(targets) == 1
    scalar.asked, scalar.last_row = 0, -1
    assert decide(transfers, super_frame(ident=4, payload=9000, flags=24)) in targets
    assert (scalar.asked, scalar.last_row, transfers.fits) == (0, 0, True)
    return targets.pop()


def changed(at):
    data = super_frame()
    data[at] ^= 1
    return data


CHECKSUM, TO_MAC, FROM_MAC, TTL = 10 + 24, 10 + 5, 10 + 11, 10 + 22


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(lambda: (super_frame(), 101), id="in another second"),
        pytest.param(lambda: (super_frame(), 100, 7), id="on another VLAN"),
        pytest.param(lambda: (super_frame(flags=17), 100), id="a FIN"),
        pytest.param(lambda: (super_frame(flags=2), 100), id="a SYN"),
        pytest.param(lambda: (super_frame(flags=20), 100), id="a RST"),
        pytest.param(lambda: (super_frame(segment=1470), 100), id="larger segments"),
        pytest.param(lambda: (super_frame(port=40001), 100), id="another connection"),
        pytest.param(lambda: (super_frame(client=CLIENT + 1), 100), id="another client"),
        pytest.param(lambda: (changed(CHECKSUM), 100), id="a wrong checksum"),
        pytest.param(lambda: (changed(TO_MAC), 100), id="to another MAC"),
        pytest.param(lambda: (changed(FROM_MAC), 100), id="from another MAC"),
        pytest.param(lambda: (changed(TTL), 100), id="another TTL"),
        pytest.param(lambda: (super_frame()[:-1], 100), id="cut short"),
        pytest.param(lambda: (super_frame()[:50], 100), id="nothing but headers"),
    ],
)
def test_what_is_not_the_same_is_decided_by_itself(made, other):
    transfers, scalar, _ = made
    going_on(transfers, scalar)
    decide(transfers, *other())
    assert (scalar.asked, transfers.fits) == (1, False)


def test_a_packet_within_the_mtu_is_decided_by_itself(made):
    transfers, scalar, _ = made
    for _ in range(3):
        decide(transfers, super_frame(payload=1000))
    assert scalar.asked == 3


def test_a_frame_of_a_closed_flow_is_decided_by_itself(made):
    transfers, scalar, tables = made
    target = going_on(transfers, scalar)
    decide(transfers, super_frame(flags=17))
    scalar.asked = 0
    assert decide(transfers, super_frame()) == target
    assert scalar.asked == 1
    (entry,) = tables.flows.entries[tables.flows.entries != 0].tolist()
    assert entry >> STATE_SHIFT & 3 == FlowState.CLOSING


def test_another_table_decides_afresh(made):
    transfers, scalar, tables = made
    target = going_on(transfers, scalar)
    other = 3 - target
    tables.install(Lookup(compiled(server(by_port=True, new=(other,), keep=(other,)))))
    assert decide(transfers, super_frame()) == other
    assert scalar.asked == 1


def test_the_connections_remembered_are_bounded(made):
    transfers, scalar, _ = made
    for port in range(1000, 1000 + 2 * _MOST):
        for _ in range(3):
            decide(transfers, super_frame(port=port))
    assert 0 < len(transfers._known) <= _MOST
    going_on(transfers, scalar)
