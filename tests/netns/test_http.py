"""The main job on the seed's file as it is: real clients, balanced over real web servers that answer them directly."""

import re
import time
from collections import Counter

from engine.lab import addressing
from tests.helpers.port import Port
from tests.helpers.scene import LB_MAC, until

CLIENT_NET = bytes([192, 0, 2])


def test_show_servers_and_show_targets_show_everything_up_and_operational_within_5_s_of_the_start(scene):
    scene.stop()
    scene.start(wait=False)

    def all_up():
        servers, targets = (scene.balancer.ctl("--json", "show", what) for what in ("servers", "targets"))
        if servers.returncode or targets.returncode:
            return False
        rows = [*scene.balancer.json("show", "servers"), *scene.balancer.json("show", "targets")]
        return len(rows) == 3 and all(row["operational"] for row in rows)

    until(all_up, 5, "one server and two targets operational")
    assert time.monotonic() - scene.started_at < 5
    targets = scene.balancer.json("show", "targets")
    assert [(t["number"], t["health"], t["admin"], t["reason"]) for t in targets] == [
        (1, "up", "enabled", None),
        (2, "up", "enabled", None),
    ]
    assert [t["mac"] for t in targets] == [addressing.mac_of(a) for a in addressing.TARGETS.values()]
    assert {(c["kind"], c["port"], c["state"]) for c in targets[0]["checks"]} == {
        ("tcpopen", 80, "up"),
        ("vip", 80, "up"),
    }


def test_a_thousand_requests_succeed_both_targets_serve_and_replies_do_not_pass_the_balancer(scene):
    logs = {node: scene.lab.access_log(node) for node in addressing.TARGETS}
    before = {node: len(log.read_text().splitlines()) for node, log in logs.items()}
    with (
        Port(scene.lab, "lb", "eth0", both=True) as at_balancer,
        Port(scene.lab, "router", "eth0") as at_router,
    ):
        tally = scene.traffic(1000)
        wanted = {"wanted": lambda f: f.data[30:33] == CLIENT_NET}
        to_client = at_balancer.heard(timeout_s=0.5, quiet_s=0, **wanted)
        # The same filter at the router sees the replies go by: it is not blind.
        replies = at_router.heard(timeout_s=0.5, **wanted)
    assert (tally.asked, tally.answered.total(), dict(tally.failed)) == (1000, 1000, {})
    assert set(tally.answered) == {"target1", "target2"}
    assert min(tally.answered.values()) > 300
    assert to_client == []
    assert len(replies) > 1000
    assert {f.source for f in replies} == {
        bytes.fromhex(addressing.mac_of(a).replace(":", "")) for a in addressing.TARGETS.values()
    }

    lines = [line for node, log in logs.items() for line in log.read_text().splitlines()[before[node] :]]
    assert len(lines) == 1000
    assert {line.split()[0] for line in lines} == set(addressing.CLIENT_SOURCES)


def test_a_client_stays_with_its_target(scene):
    scene.traffic(256)
    sessions = scene.sessions()
    assert {client for client, _, _ in sessions} == set(addressing.CLIENT_SOURCES)
    assert Counter(sessions.values()) == {1: 32, 2: 32}  # round robin over new clients
    for source in addressing.CLIENT_SOURCES[:4]:
        names = {scene.get(source=source).target for _ in range(3)}
        assert names == {f"target{sessions[source, None, 1]}"}


def test_curl_is_served_by_each_target_and_keeps_its_connection(scene, need):
    need("curl")
    for source in addressing.CLIENT_SOURCES[:4]:
        url = f"http://{addressing.VIP}/bytes/300000"
        told = "%{http_code} %{size_download} %{num_connects}\n"
        asked = ["curl", "-sS", "--interface", source, "-m", "10", "-w", told]
        done = scene.lab.run("client", [*asked, "-o", "/dev/null", url, "-o", "/dev/null", url])
        assert (done.returncode, done.stdout) == (0, "200 300000 1\n200 300000 0\n")


def test_the_router_pings_the_virtual_address(scene, need):
    need("ping")
    done = scene.lab.run("router", ["ping", "-n", "-c", "3", "-i", "0.2", "-W", "2", addressing.VIP])
    assert done.returncode == 0, done.stdout
    assert re.search(r"3 packets transmitted, 3 received, 0% packet loss", done.stdout)
    assert done.stdout.count(f"64 bytes from {addressing.VIP}") == 3


def test_the_client_pings_the_virtual_address_from_behind_the_router(scene, need):
    need("ping")
    done = scene.lab.run(
        "client", ["ping", "-n", "-c", "2", "-i", "0.2", "-W", "2", "-s", "1400", addressing.VIP]
    )
    assert done.returncode == 0, done.stdout


def arp_answers(scene, node, address, wait_s=1.0):
    """Ask for an address as a node and return the MACs in all ARP replies that come."""
    own = bytes.fromhex(addressing.mac_of(addressing.LAN_PORTS[node]).replace(":", ""))
    asker = bytes(int(part) for part in addressing.LAN_PORTS[node].split("."))
    asked = bytes(int(part) for part in address.split("."))
    request = b"\xff" * 6 + own + bytes.fromhex("08060001080006040001") + own + asker + bytes(6) + asked
    with Port(scene.lab, node, "eth0", ethertype=0x0806) as port:
        port.send(request)
        replies = port.heard(
            wanted=lambda f: f.data[20:22] == b"\0\2" and f.data[28:32] == asked, timeout_s=wait_s
        )
    assert all(f.to == own and f.source == f.data[22:28] for f in replies)
    return [f.data[22:28].hex(":") for f in replies]


def test_an_arp_request_for_the_virtual_address_is_answered_once_with_the_balancers_mac(scene):
    assert arp_answers(scene, "router", addressing.VIP) == [LB_MAC]
    assert arp_answers(scene, "target1", addressing.VIP) == [LB_MAC]


def test_the_shared_and_the_real_address_are_answered_once_too(scene):
    assert arp_answers(scene, "router", "172.16.1.253") == [LB_MAC]
    assert arp_answers(scene, "router", addressing.LB) == [LB_MAC]
    assert arp_answers(scene, "router", "172.16.1.11", wait_s=0.3) == []


def test_the_operators_tables_name_what_serves(scene):
    scene.traffic(64)
    shown = {
        what: scene.balancer.ctl("show", what)
        for what in ("servers", "targets", "sessions", "arp", "datapath")
    }
    assert all(done.returncode == 0 for done in shown.values())
    assert "172.16.1.10" in shown["servers"].stdout
    assert all(address in shown["targets"].stdout for address in addressing.TARGETS.values())
    assert "192.0.2.10" in shown["sessions"].stdout
    assert "afpacket" in shown["datapath"].stdout
    found = until(
        lambda: (s := scene.balancer.json("show", "servers")[0])["packets"] and s, 3, "packets are counted"
    )
    assert found["packets"] == sum(t["packets"] for t in scene.balancer.json("show", "targets"))
