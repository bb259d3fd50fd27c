"""`bngctl explain`: which target a flow gets, and the steps that an operator reads."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from engine.api.ops import ExplainArgs
from engine.config.model import Config, Server
from engine.domain.errors import OpError
from engine.domain.reason import Cause, Reason
from engine.modules.state.view import View
from engine.modules.state.world import ServerDecision, TargetStatus, World
from engine.report.explain import Explainer


def server(number, **changes):
    fields = {"ipaddr": "172.16.1.10", "port": 80, "protocol": "tcp", "targets": [1, 2], "backup": [3]}
    return Server(number=number, **{**fields, "registered": True, "enabled": True, **changes})


SERVERS = [
    server(1),
    server(2, port=443, method="hash", sessionid="src+port"),
    server(3, port=0, protocol="any", method="bw"),
    server(4, ipaddr="172.16.1.11", enabled=False),
]
NEW = SimpleNamespace(target=2, known=False, idle_s=None)
KNOWN = SimpleNamespace(target=1, known=True, idle_s=7)
LATER = SimpleNamespace(target=None, known=False, idle_s=None)
STATUSES = {
    1: TargetStatus(
        1,
        "down",
        operational=False,
        reason=Cause(Reason.CHECK_FAILED, error="connection refused"),
        last_change=0,
    ),
    2: TargetStatus(2, "up", operational=True, reason=None, last_change=0),
    3: TargetStatus(3, "up", operational=True, reason=None, last_change=0),
}


class Engine:
    """An engine's tables: `new` targets get what is new of every server, `found` is where the datapath sends a flow."""

    def __init__(self, found, new, statuses=STATUSES):
        self.found = found
        self.asked = None
        view = View(World(Config(servers=SERVERS)))
        view.refresh()
        decisions = {one.number: ServerDecision(one.number, new, new) for one in SERVERS}
        slb = SimpleNamespace(eligibility=lambda _: decisions, targets=lambda _: statuses)
        self.wrong: dict[int, list[str]] = {}
        lights = SimpleNamespace(about=lambda server: self.wrong.get(server, []))
        self.explainer = Explainer(SimpleNamespace(view=view, slb=slb), self, lights)

    def find(self, client, client_port, to, port):
        self.asked = client, client_port, to.number, port
        return self.found


def explained(engine, to, **more):
    answer = engine.explainer.explain(ExplainArgs(client="10.1.1.1", server=to, **more))
    return (answer.server, answer.target, answer.decided_by), answer.steps


def test_what_is_wrong_with_the_frames_of_a_server_is_told_with_every_flow_of_it():
    engine = Engine(KNOWN, (2,))
    engine.wrong[1] = ["server 1: 98 % of the frames were dropped as loop"]
    assert explained(engine, "1")[1][:2] == ["server 1: 172.16.1.10 port 80 protocol tcp", *engine.wrong[1]]
    assert not any("loop" in step for step in explained(engine, "3")[1])


def test_a_new_flow_is_explained_by_the_method_and_by_who_is_left_out():
    engine = Engine(NEW, (2,))
    assert explained(engine, "1") == (
        (1, 2, "method"),
        [
            "server 1: 172.16.1.10 port 80 protocol tcp",
            "session key: 10.1.1.1 (any port)",
            "no session: a new one is made by the server's method",
            "target 1 gets no new flows: connection refused",
            "target 3 gets no new flows: a backup, not needed now",
            "round robin: the next target in turn, among target 2",
        ],
    )
    assert engine.asked == ("10.1.1.1", 0, 1, 80)


def test_several_targets_are_named_and_one_that_was_not_looked_at_is_not():
    engine = Engine(LATER, (2, 3), {1: STATUSES[1], 2: STATUSES[2]})
    assert explained(engine, "1")[1][-3:] == [
        "target 1 gets no new flows: connection refused",
        "round robin: the next target in turn, among targets 2, 3",
        "which of them is known only when the flow comes",
    ]


def test_a_healthy_primary_that_is_passed_over_was_not_chosen():
    assert "target 2 gets no new flows: not chosen" in explained(Engine(NEW, (3,)), "1")[1]


def test_a_method_without_a_sentence_is_named():
    assert explained(Engine(NEW, (2,)), "3")[1][-1] == "bw, among target 2"


def test_a_known_flow_keeps_its_target():
    assert explained(Engine(KNOWN, (2,)), "1") == (
        (1, 1, "session"),
        [
            "server 1: 172.16.1.10 port 80 protocol tcp",
            "session key: 10.1.1.1 (any port)",
            "a session binds it to target 1, last used 7 s ago",
        ],
    )


def test_where_no_target_takes_new_flows_the_frame_is_dropped():
    answer, steps = explained(Engine(LATER, ()), "1")
    assert answer == (1, None, "none")
    assert steps[-1] == "no target takes new flows: the frame is dropped (no-target)"


def test_a_server_that_tells_clients_apart_by_port_needs_the_port():
    engine = Engine(NEW, (2,))
    with pytest.raises(OpError, match="server 2 tells clients apart by port too") as refused:
        explained(engine, "2")
    assert refused.value.code == "bad-args"
    assert explained(engine, "2", client_port=4000)[1][1] == "session key: 10.1.1.1 port 4000"
    assert engine.asked == ("10.1.1.1", 4000, 2, 443)
    assert explained(engine, "1", client_port=4000)[1][1] == "session key: 10.1.1.1 (any port)"


@pytest.mark.parametrize(
    ("port", "number", "asked", "step"),
    [
        (None, 1, 80, "server 1: 172.16.1.10 port 80 protocol tcp"),
        (80, 1, 80, "server 1: 172.16.1.10 port 80 protocol tcp"),
        (443, 2, 443, "server 2: 172.16.1.10 port 443 protocol tcp"),
        (8080, 3, 8080, "server 3: 172.16.1.10 port any protocol any"),
    ],
)
def test_an_address_and_a_port_find_the_server_or_the_one_of_every_port(port, number, asked, step):
    engine = Engine(NEW, (2,))
    answer, steps = explained(engine, "172.16.1.10", server_port=port, client_port=1)
    assert answer == (number, 2, "method")
    assert engine.asked == ("10.1.1.1", 1, number, asked)
    assert steps[0] == step


def test_a_port_that_no_server_has():
    assert explained(Engine(NEW, (2,)), "172.16.1.11", server_port=81) == (
        (None, None, "none"),
        ["172.16.1.11 has no server on port 81: the frame is dropped (no-server)"],
    )


@pytest.mark.parametrize(("to", "why"), [("4", "disabled"), ("1", "not forwarding on any interface")])
def test_a_server_that_does_not_forward(to, why):
    answer, steps = explained(Engine(None, ()), to)
    assert answer == (int(to), None, "none")
    assert steps[-1] == f"server {to} is {why}"


@pytest.mark.parametrize(
    ("to", "code", "message"),
    [
        ("9", "not-found", "there is no server 9"),
        ("9" * 5000, "not-found", "there is no server " + "9" * 40),
        ("172.16.1.99", "not-found", "no server has the address 172.16.1.99"),
        ("www", "bad-args", "'www' is not an IPv4 address"),
        ("²", "bad-args", "'²' is not an IPv4 address"),
    ],
)
def test_a_server_that_does_not_exist(to, code, message):
    with pytest.raises(OpError) as refused:
        explained(Engine(NEW, (2,)), to)
    assert (refused.value.code, refused.value.message) == (code, message)
