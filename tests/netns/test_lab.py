"""The lab on its own, without an engine: the network of the seed works as the seed says."""

import hashlib
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from engine.lab import addressing, httpd, links, namespaces, processes, traffic
from engine.lab.namespaces import LabError, inside
from engine.lab.topology import Lab


def get(lab, url_path, host="172.16.1.100", source="192.0.2.10", node="client", timeout=10):
    """Fetch over a raw socket made in the node; returns (headers, body)."""
    with inside(lab.netns_path(node)):
        connection = socket.create_connection((host, 80), timeout=timeout, source_address=(source, 0))
    with connection:
        connection.sendall(f"GET {url_path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        answer = b"".join(iter(lambda: connection.recv(1 << 20), b""))
    head, _, body = answer.partition(b"\r\n\r\n")
    return head.decode(), body


def arp_replies(lab, node, address, wait_s=0.5):
    """Ask for an address from a node's eth0 and return the MACs that answer."""
    with inside(lab.netns_path(node)):
        asking = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0806))
        asking.bind(("eth0", 0x0806))
    own = bytes.fromhex(addressing.mac_of(addressing.LAN_PORTS[node]).replace(":", ""))
    request = (
        b"\xff" * 6
        + own
        + bytes.fromhex("08060001080006040001")
        + own
        + socket.inet_aton(addressing.LAN_PORTS[node])
    )
    macs = []
    with asking:
        asking.send(request + b"\0" * 6 + socket.inet_aton(address))
        deadline = time.monotonic() + wait_s
        while (left := deadline - time.monotonic()) > 0:
            asking.settimeout(left)
            try:
                frame = asking.recv(2048)
            except TimeoutError:
                break
            if frame[20:22] == b"\0\2" and frame[28:32] == socket.inet_aton(address):
                macs.append(frame[22:28].hex(":"))
    return macs


def test_client_reaches_target_through_router_and_is_seen_as_itself(lab):
    head, body = get(lab, "/", source="192.0.2.73")
    assert "X-Target: target1" in head
    assert body == b"target1\n192.0.2.73\n"
    assert lab.access_log("target1").read_text().startswith("192.0.2.73 - - [")
    assert lab.access_log("target2").read_text() == ""


def test_way_back_leads_over_the_router_and_not_the_balancer(lab):
    def forwarded(node):
        with inside(lab.netns_path(node)):
            rows = [
                line.split()
                for line in Path("/proc/net/snmp").read_text().splitlines()
                if line.startswith("Ip:")
            ]
        return int(dict(zip(*rows, strict=True))["ForwDatagrams"])

    before = forwarded("router"), forwarded("lb")
    get(lab, "/bytes/500000")
    assert forwarded("router") - before[0] >= 10  # super-frames of up to 64 KiB, and the acknowledgements
    assert forwarded("lb") == before[1]


def test_targets_have_the_alias_and_do_not_answer_arp_for_it(lab):
    for node in addressing.TARGETS:
        with inside(lab.netns_path(node)), links.netlink() as netlink:
            on_lo = [a.get("address") for a in netlink.get_addr(index=1)]
        assert addressing.VIP in on_lo
    assert arp_replies(lab, "router", addressing.VIP) == []
    assert arp_replies(lab, "router", addressing.TARGETS["target2"]) == [
        addressing.mac_of(addressing.TARGETS["target2"])
    ]


def test_target_answers_arp_for_the_alias_once_arp_ignore_is_back_at_0(lab):
    lab.set_arp("target2", ignore=0, announce=0)
    assert arp_replies(lab, "router", addressing.VIP) == [addressing.mac_of(addressing.TARGETS["target2"])]
    lab.set_arp("target2", ignore=1, announce=2)
    assert arp_replies(lab, "router", addressing.VIP) == []


def test_alias_comes_and_goes(lab):
    def accepts():
        # Straight to the target's MAC, as a balancer would deliver it: a route from the router over the target.
        with inside(lab.netns_path("router")), links.netlink() as netlink:
            netlink.route("replace", dst=f"{addressing.VIP}/32", gateway=addressing.TARGETS["target1"])
        try:
            return get(lab, "/", host=addressing.VIP, timeout=0.5)[1].startswith(b"target1")
        except OSError:
            return False

    assert accepts()
    lab.alias("target1", present=False)
    lab.alias("target1", present=False)
    assert not accepts()
    lab.alias("target1", present=True)
    assert accepts()


def test_server_stops_and_starts(lab):
    lab.stop_server("target1")
    with pytest.raises(ConnectionRefusedError):
        get(lab, "/")
    lab.start_server("target1")
    assert get(lab, "/")[1].startswith(b"target1")


def test_cable_pulled_and_plugged(lab):
    lab.set_cable("target1", up=False)
    with pytest.raises(OSError, match=r"timed out|unreachable|No route"):
        get(lab, "/", timeout=0.5)
    lab.set_cable("target1", up=True)
    assert get(lab, "/", timeout=5)[1].startswith(b"target1")


def test_mtu_of_the_lan(lab):
    lab.set_mtu(1400)
    with inside(lab.netns_path("target1")):
        assert socket.if_nametoindex("eth0")
        with links.netlink() as netlink:
            assert netlink.get_links(ifname="eth0")[0].get("mtu") == 1400
    assert len(get(lab, "/bytes/1000000")[1]) == 1_000_000


def test_download_is_the_bytes_it_says(lab):
    _, body = get(lab, "/bytes/3000001")
    expected = hashlib.sha256(b"".join(httpd.deterministic_bytes(3_000_001))).hexdigest()
    assert hashlib.sha256(body).hexdigest() == expected


def test_slow_download_takes_its_time(lab):
    start = time.monotonic()
    assert len(get(lab, "/bytes/20000?rate=40000")[1]) == 20_000
    assert 0.4 < time.monotonic() - start < 2


def test_upload_is_hashed(lab):
    body = os.urandom(2_000_003)
    with inside(lab.netns_path("client")):
        connection = socket.create_connection(("172.16.1.101", 80), timeout=10)
    with connection:
        connection.sendall(
            f"PUT /upload HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
        )
        answer = connection.recv(65536)
    assert answer.endswith(f"{len(body)} {hashlib.sha256(body).hexdigest()}\n".encode())


def test_traffic_counts_answers_by_target_and_spreads_sources(lab):
    sources = [part for source in addressing.CLIENT_SOURCES[:8] for part in ("--source", source)]
    command = [
        sys.executable,
        "-I",
        traffic.__file__,
        "--json",
        "--host",
        "172.16.1.101",
        "--requests",
        "80",
        *sources,
    ]
    done = lab.run("client", command)
    assert (done.returncode, traffic.Tally.parse(done.stdout).answered) == (0, {"target2": 80})
    seen = {line.split()[0] for line in lab.access_log("target2").read_text().splitlines()}
    assert seen == set(addressing.CLIENT_SOURCES[:8])


def test_traffic_fails_where_one_request_fails(lab):
    lab.stop_server("target1")
    command = [sys.executable, "-I", traffic.__file__, "--host", "172.16.1.100", "--source", "192.0.2.10"]
    done = lab.run("client", [*command, "--requests", "3"])
    assert done.returncode == 1
    assert "0 of 3 requests answered: nobody" in done.stdout
    assert "3 failed: Connect call failed" in done.stdout or "3 failed: Connection refused" in done.stdout


def test_a_node_sees_its_own_sys_and_keeps_its_pid(lab):
    child = lab.popen("lb", ["sh", "-c", "echo $$; ls /sys/class/net"], stdout=subprocess.PIPE, text=True)
    out, _ = child.communicate(timeout=10)
    assert out.split() == [str(child.pid), "eth0", "lo"]


def test_up_and_down_are_fast_and_complete(run_id):
    lab = Lab(f"{run_id}-time")
    start = time.monotonic()
    lab.up()
    up_s = time.monotonic() - start
    members = lab.members()
    assert len(members) == 2
    start = time.monotonic()
    lab.down()
    down_s = time.monotonic() - start
    assert (up_s < 3, down_s < 2) == (True, True), (up_s, down_s)
    assert not any(processes.alive(member) for member in members)
    assert not any(lab.netns_path(node).exists() for node in addressing.NODES)
    assert not lab.state_dir.exists()


def test_second_up_is_refused_and_harms_nothing(lab):
    with pytest.raises(LabError, match="already up: bng-lab down --prefix"):
        Lab(lab.prefix).up()
    assert get(lab, "/")[1].startswith(b"target1")


def test_down_removes_a_half_built_lab(run_id):
    lab = Lab(f"{run_id}-half")
    lab.state_dir.mkdir(parents=True)
    namespaces.create(lab.name("client"))
    namespaces.create(lab.name("router"))
    stray = lab.popen("client", ["sleep", "600"])
    deadline = time.monotonic() + 5
    while not lab.members() and time.monotonic() < deadline:
        time.sleep(0.01)
    Lab(lab.prefix).down()  # as another process would
    assert stray.wait(timeout=5) == -signal.SIGTERM
    assert not lab.netns_path("client").exists()
    assert not lab.netns_path("router").exists()


def test_failed_up_leaves_nothing(run_id):
    lab = Lab(f"{run_id}-busy")
    namespaces.create(lab.name("target2"))  # somebody else's
    try:
        with pytest.raises(LabError, match="exists and is not the lab's"):
            lab.up()
        assert not lab.state_dir.exists()
        assert not lab.netns_path("client").exists()
    finally:
        namespaces.remove(lab.name("target2"))


def test_the_commands_beside_bng_lab_are_found_in_a_node(lab):
    command = [sys.executable, "-m", "engine.lab.cli", "exec", "--prefix", lab.prefix, "lb", "--"]
    bare = {"PATH": "/usr/bin:/bin"}
    done = subprocess.run(
        [*command, "bngctl", "--version"], env=bare, capture_output=True, text=True, check=False
    )
    assert done.stdout.startswith("bngctl "), done.stderr


# -- as an ordinary user --------------------------------------------------------------------------------------------


def test_ordinary_user_builds_uses_and_removes_the_lab(as_nobody, run_id):
    prefix = ("--prefix", f"{run_id}-user")
    try:
        up = as_nobody("up", *prefix)
        assert up.returncode == 0, up.stderr
        assert not (namespaces.NETNS_DIR / f"{run_id}-user-client").exists()  # the host does not see it
        again = as_nobody("up", *prefix)
        assert (again.returncode, "already up" in again.stderr) == (1, True)
        done = as_nobody("traffic", *prefix, "--host", "172.16.1.100", "--requests", "100")
        assert done.stdout == "100 of 100 requests answered: target1 100\n", done.stderr
        shown = as_nobody("exec", *prefix, "lb", "--", "ls", "/sys/class/net")
        assert shown.stdout.split() == ["eth0", "lo"], shown.stderr
        missing = as_nobody("exec", *prefix, "lb", "--", "no-such-command")
        assert missing.returncode == 127
        assert missing.stderr.startswith(
            "bng-lab: no-such-command: "
        )  # a closed folder in the PATH has its own reason
    finally:
        down = as_nobody("down", *prefix)
    assert down.returncode == 0, down.stderr
    assert "no lab" in as_nobody("exec", *prefix, "lb", "--", "true").stderr
