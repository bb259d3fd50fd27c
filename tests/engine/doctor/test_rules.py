"""Doctor: facts about a host in, advice out; and the facts of this very host can be asked."""

import dataclasses
import errno
import os
import platform
from pathlib import Path

import pytest

from engine.config.load import load
from engine.doctor.facts import AddressFacts, FolderFault, HostFacts, LinkFacts, collect
from engine.doctor.rules import SLOT_BYTES, examine
from tests.helpers.paths import SAMPLES

CONFIG = load((SAMPLES / "dsr.conf").read_bytes(), "dsr.conf").config
REAL = AddressFacts("172.16.1.252", 24, "eth0")
WELL = HostFacts(links={"eth0": LinkFacts("eth0")}, addresses=(REAL,), folders={"/run/bng": None})


def advice(**changes):
    return examine(CONFIG, dataclasses.replace(WELL, **changes), "/etc/bng/bng.conf")


def grave(**changes):
    return [(a.severity, a.code, a.subject, a.command) for a in advice(**changes) if a.severity != "info"]


def link(**changes):
    return {"eth0": dataclasses.replace(LinkFacts("eth0"), **changes)}


def test_a_host_that_is_well_gets_information_only():
    assert grave() == []
    assert {a.code for a in advice()} == {"versions", "xdp"}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            {"capabilities": frozenset({"CAP_NET_ADMIN"})},
            ("error", "privilege", "privileges", "sudo bng-engine run /etc/bng/bng.conf"),
        ),
        (
            {"capabilities": frozenset({"CAP_NET_RAW"})},
            ("error", "privilege", "privileges", "sudo bng-engine run /etc/bng/bng.conf"),
        ),
        (
            {"packet_socket_errno": errno.EAFNOSUPPORT},
            ("error", "packet-socket", "kernel", "modprobe af_packet"),
        ),
        ({"packet_socket_errno": errno.EPERM}, ("error", "packet-socket", "kernel", "")),
        ({"libseccomp": False}, ("warning", "seccomp", "privileges", "apt install libseccomp2")),
        ({"links": {}}, ("error", "interface-missing", "interface eth0", "ip -brief link")),
        ({"links": link(up=False)}, ("error", "interface-down", "interface eth0", "ip link set dev eth0 up")),
        ({"links": link(ethernet=False)}, ("error", "not-ethernet", "interface eth0", "ip -brief link")),
        (
            {"links": link(bridge_port=True)},
            ("warning", "bridge-port", "interface eth0", "ip -detail link show dev eth0"),
        ),
        (
            {"links": link(xdp=True)},
            ("warning", "foreign-xdp", "interface eth0", "ip -detail link show dev eth0"),
        ),
        ({"links": link(mtu=9000)}, ("warning", "mtu", "interface eth0", "ip link set dev eth0 mtu 1500")),
        (
            {"addresses": (REAL, AddressFacts("172.16.1.10", 32, "lo"))},
            ("error", "owns-virtual", "172.16.1.10", "ip addr del 172.16.1.10/32 dev lo"),
        ),
        (
            {"addresses": (REAL, AddressFacts("172.16.1.253", 24, "eth0"))},
            ("error", "owns-virtual", "172.16.1.253", "ip addr del 172.16.1.253/24 dev eth0"),
        ),
        (
            {"addresses": (AddressFacts("172.16.1.252", 24, "eth1"),)},
            ("warning", "real-elsewhere", "network 1", "ip addr del 172.16.1.252/24 dev eth1"),
        ),
        ({"ip_forward": True}, ("warning", "ip-forward", "ip_forward", "sysctl -w net.ipv4.ip_forward=0")),
        (
            {"folders": {"/var/lib/bng": FolderFault("not-writable", "/var/lib")}},
            ("error", "folder", "/var/lib/bng", "sudo install -d -m 0755 /var/lib/bng"),
        ),
        (
            {"folders": {"/var/lib/bng/a": FolderFault("not-a-folder", "/var/lib/bng")}},
            ("error", "folder", "/var/lib/bng/a", "ls -ld /var/lib/bng"),
        ),
        (
            {"neighbours_max": 2},
            (
                "warning",
                "neighbours",
                "neighbour table",
                "sysctl -w net.ipv4.neigh.default.gc_thresh2=4 net.ipv4.neigh.default.gc_thresh3=8",
            ),
        ),
        ({"python": (3, 10)}, ("error", "python", "python", "")),
        ({"kernel": "5.10.0-28-amd64"}, ("warning", "kernel", "kernel", "")),
    ],
)
def test_each_fact_that_matters_is_told_with_the_command_that_fixes_it(changes, expected):
    assert grave(**changes) == [expected]


@pytest.mark.parametrize(
    ("changes", "code", "command"),
    [
        ({"links": link(lro=True)}, "lro", "ethtool -K eth0 lro off"),
        ({"links": link(gro=True)}, "gro", ""),
        ({"addresses": ()}, "real-added", "ip addr add 172.16.1.252/24 dev eth0"),
    ],
)
def test_what_needs_nothing_is_information(changes, code, command):
    assert grave(**changes) == []
    assert (code, command) in [(a.code, a.command) for a in advice(**changes)]


def test_the_largest_frame_that_fits_a_slot_is_well():
    assert grave(links=link(mtu=SLOT_BYTES)) == []
    assert [code for _, code, *_ in grave(links=link(mtu=SLOT_BYTES + 1))] == ["mtu"]


@pytest.mark.parametrize("kernel", ["5.15.0", "6.1.0-18-amd64", "6.18.44", "10.0", "strange"])
def test_kernels_that_are_new_enough_or_unreadable_are_not_complained_about(kernel):
    assert grave(kernel=kernel) == []


def test_the_gravest_comes_first():
    found = [a.severity for a in advice(ip_forward=True, capabilities=frozenset(), links=link(gro=True))]
    assert found == sorted(found, key=["error", "warning", "info"].index)
    assert found[0] == "error"


def test_names_in_commands_are_quoted_for_the_shell():
    config = load((SAMPLES / "dsr.conf").read_bytes(), "dsr.conf").config
    config.interfaces[0].name = "e;reboot"
    facts = dataclasses.replace(WELL, links={"e;reboot": LinkFacts("e;reboot", up=False)})
    commands = [a.command for a in examine(config, facts, "a b.conf") if "reboot" in a.command]
    assert commands
    assert all("'e;reboot'" in command for command in commands)


def test_what_is_disabled_is_not_looked_at():
    config = load((SAMPLES / "dsr.conf").read_bytes(), "dsr.conf").config
    for item in (*config.interfaces, *config.networks, *config.servers):
        item.enabled = False
    owned = (AddressFacts("172.16.1.10", 32, "lo"), AddressFacts("172.16.1.253", 32, "lo"))
    facts = dataclasses.replace(WELL, links={}, addresses=owned)
    assert [a for a in examine(config, facts, "x") if a.severity != "info"] == []


def test_the_facts_of_this_host_are_what_the_host_says_elsewhere(tmp_path):
    (tmp_path / "file").touch()
    facts = collect(tmp_path / "new" / "run", tmp_path / "file" / "state")
    assert facts.uid == os.geteuid()
    assert facts.kernel == platform.release()
    assert facts.ip_forward == (Path("/proc/sys/net/ipv4/ip_forward").read_text().strip() == "1")
    assert facts.links["lo"].ethernet is False
    assert facts.links["lo"].mtu > 0
    assert facts.folders[str(tmp_path / "new" / "run")] is None
    assert facts.folders[str(tmp_path / "file" / "state")] == FolderFault(
        "not-a-folder", str(tmp_path / "file")
    )
    assert all(own.link in facts.links for own in facts.addresses)
    assert ("CAP_NET_RAW" in facts.capabilities) == (facts.packet_socket_errno is None)


@pytest.mark.parametrize(
    ("user", "said", "command"),
    [
        ("nobody", "workers run as nobody, as other services may", "useradd --system"),
        (None, "workers keep the user id of the engine", ""),
    ],
)
def test_whom_workers_run_as_is_information(user, said, command):
    (one,) = [a for a in advice(worker_user=user) if a.code == "worker-user"]
    assert one.severity == "info"
    assert said in one.message
    assert one.command.startswith(command)
