"""An engine that forwards by an XDP program, on real packets: asked for by its name, with every offload as it is."""

from __future__ import annotations

import os
import socket
import time

import numpy as np
import pytest

from engine.datapath.contract import FLOW_RECORD, DatapathError
from engine.datapath.flow_states import FlowState
from engine.datapath.xdp import libbpf, refusals
from engine.datapath.xdp.datapath import XdpDatapath
from engine.domain.address import Address
from engine.lab import addressing, links
from engine.lab.namespaces import inside
from tests.conftest import lacking
from tests.helpers.scene import SEED, Scene, sha256_of, until
from tests.helpers.xdp_run import refusal
from tests.netns.test_xdp_rings import CLIENT, TARGETS, VIP, a_table
from tests.reference.build import ether, ip, padded, segment

MB = 1_000_000
BY_HASH = SEED.read_text().replace("server 1 {", "server 1 {\n    method hash\n    sessionid ip,port", 1)


@pytest.fixture(scope="module", autouse=True)
def _program_allowed():
    if reason := refusal():
        lacking(reason)


@pytest.fixture
def scene(lab, tmp_path):
    one = Scene(lab, tmp_path, options=("--datapath", "xdp-generic")).start()
    yield one
    one.stop()
    print(one.balancer.log_text())


def program_on(lab):
    """Whether a program is on the balancer's interface, as `ip link` shows it."""
    with inside(lab.netns_path("lb")), links.netlink() as netlink:
        (row,) = netlink.link("get", ifname="eth0")
    attached = row.get_attr("IFLA_XDP")
    return bool(attached and attached.get_attr("IFLA_XDP_ATTACHED"))


def test_requests_are_answered_by_both_targets_and_counted(scene):
    assert scene.balancer.json("show", "datapath")["kind"] == "xdp-generic"
    tally = scene.traffic(300)
    assert (tally.asked, tally.answered.total(), dict(tally.failed)) == (300, 300, {})
    assert min(tally.answered[node] for node in ("target1", "target2")) > 100
    (server,) = scene.balancer.json("show", "servers")
    assert server["packets"] > 300 * 4
    assert scene.balancer.json("show", "sessions")


def test_a_large_transfer_arrives_whole_with_the_offloads_that_are_there(scene):
    assert scene.put(5 * MB).text == f"{5 * MB} {sha256_of(5 * MB)}\n"
    assert not {"too-big", "tx-error", "malformed"} & scene.dropped().keys()


def test_a_drained_target_keeps_its_clients_and_gets_no_new_ones(scene):
    sources = addressing.CLIENT_SOURCES
    scene.traffic(40, sources[:20])
    scene.balancer.ctl("drain", "target", "1")
    until(lambda: not scene.balancer.json("show", "targets")[0]["operational"], 5, "it is drained")
    assert set(scene.traffic(40, sources[20:40]).answered) == {"target2"}
    assert set(scene.traffic(40, sources[:20]).answered) == {"target1", "target2"}


def test_a_clean_stop_takes_the_program_off(lab, tmp_path):
    scene = Scene(lab, tmp_path, options=("--datapath", "xdp-generic")).start()
    assert program_on(lab)
    scene.stop()
    assert not program_on(lab)


def test_where_the_ring_decides_connections_outlive_what_happens_to_the_others(lab, tmp_path):
    scene = Scene(lab, tmp_path, BY_HASH, options=("--datapath", "xdp-generic")).start()
    try:
        upload = [scene.background(scene.put, 3 * MB, source) for source in addressing.CLIENT_SOURCES[:8]]
        for command in ("drain", "enable") * 3:
            scene.balancer.ctl(command, "target", "1")
            time.sleep(0.2)
        assert {one.result(60).text for one in upload} == {f"{3 * MB} {sha256_of(3 * MB)}\n"}
        assert not scene.dropped().get("no-target")
    finally:
        scene.stop()


def test_a_program_of_somebody_else_is_named_and_left_alone(lab, start_engine):
    with inside(lab.netns_path("lb")):
        other = XdpDatapath("eth0", 1500, generic=True, buckets=2)
        other.start()
    try:
        engine = start_engine(None, "--datapath", "xdp-generic", wait=False)
        until(lambda: "another XDP program is on eth0" in engine.log_text(), 10, "it says so")
        assert program_on(lab)
    finally:
        other.close()
    engine.wait_ready()
    assert engine.json("show", "datapath")["kind"] == "xdp-generic"


def test_native_xdp_is_not_taken_where_it_would_lose_frames(lab):
    with inside(lab.netns_path("lb")):
        one = XdpDatapath("eth0", 1500, generic=False, buckets=2)
        try:
            with pytest.raises(
                DatapathError, match=r"eth0 is an end of a veth pair.*use --datapath xdp-generic or afpacket"
            ):
                one.start()
        finally:
            one.close()
    assert not program_on(lab)


def test_an_interface_that_refuses_is_told_with_what_mends_it(lab):
    lab.set_mtu(9000)
    with inside(lab.netns_path("lb")):
        one = XdpDatapath("eth0", 9000, generic=True, buckets=2)
        try:
            index = socket.if_nametoindex("eth0")
            with pytest.raises(libbpf.BpfError) as refused:
                libbpf.attach(one._program.fd, index, generic=False)
            assert refused.value.log == "veth: Peer MTU is too large to set XDP"
            text = refusals.not_attached("eth0", index, refused.value, generic=False)
            assert "ip link set eth0 mtu 1500" in text
        finally:
            one.close()


def test_a_program_that_was_taken_off_is_attached_again(lab):
    with inside(lab.netns_path("lb")):
        one = XdpDatapath("eth0", 1500, generic=True, buckets=64)
        try:
            one.start()
            assert one.watch(1.0) == []
            os.close(one._link)  # as an operator does it by bpftool link detach
            one._link = os.open("/dev/null", os.O_RDONLY)
            assert not program_on(lab)
            (event,) = one.watch(2.0)
            assert event.severity == "warning"
            assert "attached again" in event.message
            assert program_on(lab)
            assert one.describe().workers == 1
        finally:
            one.close()


def test_flows_go_from_one_datapath_to_another(lab):
    """Also those of a server whose ring decides: they are where they were, not where the ring would have them."""
    with inside(lab.netns_path("lb")):
        one = XdpDatapath("eth0", 1500, generic=True, buckets=1024)
        other = XdpDatapath("eth0", 1500, generic=True, buckets=1024)
        try:
            table = a_table()
            records = np.zeros(TARGETS, FLOW_RECORD)
            for target in range(1, TARGETS + 1):
                client = Address.of(bytes((192, 0, 2, target)))
                records[target - 1] = (client, 40000, 1, target, 3, FlowState.OPEN, bytes(7))
            for datapath in (one, other):
                datapath.install(table)
            one.start()
            one.import_flows(records)
            assert one.describe().workers == 1
            assert one.pairs() == {(1, target): 1 for target in range(1, TARGETS + 1)}
            assert one.counters().target_sessions[1 : TARGETS + 1].tolist() == [1] * TARGETS
            other.import_flows(one.export_flows())
            for target in range(1, TARGETS + 1):
                client = Address.of(bytes((192, 0, 2, target)))
                found = other.find(client, 40000, Address.of(VIP), 80, 6)
                assert (found.target, found.known) == (target, True)
                assert [f.target for f in other.flows(9, client=client)] == [target]
            runner = libbpf.Runner(other._program.fd)
            went = [
                runner.run(padded(ether(ip(bytes((192, 0, 2, t)), VIP, 6, segment(40000, 80, 16)))))[1][5]
                for t in range(1, TARGETS + 1)
            ]
            assert went == list(range(1, TARGETS + 1))
            assert other.find(Address.of(CLIENT), 1, Address.of(VIP), 81, 6) is None
        finally:
            one.close()
            other.close()
