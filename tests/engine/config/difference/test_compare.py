"""What a change would do, sentence by sentence; and the texts side by side."""

import difflib
import random
import subprocess
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.config.difference.compare import Flows, compare, unified
from engine.config.language.balanceng import dump as dump_balanceng
from engine.config.load import load
from engine.config.model import Config, Interface, Network, Server, Target
from engine.domain.checks import CheckSettings

BASE = """\
interface 1 { name eth0 access raw }
register interface 1
enable interface 1
network 1 {
  addr 10.0.0.0
  mask 255.255.255.0
  real 10.0.0.2
  virt 10.0.0.3
  interface 1
}
register network 1
enable network 1
server 1 { ipaddr 10.0.0.10 port 80 protocol tcp targets 1,2 backup 3 }
server 2 { ipaddr 10.0.0.11 targets 2 }
register servers 1,2
enable servers 1,2
target 1 { ipaddr 10.0.0.21 dsr enable tcpopen 80,3,10 }
target 2 { ipaddr 10.0.0.22 dsr enable }
target 3 { ipaddr 10.0.0.23 dsr enable ping 3,8 }
register targets 1-3
enable targets 1-3
"""
FLOWS = Flows({1: 1204, 2: 30}, {1: 1000, 2: 234, 3: 0}, {(1, 1): 1000, (1, 2): 204, (2, 2): 30})


def model(text):
    return load(text, "x.conf").config


def told(old, new, flows=FLOWS):
    assert old in BASE, old
    changes = compare(model(BASE), model(BASE.replace(old, new)), flows)
    return [(c.kind, c.subject, c.message, c.effect, c.flows, "cuts" if c.cuts else "") for c in changes]


@pytest.mark.parametrize(
    ("old", "new", "change"),
    [
        ("80,3,10", "80,5,10", ("changed", "target 1", "tcpopen interval 3 → 5 s", "its check restarts, 0 flows move", 0, "")),
        ("80,3,10", "81,3,12", ("changed", "target 1", "tcpopen port 80 → 81, timeout 10 → 12 s", "its check restarts, 0 flows move", 0, "")),
        (" ping 3,8", "", ("changed", "target 3", "ping removed", "no longer checked by it, 0 flows move", 0, "")),
        ("22 dsr enable", "22 dsr enable ping 3,8", ("changed", "target 2", "ping added: every 3 s, timeout 8 s", "its check starts, flows stay unless it fails", 0, "")),
        ("10.0.0.22 ", "10.0.0.29 ", ("changed", "target 2", "address changes 10.0.0.22 → 10.0.0.29", "204 of its flows move, 30 end", 234, "")),
        ("10.0.0.21 ", "10.0.0.29 ", ("changed", "target 1", "address changes 10.0.0.21 → 10.0.0.29", "its 1,000 flows move", 1000, "")),
        ("10.0.0.21 dsr", "10.0.0.21 weight 5 dsr", ("changed", "target 1", "weight 1 → 5", "new flows only", 0, "")),
        ("10.0.0.21 dsr", "10.0.0.21 maxsessions 5 dsr", ("changed", "target 1", "maxsessions no limit → 5", "new flows only", 0, "")),
        ("10.0.0.21 dsr", '10.0.0.21 name "a b" dsr', ("changed", "target 1", 'name "" → "a b"', "", 0, "")),
        ("21 dsr enable", "21 dsr disable", ("changed", "target 1", "dsr disable", "its 1,000 flows move", 1000, "")),
        ("enable targets 1-3", "enable targets 2-3", ("changed", "target 1", "disabled", "its 1,000 flows move", 1000, "")),
        ("targets 1,2 ", "targets 2,1 ", ("changed", "server 1", "order of targets 1,2 → 2,1", "new flows only", 0, "")),
        ("targets 1,2 backup 3", "targets 1 backup 3", ("removed", "target 2", "removed from server 1", "its 204 flows move", 204, "")),
        ("targets 1,2 backup 3", "targets 1,2", ("removed", "target 3", "removed from the backups of server 1", "0 flows move", 0, "")),
        ("targets 1,2 backup 3", "targets 1 backup 2,3", ("changed", "target 2", "becomes a backup of server 1", "new flows only while all others are down, 0 flows move", 0, "")),
        ("targets 1,2 backup 3", "targets 1,2,3", ("changed", "target 3", "serves server 1, was a backup", "new flows only", 0, "")),
        (".11 targets 2", ".11 targets 2,3", ("added", "target 3", "added to server 2", "new flows only", 0, "")),
        ("port 80 protocol tcp t", "port 80 protocol tcp method hash t", ("changed", "server 1", "method rr → hash", "new flows only", 0, "")),
        ("port 80 protocol tcp t", "port 80 protocol tcp sessionid src+port t", ("changed", "server 1", "sessionid src → src+port", "flows are told apart differently, up to 1,204 flows move", 1204, "")),
        ("port 80 protocol tcp t", "port 80 protocol tcp stimeout 60 t", ("changed", "server 1", "stimeout 600 → 60 s", "flows that are idle for longer end", 0, "")),
        ("port 80 protocol tcp t", "port 80 protocol tcp stimeout 900 t", ("changed", "server 1", "stimeout 600 → 900 s", "idle flows stay longer", 0, "")),
        ("port 80 protocol tcp t", "port 81 protocol tcp t", ("changed", "server 1", "port 80 → 81", "clients of the old port are cut off, up to 1,204 flows end", 1204, "cuts")),
        ("port 80 protocol tcp t", "protocol tcp t", ("changed", "server 1", "port 80 → any", "0 flows end", 0, "")),
        ("ipaddr 10.0.0.10", "ipaddr 10.0.0.19", ("changed", "server 1", "address moves 10.0.0.10 → 10.0.0.19", "clients of the old address are cut off, 1,204 flows end", 1204, "cuts")),
        ("enable servers 1,2", "enable server 2", ("changed", "server 1", "disabled", "1,204 flows end", 1204, "cuts")),
        ("name eth0", "name eth1", ("changed", "interface 1", "name eth0 → eth1", "frames are taken from the new one, 1,234 flows end", 1234, "cuts")),
        ("name eth0", "name eth0 threads 2", ("changed", "interface 1", "threads as --workers says → 2", "from the next start of the engine", 0, "")),
        ("enable interface 1", "", ("changed", "interface 1", "disabled", "1,234 flows end", 1234, "cuts")),
        ("enable network 1", "", ("changed", "network 1", "disabled", "1,234 flows end", 1234, "cuts")),
        ("real 10.0.0.2", "real 10.0.0.4", ("changed", "network 1", "real 10.0.0.2 → 10.0.0.4", "the engine asks and checks from the new address; who is logged in on the old one is cut off", 0, "cuts")),
        ("virt 10.0.0.3", "virt 10.0.0.4", ("changed", "network 1", "virt 10.0.0.3 → 10.0.0.4", "what goes through the old address is cut off", 0, "cuts")),
        ("mask 255.255.255.0", "mask 255.255.255.128", ("changed", "network 1", "mask 255.255.255.0 → 255.255.255.128", "its servers move with it, up to 1,234 flows end", 1234, "cuts")),
        ("interface 1 {", "set ipforwarding 1\ninterface 1 {", ("added", "set ipforwarding", "added with 1", "", 0, "")),
        ("interface 1 {", "gateway { ipaddr 10.0.0.1 }\ninterface 1 {", ("added", "gateway", "added: 10.0.0.1", "", 0, "")),
        ("interface 1 {", "vrrp { vrid 7 }\ninterface 1 {", ("added", "vrrp", "added: vrid 7, priority 100", "the election begins", 0, "")),
        ("interface 1 {", "modules vrrp,arp,ping,master,hc,slb,tnat,nat,rt\ninterface 1 {", ("changed", "modules", "order vrrp,arp,ping,hc,master,slb,tnat,nat,rt → vrrp,arp,ping,master,hc,slb,tnat,nat,rt", "frames visit them in the new order", 0, "")),
        ("interface 1 {", "modules vrrp,arp,ping,hc,master,tnat,nat,rt\ninterface 1 {", ("removed", "modules", "slb removed", "nothing is balanced", 1234, "cuts")),
    ],
)  # fmt: skip
def test_every_change_has_its_sentence(old, new, change):
    assert told(old, new) == [change]


def test_a_server_that_goes_takes_its_flows_with_it_and_is_told_once():
    line = "server 1 { ipaddr 10.0.0.10 port 80 protocol tcp targets 1,2 backup 3 }\n"
    new = (
        BASE.replace(line, "")
        .replace("servers 1,2", "server 2")
        .replace(" 1-3", " 2")
        .replace("targets 2\n", "targets 2\n")
    )
    new = "\n".join(x for x in new.split("\n") if not x.startswith(("target 1", "target 3")))
    changes = compare(model(BASE), model(new), FLOWS)
    assert [(c.subject, c.message, c.effect, c.flows, c.cuts) for c in changes] == [
        ("server 1", "removed", "1,204 flows end", 1204, True),
        ("target 1", "removed", "0 flows move", 0, False),
        ("target 3", "removed", "0 flows move", 0, False),
    ]


def test_a_new_target_says_what_it_was_added_to():
    new = (
        BASE.replace("targets 1,2 ", "targets 1,2,4 ").replace(" 1-3", " 1-4")
        + "target 4 { ipaddr 10.0.0.24 dsr enable }\n"
    )
    (change,) = compare(model(BASE), model(new), FLOWS)
    assert (change.kind, change.subject, change.message, change.effect) == (
        "added",
        "target 4",
        "added to server 1",
        "new flows only",
    )
    (change,) = compare(model(new), model(BASE), FLOWS)
    assert (change.kind, change.subject, change.message, change.effect) == (
        "removed",
        "target 4",
        "removed",
        "0 flows move",
    )


def test_a_new_server_and_a_removed_network_are_told_whole():
    new = BASE + "server 3 { ipaddr 10.0.0.12 targets 1,2 }\nregister server 3\n"
    (change,) = compare(model(BASE), model(new), FLOWS)
    assert (change.kind, change.message, change.effect) == (
        "added",
        "added: 10.0.0.12 port any protocol any, targets 1, 2",
        "not at work until it is enabled",
    )
    without = Config(
        servers=model(BASE).servers, targets=model(BASE).targets, interfaces=model(BASE).interfaces
    )
    (change,) = compare(model(BASE), without, FLOWS)
    assert (change.subject, change.effect, change.flows, change.cuts) == (
        "network 1",
        "1,234 flows end",
        1234,
        True,
    )


def test_without_counts_by_pair_all_flows_of_a_target_are_named():
    (change,) = told("targets 1,2 backup 3", "targets 1 backup 3", Flows({1: 1204}, {2: 234}))
    assert change[3:5] == ("its 234 flows move", 234)


def test_one_flow_is_one_flow():
    (change,) = told("enable servers 1,2", "enable server 2", Flows({1: 1}, {}))
    assert change[3] == "1 flow ends"


def test_the_same_is_no_change():
    assert compare(model(BASE), model(BASE), FLOWS) == []
    assert compare(model(BASE), model(dump_balanceng(model(BASE))), FLOWS) == []


def big(weight, first):
    return Config(
        interfaces=[Interface(number=1, name="eth0", registered=True, enabled=True)],
        networks=[Network(number=1, addr="10.0.0.0", mask="255.255.0.0", real="10.0.0.2", interface=1, registered=True, enabled=True)],
        servers=[
            Server(number=n, ipaddr=f"10.0.{10 + n // 250}.{n % 250 + 1}", port=80, protocol="tcp", targets=[2 * n - 1, 2 * n], registered=True, enabled=True)
            for n in range(first, 513)
        ],
        targets=[
            Target(number=n, ipaddr=f"10.0.{100 + n // 250}.{n % 250 + 1}", dsr=True, weight=weight, checks={"tcpopen": CheckSettings(80)}, registered=True, enabled=True)
            for n in range(2 * first - 1, 1025)
        ],
    )  # fmt: skip


def test_the_largest_configuration_is_compared_in_time():
    old, new = big(1, 1), big(5, 40)
    texts = dump_balanceng(old), dump_balanceng(new)
    flows = Flows({n: n for n in range(513)}, {n: n for n in range(1025)})
    begin = time.perf_counter()
    changes = compare(old, new, flows)
    text = unified(*texts, "old", "new")
    assert time.perf_counter() - begin < 0.5  # 0.06 on an idle machine
    assert len(changes) > 1000
    assert text.count("\n-server") == 39


# -- lines

lines = st.lists(st.sampled_from(["a", "b", "c", "d", "", "e e", "}", "f\r"]), max_size=30).map("\n".join)


@given(lines, lines, st.booleans(), st.booleans())
@settings(max_examples=150, deadline=None)
def test_a_unified_diff_takes_one_text_to_the_other(old, new, end_old, end_new):
    old, new = old + "\n" * end_old, new + "\n" * end_new
    assert patched(old, unified(old, new, "a", "b")) == new


def patched(text, diff):
    """Apply a unified diff, by its letter."""
    if not diff:
        return text
    old, out, at = text.split("\n"), [], 0
    old = [line + "\n" for line in old[:-1]] + ([old[-1]] if old[-1] else [])
    body = diff.split("\n")[2:-1]
    for i, line in enumerate(body):
        bare = i + 1 < len(body) and body[i + 1].startswith("\\ ")
        content = line[1:] + ("" if bare else "\n")
        if line.startswith("@@"):
            first, _, size = line.split()[1][1:].partition(",")
            start = int(first) - (size != "0")
            out, at = [*out, *old[at:start]], start
        elif line.startswith("\\"):
            continue
        elif line.startswith("+"):
            out.append(content)
        else:
            assert old[at] == content
            at += 1
            if line.startswith(" "):
                out.append(content)
    return "".join([*out, *old[at:]])


def test_patch_itself_takes_it(tmp_path, need):
    need("patch")
    old = BASE
    new = BASE.replace("10.0.0.22", "10.0.0.29").replace("80,3,10", "80,5,10").removesuffix("\n")
    (tmp_path / "f").write_text(old)
    subprocess.run(
        ["patch", "-s", "f"], cwd=tmp_path, input=unified(old, new, "f", "f"), text=True, check=True
    )
    assert (tmp_path / "f").read_text() == new


def test_a_small_change_reads_as_everybody_writes_it():
    new = BASE.replace("80,3,10", "80,5,10")
    wanted = difflib.unified_diff(BASE.splitlines(keepends=True), new.splitlines(keepends=True), "a", "b")
    assert unified(BASE, new, "a", "b") == "".join(wanted)
    assert unified(BASE, BASE, "a", "b") == ""


@pytest.mark.parametrize("kinds", [1, 2, 30, 1000, 40_000])
def test_hostile_texts_take_no_longer(kinds):
    chance = random.Random(kinds)
    old, new = ("\n".join(str(chance.randrange(kinds)) for _ in range(50_000)) for _ in range(2))
    begin = time.perf_counter()
    diff = unified(old, new, "a", "b")
    assert time.perf_counter() - begin < 2  # 0.05 on an idle machine; difflib takes minutes
    assert patched(old, diff) == new


def test_a_diff_that_nobody_can_read_is_cut():
    old, new = (
        "\n".join(f"old {n} {'x' * 90}" for n in range(9_000)),
        "\n".join(f"new {n}" for n in range(50_000)),
    )
    diff = unified(old, new, "a", "b")
    assert len(diff) < 1_100_000
    assert diff.endswith("\\ The rest is not shown: it is too long\n")
