"""Who gets a new flow, and who keeps it: every method, weights, backups and persistence, on real packets."""

import contextlib
import itertools
import socket
import threading
import time
from collections import Counter

import pytest
from scapy.all import GRE, IP, TCP, UDP, Ether, Raw

from engine.lab import addressing, links
from engine.lab.namespaces import inside
from tests.helpers.datagrams import listening
from tests.helpers.port import LB, ROUTER, TARGET1, TARGET2, Port
from tests.helpers.scene import SEED, until

ANY_VIP, ANY_BY_PORT_VIP = "172.16.1.20", "172.16.1.21"
BACKUP = "172.16.1.102"
HOSTS = (*addressing.TARGETS.values(), BACKUP)
MAC_OF = dict(zip(HOSTS, (TARGET1, TARGET2, TARGET2), strict=True))
CLIENTS_NET = "198.18.0.0/15"  # RFC 2544: for tests like these

RR, RANDOM, HASH, FIRST, SESSION, WEIGHTED, BACKED, BY_PORT, ANY, EXACT, ANY_BY_PORT, SHORT = range(2, 14)


def server(number, lines, weights=(1, 1), ipaddr=addressing.VIP, protocol="udp", port=None, backup=False):
    """Configure a server of that number; its targets are ten times that and 1, 2 (and 3, the backup)."""
    port = port or 1000 + number
    targets = [10 * number + n for n in (1, 2, 3)][: 3 if backup else 2]
    text = f"server {number} {{\n ipaddr {ipaddr}\n port {port}\n protocol {protocol}\n {lines}\n"
    text += f" targets {targets[0]},{targets[1]}\n" + (f" backup {targets[2]}\n" if backup else "") + "}\n"
    for target, host, weight in zip(targets, HOSTS, (*weights, 1), strict=False):
        text += f"target {target} {{\n ipaddr {host}\n port {port}\n protocol {protocol}\n"
        text += f" weight {weight}\n dsr enable\n}}\nregister target {target}\nenable target {target}\n"
    return text + f"register server {number}\nenable server {number}\n"


CONFIG = SEED.read_text() + "".join(
    (
        server(RR, "method rr"),
        server(RANDOM, "method random"),
        server(HASH, "method hash"),
        server(FIRST, "method first"),
        server(SESSION, "method session"),
        server(WEIGHTED, "method rr", weights=(1, 3)),
        server(BACKED, "method rr", backup=True),
        server(BY_PORT, "sessionid src+port"),
        server(ANY, "method rr", ipaddr=ANY_VIP, protocol="any", port="any"),
        server(EXACT, "method rr", ipaddr=ANY_VIP),
        server(ANY_BY_PORT, "sessionid src+port", ipaddr=ANY_BY_PORT_VIP, protocol="any", port="any"),
        server(SHORT, "stimeout 2"),
    )
)

numbers = itertools.count(1)


def prepare(lab):
    for node in addressing.TARGETS:
        for address in (ANY_VIP, ANY_BY_PORT_VIP):
            lab.alias(node, address, present=True)
        with inside(lab.netns_path(node)), links.netlink() as netlink:
            netlink.route("add", dst=CLIENTS_NET, type="blackhole")  # nobody is there to be answered
    with inside(lab.netns_path("target2")):
        links.addresses("eth0", [BACKUP], addressing.LAN_PREFIX)


def newcomers(count):
    """Addresses that no flow has had yet."""
    return [f"198.{18 + (n >> 16)}.{n >> 8 & 255}.{n & 255}" for n in itertools.islice(numbers, count)]


def datagram(client, server_number, source_port=5000, vip=addressing.VIP):
    return (
        Ether(src=ROUTER, dst=LB)
        / IP(src=client, dst=vip)
        / UDP(sport=source_port, dport=1000 + server_number)
    )


@pytest.fixture(scope="module", autouse=True)
def services(module_scene):
    """Have somebody listen where UDP is served."""
    with listening(module_scene, range(1000 + RR, 1000 + SHORT + 1)):
        yield


@pytest.fixture
def port(scene):
    with Port(scene.lab) as port:
        yield port


@pytest.fixture(params=["one by one", "as a batch"])
def offer(request, scene, port):
    """Send a server a datagram from each client; returns {client: MAC it was sent to}. Both ways of handling."""

    def to_server(number, clients, **options):
        frames = [bytes(datagram(client, number, **options)) for client in clients]
        seen = []
        if request.param == "one by one":
            for frame in frames:
                port.send(frame)
                seen += port.heard(1, quiet_s=0)
        else:
            with scene.workers_held():
                port.send(*frames)
            seen = port.heard(len(frames))
        assert sorted(one.packet for one in seen) == sorted(frame[12:] for frame in frames)
        assert len(seen) == len(frames)
        return {one.ip_source: one.to for one in seen}

    return to_server


def of(server_number, which):
    """Return the number of a server's first, second or third target."""
    return 10 * server_number + which


def shares(macs):
    """How many of `offer`'s clients went to the first and to the second host."""
    count = Counter(macs.values())
    return count[TARGET1], count[TARGET2]


# -- methods ------------------------------------------------------------------------------------------------------------


def test_round_robin_takes_turns(offer):
    clients = newcomers(41)
    macs = [offer(RR, clients)[client] for client in clients]
    assert all(one != following for one, following in itertools.pairwise(macs))
    assert set(macs) == {TARGET1, TARGET2}


def test_random_gives_both_about_half_in_no_order(offer):
    clients = newcomers(400)
    macs = offer(RANDOM, clients)
    first, second = shares(macs)
    assert first + second == 400
    assert abs(first - 200) < 60  # six standard deviations
    changes = sum(macs[one] != macs[following] for one, following in itertools.pairwise(clients))
    assert abs(changes - 200) < 60


def test_hash_sends_a_client_to_the_same_target_again_after_everything_is_forgotten(scene, offer):
    clients = newcomers(200)
    before = offer(HASH, clients)
    assert min(shares(before)) > 60
    scene.forget_flows()
    assert not scene.sessions(server=HASH)
    assert offer(HASH, clients[::-1]) == before


def test_hash_is_foretold_by_explain(scene, offer):
    clients = newcomers(20)
    foretold = {
        client: scene.ask("explain", client=client, server=addressing.VIP, server_port=1000 + HASH)["target"]
        for client in clients
    }
    offer(HASH, clients)
    sessions = scene.sessions(server=HASH)
    assert {client: sessions[client, None, HASH] for client in clients} == foretold


def test_first_uses_the_first_target_while_it_can(scene, offer):
    assert shares(offer(FIRST, newcomers(20))) == (20, 0)
    scene.admin("disable", of(FIRST, 1))
    assert shares(offer(FIRST, newcomers(20))) == (0, 20)
    scene.admin("enable", of(FIRST, 1))
    assert shares(offer(FIRST, newcomers(20))) == (20, 0)


def test_session_evens_out_the_number_of_sessions(scene, offer):
    until(lambda: scene.target(of(SESSION, 1)).sessions == 0, 10, "former flows are swept")
    until(lambda: scene.target(of(SESSION, 2)).sessions == 0, 10, "former flows are swept")
    scene.admin("drain", of(SESSION, 1))
    assert shares(offer(SESSION, newcomers(20))) == (0, 20)
    scene.admin("enable", of(SESSION, 1))
    assert shares(offer(SESSION, newcomers(20))) == (20, 0)
    assert shares(offer(SESSION, newcomers(20))) == (10, 10)


def test_weights_share_out_the_turns(offer):
    assert shares(offer(WEIGHTED, newcomers(40))) == (10, 30)


# -- who keeps a flow ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [RR, RANDOM, HASH, SESSION])
def test_flows_of_a_surviving_target_never_move(scene, offer, number):
    clients = newcomers(100)
    before = offer(number, clients)
    survivors = {client: mac for client, mac in before.items() if mac == TARGET2}
    assert len(survivors) >= 20
    scene.admin("disable", of(number, 1))
    assert set(offer(number, clients).values()) == {TARGET2}  # the others' have moved at once
    scene.admin("enable", of(number, 1))
    assert offer(number, survivors) == survivors
    assert TARGET1 in offer(number, newcomers(100)).values()  # it gets new ones again


def test_a_client_keeps_its_target_whatever_its_port(offer):
    (client,) = newcomers(1)
    macs = [offer(RR, [client], source_port=port)[client] for port in range(2000, 2020)]
    assert len(set(macs)) == 1


def test_with_src_port_each_port_is_a_flow_of_its_own(scene, offer):
    (client,) = newcomers(1)
    first = {port: offer(BY_PORT, [client], source_port=port)[client] for port in range(2000, 2020)}
    assert Counter(first.values()) == {TARGET1: 10, TARGET2: 10}
    again = {port: offer(BY_PORT, [client], source_port=port)[client] for port in range(2000, 2020)}
    assert again == first
    shown = scene.balancer.json("show", "sessions", "--client", client)
    assert {(row["port"], MAC_OF[HOSTS[row["target"] % 10 - 1]]) for row in shown} == set(first.items())


def test_a_flow_that_says_nothing_for_its_timeout_is_forgotten(scene, port):
    clients = newcomers(2)
    port.send(*[datagram(client, SHORT) for client in clients])
    assert len(scene.sessions(server=SHORT)) == 2
    deadline = time.monotonic() + 4
    while time.monotonic() < deadline:
        port.send(datagram(clients[0], SHORT))  # this one goes on
        time.sleep(0.5)
    assert {client for client, _, _ in scene.sessions(server=SHORT)} == {clients[0]}


# -- backups ------------------------------------------------------------------------------------------------------------


def test_the_backup_serves_only_when_all_primaries_are_down(scene, offer):
    one, two, backup = (of(BACKED, n) for n in (1, 2, 3))

    def served(count=20):
        clients = newcomers(count)
        offer(BACKED, clients)
        sessions = scene.sessions(server=BACKED)
        return Counter(sessions[client, None, BACKED] for client in clients)

    assert served() == {one: 10, two: 10}
    target = scene.target(backup)
    assert (target.health, target.operational, target.backup_of) == ("up", False, [BACKED])
    scene.admin("disable", one)
    assert served() == {two: 20}
    since = scene.last_event()
    scene.admin("disable", two)
    assert served() == {backup: 20}
    assert scene.event(since, "all primaries are down", str(backup)) is not None
    assert scene.server(BACKED).operational
    scene.admin("enable", one)
    assert served() == {one: 20}
    assert Counter(scene.sessions(server=BACKED).values())[backup] >= 20  # those it has stay with it
    scene.admin("enable", two)


# -- any port, any protocol ---------------------------------------------------------------------------------------------


def of_every_kind(client, vip):
    head = Ether(src=ROUTER, dst=LB) / IP(src=client, dst=vip)
    yield head / TCP(sport=40_000, dport=22, flags="S")
    yield head / TCP(sport=40_001, dport=443, flags="A")
    yield head / UDP(sport=9, dport=5000)
    yield head / GRE() / IP() / Raw(b"x")
    yield Ether(src=ROUTER, dst=LB) / IP(src=client, dst=vip, proto=50) / Raw(bytes(40))  # ESP


def test_port_any_and_protocol_any_balance_every_service_by_client(scene, port):
    homes = set()
    for client in newcomers(4):
        seen = port.forwarded(*of_every_kind(client, ANY_VIP))
        assert len(seen) == 5
        assert len({one.to for one in seen}) == 1
        homes.add(seen[0].to)
        assert [key for key in scene.sessions(server=ANY) if key[0] == client] == [(client, None, ANY)]
    assert homes == {TARGET1, TARGET2}


def test_the_server_of_the_exact_port_comes_before_the_one_of_any(scene, offer):
    clients = newcomers(4)
    offer(EXACT, clients, vip=ANY_VIP)
    assert {client for client, _, _ in scene.sessions(server=EXACT)} >= set(clients)
    assert not {client for client, _, _ in scene.sessions(server=ANY)} & set(clients)


# -- show sessions ------------------------------------------------------------------------------------------------------


def test_sessions_are_shown_with_client_target_and_state(scene, port):
    (client,) = newcomers(1)
    head = Ether(src=ROUTER, dst=LB) / IP(src=client, dst=ANY_BY_PORT_VIP)
    port.forwarded(head / TCP(sport=40_000, dport=443, flags="S"))
    port.forwarded(head / TCP(sport=40_000, dport=443, flags="A"))
    port.forwarded(head / TCP(sport=40_001, dport=443, flags="S"))
    (end,) = port.forwarded(head / TCP(sport=40_001, dport=443, flags="FA"))

    rows = {row["port"]: row for row in scene.balancer.json("show", "sessions", "--client", client)}
    assert set(rows) == {40_000, 40_001}
    assert {(row["client"], row["server"]) for row in rows.values()} == {(client, ANY_BY_PORT)}
    assert (rows[40_000]["state"], rows[40_001]["state"]) == ("open", "closing")
    assert rows[40_001]["target"] == of(ANY_BY_PORT, 1 if end.to == TARGET1 else 2)
    assert all(0 <= row["idle_s"] < 5 for row in rows.values())
    assert client in scene.balancer.ctl("show", "sessions", "--client", client).stdout


def test_counters_of_servers_and_targets_count_what_went_to_them(scene, offer):
    def counted():
        state = scene.state()
        rows = [s for s in state.servers if s.number == RR] + [
            t for t in state.targets if t.number // 10 == RR
        ]
        return [(row.packets, row.bytes) for row in rows]

    before = counted()
    clients = newcomers(40)
    size = len(bytes(datagram(clients[0], RR)))
    offer(RR, clients)
    until(lambda: counted()[0][0] - before[0][0] == 40, 2, "40 packets counted")
    more = [(now[0] - then[0], now[1] - then[1]) for now, then in zip(counted(), before, strict=True)]
    assert more == [(40, 40 * size), (20, 20 * size), (20, 20 * size)]


# -- a service of UDP ---------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def udp_echo(lab, node, port):
    """A UDP server on the virtual address of a target, that answers with its name."""
    with inside(lab.netns_path(node)):
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # of two the later one hears
        sock.bind((addressing.VIP, port))
    sock.settimeout(0.1)
    ending = threading.Event()

    def serve():
        while not ending.is_set():
            with contextlib.suppress(TimeoutError):
                data, client = sock.recvfrom(2048)
                sock.sendto(f"{node} {client[0]} ".encode() + data, client)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ending.set()
        thread.join()
        sock.close()


def test_clients_of_a_udp_service_are_answered_directly_from_the_virtual_address(scene):
    answers = Counter()
    with udp_echo(scene.lab, "target1", 1000 + RR), udp_echo(scene.lab, "target2", 1000 + RR):
        for source in addressing.CLIENT_SOURCES[:10]:
            with inside(scene.lab.netns_path("client")):
                sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            with sock:
                sock.bind((source, 0))
                sock.settimeout(3)
                sock.sendto(b"ask", (addressing.VIP, 1000 + RR))
                data, server_address = sock.recvfrom(2048)
            assert server_address == (addressing.VIP, 1000 + RR)
            name, client, asked = data.decode().split()
            assert (client, asked) == (source, "ask")
            answers[name] += 1
    assert answers == {"target1": 5, "target2": 5}
