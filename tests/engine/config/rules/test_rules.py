"""Meaning: each rule fires at the right place, once, and stays silent on what is right."""

import itertools

import pytest

from engine.config.finding import MAX_FINDINGS, Findings
from engine.config.load import load
from engine.config.model import Config
from engine.config.positions import Positions
from engine.config.rules.apply import RULES, apply_rules

PARTS = {
    "interface": "interface 1 {\n name eth0\n}\nregister interface 1\nenable interface 1\n",
    "network": (
        "network 1 {\n addr 10.0.0.0\n mask 24\n real 10.0.0.2\n virt 10.0.0.3\n interface 1\n}\n"
        "register network 1\nenable network 1\n"
    ),
    "server": "server 1 {\n ipaddr 10.0.0.10\n port 80\n protocol tcp\n targets 1\n}\nregister server 1\nenable server 1\n",
    "target": "target 1 {\n ipaddr 10.0.0.21\n port 80\n protocol tcp\n tcpopen 80,3,10\n dsr enable\n}\n"
    "register target 1\nenable target 1\n",
}
TARGET_2 = PARTS["target"].replace("target 1", "target 2").replace("0.21", "0.22")
SERVER_2 = PARTS["server"].replace("server 1", "server 2").replace("0.10", "0.11")
NETWORK_2 = PARTS["network"].replace("network 1", "network 2").replace("10.0.0.", "10.0.1.")


def found(text, **options):
    """The findings as (severity, code, text of the place), which reads better than a column."""
    loaded = load(text, "x.conf", **options)
    lines = text.split("\n")
    return [
        (f.severity, f.code, lines[f.line - 1][f.column - 1 : f.column - 1 + f.length])
        for f in loaded.findings
    ]


def config(more="", **changes):
    parts = dict(PARTS)
    for name, (old, new) in changes.items():
        assert old in parts[name]
        parts[name] = parts[name].replace(old, new, 1)
    return "".join(parts.values()) + more


def test_the_base_of_these_tests_is_valid():
    assert found(config()) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # ports, protocols, times
        (config(target=("port 80\n", "port 8080\n")), ("error", "port-mismatch", "8080")),
        (config(server=("port 80", "port any")), ("error", "port-mismatch", "80")),
        (config(target=("protocol tcp", "protocol udp")), ("error", "protocol-mismatch", "udp")),
        (config(server=("protocol tcp", "protocol any")), ("error", "protocol-mismatch", "tcp")),
        (config(target=("80,3,10", "80,10,10")), ("error", "interval-timeout", "10")),
        (config(target=("tcpopen 80,3,10", "ping 9,3")), ("error", "interval-timeout", "3")),
        # addresses
        (
            config("gateway {\n ipaddr 10.0.0.21\n}\n"),
            ("error", "address-conflict", "10.0.0.21"),
        ),
        (config(target=("10.0.0.21", "10.0.1.21")), ("error", "outside-networks", "10.0.1.21")),
        (config(server=("10.0.0.10", "10.0.1.10")), ("error", "outside-networks", "10.0.1.10")),
        (config("gateway {\n ipaddr 10.9.9.9\n}\n"), ("error", "outside-networks", "10.9.9.9")),
        (config(network=("real 10.0.0.2", "real 10.0.1.2")), ("error", "outside-networks", "10.0.1.2")),
        (config(network=("addr 10.0.0.0", "addr 10.0.0.1")), ("error", "network-address", "10.0.0.1")),
        (config(server=("10.0.0.10", "10.0.0.255")), ("error", "reserved-address", "10.0.0.255")),
        (config(target=("10.0.0.21", "10.0.0.0")), ("error", "reserved-address", "10.0.0.0")),
        (config(network=("virt 10.0.0.3", "virt 10.0.0.255")), ("error", "reserved-address", "10.0.0.255")),
        (config(SERVER_2.replace("0.11", "0.10")), ("error", "duplicate-server", "10.0.0.10")),
        (config(server=("10.0.0.10", "10.0.0.2")), ("error", "address-conflict", "10.0.0.2")),
        (config(server=("10.0.0.10", "10.0.0.3")), ("error", "address-conflict", "10.0.0.3")),
        (config(server=("10.0.0.10", "10.0.0.21")), ("error", "address-conflict", "10.0.0.21")),
        (config(target=("10.0.0.21", "10.0.0.2")), ("error", "address-conflict", "10.0.0.2")),
        (config(network=("virt 10.0.0.3", "virt 10.0.0.2")), ("error", "address-conflict", "10.0.0.2")),
        (config("gateway {\n ipaddr 10.0.0.10\n}\n"), ("error", "address-conflict", "10.0.0.10")),
        (config(network=(" real 10.0.0.2\n", "")), ("warning", "no-real", "network 1")),
        # references and uses
        (config(server=("targets 1", "targets 1,7")), ("error", "undefined-reference", "7")),
        (config(server=("targets 1", "targets 1\n backup 7")), ("error", "undefined-reference", "7")),
        (config(network=("interface 1", "interface 2")), ("error", "undefined-reference", "2")),
        (config("vrrp {\n vrid 1\n network 3\n}\n"), ("error", "undefined-reference", "3")),
        (config("register target 5\n"), ("error", "undefined-reference", "5")),
        (config("enable servers 5-6\n"), ("error", "undefined-reference", "5-6")),
        (config(server=("targets 1", "targets 1,1")), ("error", "duplicate-target", "1")),
        (config(server=("targets 1", "targets 1\n backup 1")), ("error", "target-and-backup", "1")),
        (config(TARGET_2), ("error", "unused-target", "target 2")),
        # complete, registered, enabled
        (config(interface=(" name eth0\n", "")), ("error", "missing-field", "interface 1")),
        (config(network=(" mask 24\n", "")), ("error", "missing-field", "network 1")),
        (config(network=(" interface 1\n", "")), ("error", "missing-field", "network 1")),
        (config(server=(" ipaddr 10.0.0.10\n", "")), ("error", "missing-field", "server 1")),
        (config(target=(" ipaddr 10.0.0.21\n", "")), ("error", "missing-field", "target 1")),
        (config("gateway {\n}\n"), ("error", "missing-field", "gateway")),
        (config("vrrp {\n}\n"), ("error", "missing-field", "vrrp")),
        (config(server=("register server 1\n", "")), ("error", "not-registered", "1")),
        (
            config(TARGET_2.replace("register target 2\nenable target 2\n", "")),
            ("warning", "not-registered", "target 2"),
        ),
        # left out
        (config(target=(" dsr enable\n", "")), ("warning", "no-dsr", "target 1")),
        (config(target=("enable target 1\n", "")), ("warning", "no-usable-target", "server 1")),
        (config(interface=("enable interface 1\n", "")), ("warning", "not-enabled", "1")),
        (config(network=("enable network 1\n", "")), ("warning", "not-enabled", "10.0.0.10")),
        (config(network=("enable network 1\n", "")), ("warning", "not-enabled", "10.0.0.21")),
        (config("modules arp,slb\n"), ("warning", "module-missing", "arp,slb")),
        (config(server=("enable server 1\n", "")), ("warning", "no-server", "i")),
        # interfaces
        (config(PARTS["interface"].replace("e 1", "e 2")), ("error", "duplicate-interface", "eth0")),
        (
            config(NETWORK_2.replace("10.0.1.0", "10.0.0.0").replace("mask 24", "mask 16")),
            ("error", "network-overlap", None),
        ),
    ],
)
def test_each_rule_points_at_what_is_wrong(text, expected):
    severity, code, place = expected
    hits = [f for f in found(text) if f[1] == code]
    assert hits, found(text)
    assert all(f[0] == severity for f in hits)
    assert place is None or place in [f[2] for f in hits]


def test_without_any_network_one_finding_is_enough():
    text = "".join(part for name, part in PARTS.items() if name != "network") + SERVER_2
    assert [f for f in found(text) if f[0] == "error"] == [("error", "no-network", "10.0.0.10")]


def test_a_server_without_targets_cannot_be_registered():
    assert ("error", "missing-field", "server 1") in found(config(server=(" targets 1\n", "")))


def test_one_target_may_serve_two_addresses_and_backups_may_be_shared():
    assert found(config(SERVER_2 + TARGET_2, server=("targets 1", "targets 1\n backup 2"))) == []


def test_one_address_may_have_two_ports():
    https = SERVER_2.replace("0.11", "0.10").replace("port 80", "port 443").replace("targets 1", "targets 2")
    assert found(config(https + TARGET_2.replace("port 80\n", "port 443\n").replace("0.22", "0.21"))) == []


def test_a_target_with_any_port_serves_every_port():
    loose = ("port 80\n protocol tcp", "port any\n protocol any")
    other = SERVER_2.replace("port 80", "port 443")
    assert found(config(other, target=loose)) == []


def test_a_target_without_dsr_is_left_out_so_its_port_does_not_matter():
    text = config(
        TARGET_2.replace(" dsr enable\n", "").replace("port 80\n", "port 81\n"),
        server=("targets 1", "targets 1,2"),
    )
    assert found(text) == [("warning", "no-dsr", "target 2")]


def test_an_interface_that_this_host_lacks_is_a_warning_only_where_the_host_is_known():
    assert found(config()) == []
    assert found(config(), host_interfaces=["lo", "eth0"]) == []
    assert found(config(), host_interfaces=["lo", "eth1"]) == [("warning", "interface-missing", "eth0")]
    assert load(config(), "x.conf", host_interfaces=[]).findings[0].code == "interface-missing"


def test_a_point_to_point_network_has_no_reserved_addresses():
    text = config(
        network=("mask 24\n real 10.0.0.2\n virt 10.0.0.3", "mask 31\n real 10.0.0.0"),
        server=("10.0.0.10", "10.0.0.1"),
        target=("10.0.0.21", "10.0.0.1"),
    )
    assert "reserved-address" not in [code for _, code, _ in found(text)]


def test_two_targets_on_one_service_are_a_warning():
    text = config(TARGET_2.replace("0.22", "0.21"), server=("targets 1", "targets 1,2"))
    assert found(text) == [("warning", "duplicate-target", "10.0.0.21")]


def test_one_slip_is_one_finding():
    """What is wrong already is not reported once more as missing."""
    assert [f[:2] for f in found(config(server=("ipaddr 10.0.0.10", "ipaddr 10.0.0.1O")))] == [
        ("error", "bad-address")
    ]
    assert [f[:2] for f in found(config(server=("ipaddr", "ipadr")))] == [("error", "unknown-word")]
    assert [f[:2] for f in found(config(server=("targets 1", "targets l")))] == [("error", "bad-number")]
    assert [f[:2] for f in found(config(network=("mask 24", "mask 2A")))] == [("error", "bad-mask")]


def test_every_finding_says_what_to_do():
    text = config(
        SERVER_2.replace("0.11", "0.10") + TARGET_2 + "enable network 9\n",
        network=("real 10.0.0.2", "real 10.0.1.2"),
        target=("80,3,10", "80,3,2"),
        server=("targets 1", "targets 1,1,8"),
    )
    findings = load(text, "x.conf").findings
    assert len({f.code for f in findings}) >= 6
    for finding in findings:
        assert finding.hint
        assert not finding.message.endswith(".")
        assert not finding.hint.endswith(".")


def test_rules_do_not_depend_on_positions():
    """A model that came from no text (a command of the console) is checked as well."""
    broken = load(config(server=("targets 1", "targets 1,7")), "x.conf").config
    findings = Findings("x")
    apply_rules(broken, findings, Positions())
    assert [(f.code, f.line, f.column) for f in findings.sorted()] == [("undefined-reference", 1, 1)]


def test_an_empty_model_is_checked_without_a_stumble():
    findings = Findings("x")
    apply_rules(Config(), findings, Positions())
    assert [f.code for f in findings.sorted()] == ["no-server"]


def test_rules_are_different_functions_with_a_sentence_each():
    assert len(set(RULES)) == len(RULES)
    assert all(rule.__doc__ for rule in RULES)
    assert not any(one is other for one, other in itertools.combinations(RULES, 2))


def test_the_check_ends_where_more_errors_would_only_be_counted():
    servers = "\n".join(f"server {n} {{ ipaddr 10.1.0.{n} port 80 targets 1-1024 }}" for n in range(1, 101))
    config = load(f"modules arp\n{servers}\n", "x.conf").config
    apply_rules(config, findings := Findings("x.conf"), Positions())
    assert findings.errors == MAX_FINDINGS
    assert findings.sorted()[-1].code == "too-many-findings"


@pytest.mark.parametrize(
    ("address", "other", "place"),
    [
        ("10.0.0.254", "the gateway", "target"),
        ("10.0.0.2", "the real address of network 1", "target"),
        ("10.0.0.3", "the virt address of network 1", "target"),
        ("10.0.0.10", "target 1", "server"),
    ],
)
def test_a_target_shares_its_address_with_nothing_of_another_kind(address, other, place):
    text = config("gateway {\n ipaddr 10.0.0.254\n}\n", target=("10.0.0.21", address))
    (finding,) = [f for f in load(text, "x.conf").findings if f.severity == "error"]
    line = text.split("\n").index(f" ipaddr {address}", text.split("\n").index(f"{place} 1 {{")) + 1
    assert (finding.line, finding.column, finding.code) == (line, 9, "address-conflict")
    assert f"has the address of {other}, {address}" in finding.message
    assert ("router cannot be balanced to" in finding.hint) is (other == "the gateway")
