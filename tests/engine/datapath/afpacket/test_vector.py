"""A batch decides what the same frames would get one by one."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.datapath.afpacket.scalar import Scalar
from engine.datapath.afpacket.vector import NOT_PLAIN, Vector
from engine.datapath.contract import DropReason
from engine.datapath.flowtable import WAYS
from engine.datapath.lookup import Lookup
from engine.datapath.table import Compiler
from engine.packets.checksum import checksum
from tests.helpers.frames import (
    ICMP,
    OWN,
    TARGET_MAC,
    TCP,
    UDP,
    VNET,
    columns,
    compiled,
    drop,
    frame,
    mac,
    server,
)

ACK = TCP(sport=40000, dport=80, flags="A")


def one_by_one(tables, data: bytes, now: int = 100) -> int:
    return Scalar(tables).decide(memoryview(bytearray(VNET + data)), len(data), now)


def batch(tables, frames: list[bytes], now: int = 100) -> list[int]:
    verdicts, _ = Vector(tables, Scalar(tables)).decide(columns(frames), now)
    return verdicts.tolist()


def counted(tables):
    """Return how many flows each target has: sessions, and those that are none yet."""
    return tables.counters.target_sessions + tables.counters.target_half_open


@cache
def clients() -> list[bytes]:
    """Return a first frame each of 4,000 clients: one by scapy, and the others by what differs in the IP header."""
    first = frame()
    found = []
    for n in range(4000):
        header = first[14:24] + bytes(2) + bytes([10, 1, n >> 8, n & 255]) + first[30:34]
        found.append(first[:24] + checksum(header).to_bytes(2, "big") + header[12:] + first[34:])
    return found


KINDS = st.sampled_from(
    [
        TCP(sport=40000, dport=80, flags="S"),
        TCP(sport=40001, dport=80, flags="A"),
        TCP(sport=40000, dport=80, flags="FA"),
        TCP(sport=40000, dport=80, flags="R"),
        TCP(sport=40000, dport=81, flags="S"),
        UDP(sport=40000, dport=80),
        ICMP(type=8),
    ]
)
FRAMES = st.lists(
    st.builds(
        lambda kind, host, to, by, payload: frame(kind, src=f"192.0.2.{host}", to=to, by=by, payload=payload),
        KINDS,
        st.integers(1, 40),
        st.sampled_from([OWN, OWN, OWN, "02:00:00:00:00:99"]),
        st.sampled_from(["02:00:00:00:00:01", "02:00:00:00:00:01", TARGET_MAC[1], OWN]),
        st.sampled_from([b"", b"x" * 20, b"x" * 100]),
    ),
    min_size=1,
    max_size=60,
)


@pytest.mark.parametrize("by_port", [False, True])
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(frames=FRAMES)
def test_vector_and_scalar_agree(worker_tables, by_port, frames):
    """With hash the choice depends on the flow alone, so both paths must name the same target for every frame."""
    table = compiled(server(method="hash", by_port=by_port, new=(1, 2, 3), keep=(1, 2, 3)))
    one, many = worker_tables(table), worker_tables(table)
    expected = [one_by_one(one, f) for f in frames]
    got = batch(many, frames)
    for mine, theirs, data in zip(got, expected, frames, strict=True):
        if mine != NOT_PLAIN:
            assert mine == theirs, data.hex()
    # And they have written down the same flows (states within a batch may lag by a packet).
    binding = ~np.uint64(3 << 21)
    assert set((many.flows.entries & binding).tolist()) <= set((one.flows.entries & binding).tolist()) | {0}
    assert counted(many).sum() == np.count_nonzero(many.flows.entries)


def test_plain_frames_are_plain(worker_tables):
    tables = worker_tables(compiled(server()))
    assert set(batch(tables, [frame(payload=b"x" * n) for n in range(0, 1400, 100)])) <= {1, 2}
    # A shorter frame is padded on the wire; its IP length says so.
    assert batch(tables, [frame(UDP(dport=80))]) == [NOT_PLAIN]


def test_what_is_special_is_left_out(worker_tables):
    from scapy.layers.inet import IPOption_NOP

    tables = worker_tables(compiled(server()))
    special = [
        frame(ICMP(type=8)),
        frame(options=[IPOption_NOP()] * 4),
        frame(flags="MF"),
        frame(frag=3),
        frame(len=500),
        frame(payload=b"x" * 1470),
        frame(to="02:00:00:00:00:99"),
    ]
    assert batch(tables, special) == [NOT_PLAIN] * len(special)


def test_drops_have_reasons(worker_tables):
    tables = worker_tables(compiled(server()))
    assert batch(tables, [frame(TCP(dport=81)), frame(by=TARGET_MAC[3]), frame(by=OWN), frame()]) == [
        drop(DropReason.NO_SERVER),
        drop(DropReason.LOOP),
        drop(DropReason.LOOP),
        1,
    ]
    empty = worker_tables(compiled(server(new=(), keep=())))
    assert batch(empty, [frame()]) == [drop(DropReason.NO_TARGET)]


def test_a_source_that_only_ends_like_a_target_is_no_loop(worker_tables):
    tables = worker_tables(compiled(server()))
    alike = "06:00:00:00:" + TARGET_MAC[3][-5:]
    assert batch(tables, [frame(by=alike), frame(by=TARGET_MAC[3]), frame(by=alike)]) == [
        1,
        drop(DropReason.LOOP),
        1,
    ]


def test_a_new_flow_seen_twice_in_a_batch_gets_one_target(worker_tables):
    tables = worker_tables(compiled(server()))
    clients = [f"192.0.2.{n % 50 + 1}" for n in range(200)]
    got = batch(tables, [frame(src=c) for c in clients])
    by_client: dict[str, set[int]] = {}
    for client, target in zip(clients, got, strict=True):
        by_client.setdefault(client, set()).add(target)
    assert all(len(t) == 1 for t in by_client.values())
    assert counted(tables)[[1, 2]].tolist() == [25, 25]
    assert batch(tables, [frame(ACK, src=c) for c in clients], now=101) == got


@pytest.mark.parametrize("method", ["rr", "random", "hash", "session"])
def test_methods_share_by_weight(worker_tables, method):
    table = compiled(server(method=method, new=(1, 2), keep=(1, 2)), weights={1: 3, 2: 1})
    tables = worker_tables(table, buckets=4096)
    got: list[int] = []
    for block in range(16):
        got += batch(tables, [frame(src=f"10.1.{block}.{n}") for n in range(250)])
    share = got.count(1) / len(got)
    assert 0.70 < share < 0.80, share


@pytest.mark.parametrize("method", ["rr", "session"])
def test_within_a_batch_every_target_has_its_turn(worker_tables, method):
    tables = worker_tables(compiled(server(method=method, new=(1, 2, 3), keep=(1, 2, 3))))
    assert sorted(batch(tables, clients()[:7])) == [1, 1, 1, 2, 2, 3, 3]
    assert sorted(batch(tables, clients()[7:9])) == [2, 3]


def test_first_uses_the_first(worker_tables):
    tables = worker_tables(compiled(server(method="first", new=(2, 1), keep=(1, 2))))
    assert set(batch(tables, [frame(ACK, src=f"10.1.0.{n}") for n in range(1, 100)])) == {2}


def test_surviving_flows_never_move(worker_tables):
    compiler = Compiler()
    everyone = (1, 2, 3, 4)
    tables = worker_tables(compiled(server(new=everyone, keep=everyone), compiler=compiler), buckets=4096)
    frames = clients()[:2000]
    before = [t for k in range(0, 2000, 250) for t in batch(tables, frames[k : k + 250])]
    rest = (1, 2, 4)
    tables.install(Lookup(compiled(server(new=rest, keep=rest), compiler=compiler)))
    after = [t for k in range(0, 2000, 250) for t in batch(tables, frames[k : k + 250], now=105)]
    assert [a for a, b in zip(after, before, strict=True) if b != 3] == [b for b in before if b != 3]
    assert 3 not in after
    tables.install(Lookup(compiled(server(new=everyone, keep=everyone), compiler=compiler)))
    assert [t for k in range(0, 2000, 250) for t in batch(tables, frames[k : k + 250], now=110)] == after


def test_more_new_flows_than_a_bucket_holds(worker_tables):
    tables = worker_tables(compiled(server(method="hash")), buckets=4)
    frames = [frame(src=f"10.0.{n >> 8}.{n & 255}") for n in range(200)]
    got = batch(tables, frames)
    assert set(got) <= {1, 2}
    used = tables.flows.entries[tables.flows.entries != 0]
    assert len(used) == len(set(used.tolist())) == 4 * WAYS
    assert counted(tables).sum() == 4 * WAYS
    assert tables.counters.get("unrecorded") == 200 - 4 * WAYS


def test_the_sweep_clears_what_is_void(worker_tables):
    tables = worker_tables(compiled(server(idle_s=60)), buckets=1024)
    for _ in range(2):
        batch(tables, [frame(ACK, src=f"10.0.0.{n}") for n in range(1, 100)], now=10)
    tables.sweep(70)
    assert tables.counters.target_sessions.sum() == 99
    tables.sweep(71)
    assert tables.counters.target_sessions.sum() == tables.counters.server_sessions.sum() == 0
    assert not tables.flows.entries.any()


def test_after_a_change_the_sweep_is_faster_so_that_sessions_that_ended_are_soon_off_the_counts(
    worker_tables,
):
    compiler = Compiler()
    tables = worker_tables(compiled(server(), compiler=compiler), buckets=16 * 1024)
    for _ in range(16):
        tables.sweep(10)  # the table it started with
    batch(tables, [frame(src=f"10.0.{n >> 8}.{n & 255}") for n in range(400)], now=10)
    tables.install(Lookup(compiled(server(new=(2,), keep=(2,)), compiler=compiler)))
    assert counted(tables)[1] == 200
    for _ in range(4):
        tables.sweep(10)
    assert counted(tables)[1] == 0
    assert counted(tables)[2] == 200


def test_rewrite_changes_the_macs_and_nothing_else(worker_tables):
    tables = worker_tables(compiled(server()))
    frames = [frame(ACK, src="192.0.2.1", payload=b"z" * 30), frame(ACK, src="192.0.2.2", payload=b"z" * 30)]
    cols = columns(frames)
    before = cols.copy()
    vector = Vector(tables, Scalar(tables))
    verdicts, _ = vector.decide(cols, 1)
    vector.rewrite(cols, verdicts)
    after = np.ascontiguousarray(cols.T).view(np.uint8)
    was = np.ascontiguousarray(before.T).view(np.uint8)
    for row, old, target in zip(after, was, verdicts.tolist(), strict=True):
        assert row[78:84].tobytes() == mac(TARGET_MAC[target])
        assert row[84:90].tobytes() == mac(OWN)
        assert row[90:].tobytes() == old[90:].tobytes()
        assert int.from_bytes(row[70:72].tobytes(), "little") == len(frames[0])
