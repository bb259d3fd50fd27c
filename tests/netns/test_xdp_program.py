"""The XDP program in the kernel: every case of the fixtures, the reference model's histories, and what they do not say."""

from __future__ import annotations

import numpy as np
import pytest

from engine.datapath.lookup import Lookup
from engine.datapath.xdp.program import Program
from tests.bench.xdp import costs
from tests.conftest import lacking
from tests.helpers import fixtures
from tests.helpers.conformance import BUCKETS, Result, difference, fate_of, flat, flows_of, write
from tests.helpers.xdp_run import LEAST_BYTES, PASS, REDIRECT, TX, Run, refusal
from tests.reference import xdp
from tests.reference.agreement import shortest
from tests.reference.scenario import KINDS, scenario
from tests.reference.wire import Offload, tagged

_GSO_TYPE = 1  # byte of the virtio header


def is_seen(case):
    """A frame is whole under XDP, nobody cuts it up later, and no ring can be full."""
    return (
        case.captured is None
        and not case.copied
        and not case.virtio[_GSO_TYPE]
        and case.transmit == "free"
        and not case.crowded
        and is_for_virtual_address(case)
    )


def is_for_virtual_address(case):
    """What a worker's filter keeps away is left alone and not counted: echo requests, and what is for others."""
    virtual = {bytes(address[12:]) for address in fixtures.table(case.table).virtual_addr.tolist()}
    on_its_vlan = (case.vlan or 0) & 0xFFF == fixtures.vlan(case.table)
    frame = case.frame
    echo = (
        frame[23:24] == b"\x01"
        and frame[34:35] == b"\x08"
        and frame[20:22] in {bytes(2), b"\x40\0", b"\x20\0"}
    )
    return frame[12:14] == b"\x08\0" and frame[30:34] in virtual and on_its_vlan and not echo


SEEN = [case for case in fixtures.cases() if is_seen(case)]
UNSEEN = [c for c in fixtures.cases() if not is_for_virtual_address(c) and len(c.frame) >= LEAST_BYTES]


def on_the_wire(case):
    vlan = None if case.vlan is None else (case.vlan, case.tpid or 0)
    return tagged(case.frame, Offload(), vlan).data


@pytest.fixture(autouse=True, scope="module")
def _program_allowed():
    if reason := refusal():
        lacking(reason)


def fared(case):
    run = Run(BUCKETS, seed=0)
    try:
        table = fixtures.table(case.table)
        run.program.install(table)
        rules = Lookup(table).rules
        for flow in case.before:
            write(flow, run.program.flows, case.now_s, rules)
        run.program.recount()
        for frame in case.earlier:
            run.decide(frame, case.now_s)
        before = flat(run.program.counters())
        action, out = run.decide(on_the_wire(case), case.now_s)
        moved = difference(before, flat(run.program.counters()))
        by = {bytes(mac): n for mac, n in zip(table.egress_mac.tolist(), table.egress_ifindex, strict=True)}
        sent = {TX: [(0, out)], REDIRECT: [(by.get(out[6:12]), out)]}.get(action, [])
        assert action != PASS or fate_of(moved) == "pass"
        return Result(fate_of(moved), sent, moved, flows_of(run.program.flows, case.now_s, rules))
    finally:
        run.close()


@pytest.mark.parametrize("case", SEEN, ids=str)
def test_a_frame_fares_as_its_case_says(case):
    result = fared(case)
    assert result.fate == case.fate
    assert result.out == [(case.by, sent) for sent in case.out]
    assert result.counters == case.counters
    assert result.flows == list(case.after)


@pytest.mark.parametrize("case", UNSEEN, ids=str)
def test_what_is_for_no_virtual_address_passes_uncounted(case):
    run = Run(BUCKETS)
    try:
        run.program.install(fixtures.table(case.table))
        frame = on_the_wire(case)
        assert run.decide(frame, case.now_s) == (PASS, frame)
        assert set(flat(run.program.counters())) == {"swaps"}
    finally:
        run.close()


def test_most_cases_are_seen():
    assert len(SEEN) > 0.8 * len(fixtures.cases())


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_it_does_what_the_model_says(kind):
    """More of it: python -m tests.reference --paths xdp --scenarios 5000."""
    for seed in (1, 2, 3):
        history = xdp.COURSE.history(scenario(kind, seed))
        for difference_ in xdp.COURSE.compare(history).values():
            pytest.fail(f"seed {seed}\n{shortest(history, xdp.COURSE)}\n{difference_}")


@pytest.mark.parametrize(("method", "written"), [("rr", 64), ("hash", 0)])
def test_the_bench_meets_every_flow_it_speaks_of(need, method, written):
    need("clang-14")
    program = Program(1024)
    try:
        program.install(costs.table(method))
        costs.Loop().ns(program.fd, 64, rounds=1)
        counters = program.counters()
        assert counters.forwarded == counters.received >= costs.ROUND
        assert counters.target_sessions.sum() == written
        assert np.count_nonzero(counters.target_packets) == len(costs.TARGETS)
    finally:
        program.close()
