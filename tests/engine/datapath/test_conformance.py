"""Every way through every datapath makes of each case in tests/fixtures what stands there."""

from __future__ import annotations

import pytest

from engine.datapath.contract import DropReason
from engine.io.if_packet import VNET_BYTES
from tests.helpers import fixtures
from tests.helpers.conformance import PATHS

RUNS = [
    pytest.param(path, case, id=f"{path.name}: {case.name}")
    for path in PATHS
    for case in fixtures.cases()
    if case.only in {None, path.kind}
]


@pytest.mark.parametrize(("path", "case"), RUNS)
def test_a_frame_fares_as_its_case_says(path, case):
    result = path.run(case)
    place = f"tests/fixtures, {case.name!r}, {path.name}"
    assert result.fate == case.fate, f"{place}: fate. Every way through a datapath has to decide alike"
    assert [(by, sent[VNET_BYTES:]) for by, sent in result.out] == [(case.by, sent) for sent in case.out], (
        f"{place}: out"
    )
    assert result.counters == case.counters, f"{place}: counters (those that the frame moves)"
    assert result.flows == list(case.after), f"{place}: after (flows)"


def test_every_drop_reason_occurs():
    # A fault is not of a frame but of the program.
    reasons = {reason.label for reason in DropReason if reason != DropReason.FAULT}
    missing = reasons - {case.fate for case in fixtures.cases()}
    assert not missing, f'add a case with drop = "{missing.pop()}" to tests/fixtures'


def test_a_case_has_a_name_of_its_own():
    names = [case.name for case in fixtures.cases()]
    assert len(names) == len(set(names))


def test_no_case_is_left_out():
    assert {case.name for _, case in (run.values for run in RUNS)} == {c.name for c in fixtures.cases()}


def stays_here(case):
    return case.vlan is None and not case.table.startswith("other-")  # those have targets in other networks


FORWARDED = [c for c in fixtures.cases() if c.target is not None and stays_here(c) and c.transmit == "free"]


@pytest.mark.parametrize("case", FORWARDED, ids=str)
def test_what_is_forwarded_has_other_macs_and_is_the_same_beyond(case):
    macs = fixtures.target_mac(case.target) + fixtures.own_mac()
    assert case.out == (macs + case.frame[12:],)
