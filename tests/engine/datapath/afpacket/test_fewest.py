"""Many new flows at a time go where they would have gone one by one, by the numbers of sessions as they grow and fall."""

from __future__ import annotations

import numpy as np
import pytest

from engine.datapath.afpacket import vector_flows as module
from engine.datapath.afpacket.fewest import MOST_ROWS
from engine.datapath.afpacket.scalar import Scalar
from engine.datapath.afpacket.vector_flows import VectorFlows
from engine.datapath.flow_states import RST, SEGMENT, SYN
from tests.helpers.frames import compiled, server

WEIGHTS = {1: 1, 2: 3, 3: 2, 4: 1}


def servers(fewest: int):
    """Servers that share targets: some choose the one with the fewest sessions, and the last in turn."""
    members = [(1, 2), (3, 2, 4), (4, 1), (2, 3)]
    those = [
        server(n, port=n, method="session", by_port=True, new=members[n % 4], keep=members[n % 4])
        for n in range(1, fewest + 1)
    ]
    return [*those, server(fewest + 1, port=fewest + 1, by_port=True, new=(1, 4), keep=(1, 4))]


def follow(flows: VectorFlows, scalar: Scalar, batch, now_s: int) -> None:
    """Have a batch go both ways, and compare targets, table and counts."""
    rows, clients, ports, flags = batch
    expected = [
        scalar.flow(*frame, now_s)
        for frame in zip(rows.tolist(), clients.tolist(), ports.tolist(), flags.tolist(), strict=True)
    ]
    assert flows.targets(rows, clients, ports, flags, now_s).tolist() == expected
    one, many = scalar.tables, flows.tables
    assert (one.flows.entries == many.flows.entries).all()
    for name in ("target_sessions", "target_half_open", "server_half_open", "target_unanswered"):
        assert getattr(one.counters, name).tolist() == getattr(many.counters, name).tolist(), name


@pytest.mark.parametrize("fewest", [1, 3, MOST_ROWS + 1])
@pytest.mark.parametrize("seed", range(4))
def test_as_one_by_one(worker_tables, fewest, seed):
    """Lines are full after some batches, so later flows take the places of those that are over."""
    draw = np.random.default_rng(seed)
    table = compiled(*servers(fewest), weights=WEIGHTS)
    one, many = worker_tables(table, 64), worker_tables(table, 64)
    scalar, flows = Scalar(one), VectorFlows(many, Scalar(many))
    for second in range(0, 90, 3):
        count = int(draw.integers(1, 200))
        kinds = np.array([SEGMENT | SYN, SEGMENT | SYN, SEGMENT | SYN, SEGMENT, SEGMENT | RST, 0], np.uint64)
        batch = (
            draw.integers(0, fewest + 1, count),
            draw.integers(1, 1 << 32, count, np.uint64),
            draw.integers(1, 3, count, np.uint64),
            kinds[draw.integers(0, len(kinds), count)],
        )
        follow(flows, scalar, batch, 1000 + second)
    assert np.count_nonzero(many.counters.target_unanswered)


def test_a_flood_is_shared_by_weight_from_where_it_began(worker_tables):
    tables = worker_tables(compiled(servers(1)[0], weights={3: 2, 2: 1, 4: 1}))
    tables.counters.target_sessions[4] = 60
    flows = VectorFlows(tables, Scalar(tables))
    clients = np.arange(1, 181, dtype=np.uint64) << np.uint64(8)
    rows = np.zeros(len(clients), np.intp)
    targets = flows.targets(rows, clients, clients, np.full(len(clients), SEGMENT | SYN, np.uint64), 1000)
    assert np.bincount(targets).tolist() == [0, 0, 60, 120]


def test_a_flood_is_not_taken_frame_by_frame(worker_tables, monkeypatch):
    tables = worker_tables(compiled(servers(1)[0]))
    one = Scalar(tables)
    monkeypatch.setattr(one, "flow", None)
    flows = VectorFlows(tables, one)
    clients = np.arange(1, 101, dtype=np.uint64)
    found = flows.targets(
        np.zeros(100, np.intp), clients, clients, np.full(100, SEGMENT | SYN, np.uint64), 1000
    )
    assert (found > 0).all()


@pytest.mark.parametrize(("fewest", "together"), [(MOST_ROWS, True), (MOST_ROWS + 1, False)])
def test_only_few_servers_are_given_their_new_flows_together(worker_tables, monkeypatch, fewest, together):
    calls = []
    pick = module.pick_fewest
    monkeypatch.setattr(module, "pick_fewest", lambda *given: calls.append(1) or pick(*given))
    tables = worker_tables(compiled(*servers(fewest)))
    clients = np.arange(1, fewest + 1, dtype=np.uint64) << np.uint64(8)
    rows, flags = np.arange(fewest), np.full(fewest, SEGMENT | SYN, np.uint64)
    found = VectorFlows(tables, Scalar(tables)).targets(rows, clients, clients, flags, 1000)
    assert (found > 0).all()
    assert bool(calls) == together
